//! The operation record: who did what, and what came of it.

use std::process::Stdio;
use std::time::Duration;

use http::Method;
use integration_tests::cluster::until;
use integration_tests::fault::HeldDatabase;
use integration_tests::mariadb::{Fault, OwnDatabase, Way};
use integration_tests::server::DATABASE_SETTING;
use integration_tests::{Client, CommandLine, Connection, Database, Server, program};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// All records of the client's account, the newest first; `None` while the database is away.
async fn find(client: &Client, query: &[(&str, &str)]) -> Option<Vec<Value>> {
    let mut all = Vec::new();
    let mut marker = String::new();
    loop {
        let mut request = client.get("").query("records", "");
        for (name, value) in query {
            request = request.query(name, value);
        }
        let page = request.query("marker", &marker).await.expect_one_of(&[200, 503]);
        if page.status() == 503 {
            return None;
        }
        let page = page.json();
        all.extend(page["records"].as_array().expect("a list").clone());
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut marker),
            None => return Some(all),
        }
    }
}

/// The same of a database that is there.
async fn records(client: &Client, query: &[(&str, &str)]) -> Vec<Value> {
    find(client, query).await.expect("the database is there")
}

fn shown(record: &Value) -> String {
    let text = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
    format!(
        "{} {} {} {}",
        record["result"],
        text("action"),
        text("user"),
        text("path")
    )
}

/// Waits until the account's records are these, whose ends are known, and gives them.
async fn wait_for(client: &Client, query: &[(&str, &str)], expected: &[&str]) -> Vec<Value> {
    let waiting = async {
        loop {
            let found = find(client, query).await.unwrap_or_default();
            let lines: Vec<_> = found.iter().map(shown).collect();
            let are_over = found
                .iter()
                .all(|record| record["action"] == "account/put" || !record["duration"].is_null());
            let are_all_there = found
                .iter()
                .all(|record| record["result"].as_u64() >= Some(400) || record["changed"] == true);
            if lines == expected && are_over && are_all_there {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    match timeout(PATIENCE, waiting).await {
        Ok(found) => found,
        Err(_) => panic!(
            "expected {expected:#?}, found {:#?}",
            records(client, query).await
        ),
    }
}

#[tokio::test]
async fn each_change_and_each_refusal_has_one() {
    let server = Server::start().await;
    let client = server.tester().await;
    let other = server.login("test2:tester2", "testing2").await;
    let foreign = other.at_account("AUTH_test");
    // Otherwise the account comes with its first container, in the same moment.
    client.post("").header("x-account-meta-a", "b").await.expect(204);
    client.put("c", "").await.expect(201);
    client
        .put("c/a b", "content")
        .header("user-agent", "curl/8")
        .await
        .expect(201);
    client.get("c/a b").await.expect(200);
    client.get("c/none").await.expect(404);
    foreign.get("c/a b").await.expect(403);
    client.anonymous().delete("c/a b").await.expect(401);
    client
        .post("c/a b")
        .header("x-object-meta-a", "b")
        .await
        .expect(202);
    client.copy("c/a b", "c/copy").await.expect(201);
    client.delete("c/copy").await.expect(204);
    client.delete("c").await.expect(409);
    let expected = [
        "409 container/delete test:tester AUTH_test/c",
        "204 object/delete test:tester AUTH_test/c/copy",
        "201 object/put test:tester AUTH_test/c/copy",
        "202 object/post test:tester AUTH_test/c/a b",
        "401 object/delete - AUTH_test/c/a b",
        "403 object/get test2:tester2 AUTH_test/c/a b",
        "404 object/get test:tester AUTH_test/c/none",
        "201 object/put test:tester AUTH_test/c/a b",
        "201 container/put test:tester AUTH_test/c",
        "204 account/post test:tester AUTH_test",
    ];
    let mut found = wait_for(&client, &[], &expected).await;
    found.retain(|record| record["path"] == "AUTH_test/c/a b");
    let put = found.last().expect("it is there");
    assert_eq!(
        (put["bytes_received"].as_u64(), put["bytes_sent"].as_u64()),
        (Some(7), Some(0))
    );
    assert_eq!(
        (put["agent"].as_str(), put["address"].as_str()),
        (Some("curl/8"), Some("127.0.0.1"))
    );
    assert!(
        put["transaction_id"]
            .as_str()
            .is_some_and(|id| id.starts_with("tx"))
    );
    assert!(put["duration"].as_f64() > Some(0.0));
    let refused = &found[1];
    assert_eq!(refused["changed"], false);
}

#[tokio::test]
async fn reads_have_one_by_the_setting() {
    let server = Server::builder()
        .setting("[filter.record]\nreads = true")
        .start()
        .await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/a", "content").await.expect(201);
    client.get("c/a").header("range", "bytes=0-2").await.expect(206);
    client.head("c").await.expect(204);
    client.copy("c/a", "c/b").await.expect(201);
    let reads = |found: &[Value]| -> Vec<String> {
        let is_read = |record: &&Value| record["changed"] == false && record["action"] != "record/list";
        found.iter().filter(is_read).map(shown).collect()
    };
    let expected = [
        "204 container/head test:tester AUTH_test/c",
        "206 object/get test:tester AUTH_test/c/a",
    ];
    until("the reads are recorded, and the copy's is not", || async {
        reads(&records(&client, &[]).await) == expected
    })
    .await;
    let get = records(&client, &[("action", "object/get")]).await;
    assert_eq!(get[0]["bytes_sent"], 3);
}

#[tokio::test]
async fn nobody_but_the_accounts_owner_reads_them() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let grant = r#"{"read-only": ["test2:tester2"], "read-write": ["test:tester3"]}"#;
    client
        .post("")
        .header("x-account-access-control", grant)
        .await
        .expect(204);
    let reader = server
        .login("test2:tester2", "testing2")
        .await
        .at_account("AUTH_test");
    reader.get("").await.expect(200);
    reader.get("").query("records", "").await.expect(403);
    let writer = server.login("test:tester3", "testing3").await;
    writer.get("").query("records", "").await.expect(403);
    client.anonymous().get("").query("records", "").await.expect(401);
    let everything = |client: &Client| client.request_at(Method::POST, "/f/record/list");
    everything(&client).await.expect(403);
    everything(&client.anonymous()).await.expect(401);
    // The commits of others' journals are nobody's to write.
    client
        .request_at(Method::POST, "/f/record/commit")
        .await
        .expect(404);
    let admin = server.admin().await;
    everything(&admin).await.expect(200);
    let own = client
        .request_at(Method::POST, "/f/record/list")
        .body(r#"{"account": "AUTH_test"}"#);
    own.await.expect(200);
    admin
        .at_account("AUTH_test")
        .get("")
        .query("records", "")
        .await
        .expect(200);
    for (query, status) in [
        ("limit=1001", 412),
        ("limit=x", 400),
        ("result=9", 400),
        ("since=x", 400),
        ("marker=x", 400),
    ] {
        let target = format!("{}?records&{query}", client.base());
        client.request_at(Method::GET, &target).await.expect(status);
    }
}

#[tokio::test]
async fn a_client_that_hung_up_has_one() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let mut connection = Connection::open(&server).await;
    let head = format!(
        "PUT {}/c/half HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: 100\r\n\r\nfirst ten.",
        client.base(),
        client.token()
    );
    connection.send(head.as_bytes()).await;
    drop(connection);
    let found = wait_for(
        &client,
        &[("path", "c/half")],
        &["499 object/put test:tester AUTH_test/c/half"],
    )
    .await;
    assert_eq!(
        (&found[0]["bytes_received"], &found[0]["changed"]),
        (&10.into(), &false.into())
    );
}

#[tokio::test]
async fn what_was_done_while_the_database_took_nothing_is_recorded_after_a_kill() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let held = HeldDatabase::hold(&server).await;
    for number in 0..30 {
        client.put(&format!("c/{number}"), "x").await.expect(201);
    }
    let killed = server.kill().await;
    held.release().await;
    let server = killed.start().await;
    let client = server.tester().await;
    until("all of them are there", || async {
        let found = records(&client, &[("action", "object/put"), ("limit", "7")]).await;
        found.len() == 30 && found.iter().all(|record| record["changed"] == true)
    })
    .await;
}

#[tokio::test]
async fn an_emptied_database_gets_again_what_the_journal_holds() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/a", "x").await.expect(201);
    let stopped = server.stop().await;
    match stopped.own_database().await {
        Some(database) => database.empty().await,
        None => {
            for name in ["stobj.sqlite", "stobj.sqlite-wal", "stobj.sqlite-shm"] {
                let _is_there = std::fs::remove_file(stopped.data().join(name));
            }
        }
    }
    let server = stopped.start().await;
    let client = server.tester().await;
    until("the records are there again", || async {
        let found = records(&client, &[]).await;
        found.iter().filter(|record| record["changed"] == true).count() == 3
    })
    .await;
}

#[tokio::test]
async fn without_the_database_none_can_be_read() {
    let database = OwnDatabase::create().await;
    let way = Way::to(&database.url()).await;
    let server = Server::builder()
        .database(Database::Sqlite)
        .variable(DATABASE_SETTING, &way.url())
        .start()
        .await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    way.set(Fault::Cut);
    let refused = client.get("").query("records", "").await.expect(503);
    assert!(refused.number("retry-after") > 0);
    client.put("c/a", "x").await.expect(201);
    client.get("c/none").await.expect(404);
    way.set(None);
    wait_for(
        &client,
        &[("path", "c/")],
        &[
            "404 object/get test:tester AUTH_test/c/none",
            "201 object/put test:tester AUTH_test/c/a",
        ],
    )
    .await;
}

fn list(server: &Server, arguments: &[&str]) -> Command {
    CommandLine::of_administrator(server).command(&[&["record", "list"], arguments].concat())
}

#[tokio::test]
async fn administrators_list_and_follow_them() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/a,b", "x").await.expect(201);
    client.get("c/none").await.expect(404);
    wait_for(
        &client,
        &[("path", "c/")],
        &[
            "404 object/get test:tester AUTH_test/c/none",
            "201 object/put test:tester AUTH_test/c/a,b",
        ],
    )
    .await;
    let json = program::run(&mut list(
        &server,
        &["--json", "--path", "AUTH_test/c/", "--since", "1h"],
    ))
    .await;
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect();
    let shown: Vec<_> = lines.iter().map(|record| record["action"].clone()).collect();
    assert_eq!(shown, ["object/get", "object/put"]);
    let csv = program::run(&mut list(
        &server,
        &[
            "--csv",
            "--user",
            "test:tester",
            "--result",
            "2xx",
            "--limit",
            "1",
        ],
    ))
    .await;
    let lines: Vec<_> = csv.lines().collect();
    assert!(lines[0].starts_with("time,user,action,path,result,changed,"));
    assert!(lines[1].contains(",test:tester,object/put,\"AUTH_test/c/a,b\",201,true,1,0,"));
    assert_eq!(lines.len(), 2);

    let mut following = list(&server, &["--follow", "--json", "--action", "object/delete"]);
    let mut following = following
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the program starts");
    let output = following.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(output).lines();
    // It follows from some moment on: something is done until it is seen.
    let seen = async {
        let mut number = 0;
        loop {
            let path = format!("c/{number}");
            client.put(&path, "x").await.expect(201);
            client.delete(&path).await.expect(204);
            number += 1;
            if let Ok(line) = timeout(Duration::from_millis(200), lines.next_line()).await {
                return line.expect("it goes on").expect("it goes on");
            }
        }
    };
    let line = timeout(PATIENCE, seen).await.expect("what is done is shown");
    let record: Value = serde_json::from_str(&line).expect("each line is JSON");
    assert_eq!(record["action"], "object/delete");
}
