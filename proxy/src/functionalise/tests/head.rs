//! Methods, sizes, and any head at all.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn methods_that_a_resource_does_not_know() {
    let edge = Edge::new();
    for (method, target, allow) in [
        (
            "LICK",
            "/v1/a/c/o",
            "GET, HEAD, PUT, POST, DELETE, OPTIONS, COPY, MKCOL, MOVE",
        ),
        ("COPY", "/v1/a/c", "GET, HEAD, PUT, POST, DELETE, OPTIONS"),
        ("PUT", "/v1/a", "GET, HEAD, POST, OPTIONS"),
        ("GETorHEAD_base", "/v1/a", "GET, HEAD, POST, OPTIONS"),
    ] {
        let response = edge.send(method, target, &[]).await;
        assert_eq!(response.status(), 405, "{method} {target}");
        assert_eq!(text(&response, "allow"), allow);
    }
    let response = edge.send("OPTIONS", "/v1/a/c", &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(text(&response, "allow"), "GET, HEAD, PUT, POST, DELETE, OPTIONS");
    assert!(edge.fake.actions.lock().is_empty());
}

#[tokio::test]
async fn heads_beyond_the_limits() {
    let edge = Edge::new();
    let long = format!("/v1/a/c?marker={}", "m".repeat(8192));
    assert_eq!(edge.status("GET", &long, &[]).await, 414);
    let value = "v".repeat(8193);
    assert_eq!(edge.status("GET", "/v1/a", &[("x-any", &value)]).await, 400);
    assert_eq!(edge.status("GET", "/v1/a", &[("x-any", &value[1..])]).await, 200);
}

proptest! {
    #[test]
    fn no_request_panics(
        method in "GET|HEAD|PUT|POST|DELETE|COPY|OPTIONS|X",
        target in "/v1/[a%/.]{0,10}(\\?[a-z=&%0-9]{0,20})?",
        headers in prop::collection::vec(
            ("content-length|range|if-match|if-none-match|x-copy-from|destination|x-delete-at|content-type|etag|x-object-meta-a|x-container-read|transfer-encoding", "[ -~\u{e4}]{0,12}"),
            0..5,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if target.parse::<http::Uri>().is_ok() {
            let status = runtime.block_on(Edge::new().status(&method, &target, &headers));
            prop_assert!(status < 500 || status == 501);
        }
    }
}
