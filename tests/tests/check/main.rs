//! `stobj check` and `stobj rebuild`: things are broken for real, found, mended, and then found no more.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

mod counters;
mod files;
mod mirror;
mod rebuild;
mod scrubber;

use std::process::Output;

use integration_tests::{Client, CommandLine, Server, program};
use serde_json::Value;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

/// Runs `stobj` as an administrator.
async fn stobj(server: &Server, arguments: &[&str]) -> Output {
    program::finish(&mut CommandLine::of_administrator(server).command(arguments)).await
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

/// Changes a row in the database behind everybody's back.
async fn meddle(server: &Server, statement: &str) {
    meddle_with(server, statement, true).await;
}

/// The same where the database itself would not let that happen.
async fn meddle_unchecked(server: &Server, statement: &str) {
    meddle_with(server, statement, false).await;
}

async fn meddle_with(server: &Server, statement: &str, is_checked: bool) {
    let rows = match server.built().own_database().await {
        Some(database) => {
            let options: MySqlConnectOptions = database.url().parse().unwrap();
            let mut connection = options.connect().await.unwrap();
            if !is_checked {
                connection.execute("SET foreign_key_checks = 0").await.unwrap();
            }
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
            let file = server.data().join("stobj.sqlite");
            let mut options = SqliteConnectOptions::new()
                .filename(file)
                .foreign_keys(is_checked);
            if !is_checked {
                options = options.pragma("ignore_check_constraints", "ON");
            }
            let mut connection = options.connect().await.unwrap();
            let done = connection.execute(statement).await.unwrap().rows_affected();
            connection.close().await.unwrap();
            done
        }
    };
    assert_eq!(rows, 1, "one row is changed by {statement}");
}

async fn filled(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for name in ["a", "d/e/deep", "d/f", "marker/", "z"] {
        client.put(&format!("c/{name}"), name).await.expect(201);
    }
    client
}

#[tokio::test]
async fn what_cannot_be_checked_is_told_by_the_exit_code() {
    let server = Server::start().await;
    filled(&server).await;
    let output = stobj(&server, &["check", "--account", "AUTH_nobody"]).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let user = CommandLine::of(&server);
    user.run(&["check", "--account", "AUTH_test"]).await.expect(2);
    // All accounts, as text for people.
    let output = stobj(&server, &["check"]).await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("AUTH_test: 1 containers, 5 objects, "), "{said}");
}
