//! Limits on what accounts and containers hold: who sets them, what they say, and that they hold to the byte.

use std::time::Duration;

use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::{Client, CommandLine, Connection, Server, program};
use tokio::time::Instant;

const EXCEEDED: &str = "Upload exceeds quota.";

/// The account `AUTH_test` with an empty container `c`, as its owner and as an administrator.
async fn people(server: &Server) -> (Client, Client) {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let admin = server.admin().await;
    (client, admin.at_account("AUTH_test"))
}

async fn limit_container(client: &Client, header: &str, limit: &str) {
    client.post("c").header(header, limit).await.expect(204);
}

async fn limit_account(admin: &Client, header: &str, limit: &str) {
    admin.post("").header(header, limit).await.expect(204);
}

/// A body without a length.
fn bytes(size: usize) -> Vec<u8> {
    vec![b'x'; size]
}

async fn used(client: &Client) -> (u64, u64) {
    let head = client.head("c").await.expect(204);
    (
        head.number("x-container-object-count"),
        head.number("x-container-bytes-used"),
    )
}

#[tokio::test]
async fn a_container_holds_so_many_bytes_and_none_more() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    limit_container(&client, "x-container-meta-quota-bytes", "10").await;
    let head = client.head("c").await.expect(204);
    head.expect_header("x-container-meta-quota-bytes", "10");

    for client in [&client, &admin] {
        client
            .put("c/a", bytes(11))
            .await
            .expect(413)
            .expect_body(EXCEEDED);
        client
            .put_chunked("c/a", 11)
            .await
            .expect(413)
            .expect_body(EXCEEDED);
        client.get("c/a").await.expect(404);
    }
    client.put("c/a", bytes(10)).await.expect(201);
    client.put("c/b", bytes(1)).await.expect(413);
    client.put("c/b", "").await.expect(201);
    // What takes the place of something needs only what it is larger.
    client.put("c/a", bytes(11)).await.expect(413);
    client.get("c/a").await.expect(200).expect_body(bytes(10));
    client.put("c/a", bytes(10)).await.expect(201);
    client.put("c/a", bytes(4)).await.expect(201);
    client.put_chunked("c/b", 7).await.expect(413);
    client.put_chunked("c/b", 6).await.expect(201);
    client.copy("c/b", "c/a").await.expect(413);
    client.delete("c/a").await.expect(204);
    client.copy("c/b", "c/d").await.expect(413);
    client.put("c/b", bytes(5)).await.expect(201);
    client.copy("c/b", "c/d").await.expect(201);
    client
        .post("c/d")
        .header("x-object-meta-a", "b")
        .await
        .expect(202);
    assert_eq!(used(&client).await, (2, 10));

    // Other containers have no limit, nor has this one when it is taken away.
    client.put("d", "").await.expect(201);
    client.put("d/a", bytes(100)).await.expect(201);
    for (header, value) in [
        ("x-container-meta-quota-bytes", ""),
        ("x-remove-container-meta-quota-bytes", "x"),
    ] {
        limit_container(&client, "x-container-meta-quota-bytes", "10").await;
        client.put("c/e", bytes(100)).await.expect(413);
        limit_container(&client, header, value).await;
        client.put("c/e", bytes(100)).await.expect(201);
        client.delete("c/e").await.expect(204);
    }
}

#[tokio::test]
async fn a_container_holds_so_many_objects_and_none_more() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    limit_container(&client, "x-container-meta-quota-count", "2").await;
    client.put("c/a", bytes(100)).await.expect(201);
    client.put("c/b/", "").await.expect(201);
    for client in [&client, &admin] {
        client.put("c/d", "").await.expect(413).expect_body(EXCEEDED);
        client.put_chunked("c/d", 0).await.expect(413);
        client.copy("c/a", "c/d").await.expect(413);
    }
    client.put("c/a", bytes(200)).await.expect(201);
    client.delete("c/b/").await.expect(204);
    client.copy("c/a", "c/d").await.expect(201);
    client.put("c/e", "").await.expect(413);
    assert_eq!(used(&client).await, (2, 400));
}

#[tokio::test]
async fn a_limit_below_what_is_there_lets_only_less() {
    let server = Server::start().await;
    let (client, _) = people(&server).await;
    client.put("c/a", bytes(100)).await.expect(201);
    client.put("c/b", bytes(100)).await.expect(201);
    limit_container(&client, "x-container-meta-quota-bytes", "50").await;
    limit_container(&client, "x-container-meta-quota-count", "0").await;
    client.put("c/a", bytes(101)).await.expect(413);
    client.put("c/a", bytes(99)).await.expect(201);
    client.put("c/d", "").await.expect(413);
    client.delete("c/b").await.expect(204);
    client.put("c/b", "").await.expect(413);
    client.put("c/a", bytes(100)).await.expect(413);
    client.put("c/a", bytes(20)).await.expect(201);
    client.put("c/a", bytes(51)).await.expect(413);
    client.put("c/a", bytes(50)).await.expect(201);
    assert_eq!(used(&client).await, (1, 50));
}

#[tokio::test]
async fn a_limit_is_digits() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    for (header, text) in [
        ("bytes", "Invalid bytes quota."),
        ("count", "Invalid count quota."),
    ] {
        for value in ["ten", "-1", "1.5", "0x10", "1k"] {
            let container = format!("x-container-meta-quota-{header}");
            let post = client.post("c").header(&container, value).await;
            post.expect(400).expect_body(text);
            client.put("c", "").header(&container, value).await.expect(400);
            client.put("new", "").header(&container, value).await.expect(400);
            client.head("new").await.expect(404);
            let account = format!("x-account-quota-{header}");
            admin.post("").header(&account, value).await.expect(400);
        }
    }
    let head = client.head("c").await.expect(204);
    head.expect_no_header("x-container-meta-quota-bytes");
    // More than can be counted is as good as none.
    limit_container(&client, "x-container-meta-quota-bytes", "99999999999999999999").await;
    client.put("c/a", bytes(10)).await.expect(201);
    let put = client.put("new", "").header("x-container-meta-quota-bytes", "3");
    put.await.expect(201);
    client.put("new/a", bytes(4)).await.expect(413);
    client.put("new/a", bytes(3)).await.expect(201);
}

#[tokio::test]
async fn an_account_holds_so_much_in_all_its_containers() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    client.put("d", "").await.expect(201);
    limit_account(&admin, "x-account-quota-bytes", "10").await;
    limit_account(&admin, "x-account-quota-count", "3").await;
    let head = client.head("").await.expect(204);
    head.clone().expect_header("x-account-quota-bytes", "10");
    head.expect_header("x-account-quota-count", "3");
    client.put("c/a", bytes(6)).await.expect(201);
    for client in [&client, &admin] {
        client
            .put("d/a", bytes(5))
            .await
            .expect(413)
            .expect_body(EXCEEDED);
        client.put_chunked("d/a", 5).await.expect(413);
        client.copy("c/a", "d/a").await.expect(413);
    }
    // New containers are no objects, and they are under the same limit.
    client.put("e", "").await.expect(201);
    client.put("e/a", bytes(5)).await.expect(413);
    client.put("e/a", bytes(4)).await.expect(201);
    client.put("d/a", "").await.expect(201);
    client.put("d/b", "").await.expect(413);
    client.delete("e/a").await.expect(204);
    client.put("d/b", bytes(4)).await.expect(201);
    // Of two limits the narrower one holds.
    limit_container(&client, "x-container-meta-quota-bytes", "5").await;
    client.delete("d/b").await.expect(204);
    client.put("c/a", bytes(6)).await.expect(201);
    client.put("c/a", bytes(7)).await.expect(413);
    limit_container(&client, "x-container-meta-quota-bytes", "100").await;
    client.put("c/a", bytes(11)).await.expect(413);
    client.put("c/a", bytes(10)).await.expect(201);
    limit_account(&admin, "x-remove-account-quota-bytes", "x").await;
    client.put("c/a", bytes(101)).await.expect(413);
    client.put("c/a", bytes(100)).await.expect(201);
}

#[tokio::test]
async fn only_administrators_limit_accounts() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    limit_account(&admin, "x-account-quota-bytes", "0").await;
    for (header, value) in [
        ("x-account-quota-bytes", "100"),
        ("x-account-quota-bytes", ""),
        ("x-account-quota-count", "100"),
        ("x-account-meta-quota-bytes", "100"),
        ("x_account_meta_quota_bytes", "100"),
        ("x-remove-account-quota-bytes", "t"),
        ("x-remove-account-quota-count", "t"),
        ("x-remove-account-meta-quota-bytes", "t"),
    ] {
        client.post("").header(header, value).await.expect(403);
    }
    client.put("c/a", bytes(1)).await.expect(413);
    client.put("c/a", "").await.expect(201);

    // The older name is the same limit.
    limit_account(&admin, "x-account-meta-quota-bytes", "1").await;
    let head = client.head("").await.expect(204);
    head.clone().expect_header("x-account-quota-bytes", "1");
    head.expect_header("x-account-meta-quota-bytes", "1");
    client.put("c/a", bytes(2)).await.expect(413);
    client.put("c/a", bytes(1)).await.expect(201);
    limit_account(&admin, "x-remove-account-meta-quota-bytes", "t").await;
    let head = client.head("").await.expect(204);
    head.clone().expect_no_header("x-account-quota-bytes");
    head.expect_no_header("x-account-meta-quota-bytes");
    client.put("c/a", bytes(2)).await.expect(201);
    let refused = admin.post("").header("x-account-quota-bytes-policy-default", "1");
    refused.await.expect(400);
}

/// Announces an upload, and sends the first bytes of it.
async fn begin(server: &Server, client: &Client, path: &str, framing: &str, bytes: &str) -> Connection {
    let mut connection = Connection::open(server).await;
    let token = client.token();
    let head = format!(
        "PUT /v1/AUTH_test/{path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
    );
    connection.send(head).await;
    connection.response().await.expect(100);
    connection.send(bytes).await;
    connection
}

/// An upload of 80 bytes under way to `c/a`, which holds their room: of 100 bytes there are none left for 21 others.
async fn upload_that_holds_room(server: &Server, client: &Client, framing: &str, first: &str) -> Connection {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let upload = begin(server, client, "c/a", framing, first).await;
        let other = client.put("c/b", bytes(21)).await.expect_one_of(&[201, 413]);
        if other.status() == 413 {
            return upload;
        }
        // The other one was faster, and the upload may have been refused for it.
        assert!(Instant::now() < deadline, "no room is held");
        client.delete("c/b").await.expect(204);
    }
}

/// Tries until there is room; what is held by an upload that is over is there at once, when the server knows of it.
async fn put_soon(client: &Client, path: &str, size: usize) {
    until("room comes back", || async {
        let put = client.put(path, bytes(size)).await;
        put.expect_one_of(&[201, 413]).status() == 201
    })
    .await;
}

#[tokio::test]
async fn room_of_an_upload_under_way_is_held_and_comes_back() {
    let server = Server::start().await;
    let (client, _) = people(&server).await;
    limit_container(&client, "x-container-meta-quota-bytes", "100").await;
    for (framing, first) in [
        ("Content-Length: 80", "x"),
        ("Transfer-Encoding: chunked", "50\r\n"),
    ] {
        let first = match first {
            "x" => "x".to_owned(),
            size => format!("{size}{}", "x".repeat(80)),
        };
        let upload = upload_that_holds_room(&server, &client, framing, &first).await;
        client.put("c/b", bytes(20)).await.expect(201);
        drop(upload);
        put_soon(&client, "c/b", 100).await;
        client.delete("c/b").await.expect(204);
    }
    let wrong = client.put("c/a", bytes(100)).header("etag", "wrong");
    wrong.await.expect(422);
    client.put("c/a", bytes(100)).await.expect(201);
    client
        .put("c/a", bytes(90))
        .header("if-none-match", "*")
        .await
        .expect(412);
    client.put("c/a", bytes(100)).await.expect(201);
}

#[tokio::test]
async fn a_refusal_comes_before_the_body() {
    let server = Server::start().await;
    let (client, _) = people(&server).await;
    limit_container(&client, "x-container-meta-quota-bytes", "100").await;
    limit_container(&client, "x-container-meta-quota-count", "1").await;
    let announce = async |path: &str, framing: &str| {
        let mut connection = Connection::open(&server).await;
        let token = client.token();
        let head = format!(
            "PUT /v1/AUTH_test/{path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nExpect: 100-continue\r\n{framing}\r\n\r\n"
        );
        connection.send(head).await;
        connection.response().await
    };
    announce("c/a", "Content-Length: 101").await.expect(413);
    client.put("c/a", bytes(50)).await.expect(201);
    announce("c/b", "Transfer-Encoding: chunked").await.expect(413);
    announce("c/a", "Content-Length: 101").await.expect(413);
    announce("c/a", "Content-Length: 100").await.expect(100);
    // Nobody learns of it who may not write here.
    let stranger = server.login("test:tester3", "testing3").await;
    stranger.put("c/b", bytes(101)).await.expect(403);
}

#[tokio::test]
async fn an_upload_without_length_ends_where_the_room_does() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    let size = 3 * 1024 * 1024 + 5;
    limit_account(&admin, "x-account-quota-bytes", &size.to_string()).await;
    client.put_chunked("c/a", size + 1).await.expect(413);
    client.put_chunked("c/a", size).await.expect(201);
    client.put_chunked("c/a", size).await.expect(201);
    client.put_chunked("c/b", 1).await.expect(413);
    client.delete("c/a").await.expect(204);
    client.put_chunked("c/a", 1024 * 1024 + 1).await.expect(201);
    client.put_chunked("c/b", 2 * 1024 * 1024 + 4).await.expect(201);
    client.put_chunked("c/d", 1).await.expect(413);
    assert_eq!(used(&client).await, (2, size as u64));
}

#[tokio::test]
async fn a_limit_that_comes_during_an_upload_holds_for_it() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    let mut upload = begin(&server, &client, "c/a", "Content-Length: 20", "0123456789").await;
    limit_account(&admin, "x-account-quota-bytes", "19").await;
    upload.send("0123456789").await;
    upload.response().await.expect(413);
    let mut upload = begin(&server, &client, "c/a", "Content-Length: 19", "0123456789").await;
    limit_container(&client, "x-container-meta-quota-count", "0").await;
    upload.send("012345678").await;
    upload.response().await.expect(413);
    limit_container(&client, "x-container-meta-quota-count", "").await;
    client.put("c/a", bytes(19)).await.expect(201);
}

#[tokio::test]
async fn limits_outlive_the_server() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    limit_account(&admin, "x-account-quota-bytes", "10").await;
    limit_container(&client, "x-container-meta-quota-count", "1").await;
    client.put("d", "").await.expect(201);
    client.put("c/a", bytes(6)).await.expect(201);
    let mut server = server.kill().await.start().await;
    for _ in 0..2 {
        let client = server.tester().await;
        client.put("c/b", "").await.expect(413);
        client.put("d/b", bytes(5)).await.expect(413);
        client.put("d/b", bytes(4)).await.expect(201);
        client.delete("d/b").await.expect(204);
        server = server.stop().await.start().await;
    }
}

fn ask(client: &Client, action: &str, json: &str) -> Request {
    let target = format!("/f/quota/{action}");
    client.request_at(Method::POST, &target).body(json.to_owned())
}

#[tokio::test]
async fn programs_of_administrators_set_show_and_list_limits() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    client.put("c/a", bytes(7)).await.expect(201);
    let set = ask(&admin, "set", r#"{"account": "AUTH_test", "bytes": 10}"#)
        .await
        .expect(200);
    let expected = serde_json::json!({
        "account": "AUTH_test",
        "bytes": {"used": 7, "limit": 10},
        "objects": {"used": 1, "limit": null},
    });
    assert_eq!(set.json(), expected);
    client.put("c/b", bytes(4)).await.expect(413);
    let set = r#"{"account": "AUTH_test", "container": "c", "objects": 1}"#;
    ask(&admin, "set", set).await.expect(200);
    client.put("c/b", "").await.expect(413);
    let head = client.head("c").await.expect(204);
    head.expect_header("x-container-meta-quota-count", "1");
    let show = ask(&admin, "show", r#"{"account": "AUTH_test", "container": "c"}"#).await;
    assert_eq!(
        show.expect(200).json()["objects"],
        serde_json::json!({"used": 1, "limit": 1})
    );
    ask(&admin, "show", r#"{"account": "AUTH_test", "container": "none"}"#)
        .await
        .expect(404);

    ask(&admin, "set", r#"{"account": "AUTH_test", "bytes": null}"#)
        .await
        .expect(200);
    client
        .head("")
        .await
        .expect(204)
        .expect_no_header("x-account-quota-bytes");

    ask(&client, "list", "{}").await.expect(403);
    ask(&client, "set", r#"{"account": "AUTH_test", "bytes": null}"#)
        .await
        .expect(403);
    ask(&client, "show", r#"{"account": "AUTH_test"}"#)
        .await
        .expect(403);
    ask(&client.anonymous(), "list", "{}").await.expect(401);
}

#[tokio::test]
async fn limits_are_listed_in_pages() {
    let server = Server::start().await;
    let (client, admin) = people(&server).await;
    client.put("without", "").await.expect(201);
    limit_account(&admin, "x-account-quota-bytes", "10").await;
    limit_container(&client, "x-container-meta-quota-count", "1").await;
    // An account that nobody has used yet, and pages of one.
    ask(&admin, "set", r#"{"account": "AUTH_new", "objects": 0}"#)
        .await
        .expect(200);
    let mut listed = Vec::new();
    let mut page = ask(&admin, "list", r#"{"limit": 1}"#).await.expect(200).json();
    loop {
        let quotas = page["quotas"].as_array().cloned().unwrap_or_default();
        assert!(quotas.len() <= 1);
        listed.extend(
            quotas
                .iter()
                .map(|quota| (quota["account"].clone(), quota["container"].clone())),
        );
        if page["next"].is_null() {
            break;
        }
        let next = serde_json::json!({"limit": 1, "from": page["next"]});
        page = ask(&admin, "list", &next.to_string()).await.expect(200).json();
    }
    let null = serde_json::Value::Null;
    assert_eq!(
        listed,
        [
            ("AUTH_new".into(), null.clone()),
            ("AUTH_test".into(), null),
            ("AUTH_test".into(), "c".into())
        ]
    );
}

#[tokio::test]
async fn a_subcommand_sets_shows_and_lists_limits() {
    let server = Server::start().await;
    let (client, _) = people(&server).await;
    client.put("c/a", bytes(7)).await.expect(201);
    let data = server.data();
    let administrator = CommandLine::of_administrator(&server);
    let quota = |arguments: &[&str], is_running: bool| {
        let mut command = administrator.command(&[&["quota"], arguments].concat());
        if !is_running {
            command.env_remove("ST_AUTH").arg("--data").arg(&data);
        }
        command
    };
    program::run(&mut quota(
        &["set", "AUTH_test", "--bytes", "1K", "--count", "5"],
        true,
    ))
    .await;
    let set = ["set", "AUTH_test/c", "--count", "1", "--json"];
    let said = program::run(&mut quota(&set, true)).await;
    let expected = "{\"account\":\"AUTH_test\",\"container\":\"c\",\"bytes\":{\"used\":7,\"limit\":null},\
                    \"objects\":{\"used\":1,\"limit\":1}}\n";
    assert_eq!(said, expected);
    client.put("c/b", "").await.expect(413);
    let shown = program::run(&mut quota(&["show", "AUTH_test"], true)).await;
    let line: Vec<_> = shown
        .lines()
        .last()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    assert_eq!(line, ["7", "1024", "1", "5", "AUTH_test"]);
    let nobody = program::finish(&mut quota(&["show", "AUTH_test/none"], true)).await;
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(!nobody.status.success() && said.contains("no such"), "{said}");

    // Beside a server that runs nobody opens its storage.
    let locked = program::finish(&mut quota(&["list"], false)).await;
    assert!(!locked.status.success(), "{locked:?}");
    let server = server.stop().await;
    let listed = program::run(&mut quota(&["list", "--json"], false)).await;
    assert_eq!(listed.lines().count(), 2, "{listed}");
    program::run(&mut quota(&["set", "AUTH_test/c", "--count", "none"], false)).await;
    let server = server.start().await;
    let client = server.tester().await;
    client.put("c/b", "").await.expect(201);
    client.put("c/b", bytes(1018)).await.expect(413);
    client.put("c/b", bytes(1017)).await.expect(201);
    client.list("c").await.expect(200).expect_entries(&["a", "b"]);
}
