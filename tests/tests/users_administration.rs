//! What administrators do with users, and everybody with their own: the subcommand, and the programs behind it.

use std::process::Output;

use http::Method;
use integration_tests::cluster::until;
use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::{Client, CommandLine, Server, program};
use serde_json::{Value, json};
use tokio::process::Command;

/// `stobj user …`, as the user `login`.
async fn user(server: &Server, login: &str, key: &str, arguments: &[&str]) -> Output {
    let arguments = [&["user"], arguments].concat();
    let mut command = CommandLine::at(&server.auth_url(), login, key).command(&arguments);
    program::finish(command.env("STOBJ_PASSWORD", "sesame")).await
}

/// The same as the administrator, and it succeeds.
async fn admin(server: &Server, arguments: &[&str]) -> String {
    let output = user(server, "admin:admin", ADMIN_PASSWORD, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The same, and it fails with these words.
async fn refused(server: &Server, login: &str, key: &str, arguments: &[&str], why: &str) {
    let output = user(server, login, key, arguments).await;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && error.contains(why),
        "{arguments:?}: {error}"
    );
}

async fn status(server: &Server, user: &str, key: &str) -> u16 {
    server.client().ask_for_token(user, key).await.status()
}

#[tokio::test]
async fn users_are_shown_as_json() {
    let server = Server::start().await;
    admin(
        &server,
        &["add", "photos:joe", "--admin", "--email", "Joe@example.org"],
    )
    .await;
    admin(&server, &["add", "photos:ann", "--group", "readers"]).await;
    let shown: Value = serde_json::from_str(&admin(&server, &["show", "photos:joe"]).await).expect("JSON");
    assert_eq!(shown["email"], "joe@example.org");
    assert_eq!(
        (&shown["groups"], &shown["state"]),
        (&json!([".admin"]), &json!("enabled"))
    );
    let by_email = admin(&server, &["show", "joe@example.org"]).await;
    assert_eq!(serde_json::from_str::<Value>(&by_email).expect("JSON"), shown);
    let names = |text: String| {
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        lines
            .map(|user| user["name"].to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(names(admin(&server, &["list", "photos"]).await), r#""ann" "joe""#);
    assert!(names(admin(&server, &["list"]).await).contains("tester6"));
    refused(&server, "photos:joe", "sesame", &["list"], "Forbidden").await;
    refused(
        &server,
        "admin:admin",
        ADMIN_PASSWORD,
        &["show", "photos:eve"],
        "no such user",
    )
    .await;
    let other = &["add", "photos:eve", "--email", "joe@example.org"];
    refused(&server, "admin:admin", ADMIN_PASSWORD, other, "taken").await;
}

#[tokio::test]
async fn a_thousand_users_are_listed_page_by_page() {
    let server = Server::builder().start().await;
    let client = server.admin().await;
    for number in 0..7 {
        let put = json!({"account": "many", "name": format!("u{number}"), "password": "x"});
        let request = client.request_at(Method::POST, "/f/user/put");
        request.body(put.to_string()).await.expect(200);
    }
    let mut names = Vec::new();
    let mut marker = String::new();
    loop {
        let list = json!({"account": "many", "marker": marker, "limit": 3});
        let request = client.request_at(Method::POST, "/f/user/list");
        let page = request.body(list.to_string()).await.expect(200).json();
        let users = page["users"].as_array().expect("a list").clone();
        let Some(last) = users.last() else { break };
        assert!(users.len() <= 3);
        marker = format!("many:{}", last["name"].as_str().expect("a text"));
        names.extend(
            users
                .iter()
                .map(|user| user["name"].as_str().expect("a text").to_owned()),
        );
    }
    assert_eq!(names, ["u0", "u1", "u2", "u3", "u4", "u5", "u6"]);
}

#[tokio::test]
async fn everybody_changes_their_own_password() {
    let server = Server::start().await;
    let said = user(&server, "test:tester", "testing", &["password"]).await;
    assert!(said.status.success(), "{said:?}");
    assert_eq!(status(&server, "test:tester", "testing").await, 401);
    let client = server.login("test:tester", "sesame").await;
    refused(
        &server,
        "test:tester",
        "sesame",
        &["password", "test:tester3"],
        "Forbidden",
    )
    .await;
    let change = |old: &str| {
        let change = json!({"password": "another-one", "old_password": old});
        let request = client.request_at(Method::POST, "/f/user/password");
        request.body(change.to_string())
    };
    change("guess").await.expect(403);
    change("sesame").await.expect(200);
    until("the old token is void", || async {
        client.get("").await.status() == 401
    })
    .await;
    server.login("test:tester", "another-one").await;
    admin(&server, &["password", "test:tester3"]).await;
    server.login("test:tester3", "sesame").await;
}

#[tokio::test]
async fn users_are_disabled_revoked_and_enabled() {
    let server = Server::start().await;
    let client = server.tester().await;
    let is_void = async |client: &Client| {
        until("the token is void", || async {
            client.get("").await.status() == 401
        })
        .await;
    };
    assert_eq!(
        admin(&server, &["revoke", "test:tester"]).await,
        "revoked the tokens of test:tester\n"
    );
    is_void(&client).await;
    let client = server.tester().await;
    admin(&server, &["disable", "test:tester"]).await;
    is_void(&client).await;
    assert_eq!(status(&server, "test:tester", "testing").await, 401);
    admin(&server, &["enable", "test:tester"]).await;
    assert_eq!(status(&server, "test:tester", "testing").await, 200);
    assert_eq!(client.get("").await.status(), 401, "a token does not come back");
    refused(
        &server,
        "test:tester",
        "testing",
        &["disable", "test:tester3"],
        "Forbidden",
    )
    .await;
}

/// A user with an account and a file in it.
async fn with_file(server: &Server, name: &str) -> Client {
    let login = format!("{name}:{name}");
    admin(server, &["add", &login, "--admin"]).await;
    let client = server.login(&login, "sesame").await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "hello").await.expect(201);
    client
}

#[tokio::test]
async fn who_is_deleted_leaves_the_account_as_is_said() {
    let server = Server::start().await;
    let root = server.admin().await;
    for (name, what, left) in [
        ("kept", "keep", 200),
        ("off", "disable", 403),
        ("gone", "remove", 404),
    ] {
        let client = with_file(&server, name).await;
        let login = format!("{name}:{name}");
        refused(
            &server,
            "test:tester",
            "testing",
            &["delete", &login, "--account", what],
            "Forbidden",
        )
        .await;
        admin(&server, &["delete", &login, "--account", what]).await;
        until("the token is void", || async {
            client.get("c/o").await.status() == 401
        })
        .await;
        assert_eq!(status(&server, &login, "sesame").await, 401);
        // What is removed is 410 while that goes on.
        let looking = root.at_account(&format!("AUTH_{name}"));
        until("the account is as was said", || async {
            looking.get("c/o").await.status() == left
        })
        .await;
        let again = &["delete", &login, "--account", what];
        refused(&server, "admin:admin", ADMIN_PASSWORD, again, "no such user").await;
    }
    let others = &["delete", "test:tester", "--account", "remove"];
    refused(
        &server,
        "admin:admin",
        ADMIN_PASSWORD,
        others,
        "uses this account too",
    )
    .await;
    assert_eq!(status(&server, "test:tester", "testing").await, 200);
    let itself = &["delete", "admin:admin", "--account", "keep"];
    refused(
        &server,
        "admin:admin",
        ADMIN_PASSWORD,
        itself,
        "the user that they are",
    )
    .await;
}

#[tokio::test]
async fn the_database_is_changed_without_a_server() {
    let server = Server::start().await;
    let builder = server.stop().await;
    if builder.own_database().await.is_some() {
        return;
    }
    let run = async |arguments: &[&str]| {
        let mut command = Command::new(program::server());
        program::without_settings(&mut command)
            .arg("user")
            .args(arguments)
            .arg("--data")
            .arg(builder.data())
            .env("STOBJ_PASSWORD", "sesame");
        program::run(&mut command).await
    };
    run(&["add", "test:new"]).await;
    run(&["disable", "test:tester2"]).await;
    assert!(run(&["list", "test"]).await.contains("\"disabled\""));
    let server = builder.clone().start().await;
    server.login("test:new", "sesame").await;
    assert_eq!(status(&server, "test:tester2", "testing2").await, 401);
}
