//! Log-in and tokens.

use integration_tests::Server;

#[tokio::test]
async fn a_log_in_gives_token_and_url() {
    let server = Server::start().await;
    let client = server.client();
    for path in ["/auth/v1.0", "/auth/v1.0/", "/auth/auth"] {
        let response = client.request_at(http::Method::GET, path);
        let response = response
            .header("x-auth-user", "test:tester")
            .header("x-auth-key", "testing")
            .await
            .expect(200);
        assert_eq!(
            response.header("x-auth-token"),
            response.header("x-storage-token")
        );
        assert!(response.header("x-auth-token").len() <= 512);
        assert!(response.number("x-auth-token-expires") <= 86_400);
        let url = format!("http://{}/v1/AUTH_test", server.address());
        response.expect_header("x-storage-url", &url).expect_body("");
    }
    let response = client.request_at(http::Method::GET, "/auth/v1/test/auth");
    response
        .header("x-storage-user", "tester")
        .header("x-storage-pass", "testing")
        .await
        .expect(200);
}

#[tokio::test]
async fn the_url_has_the_host_that_the_client_asked() {
    let server = Server::start().await;
    let mut connection = integration_tests::Connection::open(&server).await;
    connection
        .send(
            "GET /auth/v1.0 HTTP/1.1\r\nHost: store.example:81\r\nX-Auth-User: test:tester\r\nX-Auth-Key: testing\r\n\r\n",
        )
        .await;
    let response = connection.response().await.expect(200);
    response.expect_header("x-storage-url", "http://store.example:81/v1/AUTH_test");
}

#[tokio::test]
async fn a_valid_token_is_handed_out_again() {
    let server = Server::start().await;
    let first = server.login("test:tester", "testing").await;
    let second = server.login("test:tester", "testing").await;
    assert_eq!(first.token(), second.token());
    let other = server.login("test:tester3", "testing3").await;
    assert_ne!(first.token(), other.token());
}

#[tokio::test]
async fn a_wrong_log_in_is_401() {
    let server = Server::start().await;
    let client = server.client();
    for (user, key) in [
        ("test:tester", "wrong"),
        ("test:nobody", "testing"),
        ("nobody:tester", "testing"),
        ("tester", "testing"),
        ("", ""),
        ("test:tester", ""),
    ] {
        let response = client.request_at(http::Method::GET, "/auth/v1.0");
        let response = response
            .header("x-auth-user", user)
            .header("x-auth-key", key)
            .await
            .expect(401);
        assert!(
            response.header("www-authenticate").starts_with("Swift realm=\""),
            "{response:?}"
        );
    }
    client
        .request_at(http::Method::GET, "/auth/v1.0")
        .await
        .expect(401);
}

#[tokio::test]
async fn no_token_and_a_bad_token_are_401() {
    let server = Server::start().await;
    let tester = server.tester().await;
    tester.put("c", "").await.expect(201);
    let anonymous = tester.anonymous();
    for path in ["", "c", "c/o", "none", "none/o"] {
        let response = anonymous.get(path).await.expect(401);
        response.expect_header("www-authenticate", "Swift realm=\"AUTH_test\"");
        for token in [
            "AUTH_tk00000000000000000000000000000000",
            "AUTH_tk",
            "nonsense",
            "",
        ] {
            anonymous
                .get(path)
                .header("x-auth-token", token)
                .await
                .expect(401);
        }
        let mut forged = tester.token().to_owned();
        let last = if forged.pop() == Some('0') { '1' } else { '0' };
        forged.push(last);
        anonymous
            .get(path)
            .header("x-auth-token", &forged)
            .await
            .expect(401);
    }
    let realm = anonymous.at_account("AUTH_a\"b\n").get("").await.expect(401);
    realm.expect_header("www-authenticate", "Swift realm=\"AUTH_a%22b%0A\"");
}

#[tokio::test]
async fn a_reseller_administrator_owns_every_account() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let admin = server.admin().await.at_account("AUTH_test");
    admin.put("c/o", "x").await.expect(201);
    client.get("c/o").await.expect(200).expect_body("x");
    admin.at_account("AUTH_.hidden").get("").await.expect(403);
    admin.at_account("OTHER_test").get("").await.expect(403);
}

#[tokio::test]
async fn a_service_account_needs_both_tokens() {
    let server = Server::builder()
        .setting(
            "[filter.auth]\nreseller_prefixes = [\"AUTH\", \"SERVICE\"]\n\
             [filter.auth.require_group]\nSERVICE = \"service\"",
        )
        .users()
        .start()
        .await;
    let tester = server.tester().await.at_account("SERVICE_test");
    let service = server
        .login("test5:tester5", "testing5")
        .await
        .at_account("SERVICE_test");
    tester.put("c", "").await.expect(403);
    service.put("c", "").await.expect(403);
    tester
        .put("c", "")
        .header("x-service-token", service.token())
        .await
        .expect_one_of(&[201, 202]);
    tester
        .get("c")
        .header("x-service-token", service.token())
        .await
        .expect(204);
    tester
        .get("c")
        .header("x-service-token", tester.token())
        .await
        .expect(403);
    tester
        .delete("c")
        .header("x-service-token", service.token())
        .await
        .expect(204);
}
