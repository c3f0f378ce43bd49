//! Functional requests of programs: `POST /f/{system}/{action}`, and the subcommands that use them.

use http::Method;
use integration_tests::client::Request;
use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::{Client, CommandLine, Server, program};

const JOE: &str = r#"{"account": "test", "name": "joe", "password": "secret"}"#;

fn program(client: &Client, action: &str, json: &str) -> Request {
    let target = format!("/f/{action}");
    client.request_at(Method::POST, &target).body(json.to_owned())
}

#[tokio::test]
async fn an_administrator_sends_functional_requests_as_json() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let response = program(&admin, "user/put", JOE).await.expect(200);
    let response = response.expect_header("content-type", "application/json; charset=utf-8");
    assert_eq!(response.json(), serde_json::json!({"created": true}));
    let again = program(&admin, "user/put", JOE).await.expect(200);
    assert_eq!(again.json(), serde_json::json!({"created": false}));
    server.login("test:joe", "secret").await;
}

#[tokio::test]
async fn nobody_else_does() {
    let server = Server::start().await;
    let tester = server.tester().await;
    let refused = program(&tester, "user/put", JOE).await.expect(403);
    assert_eq!(refused.json()["outcome"], "forbidden");
    program(&tester.anonymous(), "user/put", JOE).await.expect(401);
    let forged = program(&tester.anonymous(), "user/put", JOE).header("x-auth-token", "AUTH_tkforged");
    forged.await.expect(401);
    let key = program(&tester, "user/put", JOE).header("x-stobj-cluster-key", "0;0");
    key.await.expect(403);
}

#[tokio::test]
async fn what_makes_no_sense_is_told() {
    let server = Server::start().await;
    let admin = server.admin().await;
    for action in [
        "policy/fetch",
        "object/put",
        "mirror/apply",
        "user/nothing",
        "user",
        "",
    ] {
        program(&admin, action, "{}").await.expect(404);
    }
    let missing = program(&admin, "user/put", "").await.expect(400);
    let text = missing.json()["text"].to_string();
    assert!(text.contains("missing field `account`"), "{text}");
    let torn = program(&admin, "user/put", "{\"account\":").await.expect(400);
    let text = torn.json()["text"].to_string();
    assert!(text.contains("no JSON"), "{text}");
    let get = admin.request_at(Method::GET, "/f/user/put").await.expect(405);
    get.expect_header("allow", "POST");
    let long = format!("{{\"account\": \"{}\"}}", "x".repeat(1024 * 1024));
    program(&admin, "user/put", &long).await.expect(413);
}

#[tokio::test]
async fn a_subcommand_speaks_to_a_running_server() {
    let server = Server::start().await;
    let user = |arguments: &[&str], login: &str, key: &str| {
        let arguments = [&["user"], arguments].concat();
        let mut command = CommandLine::at(&server.auth_url(), login, key).command(&arguments);
        command.env("STOBJ_PASSWORD", "secret");
        command
    };
    let said = program::run(&mut user(&["add", "test:ann"], "admin:admin", ADMIN_PASSWORD)).await;
    assert_eq!(said, "added test:ann\n");
    server.login("test:ann", "secret").await;
    for (login, key, why) in [
        ("test:tester", "testing", "Forbidden"),
        ("admin:admin", "wrong", "user or key are wrong"),
    ] {
        let output = program::finish(&mut user(&["add", "test:bob"], login, key)).await;
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(why), "{said}");
    }
    let output = program::finish(&mut user(
        &["password", "test:nobody"],
        "admin:admin",
        ADMIN_PASSWORD,
    ))
    .await;
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("no such user"),
        "{output:?}"
    );
}
