//! `Expect: 100-continue`: a refusal comes before the body is asked for.

use integration_tests::{Client, Connection, Server};

async fn with_container(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
}

/// Announces a body to `path` and returns the connection, on which nothing of the body was sent.
async fn announce(server: &Server, client: &Client, path: &str, headers: &str) -> Connection {
    let mut connection = Connection::open(server).await;
    let token = client.token();
    let head = format!(
        "PUT /v1/AUTH_test/{path} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nExpect: 100-continue\r\n{headers}\r\n\r\n"
    );
    connection.send(head).await;
    connection
}

#[tokio::test]
async fn a_welcome_body_is_asked_for() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let mut connection = announce(&server, &client, "c/o", "Content-Length: 4").await;
    connection.response().await.expect(100);
    connection.send("body").await;
    connection.response().await.expect(201);
    client.get("c/o").await.expect(200).expect_body("body");
    let mut connection = announce(&server, &client, "c/p", "Transfer-Encoding: chunked").await;
    connection.response().await.expect(100);
    connection.send("4\r\nbody\r\n0\r\n\r\n").await;
    connection.response().await.expect(201);
}

#[tokio::test]
async fn every_refusal_comes_first() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/exists", "old").await.expect(201);
    let stranger = server.login("test:tester3", "testing3").await;
    let many: Vec<_> = (0..91).map(|at| format!("X-Object-Meta-{at}: v")).collect();
    let long_name = format!("c/{}", "n".repeat(1025));
    for (path, headers, status) in [
        ("none/o", "Content-Length: 4", 404),
        ("c/o", "Content-Length: 6000000000", 413),
        ("c/o", "Content-Length: 4\r\nX-Delete-At: 1", 400),
        ("c/o", "Content-Length: 4\r\nX-Delete-After: x", 400),
        ("c/o", "Content-Length: 4\r\nX-Object-Meta-: x", 400),
        ("c/o", "Content-Length: 4\r\nIf-None-Match: x", 400),
        ("c/exists", "Content-Length: 4\r\nIf-None-Match: *", 412),
        ("c/o", "Content-Length: 4\r\nX-Copy-From: c/exists", 400),
        ("c/o", "Content-Length: 4\r\nX-Static-Large-Object: true", 400),
        ("c/o", "", 411),
        (&long_name, "Content-Length: 4", 400),
        ("c/o", &format!("Content-Length: 4\r\n{}", many.join("\r\n")), 400),
        ("c/%ff", "Content-Length: 4", 412),
    ] {
        announce(&server, &client, path, headers)
            .await
            .response()
            .await
            .expect(status);
    }
    announce(&server, &stranger, "c/o", "Content-Length: 4")
        .await
        .response()
        .await
        .expect(403);
    let mut connection = Connection::open(&server).await;
    let head =
        "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n";
    connection.send(head).await;
    connection.response().await.expect(401);
    client.list("c").await.expect_entries(&["exists"]);
}

#[tokio::test]
async fn a_refused_body_that_comes_all_the_same_is_no_request() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let mut connection = announce(&server, &client, "none/o", "Content-Length: 40").await;
    connection.response().await.expect(404);
    connection
        .send("GET /healthcheck HTTP/1.1\r\nHost: h\r\n\r\n12")
        .await;
    assert!(
        connection.closed().await.is_empty(),
        "the body was read as a request"
    );
}
