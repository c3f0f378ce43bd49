//! A deleted account answers 410 from that moment on, and then it is gone with all that it held; but for its records.

use std::path::Path;

use http::Method;
use integration_tests::cluster::until;
use integration_tests::storage::until_empty;
use integration_tests::{Client, Cluster, Server, Shape};
use serde_json::Value;

const MANAGED: &str = "[constraints]\nallow_account_management = true";
const KEPT: &str = "[constraints]\nallow_account_management = true\n[object-server]\ndelay_reaping = \"1h\"";
const ACCOUNT: &str = "AUTH_test";

async fn admin(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.at_account(ACCOUNT)
}

/// Some objects, a directory, and limits.
async fn fill(client: &Client) {
    for container in ["c", "d"] {
        client.put(container, "").await.expect(201);
        for name in ["a", "b/c", "b/d/e"] {
            let path = format!("{container}/{name}");
            client.put(&path, "12345").await.expect(201);
        }
    }
    let limit = client.post("c/b/").header("x-directory-quota-count", "9");
    limit.await.expect(204);
}

async fn status(client: &Client, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let request = client.request(method, path).header("destination", "c/x");
    request.await.status()
}

/// Everything of it, and by everybody.
async fn expect_gone(owner: &Client, admin: &Client) {
    for client in [owner, admin] {
        for path in ["", "c", "c/a"] {
            for method in ["GET", "HEAD", "POST"] {
                assert_eq!(status(client, method, path).await, 410, "{method} {path:?}");
            }
        }
        for (method, path) in [
            ("PUT", "c"),
            ("PUT", "e"),
            ("DELETE", "c"),
            ("PUT", "c/new"),
            ("DELETE", "c/a"),
            ("MOVE", "c/a"),
            ("COPY", "c/a"),
            ("MKCOL", "c/n/"),
        ] {
            assert_eq!(status(client, method, path).await, 410, "{method} {path:?}");
        }
        for request in [client.get(""), client.head("")] {
            let gone = request.await.expect(410);
            gone.expect_header("x-account-status", "Deleted");
        }
        client.get("").query("search", "a").await.expect(410);
        client.get("c").query("tree", "true").await.expect(410);
    }
    admin.put("", "").await.expect(403);
    admin.delete("").await.expect(404);
}

/// Also to who comes from another account, or goes there.
async fn expect_gone_to_others(server: &Server) {
    let here = server.admin().await;
    let here = here.at_account("AUTH_admin");
    let there = here.at_account(ACCOUNT);
    here.put("e", "").await.expect_one_of(&[201, 202]);
    for name in ["a", "b/c"] {
        here.put(&format!("e/{name}"), "12345").await.expect(201);
    }
    for (client, other, from) in [(&here, ACCOUNT, "e"), (&there, "AUTH_admin", "c")] {
        for (method, depth) in [("MOVE", "infinity"), ("COPY", "infinity"), ("COPY", "0")] {
            for name in ["a", "b/"] {
                if (method, depth, name) == ("COPY", "0", "b/") {
                    // The object of that name, which is not there.
                    continue;
                }
                let request = client.request(
                    Method::from_bytes(method.as_bytes()).expect("a method"),
                    &format!("{from}/{name}"),
                );
                let request = request.header("destination-account", other);
                let to = if from == "e" { "c" } else { "e" };
                let request = request.header("destination", &format!("{to}/new/{name}"));
                let answer = request.header("depth", depth).await;
                assert_eq!(answer.status(), 410, "{method} {depth} {from}/{name}: {answer:?}");
            }
        }
    }
    here.list("e").await.expect(200).expect_entries(&["a", "b/c"]);
}

async fn jobs(admin: &Client) -> Vec<Value> {
    let jobs = admin.get("").query("jobs", "").await.expect(200).json();
    jobs["jobs"].as_array().cloned().unwrap_or_default()
}

/// Waits until nothing is left of the account, in memory and on the disk.
async fn expect_removed(admin: &Client, objects: &Path, when: &str) {
    until(&format!("{when}: the account is removed"), || async {
        admin.head("").await.status() == 204
    })
    .await;
    until_empty(objects, &["accounts", "trash"]).await;
}

#[tokio::test]
async fn a_deleted_account_is_gone_for_who_comes_from_another_one() {
    let server = Server::builder().setting(KEPT).start().await;
    fill(&server.tester().await).await;
    admin(&server).await.delete("").await.expect(204);
    expect_gone_to_others(&server).await;
}

#[tokio::test]
async fn a_deleted_account_is_gone_at_once_and_then_for_ever() {
    let server = Server::builder().setting(KEPT).start().await;
    let (owner, admin) = (server.tester().await, admin(&server).await);
    fill(&owner).await;
    admin.delete("").await.expect(204);
    expect_gone(&owner, &admin).await;
    let listed = admin.request_at(Method::POST, "/f/quota/list").body("{}").await;
    assert_eq!(listed.expect(200).json()["quotas"], serde_json::json!([]));
    let job = jobs(&admin).await.remove(0);
    assert_eq!(
        (&job["kind"], &job["state"]),
        (&"remove_account".into(), &"queued".into())
    );
    let id = job["id"].as_str().expect("jobs have ids");
    admin.delete("").query("job", id).await.expect(409);
    owner.get("").query("jobs", "").await.expect(410);

    // It waits its time also after a kill, and what is left of that can be changed.
    let builder = server.kill().await;
    let server = builder.start().await;
    let (owner, admin) = (server.tester().await, self::admin(&server).await);
    expect_gone(&owner, &admin).await;
    assert_eq!(jobs(&admin).await.len(), 1);
    let builder = server.stop().await;
    let builder = builder.variable("STOBJ_OBJECT_SERVER__DELAY_REAPING", "0s");
    let server = builder.start().await;
    let (owner, admin) = (server.tester().await, self::admin(&server).await);
    expect_removed(&admin, &server.objects(), "after its time").await;
    assert!(!server.objects().join(ACCOUNT).exists());

    // A new one bears the name, and nothing of the old one is in it but the record.
    owner.list("").await.expect(200).expect_body("[]");
    owner.put("c", "").await.expect(201);
    owner.list("c").await.expect(200).expect_body("[]");
    owner.get("c/a").await.expect(404);
    owner.put("c/a", "new").await.expect(201);
    let head = owner.head("").await.expect(204);
    assert_eq!(head.number("x-account-object-count"), 1);
    until("what was done in it is recorded", || async {
        let records = admin
            .get("")
            .query("records", "")
            .query("action", "account/delete");
        let records = records.await.expect(200).json();
        let records = records["records"].as_array().cloned().unwrap_or_default();
        records.iter().filter(|record| record["result"] == 204).count() == 1
    })
    .await;
    let server = server.kill().await.start().await;
    let owner = server.tester().await;
    owner.get("c/a").await.expect(200).expect_body("new");
    let found = owner.get("").query("search", "a").await.expect(200).json();
    assert_eq!(found["results"].as_array().map(Vec::len), Some(1), "{found}");
}

#[tokio::test]
async fn without_the_database_the_account_waits_for_it() {
    let cluster = Cluster::with_settings(MANAGED).await;
    let account_server = cluster.start("account-server").await;
    let object_server = cluster.start("object-server").await;
    let proxy = cluster.start("proxy").await;
    let admin = proxy.admin().await.at_account(ACCOUNT);
    fill(&admin).await;
    account_server.end().await;
    admin.delete("").await.expect(204);
    until("all objects are removed", || async {
        let job = jobs(&admin).await.remove(0);
        job["state"] == "running" && job["done"] == 6 && job["total"] == 6 && job["bytes"] == 30
    })
    .await;
    admin.get("c/a").await.expect(410);
    let account_server = cluster.start("account-server").await;
    until("the account is removed", || async {
        admin.head("").await.status() == 204
    })
    .await;
    admin.get("").query("jobs", "").await.expect(404);
    admin.list("").await.expect(200).expect_body("[]");
    for process in [proxy, object_server, account_server] {
        process.end().await;
    }
}

/// The places that the end of an account passes, as the README of the engine lists them.
fn places() -> Vec<&'static str> {
    let text = include_str!("../../object-server/src/engine/posix/README.md");
    let words = text.split('`').filter(|word| !word.contains(char::is_whitespace));
    let mut places: Vec<_> = words.filter(|word| word.starts_with("account:")).collect();
    places.extend([
        "reap:before_unlink",
        "reap:before_rmdir",
        "sync:before",
        "sync:before_garbage",
    ]);
    places.sort_unstable();
    places.dedup();
    assert!(places.len() > 8, "{places:?}");
    places
}

/// Killed there, the account is whole if nobody was told that it was deleted, and else it is gone in the end.
#[tokio::test]
async fn killed_anywhere_an_account_is_whole_or_removed() {
    let builder = Server::builder().setting(MANAGED).shape(Shape::Single);
    let mut server = builder.start().await;
    for place in places() {
        for hit in 1..=2 {
            fill(&server.tester().await).await;
            let armed = format!("{place}=abort@{hit}");
            server = server.stop().await.failure_points(&armed).start().await;
            let admin = self::admin(&server).await;
            // Whoever asks while it is killed gets no answer.
            let is_deleted = admin
                .delete("")
                .send()
                .await
                .is_ok_and(|answer| answer.status() == 204);
            until("it is killed, or has done it", || async {
                let head = admin.head("").send().await;
                head.map_or(true, |head| head.status() == 204)
            })
            .await;
            server = server.kill().await.failure_points("").start().await;
            let admin = self::admin(&server).await;
            let is_whole = admin.get("c/a").await.status() == 200;
            if is_whole {
                assert!(!is_deleted, "{armed}: it was said to be deleted");
                let head = admin.head("").await.expect(204);
                assert_eq!(head.number("x-account-object-count"), 6, "{armed}");
                admin.delete("").await.expect(204);
            }
            expect_removed(&admin, &server.objects(), &armed).await;
        }
    }
}
