//! Jobs answer to the guards while they wait and while they run: who may not do it any more when its turn comes has nothing done.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::contents::{expect_names, fill};
use integration_tests::job::{begun, end_of, show};
use integration_tests::storage::until_empty;
use integration_tests::{Client, Server};
use tempfile::NamedTempFile;

/// A server whose jobs stop at a place, from a hit on, as long as there is the file.
async fn held(place: &str, hit: usize) -> (Server, NamedTempFile) {
    let gate = NamedTempFile::new().unwrap();
    let armed = format!("{place}=wait:{}@{hit}", gate.path().display());
    let server = Server::builder().failure_points(&armed);
    (server.start().await, gate)
}

fn to_other_account(client: &Client, from: &str, to: &str) -> Request {
    client
        .rename(from, to)
        .header("destination-account", "AUTH_test2")
}

async fn until_done(client: &Client, id: &str, objects: u64) {
    until("it has done so many", || async {
        show(client, id).await["done"] == objects
    })
    .await;
}

/// It failed as its asker may not do it any more, and said so.
async fn expect_refused(client: &Client, id: &str, why: &str) {
    let job = end_of(client, id).await;
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(job["errors"], 1, "{job}");
    let error = job["error"].as_str().unwrap();
    assert!(
        error.contains("may not do it any more") && error.contains(why),
        "{job}"
    );
}

fn denying(method: &str, path: &str) -> String {
    format!(
        "[[filter.firewall.rules]]\nname = \"added\"\ndecision = \"deny\"\nmethods = [\"{method}\"]\npaths = [\"{path}\"]\n"
    )
}

#[tokio::test]
async fn a_rule_that_is_added_ends_a_job_that_runs() {
    for is_copy in [true, false] {
        let (mut server, gate) = held("build:before_copy", 3).await;
        let client = server.tester().await;
        client.put("c", "").await.expect(201);
        let other = server.login("test2:tester2", "testing2").await;
        let shared = other.put("k", "").header("x-container-write", "test:tester");
        shared.await.expect(201);
        let names = ["d/a", "d/b", "d/e", "d/f"];
        fill(&client, &names).await;
        let (asked, rule, action) = match is_copy {
            true => (
                client.copy_directory("c/d/", "c/n/"),
                denying("PUT", "AUTH_test/c/n/**"),
                "fs/copy_directory",
            ),
            false => (
                to_other_account(&client, "c/d/", "k/n/"),
                denying("DELETE", "AUTH_test/c/d/b"),
                "fs/move",
            ),
        };
        let id = begun(asked).await;
        until_done(&client, &id, 2).await;
        server.reload(&rule).await;
        gate.close().unwrap();
        expect_refused(&client, &id, "403").await;
        expect_names(&client, "c", &names).await;
        expect_names(&other, "k", &[]).await;
        until_empty(&server.objects(), &["build"]).await;
        until("the refusal is recorded", || async {
            let asked = client.get("").query("records", "").query("action", action);
            let records = asked.query("result", "403").await.expect(200).json();
            !records["records"].as_array().unwrap().is_empty()
        })
        .await;
        // Without the rule it is done.
        server.reload("").await;
        let id = begun(client.copy_directory("c/d/", "c/n/")).await;
        assert_eq!(end_of(&client, &id).await["state"], "done");
    }
}

#[tokio::test]
async fn a_rule_that_is_added_ends_jobs_that_wait() {
    let (mut server, gate) = held("build:before_copy", 1).await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let other = server.login("test2:tester2", "testing2").await;
    let shared = other.put("k", "").header("x-container-write", "test:tester");
    shared.await.expect(201);
    fill(&client, &["d/a", "e/a", "o"]).await;
    // As many as run at once.
    let running = [
        begun(client.copy_directory("c/d/", "c/m/")).await,
        begun(client.copy_directory("c/d/", "c/n/")).await,
    ];
    let waiting = [
        begun(to_other_account(&client, "c/e/", "k/e/")).await,
        begun(to_other_account(&client, "c/o", "k/o")).await,
    ];
    for id in &waiting {
        assert_eq!(show(&client, id).await["state"], "queued");
    }
    server.reload(&denying("PUT", "AUTH_test2/k/**")).await;
    gate.close().unwrap();
    for id in &running {
        let job = end_of(&client, id).await;
        assert_eq!(job["state"], "done", "{job}");
    }
    for id in &waiting {
        expect_refused(&client, id, "403").await;
    }
    expect_names(&client, "c", &["d/a", "e/a", "m/a", "n/a", "o"]).await;
    expect_names(&other, "k", &[]).await;
    until_empty(&server.objects(), &["build"]).await;
}

#[tokio::test]
async fn who_is_disabled_has_nothing_done_any_more() {
    let (server, gate) = held("build:before_copy", 1).await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    fill(&client, &["d/a"]).await;
    let leaving = server.login("test2:tester2", "testing2").await;
    leaving.put("c", "").await.expect(201);
    fill(&leaving, &["d/a"]).await;
    let runs = begun(leaving.copy_directory("c/d/", "c/m/")).await;
    let stays = begun(client.copy_directory("c/d/", "c/m/")).await;
    let waits = begun(leaving.copy_directory("c/d/", "c/n/")).await;
    let admin = server.admin().await;
    let disable = admin.request_at(Method::POST, "/f/user/disable");
    let disable = disable.body(r#"{"account": "test2", "name": "tester2"}"#);
    disable.await.expect(200);
    let admin = admin.at_account("AUTH_test2");
    until("it is noticed while it runs", || async {
        !show(&admin, &runs).await["error"].is_null()
    })
    .await;
    gate.close().unwrap();
    for id in [&runs, &waits] {
        expect_refused(&admin, id, "The user is disabled").await;
    }
    let job = end_of(&client, &stays).await;
    assert_eq!(job["state"], "done", "{job}");
    expect_names(&admin, "c", &["d/a"]).await;
    expect_names(&client, "c", &["d/a", "m/a"]).await;
    until_empty(&server.objects(), &["build"]).await;
}

#[tokio::test]
async fn who_loses_a_right_has_nothing_moved_any_more() {
    let (server, gate) = held("build:before_copy", 2).await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    fill(&client, &["d/a", "d/b"]).await;
    let other = server.login("test2:tester2", "testing2").await;
    let shared = other.put("k", "").header("x-container-write", "test:tester");
    shared.await.expect(201);
    let id = begun(to_other_account(&client, "c/d/", "k/n/")).await;
    until_done(&client, &id, 1).await;
    let unshared = other.post("k").header("x-container-write", "");
    unshared.await.expect(204);
    gate.close().unwrap();
    expect_refused(&client, &id, "403").await;
    expect_names(&client, "c", &["d/a", "d/b"]).await;
    expect_names(&other, "k", &[]).await;
    until_empty(&server.objects(), &["build"]).await;
}

#[tokio::test]
async fn a_cancelled_job_stops_within_an_object() {
    let gate = NamedTempFile::new().unwrap();
    // Were the object copied to its end the server would end.
    let armed = format!(
        "build:before_piece=wait:{},build:before_place=abort",
        gate.path().display()
    );
    let server = Server::builder().failure_points(&armed);
    let server = server.start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/d/large", vec![7; 20 << 20]).await.expect(201);
    let id = begun(client.copy_directory("c/d/", "c/n/")).await;
    until("it is at the object", || async {
        gate.as_file().metadata().unwrap().len() > 0
    })
    .await;
    let cancelled = client.delete("").query("job", &id).await.expect(200).json();
    assert_eq!(cancelled["state"], "running", "{cancelled}");
    gate.close().unwrap();
    let job = end_of(&client, &id).await;
    assert_eq!(
        (&job["state"], &job["done"]),
        (&"cancelled".into(), &0.into()),
        "{job}"
    );
    expect_names(&client, "c", &["d/large"]).await;
    until_empty(&server.objects(), &["build"]).await;
}
