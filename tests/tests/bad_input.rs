//! Input that is wrong: Swift's error for each, and a server that goes on.

use http::Method;
use integration_tests::{Client, Connection, Response, Server};

/// Sends a head as it stands; the token and the host are added.
async fn answer(server: &Server, client: &Client, head: &str) -> Response {
    let (first, rest) = head.split_once("\r\n").unwrap_or((head, ""));
    let rest = if rest.is_empty() {
        String::new()
    } else {
        format!("{rest}\r\n")
    };
    let mut connection = Connection::open(server).await;
    let request = format!(
        "{first}\r\nHost: h\r\nX-Auth-Token: {}\r\n{rest}\r\n",
        client.token()
    );
    connection.send(request).await;
    connection.response().await
}

async fn with_container(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
}

#[tokio::test]
async fn a_path_that_is_not_utf_8_is_412() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for path in [
        "/v1/AUTH_test/c/%ff",
        "/v1/AUTH_test/%C3",
        "/v1/%fe%fe",
        "/v1/AUTH_test/c/a%00b",
        "/v1/AUTH_test/%00c",
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let response = client.request_at(method, path).await.expect(412);
            response.expect_body("Invalid UTF8 or contains NULL");
        }
    }
}

#[tokio::test]
async fn a_path_without_its_parts_is_refused() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for (path, status) in [
        ("/v1", 412),
        ("/v1/", 412),
        ("/v1//c/o", 404),
        ("/v1/AUTH_test//o", 404),
        ("/v1///o", 404),
        ("//v1/AUTH_test", 404),
        ("/v2/AUTH_test", 400),
        ("/v1.0/AUTH_test", 200),
        ("/v1/AUTH_test/", 200),
        ("/v1/AUTH_test/c/", 204),
    ] {
        client.request_at(Method::GET, path).await.expect(status);
    }
    client
        .request_at(Method::GET, "/v1")
        .await
        .expect(412)
        .expect_body("Bad URL");
}

#[tokio::test]
async fn dots_and_encoded_slashes_are_plain_names() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for (path, name) in [
        ("c/%2e%2e", ".."),
        ("c/%2e%2e/%2e%2e/%2e%2e/etc/passwd", "../../../etc/passwd"),
        ("c/..%2f..%2fup", "../../up"),
        ("c/a%2Fb", "a/b"),
        ("c/.", "."),
        ("c//double//", "/double//"),
        ("c/%2F", "/"),
    ] {
        let target = format!("{}/{path}", client.base());
        client
            .request_at(Method::PUT, &target)
            .body(name.to_owned())
            .await
            .expect(201);
        client
            .request_at(Method::GET, &target)
            .await
            .expect(200)
            .expect_body(name);
        client
            .get(&format!("c/{name}"))
            .await
            .expect(200)
            .expect_body(name);
    }
    let names = [
        "../../../etc/passwd",
        "../../up",
        "..",
        ".",
        "/",
        "/double//",
        "a/b",
    ];
    let mut names: Vec<_> = names.into();
    names.sort_unstable();
    client.list("c").await.expect_entries(&names);
    for dots in ["..", "."] {
        client.put(dots, "").await.expect(201);
        client.put(&format!("{dots}/o"), "x").await.expect(201);
        client.get(&format!("{dots}/o")).await.expect(200);
    }
}

#[tokio::test]
async fn nothing_is_written_outside_the_container() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let outside = |root: &std::path::Path| {
        let entries = std::fs::read_dir(root).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = (
        outside(&server.data()),
        outside(&server.objects()),
        outside(&server.objects().join("AUTH_test")),
    );
    for name in [
        "../x",
        "../../x",
        "../../../x",
        "..",
        "./../x",
        "a/../../../x",
        "/x",
        "//x",
    ] {
        client.put(&format!("c/{name}"), "x").await.expect(201);
        client.delete(&format!("c/{name}")).await.expect(204);
    }
    let after = (
        outside(&server.data()),
        outside(&server.objects()),
        outside(&server.objects().join("AUTH_test")),
    );
    assert_eq!(before, after);
}

#[tokio::test]
async fn names_over_their_limit_are_400() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client
        .put(&format!("c/{}", "n".repeat(1024)), "")
        .await
        .expect(201);
    client
        .put(&format!("c/{}", "n".repeat(1025)), "")
        .await
        .expect(400);
    client
        .get(&format!("c/{}", "n".repeat(1025)))
        .await
        .expect_one_of(&[400, 404]);
    let account = client.at_account(&format!("AUTH_{}", "n".repeat(300)));
    account.get("").await.expect_one_of(&[400, 403]);
}

#[tokio::test]
async fn a_length_that_is_none_is_refused() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for (headers, statuses) in [
        ("", [411, 411]),
        ("Content-Length: X", [400, 400]),
        ("Content-Length: -1", [400, 400]),
        ("Content-Length: 5368709123", [413, 413]),
        ("Content-Length: 99999999999999999999999999", [400, 413]),
        ("Transfer-Encoding: gzip,chunked", [501, 400]),
        ("Transfer-Encoding: gzip", [400, 501]),
    ] {
        let response = answer(
            &server,
            &client,
            &format!("PUT /v1/AUTH_test/c/o HTTP/1.1\r\n{headers}"),
        )
        .await;
        response.expect_one_of(&statuses);
    }
    client.head("c/o").await.expect(404);
}

#[tokio::test]
async fn broken_chunks_store_nothing() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for chunks in [
        "nonsense\r\n",
        "-5\r\nhello\r\n",
        "5\r\nhel",
        "fffffffffffffffff\r\nx",
    ] {
        let mut connection = Connection::open(&server).await;
        let head = format!(
            "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}",
            client.token()
        );
        connection.send(head).await;
        connection.finish().await;
        connection.closed().await;
        client.head("c/o").await.expect(404);
    }
    client.list("c").await.expect(200).expect_body("[]");
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    client.put("c/o", "old").await.expect(201);
    for _ in 0..5 {
        let mut connection = Connection::open(&server).await;
        let head = format!(
            "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\nContent-Length: 100000\r\n\r\nbegun",
            client.token()
        );
        connection.send(head).await;
        connection.finish().await;
        connection.closed().await;
        client.get("c/o").await.expect(200).expect_body("old");
    }
    assert_eq!(client.head("c").await.number("x-container-bytes-used"), 3);
}

#[tokio::test]
async fn what_is_not_http_is_answered_or_hung_up_on() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for nonsense in [
        "\r\n\r\n\r\n\r\n",
        "nonsense\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET /v1/AUTH_test HTTP/1.1\r\nno colon\r\n\r\n",
        "GET /v1/AUTH_test HTTP/1.1\r\n: no name\r\n\r\n",
        "GET /v1/AUTH_test HTTP/1.1\r\nX: a\u{0}b\r\n\r\n",
        "GET v1/AUTH_test HTTP/1.1\r\nHost: h\r\n\r\n",
        "GET /v1/AUTH_test/\u{e4} HTTP/1.1\r\nHost: h\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let mut connection = Connection::open(&server).await;
        connection.send(nonsense).await;
        connection.finish().await;
        let answer = connection.closed().await;
        let answer = String::from_utf8_lossy(&answer);
        let refused =
            answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5");
        assert!(
            refused && !answer.starts_with("HTTP/1.1 500"),
            "{nonsense:?} got {answer:?}"
        );
    }
    client.head("c").await.expect(204);
}

#[tokio::test]
async fn lines_over_their_limit_are_refused() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let long = answer(
        &server,
        &client,
        &format!("GET /v1/AUTH_test?a={} HTTP/1.1", "x".repeat(9000)),
    )
    .await;
    long.expect(414);
    let long = format!("GET /v1/AUTH_test HTTP/1.1\r\nX-Long: {}", "x".repeat(9000));
    answer(&server, &client, &long).await.expect_one_of(&[400, 431]);
    let many: Vec<_> = (0..500).map(|at| format!("X-{at}: v")).collect();
    let many = format!("GET /v1/AUTH_test HTTP/1.1\r\n{}", many.join("\r\n"));
    answer(&server, &client, &many).await.expect_one_of(&[400, 431]);
    client.head("c").await.expect(204);
}

#[tokio::test]
async fn parameters_that_are_not_utf_8_are_400() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for path in ["", "/c"] {
        for parameter in ["marker", "end_marker", "prefix", "delimiter"] {
            let target = format!("{}{path}?{parameter}=%ff", client.base());
            client.request_at(Method::GET, &target).await.expect(400);
        }
        let target = format!("{}{path}?format=%ff", client.base());
        client
            .request_at(Method::GET, &target)
            .await
            .expect_one_of(&[200, 204, 400]);
    }
    for query in [
        "?&&=&a&=b",
        "?limit=5;marker=x",
        "?reverse=garbage",
        "?format=yaml",
        "?%zz=%",
        "?a=?b=/",
    ] {
        let target = format!("{}/c{query}", client.base());
        client.request_at(Method::GET, &target).await.expect(204);
    }
}

#[tokio::test]
async fn metadata_of_containers_must_be_utf_8() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    for (target, name) in [("", "X-Account-Meta-A"), ("/c", "X-Container-Meta-A")] {
        let mut request = format!(
            "POST /v1/AUTH_test{target} HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nX-Auth-Token: {}\r\n{name}: ",
            client.token()
        )
        .into_bytes();
        request.extend(b"\xff\xfe\r\n\r\n");
        let mut connection = Connection::open(&server).await;
        connection.send(request).await;
        connection.response().await.expect(400);
    }
}

#[tokio::test]
async fn two_lengths_are_not_smuggled() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let mut connection = Connection::open(&server).await;
    let request = format!(
        "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\nContent-Length: 3\r\n\
         Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        client.token()
    );
    connection.send(request).await;
    if connection.response().await.expect_one_of(&[201, 400]).status() == 201 {
        client.get("c/o").await.expect(200).expect_body("hello");
    }
    let mut connection = Connection::open(&server).await;
    let request = format!(
        "PUT /v1/AUTH_test/c/p HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello",
        client.token()
    );
    connection.send(request).await;
    connection.response().await.expect(400);
}
