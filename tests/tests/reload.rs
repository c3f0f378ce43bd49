//! SIGHUP: the configuration is read again while clients work, and nobody notices but by what it says.

use http::Method;
use integration_tests::cluster::until;
use integration_tests::{Client, Connection, Load, Server};

const DENY: &str = "[[filter.firewall.rules]]\nname = \"no d\"\ndecision = \"deny\"\npaths = [\"AUTH_test/d\", \"AUTH_test/d/**\"]\n";
/// So many rounds each client goes through before, between and after.
const ROUNDS: usize = 4;

async fn rules(server: &Server) -> serde_json::Value {
    let admin = server.admin().await;
    let rules = admin.request_at(Method::POST, "/f/firewall/rules");
    rules.await.expect(200).json()["rules"].clone()
}

#[tokio::test]
async fn rules_change_under_load_and_no_connection_breaks() {
    let mut server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("d", "").await.expect(201);
    let mut workers = Vec::new();
    for _ in 0..4 {
        workers.push(server.tester().await);
    }
    let mut connection = Connection::open(&server).await;
    let head = format!(
        "HEAD {}/d HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\n\r\n",
        client.base(),
        client.token()
    );
    let load = Load::start("c", workers);
    for _ in 0..3 {
        load.rounds(ROUNDS).await;
        connection.send(&head).await.head_response().await.expect(204);
        server.reload(DENY).await;
        load.rounds(ROUNDS).await;
        connection.send(&head).await.head_response().await.expect(403);
        server.reload("").await;
    }
    load.rounds(ROUNDS).await;
    connection.send(&head).await.head_response().await.expect(204);
    load.finish().await;
}

/// A request whose body is to come, or whose answer is.
async fn begin(server: &Server, client: &Client, request: &str) -> Connection {
    let mut connection = Connection::open(server).await;
    let (method, rest) = request.split_once(' ').expect("method and path");
    let (path, headers) = rest.split_once('\n').unwrap_or((rest, ""));
    let head = format!(
        "{method} {}/{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\n{headers}\r\n",
        client.base(),
        client.token()
    );
    connection.send(head).await;
    connection
}

#[tokio::test]
async fn what_is_under_way_ends_as_it_began_and_its_connection_goes_on() {
    const LARGE: usize = 8 << 20;
    let mut server = Server::start().await;
    let client = server.tester().await;
    client.put("d", "").await.expect(201);
    let content: Vec<u8> = (0..LARGE).map(|at| (at % 251) as u8).collect();
    client.put("d/large", content.clone()).await.expect(201);

    let mut upload = begin(
        &server,
        &client,
        "PUT d/o\nContent-Length: 6\r\nExpect: 100-continue\r\n",
    )
    .await;
    upload.response().await.expect(100);
    upload.send("abc").await;
    let mut download = begin(&server, &client, "GET d/large").await;
    download.head_of_response().await;
    let first = download.exactly(1000).await;

    server.reload(DENY).await;
    client.get("d/large").await.expect(403);
    upload.send("def").await;
    upload.response().await.expect(201);
    let rest = download.exactly(LARGE - 1000).await;
    assert_eq!([first, rest].concat(), content);
    for connection in [&mut upload, &mut download] {
        let head = format!(
            "GET {}/d/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\n\r\n",
            client.base(),
            client.token()
        );
        connection.send(head).await.response().await.expect(403);
    }
    server.reload("").await;
    client.get("d/o").await.expect(200).expect_body("abcdef");
}

#[tokio::test]
async fn a_file_with_mistakes_changes_nothing_and_the_log_says_why() {
    let mut server = Server::builder().setting(DENY).start().await;
    let client = server.tester().await;
    client.get("d").await.expect(403);
    for (settings, why) in [
        (
            "[pipeline]\nguard = [\"authorise\", \"fire\"]\n",
            "there is no filter \"fire\"",
        ),
        ("[filter.cors]\nstrict_mod = true\n", "strict_mod"),
        (
            "[[filter.firewall.rules]]\ndecision = \"deny\"\nsources = [\"10.0.0.0/40\"]\n",
            "10.0.0.0/40",
        ),
        ("[proxy]\ntrusted_proxies = [\"proxy\"]\n", "\"proxy\" is neither"),
        ("[proxy\n", "stobj.toml:1"),
    ] {
        server.reload(settings).await;
        // The mistakes stand in lines of their own.
        until(why, || async {
            let said = server.log().lines().join("\n");
            let last = said.rsplit_once("was read again and has mistakes");
            last.is_some_and(|(_, last)| last.contains(why))
        })
        .await;
        client.get("d").await.expect(403);
        client.put("c", "").await.expect_one_of(&[201, 202]);
    }
    server.reload("").await;
    client.get("d").await.expect(404);
}

#[tokio::test]
async fn a_rule_that_stays_keeps_its_hits() {
    const OTHER: &str =
        "[[filter.firewall.rules]]\nname = \"other\"\ndecision = \"deny\"\npaths = [\"AUTH_test/e\"]\n";
    let mut server = Server::builder().setting(DENY).start().await;
    let client = server.tester().await;
    client.get("d").await.expect(403);
    client.get("d").await.expect(403);
    server.reload(&format!("{OTHER}{DENY}")).await;
    client.get("d").await.expect(403);
    client.get("e").await.expect(403);
    let shown = rules(&server).await;
    assert_eq!(
        (&shown[0]["name"], &shown[0]["hits"]),
        (&"other".into(), &1.into())
    );
    assert_eq!(
        (&shown[1]["name"], &shown[1]["hits"]),
        (&"no d".into(), &3.into())
    );
    // One that was away begins anew.
    server.reload("").await;
    assert_eq!(rules(&server).await, serde_json::json!([]));
    server.reload(OTHER).await;
    server.reload(DENY).await;
    assert_eq!(rules(&server).await[0]["hits"], 0);
}

#[tokio::test]
async fn filters_are_set_anew_and_what_needs_a_restart_is_named() {
    let mut server = Server::start().await;
    let client = server.tester().await;
    let info = || async { client.request_at(Method::GET, "/info").await };
    assert_eq!(info().await.expect(200).json()["swift"]["max_meta_count"], 90);
    let file = server.data().join("disabled");
    std::fs::write(&file, "").expect("the data are ours");
    let settings = format!(
        "[filter.healthcheck]\ndisable_path = {file:?}\n[proxy]\nidle_timeout = \"61s\"\nallowed_headers = [\"X-Kept\"]\n\
         [constraints]\nmax_meta_count = 5\n[[user]]\naccount = \"new\"\nname = \"joe\"\nkey = \"joes-secret\"\n"
    );
    server.reload(&settings).await;
    let check = client.request_at(Method::GET, "/healthcheck");
    check.await.expect(503).expect_body("DISABLED BY FILE");
    client.put("c", "").await.expect(201);
    client.put("c/o", "x").header("x-kept", "yes").await.expect(201);
    client
        .head("c/o")
        .await
        .expect(200)
        .expect_header("x-kept", "yes");
    assert_eq!(info().await.expect(200).json()["swift"]["max_meta_count"], 90);
    let warned = server
        .log()
        .lines_with("changed, but not before a restart: ")
        .join("\n");
    for name in ["[proxy] idle_timeout", "[constraints] max_meta_count", "[[user]]"] {
        assert!(warned.contains(name), "{warned}");
    }
    for other in ["allowed_headers", "healthcheck", "joes-secret"] {
        assert!(
            !server
                .log()
                .lines_with(other)
                .iter()
                .any(|line| line.contains("restart")),
            "{other}"
        );
    }
    // A token is as good as before, and log-in goes on.
    server
        .login("test:tester", "testing")
        .await
        .get("c/o")
        .await
        .expect(200);

    let settings =
        "[pipeline]\nprotocol = [\"catch_errors\", \"gatekeeper\", \"listing_formats\", \"auth\"]\n";
    server.reload(settings).await;
    info().await.expect(412);
    client.get("c/o").await.expect(200);
}

#[tokio::test]
async fn who_is_logged_in_stays_so_with_the_rights_of_the_new_settings() {
    let mut server = Server::start().await;
    let client = server.tester().await;
    let token = client.token().to_owned();
    server.reload("[filter.cors]\nstrict_mode = false\n").await;
    assert_eq!(
        server.tester().await.token(),
        token,
        "a token is handed out again"
    );
    let service = client.at_account("SERVICE_test");
    service.put("c", "").await.expect(403);
    server
        .reload("[filter.auth]\nreseller_prefixes = [\"AUTH\", \"SERVICE\"]\n")
        .await;
    service.put("c", "").await.expect(201);
    client.put("c", "").await.expect(201);
    server.reload("").await;
    service.head("c").await.expect(403);
    client.head("c").await.expect(204);
    // Tokens of another prefix are none any more, and are not handed out.
    server
        .reload("[filter.auth]\nreseller_prefixes = [\"OTHER\"]\n")
        .await;
    let other = server.tester().await;
    assert!(other.token().starts_with("OTHER_tk"), "{}", other.token());
    other.put("c", "").await.expect(201);
}

#[tokio::test]
async fn many_signals_at_once_are_no_more_than_one() {
    let mut server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let load = Load::start("c", [client.clone()]);
    for _ in 0..200 {
        server.hang_up();
    }
    load.rounds(ROUNDS).await;
    server.reload(DENY).await;
    until("the last one is taken over", || async {
        client.get("d").await.status() == 403
    })
    .await;
    load.finish().await;
    drop(server.stop().await);
}
