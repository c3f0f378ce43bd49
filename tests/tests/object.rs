//! Objects: stored, changed, removed.

use bytes::Bytes;
use common::body::Body;
use futures::stream;
use integration_tests::{Client, Server, etag_of};

async fn with_container(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
}

#[tokio::test]
async fn an_object_is_stored_and_fetched() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let put = client
        .put("c/o", "hello")
        .header("content-type", "text/plain")
        .await
        .expect(201);
    let put = put.expect_header("etag", &etag_of(b"hello")).expect_body("");
    let get = client.get("c/o").await.expect(200).expect_body("hello");
    let get = get
        .expect_header("etag", &etag_of(b"hello"))
        .expect_header("content-length", "5")
        .expect_header("content-type", "text/plain")
        .expect_header("accept-ranges", "bytes")
        .expect_header("last-modified", put.header("last-modified"));
    assert_eq!(get.header("x-timestamp").len(), 16);
    client
        .head("c/o")
        .await
        .expect(200)
        .expect_header("content-length", "5")
        .expect_body("");
    client.get("c/other").await.expect(404);
    client.get("other/o").await.expect(404);
}

#[tokio::test]
async fn an_object_is_replaced_whole() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client
        .put("c/o", "a long content")
        .header("x-object-meta-a", "1")
        .await
        .expect(201);
    client
        .put("c/o", "short")
        .header("x-object-meta-b", "2")
        .await
        .expect(201);
    let get = client.get("c/o").await.expect(200).expect_body("short");
    get.expect_no_header("x-object-meta-a")
        .expect_header("x-object-meta-b", "2");
}

#[tokio::test]
async fn a_body_may_come_in_chunks() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let chunks: Vec<Bytes> = (0..50_u8)
        .map(|at| vec![at; 1 + 777 * usize::from(at)].into())
        .collect();
    let whole = chunks.concat();
    let stream = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>));
    let put = client
        .put("c/o", "")
        .streamed(Body::from_stream(stream))
        .await
        .expect(201);
    put.expect_header("etag", &etag_of(&whole));
    client.get("c/o").await.expect(200).expect_body(whole);
}

#[tokio::test]
async fn an_etag_that_does_not_fit_stores_nothing() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/o", "old").await.expect(201);
    client
        .put("c/o", "new")
        .header("etag", &etag_of(b"other"))
        .await
        .expect(422);
    client
        .put("c/o", "new")
        .header("etag", "nonsense")
        .await
        .expect(422);
    client.get("c/o").await.expect_body("old");
    client
        .put("c/o", "new")
        .header("etag", &format!("\"{}\"", etag_of(b"new")))
        .await
        .expect(201);
    client.get("c/o").await.expect_body("new");
}

#[tokio::test]
async fn if_none_match_protects_what_exists() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client
        .put("c/o", "first")
        .header("if-none-match", "*")
        .await
        .expect(201);
    client
        .put("c/o", "second")
        .header("if-none-match", "*")
        .await
        .expect(412);
    client
        .put("c/p", "x")
        .header("if-none-match", &etag_of(b"first"))
        .await
        .expect(400);
    client.get("c/o").await.expect_body("first");
    client.head("c/p").await.expect(404);
}

#[tokio::test]
async fn a_content_type_is_kept_or_guessed() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/photo.jpg", "x").await.expect(201);
    client
        .head("c/photo.jpg")
        .await
        .expect_header("content-type", "image/jpeg");
    client.put("c/unknown", "x").await.expect(201);
    client
        .head("c/unknown")
        .await
        .expect_header("content-type", "application/octet-stream");
    let own = "text/plain; charset=\"utf-8\"; x=1";
    client
        .put("c/own.zip", "x")
        .header("content-type", own)
        .await
        .expect(201);
    client.head("c/own.zip").await.expect_header("content-type", own);
    let put = client.put("c/own.zip", "x").header("content-type", own);
    put.header("x-detect-content-type", "true").await.expect(201);
    client
        .head("c/own.zip")
        .await
        .expect_header("content-type", "application/zip");
}

#[tokio::test]
async fn a_post_replaces_all_metadata_but_the_content_type() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let put = client
        .put("c/o", "x")
        .header("content-type", "text/a")
        .header("x-object-meta-old", "1");
    put.header("content-disposition", "attachment").await.expect(201);
    let before = client
        .head("c/o")
        .await
        .expect_header("content-disposition", "attachment");
    let post = client
        .post("c/o")
        .header("x-object-meta-New", "\u{fc}mlaut \u{1f600}");
    post.header("content-encoding", "gzip").await.expect(202);
    let head = client.head("c/o").await.expect(200);
    let head = head
        .expect_no_header("x-object-meta-old")
        .expect_no_header("content-disposition")
        .expect_header("x-object-meta-new", "\u{fc}mlaut \u{1f600}")
        .expect_header("content-encoding", "gzip")
        .expect_header("content-type", "text/a")
        .expect_header("etag", before.header("etag"));
    assert!(head.header("x-timestamp") > before.header("x-timestamp"));
    client.post("c/none").await.expect(404);
    client.post("none/o").await.expect(404);
}

#[tokio::test]
async fn metadata_up_to_the_limits_is_kept() {
    let server = Server::builder().start().await;
    let client = with_container(&server).await;
    let name = format!("x-object-meta-{}", "n".repeat(128));
    client
        .put("c/o", "x")
        .header(&name, &"v".repeat(256))
        .await
        .expect(201);
    client.head("c/o").await.expect_header(&name, &"v".repeat(256));
    let mut many = client.post("c/o");
    for at in 0..90 {
        many = many.header(&format!("x-object-meta-{at:02}"), &"v".repeat(43));
    }
    many.await.expect(202);
    let head = client.head("c/o").await.expect(200);
    assert_eq!(
        head.headers()
            .keys()
            .filter(|name| name.as_str().starts_with("x-object-meta-"))
            .count(),
        90
    );
}

#[tokio::test]
async fn metadata_over_a_limit_is_400_and_stores_nothing() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let long_name = format!("x-object-meta-{}", "n".repeat(129));
    client.put("c/o", "x").header(&long_name, "v").await.expect(400);
    client
        .put("c/o", "x")
        .header("x-object-meta-v", &"v".repeat(257))
        .await
        .expect(400);
    client
        .put("c/o", "x")
        .header("x-object-meta-", "v")
        .await
        .expect(400);
    for count in [91, 190] {
        let mut many = client.put("c/o", "x");
        for at in 0..count {
            many = many.header(&format!("x-object-meta-{at}"), "v");
        }
        many.await.expect(400);
    }
    client.head("c/o").await.expect(404);
}

#[tokio::test]
async fn a_deleted_object_is_gone() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/d/o", "x").await.expect(201);
    client
        .delete("c/d/o")
        .await
        .expect(204)
        .expect_header("content-type", "text/html; charset=UTF-8");
    client.delete("c/d/o").await.expect(404);
    client.get("c/d/o").await.expect(404);
    client.delete("none/o").await.expect(404);
    client.list("c").await.expect(200).expect_body("[]");
}

#[tokio::test]
async fn a_body_is_at_most_the_largest_object() {
    let server = Server::builder()
        .setting("[constraints]\nmax_file_size = 1000")
        .start()
        .await;
    let client = with_container(&server).await;
    client.put("c/o", vec![0; 1000]).await.expect(201);
    client.put("c/p", vec![0; 1001]).await.expect(413);
    let chunks = [(); 2].map(|()| Ok::<_, std::io::Error>(Bytes::from(vec![0; 600])));
    let chunked = client
        .put("c/p", "")
        .streamed(Body::from_stream(stream::iter(chunks)));
    chunked.await.expect(413);
    client.head("c/p").await.expect(404);
}

#[tokio::test]
async fn what_only_the_server_may_say_is_not_taken_from_a_client() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let put = client
        .put("c/o", "x")
        .header("x-object-sysmeta-a", "1")
        .header("x-backend-a", "1");
    put.header("x-timestamp", "0000000001.00000").await.expect(201);
    let head = client.head("c/o").await.expect(200);
    let head = head
        .expect_no_header("x-object-sysmeta-a")
        .expect_no_header("x-backend-a");
    assert!(head.header("x-timestamp") > "1700000000.00000");
    client
        .put("c/s", "x")
        .header("x-static-large-object", "true")
        .await
        .expect(400);
    client
        .put("c/s", "x")
        .header("content-type", "text/plain; swift_bytes=7")
        .await
        .expect(400);
}

#[tokio::test]
async fn many_writers_of_one_name_leave_one_of_their_bodies() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let bodies: Vec<_> = (0..16_u8).map(|at| vec![at; 100_000 + usize::from(at)]).collect();
    let puts = bodies.iter().map(|body| {
        let client = client.clone();
        async move { client.put("c/o", body.clone()).await.expect_one_of(&[201, 202]) }
    });
    futures::future::join_all(puts).await;
    let get = client.get("c/o").await.expect(200);
    assert!(bodies.iter().any(|body| get.body() == body), "{get:?}");
    let length = get.body().len();
    let entry = client.list("c").await.expect(200).json()[0].clone();
    assert_eq!(entry["bytes"], length);
    assert_eq!(entry["hash"], get.header("etag"));
    assert_eq!(
        client.head("c").await.number("x-container-bytes-used"),
        u64::try_from(length).unwrap()
    );
}
