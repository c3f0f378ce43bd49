//! Clients that are slow, idle or gone.

use std::time::Duration;

use futures::future::join_all;
use integration_tests::{Client, Connection, Server, Stopwatch};

/// A body is waited for no longer than that.
const BODY: &str = "[proxy]\nclient_timeout = \"1s\"";

/// Nor is a head, or the next request; long enough that a machine with much else to do lets a client send one.
const HEAD: &str = "[proxy]\nheader_timeout = \"5s\"\nidle_timeout = \"5s\"";

async fn with_container(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
}

fn head(client: &Client, length: usize) -> String {
    let (base, token) = (client.base(), client.token());
    format!("PUT {base}/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nContent-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn a_body_that_stands_still_is_408() {
    let server = Server::builder().setting(BODY).start().await;
    let client = with_container(&server).await;
    let watch = Stopwatch::start();
    let mut connection = Connection::open(&server).await;
    connection.send(head(&client, 100)).await.send("begun").await;
    connection.response().await.expect(408);
    connection.closed().await;
    assert!(watch.elapsed() < Duration::from_secs(10));
    client.head("c/o").await.expect(404);
}

#[tokio::test]
async fn a_head_that_never_ends_is_hung_up_on() {
    let server = Server::builder().setting(HEAD).start().await;
    let client = with_container(&server).await;
    let begun = ["", "GET", "GET / HTTP/1.1\r\nHost: h\r\nX-A: b"];
    let answers = begun.map(async |begun| {
        let mut connection = Connection::open(&server).await;
        connection.send(begun).await;
        connection.closed().await
    });
    for answer in join_all(answers).await {
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    client.head("c").await.expect(204);
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let server = Server::builder().setting(HEAD).start().await;
    let mut connection = Connection::open(&server).await;
    connection.send("GET /info HTTP/1.1\r\nHost: h\r\n\r\n").await;
    connection.response().await.expect(200);
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn a_client_that_reads_nothing_holds_nobody_up() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/large", vec![7; 32 << 20]).await.expect(201);
    let mut stuck = Vec::new();
    for _ in 0..20 {
        let mut connection = Connection::open(&server).await;
        let (base, token) = (client.base(), client.token());
        connection
            .send(format!(
                "GET {base}/c/large HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n\r\n"
            ))
            .await;
        stuck.push(connection);
    }
    client
        .get("c/large")
        .header("range", "bytes=0-9")
        .await
        .expect(206);
    client.put("c/other", "x").await.expect(201);
    assert!(server.peak_memory() < 256 << 20, "{} bytes", server.peak_memory());
}

#[tokio::test]
async fn slow_uploads_hold_nobody_up() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let mut slow = Vec::new();
    for _ in 0..50 {
        let mut connection = Connection::open(&server).await;
        connection.send(head(&client, 100)).await.send("begun").await;
        slow.push(connection);
    }
    client.put("c/other", "x").await.expect(201);
    client.put("c/o", "whole").await.expect(201);
    client.list("c").await.expect_entries(&["o", "other"]);
    drop(slow);
    client.get("c/o").await.expect(200).expect_body("whole");
}
