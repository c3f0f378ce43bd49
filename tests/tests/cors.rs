//! Requests that browsers make for pages from elsewhere.

use integration_tests::{Client, Server};

async fn with_object(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
        .put("c/o", "x")
        .header("x-object-meta-color", "red")
        .await
        .expect(201);
    client
}

#[tokio::test]
async fn a_preflight_needs_an_allowed_origin_and_a_method() {
    let server = Server::start().await;
    let client = with_object(&server).await;
    let anonymous = client.anonymous();
    let preflight = |origin: &str| {
        let request = anonymous.options("c/o").header("origin", origin);
        request.header("access-control-request-method", "GET")
    };
    preflight("http://a.example").await.expect(401);
    client
        .post("c")
        .header(
            "x-container-meta-access-control-allow-origin",
            "http://a.example http://b.example",
        )
        .header("x-container-meta-access-control-max-age", "5")
        .await
        .expect(204);
    let allowed = preflight("http://a.example").header("access-control-request-headers", "x-one, x-two");
    let allowed = allowed.await.expect(200);
    let allowed = allowed
        .expect_header("access-control-allow-origin", "http://a.example")
        .expect_header("access-control-max-age", "5");
    for method in ["GET", "HEAD", "PUT", "POST", "DELETE", "COPY", "OPTIONS"] {
        assert!(
            allowed.header("access-control-allow-methods").contains(method),
            "{allowed:?}"
        );
        assert!(allowed.header("allow").contains(method), "{allowed:?}");
    }
    let requested = allowed.header("access-control-allow-headers").to_lowercase();
    assert!(
        requested.contains("x-one") && requested.contains("x-two"),
        "{allowed:?}"
    );
    preflight("http://c.example").await.expect(401);
    anonymous
        .options("c/o")
        .header("origin", "http://a.example")
        .await
        .expect(401);
    anonymous.options("c/o").await.expect(200);
}

#[tokio::test]
async fn an_answer_to_an_allowed_origin_may_be_read() {
    let server = Server::start().await;
    let client = with_object(&server).await;
    let plain = client
        .get("c/o")
        .header("origin", "http://a.example")
        .await
        .expect(200);
    plain.expect_no_header("access-control-allow-origin");
    client
        .post("c")
        .header("x-container-meta-access-control-allow-origin", "*")
        .await
        .expect(204);
    let response = client
        .get("c/o")
        .header("origin", "http://a.example")
        .await
        .expect(200);
    let response = response.expect_header("access-control-allow-origin", "*");
    let exposed = response.header("access-control-expose-headers").to_lowercase();
    for name in [
        "etag",
        "x-timestamp",
        "x-trans-id",
        "x-object-meta-color",
        "content-type",
    ] {
        assert!(
            exposed.split(',').any(|have| have.trim() == name),
            "{name} in {exposed}"
        );
    }
}
