//! Headers that lie, repeat themselves or never end; numbers that are none.

use integration_tests::{Client, Connection, Response, Server};

/// A request that ends the connection, so that whatever comes before it has been answered then.
const LAST: &str = "GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

async fn start() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "0123456789").await.expect(201);
    (server, client)
}

/// The answer to a request with these header lines, which may be any bytes.
async fn answer(server: &Server, client: &Client, line: &str, headers: &[u8]) -> Response {
    let mut request = format!("{line} HTTP/1.1\r\nX-Auth-Token: {}\r\n", client.token()).into_bytes();
    request.extend(headers);
    request.extend(b"\r\n");
    let mut connection = Connection::open(server).await;
    connection.send(request).await;
    connection.response().await
}

#[tokio::test]
async fn there_is_one_host_or_none() {
    let (server, client) = start().await;
    for (headers, status) in [
        (&b""[..], 200),
        (b"Host: h\r\n", 200),
        (b"Host:\r\n", 200),
        (b"Host: a b/c?d#e\r\n", 200),
        (b"Host: \xff\xfe\r\n", 200),
        (b"Host: h\r\nHost: h\r\n", 400),
        (b"Host: h\r\nhost: other\r\n", 400),
        (b"Host: h\r\nHost:\r\n", 400),
    ] {
        let shown = String::from_utf8_lossy(headers);
        let response = answer(&server, &client, "GET /v1/AUTH_test/c/o", headers).await;
        assert_eq!(response.status(), status, "{shown:?}");
    }
}

#[tokio::test]
async fn a_wish_for_another_protocol_is_ignored() {
    let (server, client) = start().await;
    let token = client.token();
    for headers in [
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        "Upgrade: TLS/1.3\r\n",
        "Expect: 200-ok\r\n",
        "Expect:\r\n",
        "Expect: 100-continue, 200-ok\r\n",
        "Expect: 100-continue\r\n",
        "TE: trailers, deflate\r\n",
        "Connection: host, x-auth-token, content-length\r\n",
        "Proxy-Connection: close\r\nKeep-Alive: timeout=99999999999999999999\r\n",
        "X-HTTP-Method-Override: DELETE\r\nX-Method-Override: DELETE\r\n",
    ] {
        let request = format!(
            "GET /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n{headers}\r\n{LAST}"
        );
        assert_eq!(
            Connection::statuses(&server, request).await,
            [200, 200],
            "{headers}"
        );
    }
    client.get("c/o").await.expect(200).expect_body("0123456789");
}

#[tokio::test]
async fn heads_have_a_limit_of_lines_and_of_bytes() {
    let (server, client) = start().await;
    let lines = |count: usize, length: usize| -> Vec<u8> {
        let line = |at| format!("X-{at}: {}\r\n", "v".repeat(length));
        (0..count).map(line).collect::<String>().into_bytes()
    };
    for (headers, statuses) in [
        (lines(190, 1), &[200][..]),
        (lines(210, 1), &[431]),
        (lines(20_000, 1), &[431]),
        ("X: v\r\n".repeat(210).into_bytes(), &[431]),
        (lines(1, 8192), &[200]),
        (lines(1, 8193), &[400]),
        (lines(12, 8000), &[200]),
        (lines(40, 8000), &[431]),
        (lines(1, 300_000), &[431]),
        (format!("{}: v\r\n", "X".repeat(8000)).into_bytes(), &[200]),
        (format!("{}: v\r\n", "X".repeat(70_000)).into_bytes(), &[431]),
        ([&b"X: "[..], &[b' '; 300_000]].concat(), &[431]),
    ] {
        let response = answer(&server, &client, "GET /v1/AUTH_test/c/o", &headers).await;
        let shown = String::from_utf8_lossy(&headers[..headers.len().min(20)]).into_owned();
        response.expect_one_of(statuses);
        assert!(
            server.peak_memory() < 256 << 20,
            "{shown} of {} bytes",
            headers.len()
        );
    }
}

#[tokio::test]
async fn a_token_may_be_anything() {
    let (server, _) = start().await;
    let long = [&b"AUTH_tk"[..], &[b'a'; 8000]].concat();
    for token in [
        &b""[..],
        b"\xff\xfe",
        b"AUTH_tk",
        b"AUTH_tk\xff",
        b"AUTH_tkAQAAAAEAAAAAAAAA",
        b"AUTH_tk../../etc/passwd",
        b"Bearer x",
        &long,
    ] {
        let mut request = b"GET /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: ".to_vec();
        request.extend(token);
        request.extend(format!("\r\n\r\n{LAST}").into_bytes());
        let shown = String::from_utf8_lossy(token);
        assert_eq!(
            Connection::statuses(&server, request).await,
            [401, 200],
            "{shown:.20}"
        );
    }
}

#[tokio::test]
async fn numbers_are_digits() {
    let (server, client) = start().await;
    let base = client.base().to_owned();
    // Of a listing: what is no number is as if it were not there, what is too large is refused.
    for (limit, status) in [
        ("1_0", 200),
        ("%2B5", 200),
        ("+5", 200),
        ("%205", 200),
        ("-1", 200),
        ("0x5", 200),
        ("5.0", 200),
        ("%D9%A3", 200),
        ("%00", 200),
        ("10001", 412),
        ("99999999999999999999999999999999999999999999", 412),
    ] {
        let target = format!("{base}/c?format=json&limit={limit}");
        client.request_at(http::Method::GET, &target).await.expect(status);
    }
    for (value, status) in [
        (&b"1_0"[..], 400),
        (b"0x7fffffff", 400),
        (b"1e12", 400),
        (b"9999999999.5", 400),
        (b"\xd9\xa3", 400),
        (b"\xff", 400),
        (b"", 400),
        (b"-", 400),
        (b"+", 400),
        (b"- 1", 400),
        (b"-1", 400),
        (b"-99999999999999999999999999999999999999999999", 400),
        (b"0", 400),
        (b"nan", 400),
        (b"99999999999", 201),
        (b"+9999999999", 201),
        (b"99999999999999999999999999999999999999999999", 201),
    ] {
        for name in ["X-Delete-At", "X-Delete-After"] {
            let mut headers = format!("Content-Length: 0\r\n{name}: ").into_bytes();
            headers.extend(value);
            headers.extend(b"\r\n");
            let response = answer(&server, &client, "PUT /v1/AUTH_test/c/expires", &headers).await;
            let response = response.expect(status);
            if status == 201 {
                let stored = client.head("c/expires").await.expect(200);
                assert_eq!(stored.number("x-delete-at"), 9_999_999_999, "{response:?}");
            }
        }
    }
}

#[tokio::test]
async fn ranges_are_digits() {
    let (server, client) = start().await;
    for (range, status) in [
        ("bytes=0-4", 206),
        ("bytes=1_0-", 200),
        ("bytes=+1-4", 200),
        ("bytes=0x1-4", 200),
        ("bytes=-+1", 200),
        ("bytes=1-2-3", 200),
        ("bytes=", 200),
        ("bytes=-", 200),
        ("bytes=,", 200),
        ("bytes=4-0", 200),
        ("bytes=\u{663}-", 200),
        ("bytes=0-18446744073709551616", 206),
        ("bytes=0-99999999999999999999999999999999999", 206),
        ("bytes=18446744073709551615-", 416),
        ("bytes=99999999999999999999999999999999999-", 416),
        ("bytes=-99999999999999999999999999999999999", 206),
        ("bytes=-0", 416),
        ("bytes=10-", 416),
    ] {
        let headers = format!("Range: {range}\r\n");
        let response = answer(&server, &client, "GET /v1/AUTH_test/c/o", headers.as_bytes()).await;
        assert_eq!(response.status(), status, "{range}: {response:?}");
    }
    let many: Vec<_> = (0..51).map(|at| format!("{at}-{at}")).collect();
    let headers = format!("Range: bytes={}\r\n", many.join(","));
    let response = answer(&server, &client, "GET /v1/AUTH_test/c/o", headers.as_bytes()).await;
    response.expect(416);
}

#[tokio::test]
async fn a_clients_clock_and_inner_headers_change_nothing() {
    let (server, client) = start().await;
    for headers in [
        "X-Timestamp: -1\r\n",
        "X-Timestamp: 99999999999.00000\r\n",
        "X-Timestamp: 1_0\r\n",
        "X-Timestamp: nonsense\r\n",
        "X-Backend-Timestamp: 1\r\nX_Backend_Replication: true\r\n",
        "X-Object-Sysmeta-A: b\r\nX_Object_Sysmeta_B: c\r\nX-Object-Transient-Sysmeta-C: d\r\n",
        "X-Trans-Id: forged\r\nX-Openstack-Request-Id: forged\r\n",
        "X-Stobj-Key: forged\r\nX-Stobj-Proof: forged\r\nX-Stobj-Request: e30\r\n",
    ] {
        let headers = format!("Host: h\r\nContent-Length: 0\r\n{headers}");
        answer(&server, &client, "PUT /v1/AUTH_test/c/clock", headers.as_bytes())
            .await
            .expect(201);
        let stored = client.head("c/clock").await.expect(200);
        let stamp = stored.header("x-timestamp");
        assert!(stamp.starts_with('1') && stamp.len() == 16, "{stamp}");
        let forged = stored.headers().iter().any(|(name, value)| {
            name.as_str().contains("sysmeta") || name.as_str().contains("backend") || value == "forged"
        });
        assert!(!forged, "{stored:?}");
    }
}

#[tokio::test]
async fn headers_that_name_paths_are_read_like_paths() {
    let (server, client) = start().await;
    let line = |name: &str, value: &[u8]| -> Vec<u8> {
        [
            b"Host: h\r\nContent-Length: 0\r\n",
            name.as_bytes(),
            b": ",
            value,
            b"\r\n",
        ]
        .concat()
    };
    for value in [
        &b""[..],
        b"/",
        b"c",
        b"c/",
        b"//o",
        b"c/%ff",
        b"c/%00",
        b"c/%c0%ae%c0%ae",
        b"c/%ed%a0%80",
        b"c/\xff",
        b"%00/o",
    ] {
        let shown = String::from_utf8_lossy(value);
        for (request, name) in [
            ("COPY /v1/AUTH_test/c/o", "Destination"),
            ("PUT /v1/AUTH_test/c/copy", "X-Copy-From"),
        ] {
            let response = answer(&server, &client, request, &line(name, value)).await;
            assert_eq!(response.status(), 412, "{name}: {shown}");
        }
    }
    for account in [&b"a/b"[..], b"a%2fb", b"%ff", b"\xff", b"%00", b""] {
        let headers = [
            &line("Destination", b"c/copy")[..],
            b"Destination-Account: ",
            account,
            b"\r\n",
        ]
        .concat();
        let response = answer(&server, &client, "COPY /v1/AUTH_test/c/o", &headers).await;
        assert_eq!(response.status(), 412, "{}", String::from_utf8_lossy(account));
    }
    for account in ["..", ".", "AUTH_other", "%2e%2e"] {
        let headers = format!("Destination: c/copy\r\nDestination-Account: {account}\r\n");
        let response = answer(&server, &client, "COPY /v1/AUTH_test/c/o", headers.as_bytes()).await;
        assert_eq!(response.status(), 403, "{account}");
    }
    // Of containers that are not there, and so of none outside.
    for value in ["../o", "%2e%2e/o", "..%2f..%2f..%2fetc/passwd", "AUTH_test%2fc/o"] {
        let headers = format!("X-Copy-From: {value}\r\nContent-Length: 0\r\n");
        let response = answer(&server, &client, "PUT /v1/AUTH_test/c/copy", headers.as_bytes()).await;
        assert_eq!(response.status(), 404, "{value}");
    }
    client.list("c").await.expect_entries(&["o", "clock"][..1]);
}

#[tokio::test]
async fn nothing_of_a_request_becomes_a_header_of_its_answer() {
    let (server, client) = start().await;
    for (method, target) in [
        ("GET", "/v1/AUTH_x%0d%0aX-Evil:%20x/c"),
        ("GET", "/v1/AUTH_test/c%0d%0aX-Evil:%20x"),
        ("GET", "/v1/AUTH_test/c/o%0d%0aX-Evil:%20x"),
        ("GET", "/v1/AUTH_test/c?format=json%0d%0aX-Evil:%20x"),
        ("GET", "/auth/v1/a%0d%0aX-Evil:%20x/auth"),
        ("PUT", "/v1/AUTH_test/c/name%0d%0aX-Evil:%20x"),
        ("COPY", "/v1/AUTH_test/c/name%0d%0aX-Evil:%20x"),
        ("GET", "/none%0d%0aX-Evil:%20x"),
    ] {
        let headers = b"Host: h\r\nContent-Length: 0\r\nDestination: c/copied\r\nOrigin: http://x\r\nX-Trans-Id-Extra: a%0d%0aX-Evil: x\r\n";
        let response = answer(&server, &client, &format!("{method} {target}"), headers).await;
        response.expect_no_header("x-evil");
    }
}
