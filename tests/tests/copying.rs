//! Server-side copy.

use integration_tests::{Client, Server, etag_of};

async fn with_source(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("d", "").await.expect(201);
    let put = client
        .put("c/source \u{e4}%2F", "content")
        .header("content-type", "text/source");
    put.header("x-object-meta-a", "1")
        .header("content-disposition", "inline")
        .await
        .expect(201);
    client
}

const SOURCE: &str = "c/source \u{e4}%2F";
const ESCAPED_SOURCE: &str = "c/source%20%C3%A4%252F";

#[tokio::test]
async fn copy_and_put_from_do_the_same() {
    let server = Server::start().await;
    let client = with_source(&server).await;
    let copied = client.copy(SOURCE, "d/by copy").await.expect(201);
    copied
        .expect_header("x-copied-from", ESCAPED_SOURCE)
        .expect_header("x-copied-from-account", "AUTH_test")
        .expect_header("etag", &etag_of(b"content"));
    client
        .put("d/by put", "")
        .header("x-copy-from", ESCAPED_SOURCE)
        .await
        .expect(201);
    client
        .put("d/with slash", "")
        .header("x-copy-from", &format!("/{ESCAPED_SOURCE}"))
        .await
        .expect(201);
    for path in ["d/by copy", "d/by put", "d/with slash"] {
        let get = client.get(path).await.expect(200).expect_body("content");
        get.expect_header("content-type", "text/source")
            .expect_header("x-object-meta-a", "1")
            .expect_header("content-disposition", "inline");
    }
    let listing = client.list("d").await.expect(200);
    listing.expect_entries(&["by copy", "by put", "with slash"]);
}

#[tokio::test]
async fn metadata_of_the_request_goes_on_top() {
    let server = Server::start().await;
    let client = with_source(&server).await;
    let copy = client.copy(SOURCE, "d/merged").header("x-object-meta-b", "2");
    copy.header("content-type", "text/other").await.expect(201);
    let head = client.head("d/merged").await.expect(200);
    head.expect_header("x-object-meta-a", "1")
        .expect_header("x-object-meta-b", "2")
        .expect_header("content-type", "text/other");
    let copy = client.copy(SOURCE, "d/fresh").header("x-fresh-metadata", "true");
    copy.header("x-object-meta-b", "2").await.expect(201);
    let head = client.head("d/fresh").await.expect(200);
    head.expect_no_header("x-object-meta-a")
        .expect_no_header("content-disposition")
        .expect_header("x-object-meta-b", "2")
        .expect_header("content-type", "text/source");
}

#[tokio::test]
async fn an_object_copied_onto_itself_keeps_its_content() {
    let server = Server::start().await;
    let client = with_source(&server).await;
    client
        .copy(SOURCE, SOURCE)
        .header("x-object-meta-a", "new")
        .await
        .expect(201);
    client
        .get(SOURCE)
        .await
        .expect(200)
        .expect_body("content")
        .expect_header("x-object-meta-a", "new");
}

#[tokio::test]
async fn a_range_and_conditions_concern_the_source() {
    let server = Server::start().await;
    let client = with_source(&server).await;
    client
        .copy(SOURCE, "d/part")
        .header("range", "bytes=1-3")
        .await
        .expect(201);
    client
        .get("d/part")
        .await
        .expect(200)
        .expect_body("ont")
        .expect_header("etag", &etag_of(b"ont"));
    client
        .copy(SOURCE, "d/x")
        .header("range", "bytes=100-")
        .await
        .expect(416);
    client
        .copy(SOURCE, "d/x")
        .header("if-match", "nonsense")
        .await
        .expect(412);
    client
        .copy(SOURCE, "d/x")
        .header("if-none-match", "*")
        .await
        .expect(304);
    client.head("d/x").await.expect(404);
}

#[tokio::test]
async fn a_copy_between_accounts_needs_both_rights() {
    let server = Server::start().await;
    let client = with_source(&server).await;
    let other = server.login("test2:tester2", "testing2").await;
    other.put("e", "").await.expect_one_of(&[201, 202]);
    let take = || {
        other
            .put("e/taken", "")
            .header("x-copy-from", ESCAPED_SOURCE)
            .header("x-copy-from-account", "AUTH_test")
    };
    take().await.expect(403);
    client
        .post("c")
        .header("x-container-read", "test2:tester2")
        .await
        .expect(204);
    take().await.expect(201);
    other.get("e/taken").await.expect(200).expect_body("content");
    let give = || {
        client
            .copy(SOURCE, "e/given")
            .header("destination-account", "AUTH_test2")
    };
    give().await.expect(403);
    other
        .post("e")
        .header("x-container-write", "test:tester")
        .await
        .expect(204);
    give().await.expect(201);
    other.get("e/given").await.expect(200).expect_body("content");
}

#[tokio::test]
async fn what_is_missing_or_malformed_is_said() {
    let server = Server::start().await;
    let client = with_source(&server).await;
    let copy = http::Method::from_bytes(b"COPY").unwrap();
    client.request(copy.clone(), SOURCE).await.expect(412);
    for destination in ["", "d", "/", "//o"] {
        client
            .request(copy.clone(), SOURCE)
            .header("destination", destination)
            .await
            .expect(412);
    }
    client.put("d/x", "").header("x-copy-from", "c").await.expect(412);
    client
        .put("d/x", "")
        .header("x-copy-from", ESCAPED_SOURCE)
        .header("x-copy-from-account", "a/b")
        .await
        .expect(412);
    client
        .put("d/x", "a body")
        .header("x-copy-from", ESCAPED_SOURCE)
        .await
        .expect(400);
    client.copy("c/none", "d/x").await.expect(404);
    client.copy("none/o", "d/x").await.expect(404);
    client.copy(SOURCE, "none/x").await.expect(404);
    client.copy("c", "d/x").await.expect(405);
    client.head("d/x").await.expect(404);
}
