//! What every answer has, whatever was asked; `/info` and `/healthcheck`.

use http::Method;
use integration_tests::{Connection, Server};

#[tokio::test]
async fn every_answer_names_its_transaction() {
    let server = Server::start().await;
    let client = server.tester().await;
    let mut seen = std::collections::BTreeSet::new();
    for target in [
        "/v1/AUTH_test",
        "/v1/AUTH_test/none",
        "/info",
        "/healthcheck",
        "/none",
        "/v1",
        "/auth/v1.0",
    ] {
        let response = client.request_at(Method::GET, target).await;
        let id = response.header("x-trans-id").to_owned();
        let response = response.expect_header("x-openstack-request-id", &id);
        let (random, seconds) = id.strip_prefix("tx").and_then(|id| id.split_once('-')).unwrap();
        assert_eq!((random.len(), seconds.len()), (21, 10), "{response:?}");
        assert!(!response.header("date").is_empty());
        assert!(seen.insert(id));
    }
    let extra = client.get("").header("x-trans-id-extra", &"e".repeat(40)).await;
    assert!(
        extra
            .header("x-trans-id")
            .ends_with(&format!("-{}", "e".repeat(32))),
        "{extra:?}"
    );
}

#[tokio::test]
async fn info_tells_features_and_limits() {
    let server = Server::start().await;
    let info = server.client().request_at(Method::GET, "/info").await.expect(200);
    let swift = &info
        .expect_header("content-type", "application/json; charset=UTF-8")
        .json()["swift"];
    assert!(
        swift["policies"]
            .as_array()
            .is_some_and(|policies| policies[0]["default"] == true),
        "{swift}"
    );
    for (limit, value) in [
        ("max_file_size", 5_368_709_122_u64),
        ("max_meta_name_length", 128),
        ("max_meta_value_length", 256),
        ("max_meta_count", 90),
        ("max_meta_overall_size", 4096),
        ("max_header_size", 8192),
        ("max_object_name_length", 1024),
        ("max_container_name_length", 256),
        ("max_account_name_length", 256),
        ("container_listing_limit", 10_000),
        ("account_listing_limit", 10_000),
    ] {
        assert_eq!(swift[limit], value, "{limit}");
    }
    let client = server.client();
    client.request_at(Method::HEAD, "/info").await.expect(200);
    client.request_at(Method::POST, "/info").await.expect(405);
}

#[tokio::test]
async fn the_healthcheck_is_ok() {
    let server = Server::start().await;
    let response = server
        .client()
        .request_at(Method::GET, "/healthcheck")
        .await
        .expect(200);
    response.expect_body("OK");
}

#[tokio::test]
async fn an_unknown_method_is_405_with_the_known_ones() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let lick = Method::from_bytes(b"LICK").unwrap();
    for path in ["", "c", "c/o"] {
        let response = client.request(lick.clone(), path).await.expect(405);
        let allow = response.header("allow");
        assert!(allow.contains("GET") && allow.contains("POST"), "{response:?}");
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let mut connection = Connection::open(&server).await;
    for at in 0..5 {
        let (token, base) = (client.token(), client.base());
        let request = format!(
            "PUT {base}/c/{at} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nContent-Length: 4\r\n\r\nbody\
             GET {base}/c/{at} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n\r\n"
        );
        connection.send(request).await;
        connection
            .response()
            .await
            .expect(201)
            .expect_no_header("connection");
        connection.response().await.expect(200).expect_body("body");
    }
}

#[tokio::test]
async fn a_head_has_no_body_whatever_it_asks() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "body").await.expect(201);
    let mut connection = Connection::open(&server).await;
    for (path, status) in [
        ("", 204),
        ("/c", 204),
        ("/c/o", 200),
        ("/c/none", 404),
        ("/none", 404),
    ] {
        let request = format!(
            "HEAD {}{path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\n\r\n",
            client.base(),
            client.token()
        );
        connection.send(request).await;
        connection.head_response().await.expect(status);
    }
}
