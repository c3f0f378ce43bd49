//! Directories are directories: made, moved and removed as one, whatever lies in them.

use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::contents::{expect_names, fill};
use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::storage::until_empty;
use integration_tests::{Client, Server};
use serde_json::{Value, json};

async fn store() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.tester().await;
    for container in ["c", "other"] {
        client.put(container, "").await.expect(201);
    }
    (server, client)
}

#[tokio::test]
async fn an_explicit_directory_stays_when_it_is_empty() {
    let (server, client) = store().await;
    client.make_directory("c/d").await.expect(201);
    client.make_directory("c/d/").await.expect(405);
    client.make_directory("c/x/y/z").await.expect(409);
    client
        .make_directory("c/x/y/z")
        .header("x-create-parents", "true")
        .await
        .expect(201);
    client.make_directory("missing/d").await.expect(404);
    expect_names(&client, "c", &[]).await;
    client.get("c/d/").await.expect(404);
    fill(&client, &["d/a", "implicit/a"]).await;
    client.make_directory("c/implicit").await.expect(405);
    client.delete("c/d/").await.expect(409);
    for name in ["c/d/a", "c/implicit/a"] {
        client.delete(name).await.expect(204);
    }
    client.make_directory("c/implicit").await.expect(201);
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    client.make_directory("c/d").await.expect(405);
    client.delete("c/d/").await.expect(204);
    client.delete("c/d/").await.expect(404);
    client.make_directory("c/d").await.expect(201);
}

#[tokio::test]
async fn an_object_keeps_everything_but_its_name() {
    let (_server, client) = store().await;
    fill(&client, &["a", "b", "d/x"]).await;
    let before = client.head("c/a").await.expect(200);
    client.rename("c/a", "c/new/ä a").await.expect(201);
    client.get("c/a").await.expect(404);
    let after = client.get("c/new/ä a").await.expect(200).expect_body("a");
    for name in [
        "etag",
        "last-modified",
        "x-object-meta-name",
        "content-type",
        "x-timestamp",
    ] {
        assert_eq!(after.header(name), before.header(name), "{name}");
    }
    expect_names(&client, "c", &["b", "d/x", "new/ä a"]).await;
    client
        .rename("c/b", "c/d/x")
        .header("overwrite", "F")
        .await
        .expect(412);
    client.rename("c/b", "c/d/x").await.expect(204);
    client.get("c/d/x").await.expect(200).expect_body("b");
    client.rename("c/d/x", "other/x").await.expect(201);
    expect_names(&client, "c", &["new/ä a"]).await;
    expect_names(&client, "other", &["x"]).await;
    client.rename("c/none", "c/x").await.expect(404);
    client.rename("other/x", "none/x").await.expect(404);
    client.rename("other/x", "other/x").await.expect(403);
    client.rename("other/x", "c").await.expect(412);
    expect_names(&client, "other", &["x"]).await;
}

#[tokio::test]
async fn a_directory_takes_everything_along() {
    let (server, client) = store().await;
    let long = "l".repeat(300);
    let names = ["d/", "d/a", "d/e/b", "d/e/f/c", &format!("d/{long}/x")];
    fill(&client, &names).await;
    client.make_directory("c/d/empty").await.expect(201);
    fill(&client, &["stays", "d-e"]).await;
    client.rename("c/d/", "c/deep/er/").await.expect(201);
    let moved: Vec<_> = names
        .iter()
        .map(|name| name.replacen("d/", "deep/er/", 1))
        .collect();
    let mut all: Vec<_> = moved.iter().map(String::as_str).chain(["d-e", "stays"]).collect();
    all.sort_unstable();
    expect_names(&client, "c", &all).await;
    for (name, former) in moved.iter().zip(names) {
        client.get(&format!("c/{former}")).await.expect(404);
        let get = client.get(&format!("c/{name}")).await.expect(200);
        get.expect_body(former).expect_header("x-object-meta-name", "n");
    }
    client.make_directory("c/deep/er/empty").await.expect(405);
    client.make_directory("c/d").await.expect(201);

    // To another container, and with the slash left out.
    client.rename("c/deep/er/", "other/d").await.expect(201);
    expect_names(&client, "c", &["d-e", "stays"]).await;
    let mut there: Vec<_> = names.to_vec();
    there.sort_unstable();
    expect_names(&client, "other", &there).await;
    client.make_directory("c/deep").await.expect(201);

    let server = server.kill().await.start().await;
    let client = server.tester().await;
    expect_names(&client, "other", &there).await;
    client
        .get("other/d/e/f/c")
        .await
        .expect(200)
        .expect_body("d/e/f/c");
    let head = client.head("").await.expect(204);
    assert_eq!(head.number("x-account-object-count"), 2 + names.len() as u64);
}

#[tokio::test]
async fn a_directory_replaces_and_never_merges() {
    let (_server, client) = store().await;
    fill(&client, &["d/a", "e/b", "e/c/d", "f"]).await;
    client
        .rename("c/d/", "c/e/")
        .header("overwrite", "F")
        .await
        .expect(412);
    expect_names(&client, "c", &["d/a", "e/b", "e/c/d", "f"]).await;
    client.rename("c/d/", "c/e/").await.expect(204);
    expect_names(&client, "c", &["e/a", "f"]).await;
    client.get("c/e/b").await.expect(404);
    // An object of the same name, but for the slash, is another thing.
    client.rename("c/e/", "c/f/").await.expect(201);
    expect_names(&client, "c", &["f", "f/a"]).await;
    for (from, to) in [("c/f/", "c/f/g/"), ("c/f/", "c/f/")] {
        client.rename(from, to).await.expect(403);
    }
    client.rename("c/none/", "c/x/").await.expect(404);
    expect_names(&client, "c", &["f", "f/a"]).await;
}

#[tokio::test]
async fn a_name_that_would_be_too_long_below_changes_nothing() {
    let (_server, client) = store().await;
    let deep = format!("d/{}", "n".repeat(1000));
    fill(&client, &["d/a", &deep]).await;
    client
        .rename("c/d/", &format!("c/{}/", "e".repeat(30)))
        .await
        .expect(400);
    expect_names(&client, "c", &["d/a", &deep]).await;
    client
        .rename("c/d/", &format!("c/{}/", "e".repeat(22)))
        .await
        .expect(201);
    client
        .get(&format!("c/{}/{}", "e".repeat(22), "n".repeat(1000)))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_removed_directory_is_gone_at_once() {
    let (server, client) = store().await;
    fill(&client, &["d/", "d/a", "d/e/b", "f/d/x", "d-"]).await;
    client.make_directory("c/d/empty").await.expect(201);
    client.delete("c/d").query("recursive", "true").await.expect(400);
    client.remove_directory("c/d/").await.expect(204);
    expect_names(&client, "c", &["d-", "f/d/x"]).await;
    for name in ["c/d/", "c/d/a", "c/d/e/b"] {
        client.get(name).await.expect(404);
    }
    client.remove_directory("c/d/").await.expect(404);
    fill(&client, &["d/new"]).await;
    expect_names(&client, "c", &["d-", "d/new", "f/d/x"]).await;
    client.remove_directory("c/f/").await.expect(204);
    // What was below goes from the disk too.
    until_empty(&server.objects(), &["trash"]).await;
}

/// 512 directories, one in the other, are what a name can hold.
#[tokio::test]
async fn as_deep_as_names_can_be() {
    let (_server, client) = store().await;
    let deepest = format!("{}x", "a/".repeat(511));
    fill(&client, &[&deepest, "a/b"]).await;
    client.rename("c/a/", "other/z/").await.expect(201);
    expect_names(&client, "c", &[]).await;
    let moved = format!("z/{}x", "a/".repeat(510));
    expect_names(&client, "other", &[&moved, "z/b"]).await;
    client
        .get(&format!("other/{moved}"))
        .await
        .expect(200)
        .expect_body(&deepest);
    // A page shows 50 levels; each can be asked for the next.
    let tree = client.get("other").query("tree", "true").query("depth", "1000");
    let mut node = tree.await.expect(200).json();
    for _ in 0..50 {
        assert!(node["objects"].as_u64() >= Some(1), "{node}");
        node = node["children"][0].clone();
    }
    let last = format!("other/z/{}", "a/".repeat(510));
    let tree = client.get(&last).query("tree", "true").await.expect(200).json();
    assert_eq!(names(&tree), [("x", "file", 1, deepest.len() as u64)]);
    client.remove_directory("other/z/").await.expect(204);
    expect_names(&client, "other", &[]).await;
}

fn names(tree: &Value) -> Vec<(&str, &str, u64, u64)> {
    let children = tree["children"].as_array().expect("a directory has children");
    children
        .iter()
        .map(|child| {
            (
                child["name"].as_str().expect("a name"),
                child["type"].as_str().expect("a type"),
                child["objects"].as_u64().expect("a number"),
                child["bytes"].as_u64().expect("a number"),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_tree_shows_what_lies_where() {
    let (_server, client) = store().await;
    fill(&client, &["a", "d/", "d/b", "d/e/c", "f/g/h"]).await;
    client.make_directory("c/empty").await.expect(201);
    let tree = client.get("c").query("tree", "true").await.expect(200).json();
    assert_eq!(
        (tree["name"].as_str(), tree["type"].as_str()),
        (Some("c"), Some("container"))
    );
    assert_eq!(
        (tree["objects"].as_u64(), tree["bytes"].as_u64()),
        (Some(5), Some(16))
    );
    assert_eq!(
        names(&tree),
        [
            ("a", "file", 1, 1),
            ("d/", "directory", 3, 10),
            ("empty/", "directory", 0, 0),
            ("f/", "directory", 1, 5),
        ]
    );
    let below = client.get("c/d/").query("tree", "true").query("depth", "2");
    let below = below.await.expect(200).json();
    assert_eq!(names(&below), [("b", "file", 1, 3), ("e/", "directory", 1, 5)]);
    assert_eq!(names(&below["children"][1]), [("c", "file", 1, 5)]);
    let page = client.get("c").query("tree", "true").query("limit", "2");
    let page = page.await.expect(200).json();
    assert_eq!(names(&page).len(), 2);
    let marker = page["next"].as_str().expect("there are more").to_owned();
    let rest = client.get("c").query("tree", "true").query("marker", &marker);
    let rest = rest.await.expect(200).json();
    assert_eq!(
        names(&rest),
        [("empty/", "directory", 0, 0), ("f/", "directory", 1, 5)]
    );
    client.get("c/none/").query("tree", "true").await.expect(404);
}

#[tokio::test]
async fn who_may_not_write_moves_nothing() {
    let (server, client) = store().await;
    fill(&client, &["d/a", "e/b"]).await;
    let user = server.login("test:tester3", "testing3").await;
    let all = async |read: &str, write: &str, expected: [u16; 4]| {
        let post = client.post("c").header("x-container-read", read);
        post.header("x-container-write", write).await.expect(204);
        let requests = [
            user.make_directory("c/new"),
            client_tree(&user),
            user.rename("c/d/a", "c/d/b"),
            user.remove_directory("c/e/"),
        ];
        for (request, status) in requests.into_iter().zip(expected) {
            request.await.expect(status);
        }
    };
    all("", "", [403, 403, 403, 403]).await;
    all("test:tester3", "", [403, 200, 403, 403]).await;
    expect_names(&client, "c", &["d/a", "e/b"]).await;
    // Who cannot read it cannot take it to where it can be read.
    all("", "test:tester3", [201, 403, 403, 204]).await;
    fill(&client, &["e/b"]).await;
    all("test:tester3", "test:tester3", [405, 200, 201, 204]).await;
    user.rename("c/d/b", "other/b").await.expect(403);
    expect_names(&client, "c", &["d/b"]).await;
}

fn client_tree(client: &Client) -> Request {
    client.get("c").query("tree", "true")
}

#[tokio::test]
async fn what_is_switched_off_below_holds_the_whole_tree() {
    let (server, client) = store().await;
    fill(&client, &["d/e/off", "d/on", "f/x"]).await;
    let admin = server.admin().await;
    let admin = admin.at_account("AUTH_test");
    let switch = async |state: &str| {
        let post = admin.post("c/d/e/off").header("x-resource-state", state);
        post.await.expect(202);
    };
    switch("disable").await;
    let server = server.kill().await.start().await;
    for user in [("test:tester", "testing"), ("admin:admin", ADMIN_PASSWORD)] {
        let client = server.login(user.0, user.1).await.at_account("AUTH_test");
        for request in [
            client.rename("c/d/", "c/new/"),
            client.rename("c/d/e/", "c/new/"),
            client.rename("c/d/e/off", "c/new"),
            client.rename("c/f/", "c/d/"),
            client.rename("c/f/x", "c/d/e/off"),
            client.remove_directory("c/d/"),
            client.remove_directory("c/d/e/"),
        ] {
            request.await.expect(403);
        }
        expect_names(&client, "c", &["d/e/off", "d/on", "f/x"]).await;
    }
    let client = server.tester().await;
    client.rename("c/d/on", "c/on").await.expect(201);
    let admin = server.admin().await.at_account("AUTH_test");
    let post = admin.post("c/d/e/off").header("x-resource-state", "enable");
    post.await.expect(202);
    client.rename("c/d/", "c/new/").await.expect(201);
    expect_names(&client, "c", &["f/x", "new/e/off", "on"]).await;
}

#[tokio::test]
async fn what_a_rule_could_deny_below_holds_the_whole_tree() {
    let (server, client) = store().await;
    fill(&client, &["d/e/a", "f/x"]).await;
    let rule = "[[filter.firewall.rules]]\nname = \"stays\"\ndecision = \"deny\"\nmethods = [\"DELETE\"]\n\
                paths = [\"AUTH_test/c/d/e/**\"]";
    let server = server.stop().await.setting(rule).start().await;
    let client = server.tester().await;
    for request in [
        client.rename("c/d/", "c/new/"),
        client.rename("c/d/e/a", "c/new"),
        client.rename("c/f/", "c/d/"),
        client.remove_directory("c/d/"),
        client.remove_directory("c/d/e/"),
    ] {
        request.await.expect(403);
    }
    expect_names(&client, "c", &["d/e/a", "f/x"]).await;
    client.rename("c/f/", "c/d/g/").await.expect(201);
    client.rename("c/d/g/", "c/f/").await.expect(201);
    client.rename("c/f/x", "c/d/e/b").await.expect(201);
    expect_names(&client, "c", &["d/e/a", "d/e/b"]).await;
}

#[tokio::test]
async fn programs_do_the_same_in_json() {
    let (_server, client) = store().await;
    fill(&client, &["d/a"]).await;
    let ask = async |action: &str, arguments: Value, status: u16| -> Value {
        let request = client.request_at(Method::POST, &format!("/f/fs/{action}"));
        request.body(arguments.to_string()).await.expect(status).json()
    };
    let path = |object: &str| json!({"account": "AUTH_test", "container": "c", "object": object});
    ask("make_directory", json!({"path": path("new/")}), 200).await;
    ask("make_directory", json!({"path": path("new/")}), 405).await;
    let moved = json!({"source": path("d/"), "destination": path("e/")});
    assert_eq!(
        ask("move", moved, 200).await,
        json!({"done": {"replaced": false}})
    );
    let tree = ask("tree", json!({"account": "AUTH_test", "container": "c"}), 200).await;
    assert_eq!(
        names(&tree),
        [("e/", "directory", 1, 3), ("new/", "directory", 0, 0)]
    );
    let removed = ask("remove_directory", json!({"path": path("e/")}), 200).await;
    assert_eq!(removed, json!({"objects": 1, "bytes": 3}));
    for nonsense in [
        json!({"path": path("no-slash")}),
        json!({"path": path("d/"), "extra": 1}),
    ] {
        ask("remove_directory", nonsense, 400).await;
    }
    expect_names(&client, "c", &[]).await;
}

#[tokio::test]
async fn each_operation_has_one_record() {
    let (_server, client) = store().await;
    fill(&client, &["d/a", "x"]).await;
    client.make_directory("c/new").await.expect(201);
    client.rename("c/d/", "c/e/").await.expect(201);
    client.rename("c/x", "other/y").await.expect(201);
    client.rename("c/none", "other/y").await.expect(404);
    client.remove_directory("c/e/").await.expect(204);
    let wanted = [
        ("fs/make_directory", "AUTH_test/c/new/", 201),
        ("fs/move", "AUTH_test/c/d/", 201),
        ("fs/move", "AUTH_test/c/none", 404),
        ("fs/move", "AUTH_test/c/x", 201),
        ("fs/remove_directory", "AUTH_test/c/e/", 204),
    ];
    until("all is recorded", || async {
        let page = client.get("").query("records", "").query("limit", "100");
        let page = page.await.expect(200).json();
        let records = page["records"].as_array().expect("a list");
        let mut trees: Vec<_> = records
            .iter()
            .filter(|record| {
                record["action"]
                    .as_str()
                    .is_some_and(|action| action.starts_with("fs/"))
            })
            .map(|record| {
                (
                    record["action"].as_str().unwrap_or_default(),
                    record["path"].as_str().unwrap_or_default(),
                    record["result"].as_u64().unwrap_or_default(),
                )
            })
            .collect();
        trees.sort_unstable();
        assert!(trees.len() <= wanted.len(), "{trees:?}");
        trees == wanted
    })
    .await;
}

#[tokio::test]
async fn who_asks_again_with_the_same_key_is_answered_the_same() {
    let (server, client) = store().await;
    fill(&client, &["d/a"]).await;
    let keyed = |request: Request, key: &str| request.header("idempotency-key", key);
    for _ in 0..2 {
        keyed(client.rename("c/d/", "c/e/"), "move-1").await.expect(201);
        keyed(client.make_directory("c/made"), "made").await.expect(201);
    }
    expect_names(&client, "c", &["e/a"]).await;
    // Without the key, with another one, and as somebody else it is asked for anew.
    client.rename("c/d/", "c/e/").await.expect(404);
    keyed(client.rename("c/d/", "c/e/"), "move-2").await.expect(404);
    let other = server.login("test:tester6", "testing6").await;
    keyed(other.rename("c/d/", "c/e/"), "move-1").await.expect(404);
    // The key of another request is none of this one.
    keyed(client.rename("c/e/", "c/d/"), "move-1").await.expect(201);
    expect_names(&client, "c", &["d/a"]).await;
    for _ in 0..2 {
        keyed(client.remove_directory("c/d/"), "remove").await.expect(204);
    }
    for bad in ["", "two words", &"x".repeat(129)] {
        keyed(client.remove_directory("c/d/"), bad).await.expect(400);
    }
}
