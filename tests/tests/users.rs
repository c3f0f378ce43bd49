//! Users and their tokens: log-out, revocation, rotation of keys, who guesses, and what nobody may read.

use std::collections::VecDeque;
use std::fs;
use std::time::Duration;

use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::{Client, Cluster, Server, Stopwatch};
use tokio::time::Instant;

/// A token is void everywhere after so long; half of it is for the machine.
const EVERYWHERE: Duration = Duration::from_secs(4);

/// So often a user may fail at once; after so many seconds one failure is forgiven, which on a slow machine happens meanwhile.
const FAILURES: u64 = 10;
const FORGIVEN_AFTER: u64 = 10;

fn program(client: &Client, action: &str, json: &str) -> Request {
    let target = format!("/f/{action}");
    client.request_at(Method::POST, &target).body(json.to_owned())
}

fn log_out(client: &Client) -> Request {
    client.request_at(Method::DELETE, "/auth/v1.0")
}

/// Another token of `test:tester`.
async fn other_token(server: &Server) -> Client {
    let asked = server.client().ask_for_token("test:tester", "testing");
    let response = asked.header("x-auth-token-lifetime", "600").await.expect(200);
    assert!(response.number("x-auth-token-expires") <= 600);
    server
        .client()
        .with_token(response.header("x-auth-token"))
        .at_account("AUTH_test")
}

#[tokio::test]
async fn a_log_out_ends_one_token_or_all() {
    let server = Server::start().await;
    let (first, second) = (server.tester().await, other_token(&server).await);
    assert_ne!(first.token(), second.token());
    log_out(&second).await.expect(204).expect_body("");
    second.get("").await.expect(401);
    log_out(&second).await.expect(401);
    log_out(&first.anonymous()).await.expect(401);
    first.get("").await.expect_one_of(&[200, 204]);
    let third = other_token(&server).await;
    third.get("").await.expect_one_of(&[200, 204]);
    third
        .request_at(Method::DELETE, "/auth/v1.0?all=true")
        .await
        .expect(204);
    for client in [&first, &second, &third] {
        client.get("").await.expect(401);
    }
    let again = server.tester().await;
    again.get("").await.expect_one_of(&[200, 204]);
}

#[tokio::test]
async fn what_is_revoked_stays_void_after_a_restart() {
    let server = Server::start().await;
    let (first, second) = (server.tester().await, other_token(&server).await);
    log_out(&second).await.expect(204);
    let server = server.kill().await.start().await;
    let at_new = |client: &Client| server.client().with_token(client.token()).at_account("AUTH_test");
    at_new(&second).get("").await.expect(401);
    at_new(&first).get("").await.expect_one_of(&[200, 204]);
    let tester = r#"{"account": "test", "name": "tester"}"#;
    program(&server.admin().await, "user/revoke", tester)
        .await
        .expect(200);
    until("the token is void", || async {
        at_new(&first).get("").await.status() == 401
    })
    .await;
    let server = server.stop().await.start().await;
    let client = server.client().with_token(first.token()).at_account("AUTH_test");
    client.get("").await.expect(401);
}

#[tokio::test]
async fn a_token_is_void_in_every_process_within_two_seconds() {
    let cluster = Cluster::new().await;
    let _servers = [
        cluster.start("account-server").await,
        cluster.start("object-server").await,
    ];
    let (here, there) = (cluster.start("proxy").await, cluster.start("proxy").await);
    let client = here.admin().await;
    there.admin().await;
    let elsewhere = Client::of(&there)
        .with_token(client.token())
        .at_account("AUTH_admin");
    elsewhere.get("").await.expect_one_of(&[200, 204]);
    log_out(&client).await.expect(204);
    let watch = Stopwatch::start();
    client.get("").await.expect(401);
    until("it is void at the other proxy", || async {
        elsewhere.get("").await.status() == 401
    })
    .await;
    assert!(watch.elapsed() < EVERYWHERE, "{:?}", watch.elapsed());
}

#[tokio::test]
async fn a_rotation_of_keys_logs_nobody_out() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let builder = server.stop().await;
    let path = builder.data().join("keys");
    let old = fs::read_to_string(&path).expect("the data are ours");
    let new = format!("77 {}\n{old}", "ab".repeat(32));
    fs::write(&path, new).expect("the data are ours");
    let server = builder.start().await;
    let at_new = |client: &Client| server.client().with_token(client.token()).at_account("AUTH_test");
    at_new(&client).get("c").await.expect(204);
    let newer = server.tester().await;
    assert_ne!(newer.token(), client.token());
    newer.get("c").await.expect(204);
    assert!(server.log().lines_with("is passed over").is_empty());

    // The old key is taken away when its last token has ended.
    let builder = server.stop().await;
    fs::write(&path, format!("77 {}\n", "ab".repeat(32))).expect("the data are ours");
    let server = builder.start().await;
    let at_new = |client: &Client| server.client().with_token(client.token()).at_account("AUTH_test");
    at_new(&client).get("c").await.expect(401);
    at_new(&newer).get("c").await.expect(204);
}

#[tokio::test]
async fn users_log_in_by_email_and_are_disabled() {
    let server = Server::start().await;
    let admin = server.admin().await;
    let joe = r#"{"account": "test", "name": "joe", "password": "secret", "email": "Joe@example.org", "groups": [".admin"]}"#;
    program(&admin, "user/put", joe).await.expect(200);
    let client = server.login("joe@Example.org", "secret").await;
    assert_eq!(client.base(), "/v1/AUTH_test");
    client.put("joes", "").await.expect(201);
    let shown = program(&client, "user/show", r#"{"account": "test", "name": "joe"}"#);
    let shown = shown.await.expect(200).json();
    assert_eq!(
        (&shown["email"], &shown["state"]),
        (&"joe@example.org".into(), &"enabled".into())
    );
    assert!(shown.get("verifier").is_none() && shown.get("password").is_none());
    program(&client, "user/list", "{}").await.expect(403);

    let login = r#"{"account": "test", "name": "joe"}"#;
    program(&client, "user/disable", login).await.expect(403);
    program(&admin, "user/disable", login).await.expect(200);
    until("the token is void", || async {
        client.get("joes").await.status() == 401
    })
    .await;
    for user in ["test:joe", "joe@example.org"] {
        server.client().ask_for_token(user, "secret").await.expect(401);
    }
    program(&admin, "user/enable", login).await.expect(200);
    let client = server.login("joe@example.org", "secret").await;
    client.get("joes").await.expect(204);
}

#[tokio::test]
async fn who_guesses_must_wait() {
    let server = Server::start().await;
    for user in ["test:tester3", "test:nobody"] {
        let begin = Instant::now();
        let mut failures = 0;
        let refused = loop {
            let answer = server.client().ask_for_token(user, "guess").await;
            let answer = answer.expect_one_of(&[401, 429]);
            if answer.status() == 429 {
                break answer;
            }
            failures += 1;
            let forgiven = begin.elapsed().as_secs() / FORGIVEN_AFTER;
            assert!(
                failures <= FAILURES + forgiven,
                "{failures} in {:?}",
                begin.elapsed()
            );
        };
        assert!(failures >= FAILURES, "{failures} failures are allowed");
        assert!(
            (1..=FORGIVEN_AFTER).contains(&refused.number("retry-after")),
            "{refused:?}"
        );
    }
    server.tester().await;
}

#[tokio::test]
async fn nothing_secret_reaches_a_log() {
    let server = Server::builder()
        .setting("[log]\nlevel = \"debug\"")
        .users()
        .start()
        .await;
    let admin = server.admin().await;
    let put = r#"{"account": "test", "name": "joe", "password": "sesame-one", "email": "joe@example.org"}"#;
    program(&admin, "user/put", put).await.expect(200);
    let client = server.login("test:joe", "sesame-one").await;
    let change =
        r#"{"account": "test", "name": "joe", "password": "sesame-two", "old_password": "sesame-one"}"#;
    program(&client, "user/password", change).await.expect(200);
    program(
        &admin,
        "user/put",
        r#"{"account": "test", "name": "x", "password": "sesame-torn""#,
    )
    .await
    .expect(400);
    server
        .client()
        .ask_for_token("test:joe", "sesame-wrong")
        .await
        .expect(401);
    let client = server.login("joe@example.org", "sesame-two").await;
    log_out(&client).await.expect(204);
    // Lines come through a pipe, a moment behind the answers.
    let is_logged_out = |line: &String| line.contains("DELETE /auth/v1.0");
    let logged = |lines: &VecDeque<String>| lines.iter().any(is_logged_out).then_some(());
    let logged_out = server.log().wait_for(Duration::from_secs(60), logged);
    assert!(logged_out.is_some(), "each request has an access line");
    let lines = server.log().lines();
    for secret in ["sesame", "argon2", "testing", client.token(), admin.token()] {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(secret)).collect();
        assert!(found.is_empty(), "{secret}: {found:?}");
    }
}
