//! Objects that end at a time.

use std::time::Duration;

use integration_tests::{Client, Server};
use tokio::time::Instant;

async fn with_container(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
}

/// Waits until the object is gone, and no longer than it may take.
async fn expired(client: &Client, path: &str) {
    let start = Instant::now();
    while client.head(path).await.status() != 404 {
        assert!(start.elapsed() < Duration::from_secs(60), "{path} is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_expired_object_is_as_if_it_were_not_there() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/kept", "x").await.expect(201);
    let put = client
        .put("c/o", "x")
        .header("x-delete-after", "1")
        .await
        .expect(201);
    put.expect_no_header("x-delete-after");
    expired(&client, "c/o").await;
    client.get("c/o").await.expect(404);
    client.post("c/o").await.expect(404);
    client.copy("c/o", "c/p").await.expect(404);
    client
        .get("c/o")
        .header("x-open-expired", "true")
        .await
        .expect(404);
    client.list("c").await.expect_entries(&["kept"]);
    client
        .put("c/o", "new")
        .header("if-none-match", "*")
        .await
        .expect(201);
    client
        .get("c/o")
        .await
        .expect(200)
        .expect_body("new")
        .expect_no_header("x-delete-at");
}

#[tokio::test]
async fn an_end_is_shown_and_taken_back() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client
        .put("c/o", "x")
        .header("x-delete-at", "9000000000")
        .await
        .expect(201);
    client
        .head("c/o")
        .await
        .expect(200)
        .expect_header("x-delete-at", "9000000000");
    client.copy("c/o", "c/p").await.expect(201);
    client
        .head("c/p")
        .await
        .expect(200)
        .expect_header("x-delete-at", "9000000000");
    client
        .post("c/o")
        .header("x-delete-after", "1000")
        .await
        .expect(202);
    let head = client
        .head("c/o")
        .await
        .expect(200)
        .expect_no_header("x-delete-after");
    assert!(head.number("x-delete-at") < 9_000_000_000);
    client.post("c/o").await.expect(202);
    client
        .head("c/o")
        .await
        .expect(200)
        .expect_no_header("x-delete-at");
    client
        .put("c/o", "x")
        .header("x-delete-at", "99999999999999999999")
        .await
        .expect(201);
    client
        .head("c/o")
        .await
        .expect(200)
        .expect_header("x-delete-at", "9999999999");
}

#[tokio::test]
async fn an_end_must_be_a_number_in_the_future() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/o", "old").await.expect(201);
    for (name, value, message) in [
        ("x-delete-at", "tomorrow", "Non-integer X-Delete-At"),
        ("x-delete-after", "later", "Non-integer X-Delete-After"),
        ("x-delete-at", "1000000000", "X-Delete-At in past"),
        ("x-delete-after", "-5", ""),
    ] {
        for request in [client.put("c/o", "new"), client.post("c/o")] {
            let response = request.header(name, value).await.expect(400);
            assert!(response.text().contains(message), "{response:?}");
        }
    }
    client.get("c/o").await.expect_body("old");
}

#[tokio::test]
async fn what_is_expired_is_opened_where_that_is_allowed() {
    let server = Server::builder()
        .setting("[constraints]\nallow_open_expired = true")
        .start()
        .await;
    let client = with_container(&server).await;
    client
        .put("c/o", "x")
        .header("x-delete-after", "1")
        .await
        .expect(201);
    expired(&client, "c/o").await;
    client
        .get("c/o")
        .header("x-open-expired", "true")
        .await
        .expect(200)
        .expect_body("x");
    client.get("c/o").header("x-open-expired", "no").await.expect(404);
    client
        .post("c/o")
        .header("x-open-expired", "true")
        .await
        .expect(202);
    client.get("c/o").await.expect(200).expect_body("x");
    client.list("c").await.expect_entries(&["o"]);
}

#[tokio::test]
async fn a_conditional_delete_compares_the_end() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client
        .put("c/o", "x")
        .header("x-delete-at", "9000000000")
        .await
        .expect(201);
    client
        .delete("c/o")
        .header("x-if-delete-at", "8000000000")
        .await
        .expect(412);
    client
        .delete("c/o")
        .header("x-if-delete-at", "soon")
        .await
        .expect(400);
    client
        .delete("c/o")
        .header("x-if-delete-at", "9000000000")
        .await
        .expect(204);
}
