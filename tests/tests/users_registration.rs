//! Registration: user and account together, or neither.

use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::server::Builder;
use integration_tests::{Client, Server, Shape};

const BOB: &str = r#"{"email": "Bob@example.org", "name": "bob", "password": "sesame-bob"}"#;

fn open() -> Builder {
    Server::builder()
        .setting("[filter.auth]\nregistration = \"open\"")
        .users()
}

fn register(client: &Client, json: &str) -> Request {
    client
        .request_at(Method::POST, "/auth/register")
        .body(json.to_owned())
}

async fn listed(server: &Server) -> String {
    let admin = server.admin().await;
    let list = admin.request_at(Method::POST, "/f/user/list").await.expect(200);
    list.text().to_owned()
}

#[tokio::test]
async fn who_registers_has_an_account() {
    let server = open().start().await;
    let client = server.client();
    let response = register(&client, BOB).await.expect(201);
    let url = format!("http://{}/v1/AUTH_bob", server.address());
    let response = response.expect_header("x-storage-url", &url);
    let told = serde_json::json!({"user": "bob:bob", "email": "bob@example.org", "storage_url": url});
    assert_eq!(response.json(), told);
    for user in ["bob:bob", "bob@example.org"] {
        let bob = server.login(user, "sesame-bob").await;
        assert_eq!(bob.base(), "/v1/AUTH_bob");
        bob.put("c", "").await.expect_one_of(&[201, 202]);
        bob.at_account("AUTH_test").get("").await.expect(403);
    }
    // The account is there, not only made by the first write.
    let admin = server.admin().await;
    let head = admin.at_account("AUTH_bob").head("").await.expect(204);
    assert!(head.find_header("x-timestamp").is_some() || head.find_header("x-account-bytes-used").is_some());

    register(&client, BOB).await.expect(409);
    let same_name = BOB.replace("Bob@", "other@");
    register(&client, &same_name).await.expect(409);
    let same_email = BOB.replace("\"bob\"", "\"bobby\"");
    register(&client, &same_email).await.expect(409);
    let server = server.stop().await.start().await;
    server.login("bob@example.org", "sesame-bob").await;
    register(&server.client(), BOB).await.expect(409);
}

#[tokio::test]
async fn what_is_somebody_elses_is_not_given_away() {
    let server = open().start().await;
    let client = server.client();
    // An account with files and without users.
    let admin = server.admin().await;
    admin.at_account("AUTH_left").put("c", "").await.expect(201);
    let request = |name: &str| {
        format!(r#"{{"email": "{name}@example.org", "name": "{name}", "password": "sesame-one"}}"#)
    };
    for name in ["left", "test", "service"] {
        let refused = register(&client, &request(name)).await.expect(409);
        assert!(refused.text().contains("taken"), "{refused:?}");
    }
    register(&client, &request("AUTH_test")).await.expect(400);
    let users = listed(&server).await;
    assert!(!users.contains("example.org"), "{users}");
}

#[tokio::test]
async fn bad_input_is_told_what_is_wrong() {
    let server = open().start().await;
    let client = server.client();
    for (json, why) in [
        ("", "no JSON"),
        ("[]", "JSON object"),
        (
            r#"{"email": "a@example.org", "name": "a"}"#,
            "missing field `password`",
        ),
        (
            &BOB.replace("Bob@example.org", "bob"),
            "email: expected an address",
        ),
        (
            &BOB.replace("example.org", "example"),
            "email: what stands behind the @",
        ),
        (&BOB.replace("\"bob\"", "\"b/b\""), "name: expected"),
        (&BOB.replace("\"bob\"", "\"\""), "name: expected"),
        (
            &BOB.replace("sesame-bob", "short"),
            "password: expected at least 8",
        ),
        (
            &BOB.replace("sesame-bob", "sesame\\nbob"),
            "password: it must not",
        ),
    ] {
        let refused = register(&client, json).await.expect(400);
        assert!(refused.text().contains(why), "{json}: {refused:?}");
        assert!(!refused.text().contains("sesame"), "{refused:?}");
    }
    register(&client, &" ".repeat(20_000)).await.expect(413);
    client
        .request_at(Method::GET, "/auth/register")
        .await
        .expect(405)
        .expect_header("allow", "POST");
    register(&client, BOB).await.expect(201);
}

#[tokio::test]
async fn registration_is_closed_unless_it_is_opened() {
    let server = Server::start().await;
    let refused = register(&server.client(), BOB).await.expect(403);
    assert!(refused.text().contains("closed"), "{refused:?}");
    // Nor is there another way in.
    for action in [
        "user/pend",
        "user/admit",
        "user/abandon",
        "user/remove",
        "policy/restore",
    ] {
        let admin = server.admin().await;
        let request = admin.request_at(Method::POST, &format!("/f/{action}"));
        request.body(BOB).await.expect(404);
    }
}

#[tokio::test]
async fn an_invitation_is_a_code_of_the_configuration() {
    let server = Server::builder()
        .setting(
            "[filter.auth]\nregistration = \"invitation\"\ninvitations = [\"come-to-me\", \"come-to-us\"]",
        )
        .users()
        .start()
        .await;
    let client = server.client();
    let invited = |name: &str, code: &str| {
        format!(
            r#"{{"email": "{name}@example.org", "name": "{name}", "password": "sesame-one", "invitation": "{code}"}}"#
        )
    };
    register(&client, BOB).await.expect(403);
    for code in ["", "come-to", "come-to-me-now"] {
        register(&client, &invited("ann", code)).await.expect(403);
    }
    register(&client, &invited("ann", "come-to-us")).await.expect(201);
    register(&client, &invited("bob", "come-to-us")).await.expect(201);
    server.login("ann:ann", "sesame-one").await;
    for secret in ["come-to", "sesame"] {
        assert!(server.log().lines_with(secret).is_empty());
    }
}

#[tokio::test]
async fn a_registration_that_was_cut_off_is_brought_to_its_end() {
    // The server ends while it makes the account: the user is pending then, and the account there or not.
    for point in ["journal:before_write", "journal:after_sync"] {
        let builder = open().shape(Shape::Single).start().await.stop().await;
        let armed = format!("{point}=abort");
        let server = builder
            .clone()
            .setting(&format!("[object-server]\nfailure_points = {armed:?}"))
            .start()
            .await;
        let cut_off = register(&server.client(), BOB).send().await;
        assert!(cut_off.is_err(), "{point}: {cut_off:?}");
        drop(server);

        let server = builder.start().await;
        until("the user is admitted", || async {
            server
                .client()
                .ask_for_token("bob:bob", "sesame-bob")
                .await
                .status()
                == 200
        })
        .await;
        let bob = server.login("bob@example.org", "sesame-bob").await;
        bob.put("c", "").await.expect(201);
        assert!(!listed(&server).await.contains("pending"));
        register(&server.client(), BOB).await.expect(409);
    }
}

#[tokio::test]
async fn a_registration_that_failed_can_be_repeated() {
    let builder = open().shape(Shape::Single).start().await.stop().await;
    let server = builder
        .clone()
        .setting("[object-server]\nfailure_points = \"journal:before_write=error\"")
        .start()
        .await;
    let failed = register(&server.client(), BOB).await;
    assert!(failed.status() >= 500, "{failed:?}");
    assert!(!listed(&server).await.contains("bob"));
    let server = server.kill().await;
    drop(server);
    let server = builder.start().await;
    register(&server.client(), BOB).await.expect(201);
    server.login("bob:bob", "sesame-bob").await;
}
