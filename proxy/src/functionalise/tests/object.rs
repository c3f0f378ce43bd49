//! Objects.

use common::Timestamp;

use super::*;

#[tokio::test]
async fn an_upload_is_one_typed_value() {
    let edge = Edge::new();
    let headers = [
        ("content-length", "10"),
        ("etag", "\"0CC175B9\""),
        ("if-none-match", "*"),
        ("x-delete-at", "9999999999999"),
        ("x-object-meta-Colour", "blue"),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("referer", "http://x/"),
        ("user-agent", "curl"),
    ];
    let response = edge.send("PUT", "/v1/a/c/d/x.txt", &headers).await;
    assert_eq!(response.status(), 201);
    assert_eq!(text(&response, "etag"), MD5);
    assert_eq!(text(&response, "last-modified"), "Sun, 13 Sep 2020 12:26:41 GMT");
    let Action::ObjectPut(put) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(put.path.object.as_str(), "d/x.txt");
    assert_eq!(put.content_type.as_deref(), Some("text/plain"));
    assert_eq!(put.content_length, Some(10));
    assert_eq!(put.etag.as_deref(), Some("0cc175b9"));
    assert!(put.if_absent);
    assert_eq!(put.delete_at, Some(Timestamp::from_seconds(9_999_999_999)));
    assert_eq!(put.properties.len(), 2);
    let context = edge.fake.contexts.lock().pop().unwrap();
    assert_eq!(context.referrer.as_deref(), Some("http://x/"));
    assert_eq!(context.agent.as_deref(), Some("curl"));
    assert_eq!(context.authority, Authority::Caller(Caller::Anonymous));
}

#[tokio::test]
async fn a_chunked_upload_beyond_the_limit_is_refused_on_the_way() {
    let fake = Fake {
        reads_bodies: true,
        ..Fake::default()
    };
    let constraints = Constraints {
        max_file_size: common::config::Size(4),
        ..Constraints::default()
    };
    let edge = Edge::with(fake, constraints);
    let chunked = [("transfer-encoding", "chunked")];
    let body = || {
        Body::from_stream(futures::stream::iter(
            ["abc", "de"].map(|chunk| Ok::<_, Error>(chunk.into())),
        ))
    };
    let response = edge.send_body("PUT", "/v1/a/c/o", &chunked, body()).await;
    assert_eq!(response.status(), 413);
    let response = edge
        .send_body("PUT", "/v1/a/c/o", &chunked, Body::full("abcd"))
        .await;
    assert_eq!(response.status(), 201);
}

#[tokio::test]
async fn an_object_shows_what_is_kept_with_it() {
    let edge = Edge::new();
    for method in ["GET", "HEAD"] {
        let response = edge.send(method, "/v1/a/c/o", &[]).await;
        assert_eq!(response.status(), 200);
        for (name, value) in [
            ("content-length", "10"),
            ("content-type", "text/plain; charset=x"),
            ("etag", MD5),
            ("last-modified", "Sun, 13 Sep 2020 12:26:41 GMT"),
            ("x-timestamp", "1600000000.00001"),
            ("accept-ranges", "bytes"),
            ("x-delete-at", "2000000000"),
            ("x-object-meta-colour", "blue"),
            ("content-encoding", "gzip"),
        ] {
            assert_eq!(text(&response, name), value, "{method} {name}");
        }
        let expected = if method == "GET" { "0123456789" } else { "" };
        assert_eq!(page(response).await, expected);
    }
}

#[tokio::test]
async fn ranges() {
    let edge = Edge::new();
    let one = edge.send("GET", "/v1/a/c/o", &[("range", "bytes=2-4")]).await;
    assert_eq!(one.status(), 206);
    assert_eq!(text(&one, "content-range"), "bytes 2-4/10");
    assert_eq!(text(&one, "content-length"), "3");
    assert_eq!(page(one).await, "234");

    let two = edge.send("GET", "/v1/a/c/o", &[("range", "bytes=0-1,8-")]).await;
    assert_eq!(two.status(), 206);
    assert_eq!(text(&two, "content-range"), "");
    let kind = text(&two, "content-type");
    let boundary = kind
        .strip_prefix("multipart/byteranges;boundary=")
        .unwrap()
        .to_owned();
    assert_eq!(boundary.len(), 32);
    let length: usize = text(&two, "content-length").parse().unwrap();
    let body = page(two).await;
    assert_eq!(body.len(), length);
    assert!(
        body.contains("Content-Type: text/plain; charset=x\r\nContent-Range: bytes 8-9/10\r\n\r\n89\r\n")
    );
    assert!(body.ends_with(&format!("\r\n--{boundary}--")));

    let none = edge.send("GET", "/v1/a/c/o", &[("range", "bytes=10-")]).await;
    assert_eq!(none.status(), 416);
    assert_eq!(text(&none, "content-range"), "bytes */10");
    assert_eq!(text(&none, "etag"), MD5);
    assert_eq!(
        edge.status("GET", "/v1/a/c/o", &[("range", "parsecs=8-12")])
            .await,
        200
    );
}

#[tokio::test]
async fn posts_replace_and_deletes_take_a_condition() {
    let edge = Edge::new();
    let headers = [("x-object-meta-a", "1"), ("content-type", "a/b")];
    assert_eq!(edge.status("POST", "/v1/a/c/o", &headers).await, 202);
    let Action::ObjectPost(post) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(
        (post.content_type.as_deref(), post.delete_at),
        (Some("a/b"), None)
    );
    let response = edge.send("DELETE", "/v1/a/c/o", &[("x-if-delete-at", "5")]).await;
    assert_eq!(response.status(), 204);
    assert_eq!(text(&response, "content-type"), "text/html; charset=UTF-8");
    let Action::ObjectDelete(delete) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(delete.if_delete_at, Some(Timestamp::from_seconds(5)));
    assert_eq!(
        edge.status("DELETE", "/v1/a/c/o", &[("x-if-delete-at", "bad")])
            .await,
        400
    );
}

#[tokio::test]
async fn both_ways_to_copy_are_one() {
    let edge = Edge::new();
    let common = [
        ("x-fresh-metadata", "true"),
        ("range", "bytes=0-1"),
        ("if-match", "x"),
    ];
    let mut by_put = common.to_vec();
    by_put.extend([
        ("x-copy-from", "/c/o%20x"),
        ("x-copy-from-account", "b"),
        ("content-length", "0"),
    ]);
    let response = edge.send("PUT", "/v1/a/d/p", &by_put).await;
    assert_eq!(response.status(), 201);
    assert_eq!(text(&response, "x-copied-from"), "c/o%20x");
    assert_eq!(text(&response, "x-copied-from-account"), "b");
    assert_eq!(
        text(&response, "x-copied-from-last-modified"),
        "Sun, 13 Sep 2020 12:26:41 GMT"
    );
    assert_eq!(text(&response, "x-object-meta-colour"), "blue");
    assert_eq!(text(&response, "content-encoding"), "");
    let put = edge.last();
    let mut by_copy = common.to_vec();
    by_copy.extend([("destination", "d/p"), ("destination-account", "a")]);
    assert_eq!(edge.status("COPY", "/v1/b/c/o%20x", &by_copy).await, 201);
    assert_eq!(edge.last(), put);
    let Action::ObjectCopy(copy) = put else {
        panic!("{put:?}");
    };
    assert!(copy.fresh_metadata && copy.source.ranges.is_some());
    assert!(copy.source.conditions.if_match.is_some());
    assert_eq!(copy.destination.content_type, None);
    assert_eq!(edge.status("COPY", "/v1/a/c/o", &[]).await, 412);
}

#[tokio::test]
async fn expired_objects_open_only_where_that_is_allowed() {
    let asks_for_it = [("x-open-expired", "True")];
    for allowed in [false, true] {
        let constraints = Constraints {
            allow_open_expired: allowed,
            ..Constraints::default()
        };
        let edge = Edge::with(Fake::default(), constraints);
        edge.send("HEAD", "/v1/a/c/o", &asks_for_it).await;
        let Action::ObjectHead(head) = edge.last() else {
            panic!("{:?}", edge.last());
        };
        assert_eq!(head.open_expired, allowed);
    }
}
