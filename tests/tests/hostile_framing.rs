//! Requests whose length can be understood in two ways: how many requests they are, and what of them is stored.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use integration_tests::{Client, Connection, Server};

/// Waiting for what never comes ends soon.
const SETTING: &str = "[proxy]\nclient_timeout = \"4s\"";

/// A request that ends the connection, so that whatever comes before it has been answered then.
const LAST: &str = "GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

async fn start() -> (Server, Client) {
    let server = Server::builder().setting(SETTING).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    (server, client)
}

/// Sends `PUT c/o` with these lines and whatever stands behind them, then [`LAST`]; gives the statuses of the answers
/// and what `c/o` is afterwards.
async fn put(server: &Server, client: &Client, rest: &str) -> (Vec<u16>, Option<String>) {
    let head = format!(
        "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\n",
        client.token()
    );
    let statuses = Connection::statuses(server, format!("{head}{rest}{LAST}")).await;
    let stored = client.get("c/o").await.expect_one_of(&[200, 404]);
    let stored = (stored.status() == 200).then(|| String::from_utf8(stored.body().to_vec()).unwrap());
    if stored.is_some() {
        client.delete("c/o").await.expect(204);
    }
    (statuses, stored)
}

/// What a case comes to: the statuses, and what is stored.
type Outcome = (&'static [u16], Option<&'static str>);

/// The upload, and the next request on the connection.
const BOTH: Outcome = (&[201, 200], Some("abc"));
/// Refused, and nothing more is taken from the connection.
const REFUSED: Outcome = (&[400], None);

async fn hold(cases: &[(&str, Outcome)]) {
    let (server, client) = start().await;
    for (rest, (statuses, stored)) in cases {
        let (answered, found) = put(&server, &client, rest).await;
        assert_eq!(
            (answered.as_slice(), found.as_deref()),
            (*statuses, *stored),
            "{rest:?}"
        );
    }
    client.list("c").await.expect(200).expect_body("[]");
}

#[tokio::test]
async fn there_is_one_length() {
    hold(&[
        ("Content-Length: 3\r\n\r\nabc", BOTH),
        ("Content-Length: 003\r\n\r\nabc", BOTH),
        ("Content-Length: \t 3 \r\n\r\nabc", BOTH),
        ("Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", BOTH),
        ("Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc", REFUSED),
        ("Content-Length: 5\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("Content-Length: 3, 3\r\n\r\nabc", REFUSED),
        ("Content-Length: +3\r\n\r\nabc", REFUSED),
        ("Content-Length: -3\r\n\r\nabc", REFUSED),
        ("Content-Length: 1_0\r\n\r\n0123456789", REFUSED),
        ("Content-Length: 0x3\r\n\r\nabc", REFUSED),
        ("Content-Length: 3.0\r\n\r\nabc", REFUSED),
        ("Content-Length: 3e0\r\n\r\nabc", REFUSED),
        ("Content-Length: \u{663}\r\n\r\nabc", REFUSED),
        ("Content-Length: three\r\n\r\nabc", REFUSED),
        ("Content-Length:\r\n\r\nabc", REFUSED),
        ("Content-Length : 3\r\n\r\nabc", REFUSED),
        ("Content Length: 3\r\n\r\nabc", REFUSED),
        ("Content-Length: 18446744073709551616\r\n\r\nabc", REFUSED),
        ("Content-Length: 9223372036854775808\r\n\r\nabc", (&[413], None)),
        // Without a length there is no body: what follows is the next request.
        ("\r\n", (&[411, 200], None)),
        ("\r\nabc", (&[411, 405], None)),
        ("Content_Length: 3\r\n\r\n", (&[411, 200], None)),
    ])
    .await;
}

#[tokio::test]
async fn chunks_go_over_a_length_and_end_the_connection() {
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    let chunked = |head: &str| format!("{head}\r\n\r\n{chunks}");
    let once = (&[201][..], Some("abc"));
    let cases = [
        (chunked("Transfer-Encoding: chunked"), BOTH),
        (chunked("Transfer-Encoding:\tChunked"), BOTH),
        (chunked("Content-Length: 5\r\nTransfer-Encoding: chunked"), once),
        (chunked("Transfer-Encoding: chunked\r\nContent-Length: 5"), once),
        (
            chunked("Transfer-Encoding: chunked\r\nContent-Length: nonsense"),
            once,
        ),
        (
            chunked("Content-Length: nonsense\r\nTransfer-Encoding: chunked"),
            REFUSED,
        ),
        (chunked("Transfer-Encoding: gzip, chunked"), (&[501, 200], None)),
        (
            chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
            (&[501, 200], None),
        ),
        (chunked("Transfer-Encoding: chunked, gzip"), REFUSED),
        (
            chunked("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
            REFUSED,
        ),
        (chunked("Transfer-Encoding: gzip"), REFUSED),
        (chunked("Transfer-Encoding: xchunked"), REFUSED),
        (chunked("Transfer-Encoding: chunked-"), REFUSED),
        (chunked("Transfer-Encoding: \"chunked\""), REFUSED),
        (chunked("Transfer-Encoding: chunked;q=1"), REFUSED),
        (chunked("Transfer-Encoding:\u{b}chunked"), REFUSED),
        (
            chunked("Transfer-Encoding : chunked\r\nContent-Length: 3"),
            REFUSED,
        ),
        (chunked("Transfer-Encoding:\r\n chunked"), REFUSED),
        (chunked("X: x\r\n Transfer-Encoding: chunked"), REFUSED),
        (
            "Transfer-Encoding:\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            REFUSED,
        ),
        (
            "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            REFUSED,
        ),
        (
            "Transfer_Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            BOTH,
        ),
    ];
    let cases: Vec<_> = cases
        .iter()
        .map(|(rest, outcome)| (rest.as_str(), *outcome))
        .collect();
    hold(&cases).await;
}

#[tokio::test]
async fn chunks_have_sizes() {
    let (server, client) = start().await;
    let broken: Outcome = (&[499], None);
    let long = format!("3;{}\r\nabc\r\n0\r\n\r\n", "a".repeat(20_000));
    let zeros = format!("{}3\r\nabc\r\n0\r\n\r\n", "0".repeat(1000));
    for (chunks, (statuses, stored)) in [
        ("3\r\nabc\r\n0\r\n\r\n", BOTH),
        ("1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", BOTH),
        ("A\r\n0123456789\r\n0\r\n\r\n", (&[201, 200], Some("0123456789"))),
        (&zeros, BOTH),
        ("3 \t\r\nabc\r\n0\r\n\r\n", BOTH),
        ("3;a=b;c=\"d\"\r\nabc\r\n0;e\r\n\r\n", BOTH),
        (" 3\r\nabc\r\n0\r\n\r\n", broken),
        ("0x3\r\nabc\r\n0\r\n\r\n", broken),
        ("-3\r\nabc\r\n0\r\n\r\n", broken),
        ("+3\r\nabc\r\n0\r\n\r\n", broken),
        ("0_3\r\nabc\r\n0\r\n\r\n", broken),
        ("3h\r\nabc\r\n0\r\n\r\n", broken),
        ("\u{663}\r\nabc\r\n0\r\n\r\n", broken),
        ("\r\nabc\r\n0\r\n\r\n", broken),
        ("10000000000000003\r\nabc\r\n0\r\n\r\n", broken),
        ("3\nabc\n0\n\n", broken),
        ("3\r\nabc\r\n0\n\n", broken),
        ("3\r\nabc0\r\n\r\n", broken),
        ("3\r\nabcd\r\n0\r\n\r\n", broken),
        ("3\r\nabc\n0\r\n\r\n", broken),
        ("3\r\r\nabc\r\n0\r\n\r\n", broken),
        ("3;a\nabc\r\n0\r\n\r\n", broken),
        ("3;a\rb\r\nabc\r\n0\r\n\r\n", broken),
        ("3;a=\"\r\n\"\r\nabc\r\n0\r\n\r\n", broken),
        (&long, broken),
        // More is announced than ever comes.
        ("ffffffffffffffff\r\nabc\r\n0\r\n\r\n", (&[408], None)),
        ("7fffffffffffffff\r\nabc\r\n0\r\n\r\n", (&[408], None)),
    ] {
        let rest = format!("Transfer-Encoding: chunked\r\n\r\n{chunks}");
        let (answered, found) = put(&server, &client, &rest).await;
        assert_eq!(
            (answered.as_slice(), found.as_deref()),
            (statuses, stored),
            "{:.60?}",
            chunks
        );
    }
    client.list("c").await.expect(200).expect_body("[]");
}

#[tokio::test]
async fn trailers_are_read_and_mean_nothing() {
    let (server, client) = start().await;
    let token = client.token();
    let head = format!(
        "PUT /v1/AUTH_test/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let trailers =
        "X-Object-Meta-Late: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nX-Delete-After: 1\r\n";
    let request = format!("{head}3\r\nabc\r\n0\r\n{trailers}\r\n{LAST}");
    assert_eq!(Connection::statuses(&server, request).await, [201, 200]);
    let stored = client.get("c/o").await.expect(200).expect_body("abc");
    stored
        .expect_no_header("x-object-meta-late")
        .expect_no_header("x-delete-at");
    client.delete("c/o").await.expect(204);
    for trailers in [
        "no colon\r\n".to_owned(),
        "X: x\r\n".repeat(1000),
        format!("X: {}\r\n", "x".repeat(300_000)),
    ] {
        let request = format!("{head}3\r\nabc\r\n0\r\n{trailers}\r\n{LAST}");
        assert_eq!(
            Connection::statuses(&server, request).await,
            [499],
            "{trailers:.30}"
        );
        client.head("c/o").await.expect(404);
    }
}

/// Sends what `cases` make of a whole request and its length behind an upload, each with the statuses that must come
/// back; the request must not be understood as one.
async fn hide(cases: impl Fn(&str, usize) -> Vec<(String, Vec<u16>)>) {
    let (server, client) = start().await;
    client.put("c/kept", "kept").await.expect(201);
    let token = client.token();
    let hidden = format!("DELETE /v1/AUTH_test/c/kept HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n\r\n");
    for (rest, expected) in cases(&hidden, hidden.len()) {
        let (statuses, _) = put(&server, &client, &rest).await;
        assert_eq!(statuses, expected, "{rest:?}");
        client.get("c/kept").await.expect(200).expect_body("kept");
    }
}

#[tokio::test]
async fn no_request_hides_behind_a_length_in_dispute() {
    hide(|hidden, length| {
        vec![
        // Somebody in between goes by the length, and would take the rest for a body.
        (
            format!(
                "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
                length + 5
            ),
            vec![201],
        ),
        (
            format!(
                "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n\r\n0\r\n\r\n{hidden}",
                length + 5
            ),
            vec![201],
        ),
        // Somebody in between goes by the chunks.
        (
            format!(
                "Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"
            ),
            vec![400],
        ),
        (
            format!(
                "Transfer-Encoding:\u{b}chunked\r\nContent-Length: 4\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"
            ),
            vec![400],
        ),
        (
            format!("X: x\rTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n{hidden}"),
            vec![400],
        ),
        (
            format!("X: x\r\n\tContent-Length: {length}\r\n\r\n{hidden}"),
            vec![400],
        ),
        (
            format!("Content-Length: 0\r\nContent-Length: {length}\r\n\r\n{hidden}"),
            vec![400],
        ),
        (format!("Content-Length: 0, {length}\r\n\r\n{hidden}"), vec![400]),
        ]
    })
    .await;
}

#[tokio::test]
async fn no_request_hides_in_a_body() {
    hide(|hidden, length| {
        vec![
            // In an extension of a chunk, in a trailer, behind an announced body.
            (
                format!("Transfer-Encoding: chunked\r\n\r\n0;\n{hidden}\r\n\r\n"),
                vec![499],
            ),
            (
                format!("Transfer-Encoding: chunked\r\n\r\n0\r\nX: x\r\n{hidden}"),
                vec![499],
            ),
            (
                format!("Content-Length: {length}\r\n\r\n{hidden}"),
                vec![201, 200],
            ),
            (
                format!("Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n{hidden}"),
                vec![100, 201, 200],
            ),
        ]
    })
    .await;
}

#[tokio::test]
async fn no_request_hides_in_a_body_that_is_refused() {
    hide(|hidden, length| {
        vec![
        (
            format!("If-None-Match: x\r\nContent-Length: {length}\r\n\r\n{hidden}"),
            vec![400, 200],
        ),
        (
            format!(
                "If-None-Match: x\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n"
            ),
            vec![400, 200],
        ),
        (
            format!("If-None-Match: x\r\nContent-Length: 1000000\r\n\r\n{hidden}"),
            vec![400],
        ),
        (
            format!("If-None-Match: x\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n{hidden}"),
            vec![400],
        ),
        ]
    })
    .await;
}

#[tokio::test]
async fn a_body_of_a_request_that_takes_none_is_not_the_next_request() {
    let (server, client) = start().await;
    client.put("c/kept", "kept").await.expect(201);
    let token = client.token();
    let hidden = format!("DELETE /v1/AUTH_test/c/kept HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n\r\n");
    let length = hidden.len();
    for (method, target, status) in [
        ("GET", "/v1/AUTH_test/c", 200),
        ("GET", "/v1/AUTH_test/c/kept", 200),
        ("DELETE", "/v1/AUTH_test/c/none", 404),
        ("POST", "/v1/AUTH_test/c", 204),
        ("OPTIONS", "/v1/AUTH_test/c", 200),
        ("LICK", "/v1/AUTH_test/c", 405),
        ("GET", "/auth/v1.0", 401),
        ("GET", "/healthcheck", 200),
        ("GET", "/v1/AUTH_test/%ff", 412),
    ] {
        let head = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n");
        let whole = format!("{head}Content-Length: {length}\r\n\r\n{hidden}{LAST}");
        assert_eq!(
            Connection::statuses(&server, whole).await,
            [status, 200],
            "{method} {target}"
        );
        let chunked =
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{length:x}\r\n{hidden}\r\n0\r\n\r\n{LAST}");
        assert_eq!(
            Connection::statuses(&server, chunked).await,
            [status, 200],
            "{method} {target}"
        );
        client.get("c/kept").await.expect(200).expect_body("kept");
    }
}

#[tokio::test]
async fn lines_end_in_crlf_or_lf_and_never_in_cr() {
    hold(&[
        ("X-A: b\nContent-Length: 3\n\nabc", BOTH),
        ("X-A: b\r\nContent-Length: 3\n\r\nabc", BOTH),
        ("X-A: b\rContent-Length: 3\r\r\nabc", REFUSED),
        ("X-A: b\rc\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X-A: b\r\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X-A: b\r\n c\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X-A: b\r\n\tc\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        (" X-A: b\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X-A: b\u{0}c\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X-A: b\u{1}c\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X-A: b\u{7f}c\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X A: b\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("X-\u{e4}: b\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        (": b\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
        ("no colon\r\nContent-Length: 3\r\n\r\nabc", REFUSED),
    ])
    .await;
}
