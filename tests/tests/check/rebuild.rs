//! `stobj rebuild`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use integration_tests::cluster::until;
use integration_tests::fault::HeldDatabase;
use integration_tests::mixed_load::MixedLoad;
use integration_tests::{Client, Server};
use serde_json::Value;

use crate::{check, filled, meddle, stobj};

#[tokio::test]
async fn a_rebuilt_mirror_is_that_of_storage() {
    let server = Server::start().await;
    let client = filled(&server).await;
    meddle(&server, "DELETE FROM stobj WHERE path = X'64656570'").await;
    meddle(&server, "UPDATE stobj SET sub_objects = 99 WHERE path = X'642f'").await;
    let output = stobj(&server, &["rebuild", "--account", "AUTH_test"]).await;
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(said, "AUTH_test: 5 objects are in the mirror again\n");
    check(&server, &[], 0).await;
    let listed = client.list("c").query("delimiter", "/").await.expect(200);
    assert_eq!(listed.entries(), ["a", "d/", "marker/", "z"]);
}

/// Has the rows of the account made anew, and waits for the end of that.
async fn rebuilt(server: &Server, account: &str) {
    let output = stobj(server, &["rebuild", "--account", account]).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn nobody_notices_a_rebuild() {
    let server = Server::start().await;
    let mut load = MixedLoad::start(&server, 2).await;
    // Every listing of theirs is checked, and every move, while one filling follows the other.
    let is_over = AtomicBool::new(false);
    let rebuilding = async {
        let mut rebuilds = 0;
        while rebuilds == 0 || !is_over.load(Ordering::Relaxed) {
            rebuilt(&server, "AUTH_test").await;
            rebuilds += 1;
        }
    };
    let working = async {
        load.run(Duration::from_secs(3)).await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(rebuilding, working);
    load.check().await;
    let report = check(&server, &["--deep"], 0).await;
    assert_eq!(report["differences"], 0, "{report}");
    assert_eq!(report["objects"], load.objects().len());
}

/// The newest job of the account, as an administrator sees it.
async fn newest_job(client: &Client) -> Value {
    let request = client
        .request_at(Method::POST, "/f/job/list")
        .body(r#"{"account": "AUTH_test"}"#);
    let jobs = request.await.expect(200).json();
    jobs["jobs"][0].clone()
}

#[tokio::test]
async fn a_rebuild_that_is_cut_off_goes_on_after_a_restart() {
    let server = Server::builder().impatient().start().await;
    let client = filled(&server).await;
    let admin = server.admin().await;
    // Nothing can be written, so it has begun and cannot end.
    let held = HeldDatabase::hold(&server).await;
    let request = admin
        .request_at(Method::POST, "/f/check/rebuild")
        .body(r#"{"account": "AUTH_test"}"#);
    let job = request.await.expect(200).json();
    until("it has begun", async || {
        newest_job(&admin).await["state"] == "running"
    })
    .await;
    let expected = ["a", "d/e/deep", "d/f", "marker/", "z"];
    assert_eq!(client.list("c").await.expect(200).entries(), expected);
    client.put("c/new", "new").await.expect(201);
    let builder = server.kill().await;
    held.release().await;
    let server = builder.start().await;
    let (client, admin) = (server.tester().await, server.admin().await);
    let expected = ["a", "d/e/deep", "d/f", "marker/", "new", "z"];
    until("it has ended", async || {
        assert_eq!(client.list("c").await.expect(200).entries(), expected);
        newest_job(&admin).await["state"] == "done"
    })
    .await;
    assert_eq!(newest_job(&admin).await["id"], job["id"]);
    let report = check(&server, &[], 0).await;
    assert_eq!(report["differences"], 0, "{report}");
}
