//! The switches of the resource firewall: what is off answers 403 on every way, and is as it was when it is on again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::fault::HeldDatabase;
use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::stopwatch::within;
use integration_tests::{Client, CommandLine, Connection, Response, Server, program};
use tokio::process::Command;

const STATE: &str = "x-resource-state";

async fn admin(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.at_account("AUTH_test")
}

fn switch(client: &Client, path: &str, state: &str) -> Request {
    client.post(path).header(STATE, state)
}

/// A container whose objects everybody reads, and the account of `test2` writes, with an object in it.
async fn prepare(server: &Server) -> Client {
    let client = server.tester().await;
    let put = client.put("c", "").header("x-container-read", ".r:*,.rlistings");
    put.header("x-container-write", "test2").await.expect(201);
    let put = client
        .put("c/o", "content")
        .header("x-object-meta-colour", "blue");
    put.header("content-type", "text/x").await.expect(201);
    client.put("c/other", "other").await.expect(201);
    client
}

/// Every way to touch an object that is there.
fn ways(client: &Client, path: &str) -> Vec<Request> {
    vec![
        client.get(path),
        client.get(path).header("range", "bytes=0-1"),
        client.get(path).header("if-none-match", "*"),
        client.get(path).header("if-match", "nothing"),
        client.head(path),
        client.put(path, "new"),
        client.put(path, "new").header("if-none-match", "*"),
        client.post(path).header("x-object-meta-a", "b"),
        client.delete(path),
        client.delete(path).header("x-if-delete-at", "1"),
        client.copy(path, "c/copy"),
        client.copy("c/other", path),
        client
            .put("c/copy", "")
            .header("x-copy-from", &format!("/{path}")),
        client.put(path, "").header("x-copy-from", "/c/other"),
    ]
}

/// What must be the same again.
fn told(response: &Response) -> Vec<(String, String)> {
    let mut told: Vec<_> = [
        "etag",
        "last-modified",
        "x-timestamp",
        "content-type",
        "x-object-meta-colour",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), response.header(name).to_owned()))
    .collect();
    told.sort();
    told
}

#[tokio::test]
async fn an_object_that_is_off_answers_403_on_every_way_and_to_everybody() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let admin = admin(&server).await;
    let before = told(&client.head("c/o").await.expect(200));
    let account = told_of_account(&client).await;

    switch(&admin, "c/o", "disable").await.expect(202);
    for who in [&client, &admin] {
        for way in ways(who, "c/o") {
            way.await.expect(403);
        }
    }
    let others = server
        .login("test2:tester2", "testing2")
        .await
        .at_account("AUTH_test");
    others.get("c/o").await.expect(403);
    others.put("c/o", "new").await.expect(403);
    client.anonymous().get("c/o").await.expect(403);
    client.anonymous().head("c/o").await.expect(403);
    // Only administrators are told why.
    admin
        .head("c/o")
        .await
        .expect(403)
        .expect_header(STATE, "disable");
    client.head("c/o").await.expect(403).expect_no_header(STATE);

    // Nobody gets another answer than before who may not look, and the neighbours are as they were.
    client.anonymous().put("c/o", "x").await.expect(401);
    let stranger = server.login("test:tester3", "testing3").await;
    stranger.put("c/o", "x").await.expect(403);
    client.get("c/other").await.expect(200).expect_body("other");
    client.get("c/none").await.expect(404);
    client.list("c").await.expect(200).expect_entries(&["o", "other"]);
    client.delete("c").await.expect(409);
    assert_eq!(told_of_account(&client).await, account);

    switch(&admin, "c/o", "enable").await.expect(202);
    let response = client.get("c/o").await.expect(200).expect_body("content");
    assert_eq!(told(&response), before);
    response.expect_no_header(STATE);
    admin.get("c/o").await.expect(200).expect_header(STATE, "enable");
    client.anonymous().get("c/o").await.expect(200);
    client.put("c/o", "new").await.expect(201);
    client.delete("c/o").await.expect(204);
}

async fn told_of_account(client: &Client) -> [u64; 3] {
    let head = client.head("").await.expect(204);
    [
        "x-account-object-count",
        "x-account-bytes-used",
        "x-account-container-count",
    ]
    .map(|name| head.number(name))
}

#[tokio::test]
async fn only_administrators_have_the_switch() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let others = server
        .login("test2:tester2", "testing2")
        .await
        .at_account("AUTH_test");
    // Who may do everything else in the account, but is no administrator of the store.
    let acl = r#"{"admin":["test2:tester2"],"read-write":["test:tester3"]}"#;
    client
        .post("")
        .header("x-account-access-control", acl)
        .await
        .expect(204);
    let writer = server.login("test:tester3", "testing3").await;
    for path in ["c/o", "c/none", ""] {
        for who in [&client, &others, &writer] {
            switch(who, path, "disable").await.expect(403);
        }
        switch(&client.anonymous(), path, "disable").await.expect(401);
    }
    client.get("c/o").await.expect(200).expect_body("content");
    let admin = admin(&server).await;
    switch(&admin, "c/none", "disable").await.expect(404);
    switch(&admin, "none/o", "disable").await.expect(404);
    // test:tester6 is one, too.
    let sixth = server.login("test:tester6", "testing6").await;
    switch(&sixth, "c/o", "Disable").await.expect(202);
    switch(&client, "c/o", "enable").await.expect(403);
    switch(&sixth, "c/o", "enable").await.expect(202);
}

#[tokio::test]
async fn a_post_that_sets_the_switch_changes_nothing_else() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let admin = admin(&server).await;
    let before = told(&client.head("c/o").await.expect(200));
    for (name, value) in [
        ("x-object-meta-a", "b"),
        ("content-type", "text/plain"),
        ("x-delete-after", "100"),
        ("content-encoding", "gzip"),
        (STATE, "disable"),
    ] {
        switch(&admin, "c/o", "disable")
            .header(name, value)
            .await
            .expect(400);
    }
    for state in ["", "off", "disabled", "enable, disable"] {
        switch(&admin, "c/o", state).await.expect(400);
    }
    for (name, value) in [("x-account-meta-a", "b"), ("x-remove-account-meta-a", "x")] {
        switch(&admin, "", "disable")
            .header(name, value)
            .await
            .expect(400);
    }
    // Where nobody would obey it, it is refused, too.
    switch(&admin, "c", "disable").await.expect(400);
    admin.put("c/o", "x").header(STATE, "disable").await.expect(400);
    admin.put("c", "").header(STATE, "disable").await.expect(400);
    admin
        .copy("c/o", "c/p")
        .header(STATE, "disable")
        .await
        .expect(400);
    let json = r#"{"account": "AUTH_test", "container": "c", "state": "disable"}"#;
    let program = |json: &str| {
        admin
            .request_at(Method::POST, "/f/firewall/state")
            .body(json.to_owned())
    };
    program(json).await.expect(400);
    let misspelt = r#"{"account": "AUTH_test", "objekt": "o", "state": "disable"}"#;
    program(misspelt).await.expect(400);
    assert_eq!(told(&client.get("c/o").await.expect(200)), before);
    client.list("").await.expect(200).expect_entries(&["c"]);
}

#[tokio::test]
async fn nothing_in_an_account_that_is_off_can_be_touched() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let admin = admin(&server).await;
    client.post("").header("x-account-meta-a", "b").await.expect(204);
    let before = told(&client.head("c/o").await.expect(200));
    admin.head("").await.expect(204).expect_header(STATE, "enable");

    switch(&admin, "", "disable").await.expect(204);
    for who in [&client, &admin] {
        for way in ways(who, "c/o") {
            way.await.expect(403);
        }
        for path in ["", "c"] {
            for way in [
                who.get(path),
                who.head(path),
                who.list(path),
                who.post(path).header("x-container-meta-a", "b"),
            ] {
                way.await.expect(403);
            }
        }
        who.put("c", "").await.expect(403);
        who.put("new", "").await.expect(403);
        who.put("c/new", "x").await.expect(403);
        who.delete("c").await.expect(403);
        who.get("c/none").await.expect(403);
        switch(who, "c/o", "enable").await.expect(403);
    }
    client.anonymous().get("c/o").await.expect(403);
    client.anonymous().get("").await.expect(401);
    admin.head("").await.expect(403).expect_header(STATE, "disable");
    switch(&client, "", "enable").await.expect(403);
    // Other accounts are none of its business, but as the other end of a copy.
    let others = server.login("test2:tester2", "testing2").await;
    others.put("d", "").await.expect(201);
    others.put("d/o", "theirs").await.expect(201);
    let copy = others
        .copy("d/o", "c/p")
        .header("destination-account", "AUTH_test");
    copy.await.expect(403);
    let copy = others.put("d/p", "").header("x-copy-from", "/c/o");
    copy.header("x-copy-from-account", "AUTH_test").await.expect(403);

    switch(&admin, "", "enable").await.expect(204);
    assert_eq!(told(&client.get("c/o").await.expect(200)), before);
    client
        .head("")
        .await
        .expect(204)
        .expect_header("x-account-meta-a", "b");
    client.list("").await.expect(200).expect_entries(&["c"]);
    client.put("c/new", "x").await.expect(201);
}

#[tokio::test]
async fn an_account_can_be_off_before_anything_is_in_it() {
    let server = Server::start().await;
    let others = server.login("test2:tester2", "testing2").await;
    let admin = admin(&server).await.at_account("AUTH_test2");
    switch(&admin, "", "disable").await.expect(204);
    others.put("c", "").await.expect(403);
    others.get("").await.expect(403);
    switch(&admin, "", "enable").await.expect(204);
    others.put("c", "").await.expect(201);
}

/// A PUT whose body is to come.
async fn upload(server: &Server, client: &Client, path: &str, length: usize) -> Connection {
    let mut connection = Connection::open(server).await;
    let head = format!(
        "PUT {}/{path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: {length}\r\n\
         Expect: 100-continue\r\n\r\n",
        client.base(),
        client.token()
    );
    connection.send(head).await;
    connection.response().await.expect(100);
    connection
}

#[tokio::test]
async fn an_upload_under_way_is_not_stored_any_more() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let admin = admin(&server).await;
    for (path, off) in [("c/o", "c/o"), ("c/o", ""), ("c/new", "")] {
        let mut connection = upload(&server, &client, path, 5).await;
        connection.send("ab").await;
        switch(&admin, off, "disable").await.expect_one_of(&[202, 204]);
        connection.send("cde").await;
        connection.response().await.expect(403);
        switch(&admin, off, "enable").await.expect_one_of(&[202, 204]);
        client.get("c/o").await.expect(200).expect_body("content");
        client.get("c/new").await.expect(404);
    }
    client.list("c").await.expect(200).expect_entries(&["o", "other"]);
}

/// All files of an account with what is in them.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).expect("the tree is ours") {
            let path = entry.expect("the tree is ours").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let content = std::fs::read(&path).expect("a file stays while nobody removes it");
                files.insert(path, content);
            }
        }
    }
    files
}

/// Stores objects of its own until it is refused, and counts them.
async fn store_until_refused(client: Client, number: usize, stored: Arc<AtomicUsize>) {
    for round in 0.. {
        let put = client.put(&format!("c/{number}/{}", round % 7), format!("{number} {round}"));
        match put.await.expect_one_of(&[201, 403]).status() {
            201 => stored.fetch_add(1, Ordering::Relaxed),
            _ => return,
        };
    }
}

#[tokio::test]
async fn nothing_changes_any_more_once_an_account_is_said_to_be_off() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let admin = admin(&server).await;
    for _ in 0..3 {
        let stored = Arc::new(AtomicUsize::new(0));
        let worker = |number| store_until_refused(client.clone(), number, Arc::clone(&stored));
        let workers: Vec<_> = (0..8).map(|number| tokio::spawn(worker(number))).collect();
        let is_at_it = || async { stored.load(Ordering::Relaxed) > 50 };
        until("the workers are at it", is_at_it).await;
        switch(&admin, "", "disable").await.expect(204);
        let at_once = files(&server.objects().join("AUTH_test"));
        for worker in workers {
            worker.await.expect("no worker fails");
        }
        assert_eq!(files(&server.objects().join("AUTH_test")), at_once);
        switch(&admin, "", "enable").await.expect(204);
    }
}

/// Reads `c/o` until it was refused after it was said to be off.
async fn read_until_off(client: Client, is_off: Arc<AtomicBool>, read: Arc<AtomicUsize>) {
    loop {
        let was_off = is_off.load(Ordering::SeqCst);
        let status = client.get("c/o").await.expect_one_of(&[200, 403]).status();
        match (status, was_off) {
            (200, false) => read.fetch_add(1, Ordering::Relaxed),
            (200, true) => panic!("it was read after it was said to be off"),
            (_, true) => return,
            (_, false) => 0,
        };
    }
}

#[tokio::test]
async fn nobody_reads_an_object_any_more_once_it_is_said_to_be_off() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let admin = admin(&server).await;
    for _ in 0..5 {
        let (is_off, read) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let reader = |_| read_until_off(client.clone(), Arc::clone(&is_off), Arc::clone(&read));
        let readers: Vec<_> = (0..6).map(|number| tokio::spawn(reader(number))).collect();
        let is_at_it = || async { read.load(Ordering::Relaxed) > 60 };
        until("the readers are at it", is_at_it).await;
        switch(&admin, "c/o", "disable").await.expect(202);
        is_off.store(true, Ordering::SeqCst);
        for reader in readers {
            reader.await.expect("no reader gets what it must not");
        }
        switch(&admin, "c/o", "enable").await.expect(202);
    }
}

#[tokio::test]
async fn nobody_sends_a_long_body_in_vain() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    switch(&admin(&server).await, "c/o", "disable").await.expect(202);
    let mut connection = Connection::open(&server).await;
    let head = format!(
        "PUT {}/c/o HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {}\r\nContent-Length: 100000000\r\n\
         Expect: 100-continue\r\n\r\n",
        client.base(),
        client.token()
    );
    connection.send(head).await.response().await.expect(403);
}

#[tokio::test]
async fn what_is_off_stays_off_after_a_restart() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let others = server.login("test2:tester2", "testing2").await;
    others.put("d", "").await.expect(201);
    let admin_client = admin(&server).await;
    switch(&admin_client, "c/o", "disable").await.expect(202);
    switch(&admin_client.at_account("AUTH_test2"), "", "disable")
        .await
        .expect(204);
    client.get("c/o").await.expect(403);

    let server = server.kill().await.start().await;
    server.tester().await.get("c/o").await.expect(403);
    let others = server.login("test2:tester2", "testing2").await;
    others.get("").await.expect(403);
    let server = server.stop().await.start().await;
    let client = server.tester().await;
    client.get("c/o").await.expect(403);
    client.get("c/other").await.expect(200);
    let admin_client = admin(&server).await;
    switch(&admin_client, "c/o", "enable").await.expect(202);
    client.get("c/o").await.expect(200).expect_body("content");
}

#[tokio::test]
async fn a_switch_waits_for_no_database_and_the_mirror_learns_of_it() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    let admin_client = admin(&server).await;
    let held = HeldDatabase::hold(&server).await;
    let soon = |request: Request| within(Duration::from_secs(5), "nobody waits for SQL", request);
    let of_account = soon(switch(&admin_client.at_account("AUTH_test2"), "", "disable")).await;
    of_account.expect(204);
    let of_object = soon(switch(&admin_client, "c/o", "disable")).await;
    of_object.expect(202);
    client.get("c/o").await.expect(403);
    let killed = server.kill().await;
    held.release().await;
    let server = killed.start().await;
    server.tester().await.get("c/o").await.expect(403);
    until("the mirror shows what is off", || async {
        let said = said(&server, &["list"]).await;
        let mut lines: Vec<_> = said.lines().collect();
        lines.sort_unstable();
        lines == ["AUTH_test/c/o", "AUTH_test2"]
    })
    .await;
}

fn firewall(server: &Server, arguments: &[&str], login: &str, key: &str) -> Command {
    CommandLine::at(&server.auth_url(), login, key).command(&[&["firewall"], arguments].concat())
}

async fn said(server: &Server, arguments: &[&str]) -> String {
    program::run(&mut firewall(server, arguments, "admin:admin", ADMIN_PASSWORD)).await
}

#[tokio::test]
async fn the_command_switches_and_shows_what_is_off() {
    let server = Server::start().await;
    let client = prepare(&server).await;
    client.put("c/dir/ä b", "x").await.expect(201);
    for name in ["AUTH_test/c/o", "AUTH_test/c/dir/ä b", "AUTH_test2"] {
        let line = format!("disabled {name}\n");
        assert_eq!(said(&server, &["disable", name]).await, line);
    }
    let again = said(&server, &["disable", "AUTH_test/c/o"]).await;
    assert_eq!(again, "AUTH_test/c/o was disabled before\n");
    client.get("c/o").await.expect(403);
    client.get("c/dir/ä b").await.expect(403);

    // The list is the mirror's, which follows.
    let listed = async |arguments: &'static [&'static str], expected: &[&str]| {
        until("the mirror shows what is off", || async {
            let said = said(&server, arguments).await;
            let mut lines: Vec<_> = said.lines().collect();
            lines.sort_unstable();
            lines == expected
        })
        .await;
    };
    listed(&["list"], &["AUTH_test/c/dir/ä b", "AUTH_test/c/o", "AUTH_test2"]).await;
    listed(&["list", "AUTH_test"], &["AUTH_test/c/dir/ä b", "AUTH_test/c/o"]).await;
    assert_eq!(
        said(&server, &["enable", "AUTH_test/c/o"]).await,
        "enabled AUTH_test/c/o\n"
    );
    listed(&["list", "AUTH_test"], &["AUTH_test/c/dir/ä b"]).await;
    client.get("c/o").await.expect(200);

    for (arguments, login, key, why) in [
        (
            &["disable", "AUTH_test/c/o"][..],
            "test:tester",
            "testing",
            "Forbidden",
        ),
        (&["list"], "test:tester", "testing", "Forbidden"),
        (
            &["disable", "AUTH_test/c/none"],
            "admin:admin",
            ADMIN_PASSWORD,
            "there is no AUTH_test/c/none",
        ),
        (
            &["disable", "AUTH_test/c"],
            "admin:admin",
            ADMIN_PASSWORD,
            "containers have no switch",
        ),
    ] {
        let output = program::finish(&mut firewall(&server, arguments, login, key)).await;
        assert!(!output.status.success());
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn the_command_shows_what_the_rules_decided() {
    let rule = "[[filter.firewall.rules]]\nname = \"no c\"\ndecision = \"deny\"\npaths = [\"AUTH_test/c\"]\n";
    let server = Server::builder().setting(rule).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(403);
    client.head("c").await.expect(403);
    assert_eq!(
        said(&server, &["rules"]).await,
        "         2  no c: deny paths AUTH_test/c\n"
    );
}
