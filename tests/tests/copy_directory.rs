//! Directories are copied with all that lies in them, and moved to other accounts, as jobs: whole or not at all, also when the server
//! is killed meanwhile.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::contents::{expect_names, fill};
use integration_tests::job::end_of;
use integration_tests::storage::until_empty;
use integration_tests::{Client, CommandLine, Server, Shape};
use serde_json::{Value, json};

async fn store() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    (server, client)
}

/// The job that was begun, and whose place was told, when it has ended.
async fn ended(client: &Client, request: Request) -> Value {
    let accepted = request.await.expect(202);
    let id = accepted.json()["id"].as_str().unwrap().to_owned();
    let location = format!("{}?job={id}", client.base());
    accepted.expect_header("location", &location);
    end_of(client, &id).await
}

#[tokio::test]
async fn a_directory_is_copied_with_all_that_lies_in_it() {
    let (server, client) = store().await;
    fill(&client, &["d/a", "d/ä ö/b", "d/", "d", "o"]).await;
    let later = "4000000000";
    let put = client.put("c/d/later", "").header("x-delete-at", later);
    put.await.expect(201);
    client.make_directory("c/d/empty/").await.expect(201);
    let job = ended(&client, client.copy_directory("c/d/", "c/x/y z/")).await;
    assert_eq!(
        (&job["state"], &job["kind"], &job["done"], &job["errors"]),
        (&json!("done"), &json!("copy"), &json!(4), &json!(0)),
        "{job}"
    );
    for name in ["a", "ä ö/b", ""] {
        let get = client.get(&format!("c/x/y z/{name}")).await.expect(200);
        let get = get.expect_body(format!("d/{name}"));
        let get = get.expect_header("x-object-meta-name", "n");
        get.expect_header("content-type", "text/x");
    }
    let head = client.head("c/x/y z/later").await.expect(200);
    head.expect_header("x-delete-at", later);
    client.make_directory("c/x/y z/empty/").await.expect(405);
    let names = [
        "d",
        "d/",
        "d/a",
        "d/later",
        "d/ä ö/b",
        "o",
        "x/y z/",
        "x/y z/a",
        "x/y z/later",
        "x/y z/ä ö/b",
    ];
    expect_names(&client, "c", &names).await;
    server.expect_agreement().await;
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    expect_names(&client, "c", &names).await;
    server.expect_agreement().await;
}

#[tokio::test]
async fn programs_copy_too_and_one_record_tells_of_it() {
    let (server, client) = store().await;
    fill(&client, &["d/a"]).await;
    let body = r#"{"source": {"account": "AUTH_test", "container": "c", "object": "d/"},
                   "destination": {"account": "AUTH_test", "container": "c", "object": "e/"}}"#;
    let asked = client.request_at(Method::POST, "/f/fs/copy_directory").body(body);
    let job = asked.await.expect(200).json();
    let job = end_of(&client, job["id"].as_str().unwrap()).await;
    assert_eq!(job["state"], "done");
    let admin = server.admin().await;
    until("the copy is recorded once", || async {
        let list = admin.request_at(Method::POST, "/f/record/list");
        let page = list.body(r#"{"account": "AUTH_test", "action": "fs/copy_directory"}"#);
        let records = page.await.expect(200).json()["records"]
            .as_array()
            .unwrap()
            .clone();
        assert!(records.len() <= 1, "{records:?}");
        let place = (json!("AUTH_test/c/d/"), json!("AUTH_test/c/e/"));
        let is_whole = |record: &Value| (record["path"].clone(), record["destination"].clone()) == place;
        records
            .iter()
            .any(|record| is_whole(record) && !record["change"].is_null())
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_copied_is_refused_and_nothing_changes() {
    let (server, client) = store().await;
    fill(&client, &["d/a", "d/e/b", "t/x", "o"]).await;
    for (from, to, expected) in [
        ("c/d/", "c/d/e/f/", 403),
        ("c/d/e/", "c/d/", 403),
        ("c/none/", "c/n/", 404),
        ("c/d/", "missing/n/", 404),
        ("missing/d/", "c/n/", 404),
    ] {
        client.copy_directory(from, to).await.expect(expected);
    }
    let kept = client.copy_directory("c/d/", "c/t/").header("overwrite", "F");
    kept.await.expect(412);
    let long = format!("c/{}/", "n".repeat(1021));
    client.copy_directory("c/d/", &long).await.expect(400);
    let stranger = server.login("test2:tester2", "testing2").await;
    stranger.put("mine", "").await.expect(201);
    let stealing = stranger.at_account("AUTH_test").copy_directory("c/d/", "mine/n/");
    stealing
        .header("destination-account", "AUTH_test2")
        .await
        .expect(403);
    let smuggling = client
        .copy_directory("c/d/", "mine/n/")
        .header("destination-account", "AUTH_test2");
    smuggling.await.expect(403);
    let used = client.head("").await.expect(204).number("x-account-bytes-used");
    let limit = client
        .post("c")
        .header("x-container-meta-quota-bytes", &(used + 7).to_string());
    limit.await.expect(204);
    let job = ended(&client, client.copy_directory("c/d/", "c/n/")).await;
    assert_eq!(job["state"], "failed", "{job}");
    expect_names(&client, "c", &["d/a", "d/e/b", "o", "t/x"]).await;
    // It replaces what makes room.
    let job = ended(&client, client.copy_directory("c/d/", "c/t/")).await;
    assert_eq!(job["state"], "done", "{job}");
    expect_names(&client, "c", &["d/a", "d/e/b", "o", "t/a", "t/e/b"]).await;
    server.expect_agreement().await;
}

#[tokio::test]
async fn rules_and_switches_below_either_name_stand_against_a_copy() {
    let server = Server::builder()
        .setting(
            r#"
[[filter.firewall.rules]]
name = "below"
decision = "deny"
paths = ["AUTH_test/c/d/e/secret", "AUTH_test/c/t/kept"]
"#,
        )
        .start()
        .await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    fill(&client, &["d/e/b", "f/x", "f/y"]).await;
    client.copy_directory("c/d/", "c/n/").await.expect(403);
    client.copy_directory("c/f/", "c/t/").await.expect(403);
    let admin = server.admin().await;
    let admin = admin.at_account("AUTH_test");
    let disable = admin.post("c/f/x").header("x-resource-state", "disable");
    disable.await.expect(202);
    for client in [&client, &admin] {
        client.copy_directory("c/f/", "c/n/").await.expect(403);
    }
    expect_names(&client, "c", &["d/e/b", "f/x", "f/y"]).await;
    let enable = admin.post("c/f/x").header("x-resource-state", "enable");
    enable.await.expect(202);
    let job = ended(&client, client.copy_directory("c/f/", "c/n/")).await;
    assert_eq!(job["state"], "done", "{job}");
}

#[tokio::test]
async fn directories_and_objects_move_between_accounts() {
    let (server, client) = store().await;
    fill(&client, &["d/a", "d/e/b", "d/", "o"]).await;
    client.make_directory("c/d/empty/").await.expect(201);
    let other = server.login("test2:tester2", "testing2").await;
    other
        .put("k", "")
        .header("x-container-write", "test:tester")
        .await
        .expect(201);
    let there = |request: Request| request.header("destination-account", "AUTH_test2");
    there(client.rename("c/d/", "missing/n/")).await.expect(403);
    let job = ended(&client, there(client.rename("c/d/", "k/n/"))).await;
    assert_eq!(
        (&job["state"], &job["kind"]),
        (&json!("done"), &json!("move")),
        "{job}"
    );
    let job = ended(&client, there(client.rename("c/o", "k/p"))).await;
    assert_eq!(job["state"], "done", "{job}");
    expect_names(&client, "c", &[]).await;
    expect_names(&other, "k", &["n/", "n/a", "n/e/b", "p"]).await;
    other.get("k/n/e/b").await.expect(200).expect_body("d/e/b");
    let get = other.get("k/p").await.expect(200).expect_body("o");
    get.expect_header("x-object-meta-name", "n");
    other.make_directory("k/n/empty/").await.expect(405);
    client.delete("c").await.expect(204);
    server.expect_agreement().await;
}

#[tokio::test]
async fn a_tree_of_512_levels_is_copied() {
    let (server, client) = store().await;
    let deep = format!("{}x", "a/".repeat(510));
    fill(&client, &[&format!("d/{deep}")]).await;
    let job = ended(&client, client.copy_directory("c/d/", "c/e/")).await;
    assert_eq!(job["state"], "done", "{job}");
    client
        .get(&format!("c/e/{deep}"))
        .await
        .expect(200)
        .expect_body(format!("d/{deep}"));
    expect_names(&client, "c", &[&format!("d/{deep}"), &format!("e/{deep}")]).await;
    server.expect_agreement().await;
}

/// The places on the way of a copy, with the hit at which the server is killed.
const PLACES: &[(&str, usize)] = &[
    ("build:before_copy", 3),
    ("build:before_place", 7),
    ("build:before_sync", 1),
    ("rename:before", 1),
    ("rename:before_trash", 1),
    ("rename:after", 1),
    ("rename:before_prune", 1),
    ("journal:before_write", 1),
    ("journal:after_write_before_sync", 1),
    ("journal:after_sync", 1),
    ("journal:after_sync", 2),
];

#[tokio::test]
async fn killed_anywhere_a_copy_is_done_in_the_end() {
    let mut server = Server::builder().shape(Shape::Single).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let names: Vec<_> = (0..12)
        .map(|number| format!("d/{}/{number}", number % 3))
        .collect();
    fill(&client, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for (round, (place, hit)) in PLACES.iter().enumerate() {
        // What it replaces, but in the first round.
        let from = format!("c/d/{}/", round % 3);
        let armed = format!("{place}=abort@{hit}");
        let builder = server.stop().await;
        let builder = builder.failure_points(&armed);
        let killed = builder.start().await;
        let client = killed.tester().await;
        let answer = client.copy_directory("c/d/", "c/n/").send().await;
        let job = answer.ok().filter(|answer| answer.status() == 202);
        let job = job.map(|job| job.json()["id"].as_str().unwrap().to_owned());
        server = killed.aborted().await.start().await;
        let client = server.tester().await;
        if let Some(job) = job {
            let job = end_of(&client, &job).await;
            assert_eq!(job["state"], "done", "{armed}: {job}");
        }
        until("all jobs have ended", || async {
            let jobs = client.get("").query("jobs", "").await.expect(200).json();
            let jobs = jobs["jobs"].as_array().unwrap().clone();
            jobs.iter().all(|job| job["state"] == "done")
        })
        .await;
        let listed = client
            .list("c")
            .query("prefix", "n/")
            .await
            .expect_one_of(&[200, 204]);
        let copied: Vec<_> = names.iter().map(|name| name.replacen("d/", "n/", 1)).collect();
        let mut copied: Vec<_> = copied.iter().map(String::as_str).collect();
        copied.sort_unstable();
        if !listed.entries().is_empty() {
            listed.expect_entries(&copied);
        }
        client.get(&format!("{from}{}", round % 3)).await.expect(200);
        server.expect_agreement().await;
    }
    until_empty(&server.objects(), &["temporary", "trash", "build"]).await;
}

#[tokio::test]
async fn killed_anywhere_a_move_to_another_account_is_done_in_the_end() {
    let mut server = Server::builder().shape(Shape::Single).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let other = server.login("test2:tester2", "testing2").await;
    let shared = other.put("k", "").header("x-container-write", "test:tester");
    shared.await.expect(201);
    let places = [
        ("build:before_copy", 2),
        ("rename:after", 1),
        ("detach:before", 1),
        ("detach:after", 1),
    ];
    for (place, hit) in places {
        let client = server.tester().await;
        fill(&client, &["d/a", "d/e/b", "d/"]).await;
        let armed = format!("{place}=abort@{hit}");
        let builder = server.stop().await;
        let builder = builder.failure_points(&armed);
        let killed = builder.start().await;
        let client = killed.tester().await;
        let moving = client
            .rename("c/d/", "k/n/")
            .header("destination-account", "AUTH_test2");
        // The answer may be cut off, but the job was written down before it began.
        let _answer = moving.send().await;
        server = killed.aborted().await.start().await;
        let client = server.tester().await;
        let jobs = client.get("").query("jobs", "").await.expect(200).json();
        let job = end_of(&client, jobs["jobs"][0]["id"].as_str().unwrap()).await;
        assert_eq!(job["state"], "done", "{armed}: {job}");
        expect_names(&client, "c", &[]).await;
        let other = server.login("test2:tester2", "testing2").await;
        expect_names(&other, "k", &["n/", "n/a", "n/e/b"]).await;
        server.expect_agreement().await;
    }
}

#[tokio::test]
async fn the_command_line_copies_and_moves_trees() {
    let (server, client) = store().await;
    fill(&client, &["d/a", "d/e/b", "o"]).await;
    let stobj = CommandLine::of(&server);
    let copied = stobj
        .run(&["cp", "c/d/", "c/n/", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(copied[0]["job"]["state"], "done");
    expect_names(&client, "c", &["d/a", "d/e/b", "n/a", "n/e/b", "o"]).await;
    let id = stobj
        .run(&["cp", "c/n/", "c/m/", "--no-wait"])
        .await
        .expect(0)
        .text();
    stobj.run(&["jobs", id.trim(), "--wait"]).await.expect(0);
    assert_eq!(stobj.run(&["jobs"]).await.expect(0).lines().len(), 2);
    let other = server.login("test2:tester2", "testing2").await;
    other
        .put("k", "")
        .header("x-container-write", "test:tester")
        .await
        .expect(201);
    for (from, to) in [("c/m/", "k/m/"), ("c/o", "k/o")] {
        let arguments = ["mv", from, to, "--to-account", "AUTH_test2"];
        stobj.run(&arguments).await.expect(0);
    }
    expect_names(&other, "k", &["m/a", "m/e/b", "o"]).await;
    expect_names(&client, "c", &["d/a", "d/e/b", "n/a", "n/e/b"]).await;
    stobj
        .run(&["cp", "c/d/", "c/d/e/f/"])
        .await
        .expect(4)
        .expect_error("403");
    server.expect_agreement().await;
}
