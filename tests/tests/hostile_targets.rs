//! Request lines that no client of good will sends: forms of the target, methods, versions, other protocols.

use integration_tests::{Client, Connection, Server};

/// A request that ends the connection, so that whatever comes before it has been answered then.
const LAST: &str = "GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

async fn start() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    (server, client)
}

/// Sends this beginning of a request line, and [`LAST`] behind the request.
async fn statuses(server: &Server, client: &Client, line: &[u8]) -> Vec<u16> {
    let mut request = line.to_vec();
    let token = client.token();
    request.extend(format!(" HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n\r\n{LAST}").into_bytes());
    Connection::statuses(server, request).await
}

#[tokio::test]
async fn a_target_is_a_path_whatever_host_it_names() {
    let (server, client) = start().await;
    for (line, expected) in [
        (&b"GET http://h/v1/AUTH_test/c"[..], &[204, 200][..]),
        (b"GET http://elsewhere.example/v1/AUTH_test/c", &[204, 200]),
        (b"GET https://user:key@h:1/v1/AUTH_test/c", &[204, 200]),
        (b"GET ftp://h/v1/AUTH_test/c", &[204, 200]),
        (b"GET http://h", &[404, 200]),
        (b"GET http://h?v1/AUTH_test/c", &[404, 200]),
        (b"GET http:///v1/AUTH_test/c", &[400]),
        (b"GET //elsewhere.example/v1/AUTH_test/c", &[404, 200]),
        (b"GET h:80", &[404, 200]),
        (b"GET *", &[412, 200]),
        (b"OPTIONS *", &[412, 200]),
        (b"GET /", &[404, 200]),
        (b"GET v1/AUTH_test/c", &[400]),
        (b"GET ?", &[400]),
        (b"GET ", &[400]),
        (b"GET", &[400]),
        (b"GET  /v1/AUTH_test/c", &[400]),
        (b"GET /v1/AUTH_test/c c", &[400]),
        (b"GET /v1/AUTH_test/\tc", &[400]),
        (b"GET /v1/AUTH_test/c\rc", &[400]),
        (b"GET /v1/AUTH_test/c\x00", &[400]),
        (b"GET /v1/AUTH_test/c\x7f", &[400]),
        (b"GET %2fv1/AUTH_test/c", &[400]),
        // What hyper does not take in a target at all.
        (b"GET /v1/AUTH_test/c\"<>\\^`{|}", &[400]),
    ] {
        let line_shown = String::from_utf8_lossy(line);
        assert_eq!(statuses(&server, &client, line).await, expected, "{line_shown:?}");
    }
}

#[tokio::test]
async fn a_method_is_one_of_swifts_in_capitals() {
    let (server, client) = start().await;
    client.put("c/o", "content").await.expect(201);
    let long = "M".repeat(300);
    for (method, status) in [
        ("get", 405),
        ("Get", 405),
        ("delete", 405),
        ("LICK", 405),
        ("TRACE", 405),
        ("PATCH", 405),
        ("CONNECT", 405),
        ("_GET", 405),
        ("G'T", 405),
        (long.as_str(), 405),
    ] {
        let line = format!("{method} /v1/AUTH_test/c/o");
        assert_eq!(
            statuses(&server, &client, line.as_bytes()).await,
            [status, 200],
            "{method}"
        );
    }
    for target in ["h:80", "/healthcheck", "/info", "/auth/v1.0", "/v1/AUTH_test"] {
        let line = format!("CONNECT {target}");
        assert_eq!(
            statuses(&server, &client, line.as_bytes()).await,
            [405, 200],
            "{target}"
        );
    }
    for method in ["G(T", "G{T", "G\u{e4}T", "G\"T", "G,T", "G:T", "\u{1}GET"] {
        let line = format!("{method} /v1/AUTH_test/c/o");
        let answered = statuses(&server, &client, line.as_bytes()).await;
        assert!(answered == [400] || answered == [412], "{method}: {answered:?}");
    }
    client.get("c/o").await.expect(200).expect_body("content");
}

#[tokio::test]
async fn the_version_is_1_0_or_1_1() {
    let (server, client) = start().await;
    let token = client.token();
    for (request, expected) in [
        ("GET /info HTTP/1.0\r\n\r\n", &[200][..]),
        (
            "GET /info HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &[200, 200],
        ),
        (
            "GET /info HTTP/1.1\r\nConnection: close\r\nConnection: keep-alive\r\n\r\n",
            &[200],
        ),
        (
            "GET /info HTTP/1.0\r\nConnection: close, keep-alive\r\n\r\n",
            &[200],
        ),
        ("GET /v1/AUTH_test\r\n", &[400]),
        ("GET /v1/AUTH_test\r\n\r\n", &[400]),
        ("GET /\n", &[400]),
        ("GET /info HTTP/1.2\r\n\r\n", &[400]),
        ("GET /info HTTP/1.10\r\n\r\n", &[400]),
        ("GET /info HTTP/2.0\r\n\r\n", &[400]),
        ("GET /info HTTP/1\r\n\r\n", &[400]),
        ("GET /info http/1.1\r\n\r\n", &[400]),
        ("GET /info HTTP/1.1 \r\n\r\n", &[400]),
        ("GET /info ICY/1.1\r\n\r\n", &[400]),
    ] {
        let answered = Connection::statuses(&server, format!("{request}{LAST}")).await;
        assert_eq!(answered, expected, "{request:?}");
    }
    let chunked = format!(
        "PUT /v1/AUTH_test/c/o HTTP/1.0\r\nX-Auth-Token: {token}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    );
    assert_eq!(Connection::statuses(&server, chunked).await, [400]);
    client.head("c/o").await.expect(404);
}

#[tokio::test]
async fn an_answer_in_http_1_0_ends_with_the_connection_or_has_a_length() {
    let (server, client) = start().await;
    let content = "c".repeat(300_000);
    client.put("c/o", content.clone()).await.expect(201);
    let token = client.token();
    let mut connection = Connection::open(&server).await;
    connection
        .send(format!(
            "GET /v1/AUTH_test/c/o HTTP/1.0\r\nX-Auth-Token: {token}\r\n\r\n"
        ))
        .await;
    let response = connection.response().await.expect(200);
    response
        .expect_no_header("transfer-encoding")
        .expect_body(&content);
    assert!(connection.closed().await.is_empty());
}

#[tokio::test]
async fn other_protocols_are_hung_up_on() {
    let (server, client) = start().await;
    let hello: Vec<u8> = [&b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"[..], &[0x9f; 160]].concat();
    for (greeting, expected) in [
        (
            &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"[..],
            &[][..],
        ),
        (&hello, &[400]),
        (b"SSH-2.0-OpenSSH_9.9\r\n", &[400]),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", &[400]),
        (
            b"\r\n\r\n\r\n\x0d\x0a\x00\x0d\x0a\x51\x55\x49\x54\x0a\x21\x11",
            &[400],
        ),
        (b"*3\r\n$3\r\nSET\r\n", &[400]),
        (b"EHLO example\r\n", &[400]),
        (&[0; 1000], &[400]),
        (&[0xff; 1000], &[400]),
    ] {
        let mut bytes = greeting.to_vec();
        bytes.extend(LAST.as_bytes());
        let shown = String::from_utf8_lossy(greeting);
        assert_eq!(
            Connection::statuses(&server, bytes).await,
            expected,
            "{shown:.40?}"
        );
    }
    // Empty lines before a request are forgiven, but not for ever.
    assert_eq!(
        Connection::statuses(&server, format!("\r\n\r\n\n{LAST}")).await,
        [200]
    );
    let empty = Connection::statuses(&server, "\r\n".repeat(200_000)).await;
    assert_eq!(empty, [431]);
    client.head("c").await.expect(204);
}

#[tokio::test]
async fn lines_have_a_limit() {
    let (server, client) = start().await;
    for (length, expected) in [
        (8000, &[204, 200][..]),
        (9000, &[414, 200]),
        (70_000, &[414]),
        (300_000, &[431]),
    ] {
        let line = format!("GET /v1/AUTH_test/c?a={}", "x".repeat(length));
        assert_eq!(
            statuses(&server, &client, line.as_bytes()).await,
            expected,
            "{length} in the query"
        );
    }
    for (length, expected) in [
        (1024, &[404, 200][..]),
        (1025, &[400, 200]),
        (9000, &[414, 200]),
        (70_000, &[414]),
    ] {
        let line = format!("GET /v1/AUTH_test/c/{}", "x".repeat(length));
        assert_eq!(
            statuses(&server, &client, line.as_bytes()).await,
            expected,
            "{length} in the path"
        );
    }
    let line = format!("{} /v1/AUTH_test/c", "M".repeat(300_000));
    assert_eq!(statuses(&server, &client, line.as_bytes()).await, [431]);
    client.head("c").await.expect(204);
}
