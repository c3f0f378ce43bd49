//! `stobj check` and `stobj rebuild`: things are broken for real, found, mended, and then found no more.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Output;

use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::{Client, Server, etag_of, program};
use serde_json::Value;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::process::Command;

/// Runs `stobj` as an administrator.
async fn stobj(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(program::server());
    program::without_settings(&mut command)
        .args(arguments)
        .env("ST_AUTH", server.auth_url())
        .env("ST_USER", "admin:admin")
        .env("ST_KEY", ADMIN_PASSWORD);
    program::finish(&mut command).await
}

/// A check of the account, with the exit code that it ends with.
async fn check(server: &Server, arguments: &[&str], code: i32) -> Value {
    let all = [&["check", "--account", "AUTH_test", "--json"], arguments].concat();
    let output = stobj(server, &all).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}\n{complained}");
    serde_json::from_str(&said).unwrap()
}

/// What was found, as `kind path`.
fn found(report: &Value) -> Vec<String> {
    let kinds = report["accounts"][0]["kinds"].as_array().unwrap();
    let examples = kinds.iter().flat_map(|of_kind| {
        let kind = of_kind["kind"].as_str().unwrap();
        let examples = of_kind["examples"].as_array().unwrap();
        examples
            .iter()
            .map(move |example| format!("{kind} {}", example["path"].as_str().unwrap()))
    });
    examples.collect()
}

/// What MariaDB says then, as SQLSTATE.
const DEADLOCK: &str = "40001";

/// Changes something in the database behind everybody's back.
async fn meddle(server: &Server, statement: &str) {
    let rows = match server.built().own_database().await {
        Some(database) => {
            let options: MySqlConnectOptions = database.url().parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            // The server writes too; of two that lock each other out MariaDB sends one back to try again.
            let done = loop {
                let statement = AssertSqlSafe(statement.to_owned());
                match connection.execute(statement).await {
                    Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(DEADLOCK) => {}
                    done => break done.unwrap().rows_affected(),
                }
            };
            connection.close().await.unwrap();
            done
        }
        None => {
            let statement = AssertSqlSafe(statement.to_owned());
            let options = SqliteConnectOptions::new().filename(server.data().join("stobj.sqlite"));
            let mut connection = options.connect().await.unwrap();
            let done = connection.execute(statement).await.unwrap().rows_affected();
            connection.close().await.unwrap();
            done
        }
    };
    assert_eq!(rows, 1, "one row is changed");
}

async fn filled(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for name in ["a", "d/e/deep", "d/f", "marker/", "z"] {
        client.put(&format!("c/{name}"), name).await.expect(201);
    }
    client
}

/// Other bytes, as a disk would have them: of the same size, at the same time.
fn rot(file: &Path) {
    let modified = std::fs::metadata(file).unwrap().modified().unwrap();
    let open = std::fs::File::options().write(true).open(file).unwrap();
    open.write_all_at(b"!", 0).unwrap();
    open.set_modified(modified).unwrap();
}

#[tokio::test]
async fn rows_that_were_changed_in_the_database_are_found_and_mended() {
    let server = Server::start().await;
    let client = filled(&server).await;
    let report = check(&server, &["--deep"], 0).await;
    assert_eq!(
        (&report["differences"], &report["objects"]),
        (&0.into(), &5.into())
    );

    meddle(&server, "DELETE FROM stobj WHERE path = X'64656570'").await; // deep
    meddle(&server, "UPDATE stobj SET bytes = 77 WHERE path = X'61'").await; // a
    meddle(&server, "UPDATE stobj SET path = X'79' WHERE path = X'7a'").await; // z is called y
    let expected = [
        "not_in_mirror c/d/e/deep",
        "not_in_mirror c/z",
        "not_in_storage c/y",
        "row c/a",
    ];
    let report = check(&server, &[], 1).await;
    assert_eq!(found(&report), expected);
    assert_eq!(report["repaired"], 0);

    let report = check(&server, &["--repair"], 0).await;
    assert_eq!(found(&report), expected);
    assert_eq!(
        (&report["differences"], &report["repaired"]),
        (&4.into(), &4.into())
    );
    check(&server, &[], 0).await;
    let listed = client.list("c").await.expect(200).entries();
    assert_eq!(listed, ["a", "d/e/deep", "d/f", "marker/", "z"]);
}

#[tokio::test]
async fn files_that_were_changed_behind_the_servers_back_are_found_and_taken_in() {
    let server = Server::start().await;
    let client = filled(&server).await;
    let container = server.objects().join("AUTH_test/c");
    std::fs::remove_file(container.join("d/f")).unwrap();
    std::fs::write(container.join("z"), "written by hand").unwrap();
    std::fs::create_dir(container.join("new")).unwrap();
    std::fs::write(container.join("new/file.txt"), "put there by cp").unwrap();

    let expected = [
        "not_in_storage c/d/f",
        // Somebody made it by itself.
        "directory c/new/",
        "counter c",
        "foreign_file c/new/file.txt",
        "changed_file c/z",
    ];
    let report = check(&server, &[], 1).await;
    assert_eq!(found(&report), expected);

    let report = check(&server, &["--repair"], 0).await;
    assert_eq!(found(&report), expected);
    check(&server, &["--deep"], 0).await;
    let listed = client.list("c").await.expect(200).entries();
    assert_eq!(listed, ["a", "d/e/deep", "marker/", "new/file.txt", "z"]);
    let head = client.head("c").await.expect(204);
    let sizes = ["a", "d/e/deep", "marker/", "put there by cp", "written by hand"].map(str::len);
    assert_eq!(head.number("x-container-object-count"), 5);
    assert_eq!(
        head.number("x-container-bytes-used"),
        sizes.iter().sum::<usize>() as u64
    );
    let get = client.get("c/new/file.txt").await.expect(200);
    get.expect_header("etag", &etag_of(b"put there by cp"))
        .expect_header("content-type", "text/plain");
    let get = client.get("c/z").await.expect(200);
    get.expect_header("etag", &etag_of(b"written by hand"));

    // And it stays so over a restart.
    let server = server.kill().await.start().await;
    check(&server, &["--deep"], 0).await;
}

#[tokio::test]
async fn rot_is_found_by_a_deep_check_only_and_kept_aside() {
    let server = Server::start().await;
    let client = filled(&server).await;
    let container = server.objects().join("AUTH_test/c");
    rot(&container.join("d/e/deep"));
    check(&server, &[], 0).await;
    let report = check(&server, &["--deep"], 1).await;
    assert_eq!(found(&report), ["damaged c/d/e/deep"]);
    let examples = check(&server, &["--deep", "--examples", "0"], 1).await;
    assert_eq!(examples["differences"], 1);
    assert!(found(&examples).is_empty());

    let report = check(&server, &["--deep", "--repair"], 0).await;
    assert_eq!((found(&report).len(), &report["repaired"]), (1, &1.into()));
    check(&server, &["--deep"], 0).await;
    client.get("c/d/e/deep").await.expect(404);
    assert_eq!(
        client
            .head("c")
            .await
            .expect(204)
            .number("x-container-object-count"),
        4
    );
    let kept = std::fs::read_dir(server.objects().join(".stobj/quarantine")).unwrap();
    let mut kept = kept.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    assert!(kept.any(|data| data == b"!/e/deep"), "the data is kept aside");
}

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

#[tokio::test]
async fn what_cannot_be_checked_is_told_by_the_exit_code() {
    let server = Server::start().await;
    filled(&server).await;
    let output = stobj(&server, &["check", "--account", "AUTH_nobody"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let mut command = Command::new(program::server());
    program::without_settings(&mut command)
        .args(["check", "--account", "AUTH_test"])
        .env("ST_AUTH", server.auth_url())
        .env("ST_USER", "test:tester")
        .env("ST_KEY", "testing");
    let output = program::finish(&mut command).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    // All accounts, as text for people.
    let output = stobj(&server, &["check"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("AUTH_test: 1 containers, 5 objects, "), "{said}");
}
