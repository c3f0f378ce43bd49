//! What is refused, here and behind.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::*;

/// A body that notices being read.
fn untouched() -> (Body, Arc<AtomicBool>) {
    let touched = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&touched);
    let stream = futures::stream::poll_fn(move |_| {
        flag.store(true, Ordering::Relaxed);
        std::task::Poll::Ready(None::<Result<Bytes, common::body::BoxError>>)
    });
    (Body::from_stream(stream), touched)
}

#[tokio::test]
async fn refusals_come_before_the_body_is_asked_for() {
    let edge = Edge::new();
    let long = "v".repeat(257);
    for (headers, status) in [
        (&[][..], 411),
        (&[("content-length", "x")], 400),
        (&[("transfer-encoding", "gzip,chunked")], 501),
        (&[("transfer-encoding", "gzip")], 400),
        (&[("content-length", "5368709123")], 413),
        (&[("content-length", "1"), ("if-none-match", MD5)], 400),
        (&[("content-length", "1"), ("x-delete-at", "x")], 400),
        (&[("content-length", "1"), ("x-delete-after", "0")], 400),
        (&[("content-length", "1"), ("x-object-meta-", "x")], 400),
        (&[("content-length", "1"), ("x-object-meta-a", &long)], 400),
        (
            &[("content-length", "1"), ("content-type", "a/b; swift_x=1")],
            400,
        ),
        (&[("content-length", "1"), ("x-static-large-object", "true")], 400),
        (&[("content-length", "1"), ("x-copy-from", "c/o")], 400),
        (&[("x-copy-from", "c")], 412),
    ] {
        let (body, touched) = untouched();
        let response = edge.send_body("PUT", "/v1/a/c/o", headers, body).await;
        assert_eq!(response.status().as_u16(), status, "{headers:?}");
        assert!(!touched.load(Ordering::Relaxed), "{headers:?}");
    }
    assert!(edge.fake.actions.lock().is_empty());
}

#[tokio::test]
async fn refusals_from_within() {
    let edge = Edge::new();
    let refuse = |error: Error| *edge.fake.refusal.lock() = Some(error);
    refuse(Outcome::PreconditionFailed(Some(Box::new(object_info()))).into());
    let response = edge.send("GET", "/v1/a/c/o", &[]).await;
    assert_eq!(
        (response.status().as_u16(), text(&response, "etag")),
        (412, MD5.into())
    );
    assert_eq!(page(response).await, "");

    refuse(Outcome::NotModified(Box::new(object_info())).into());
    let response = edge.send("GET", "/v1/a/c/o", &[]).await;
    assert_eq!(
        (response.status().as_u16(), text(&response, "etag")),
        (304, MD5.into())
    );

    refuse(Error::internal("secret"));
    let response = edge.send("GET", "/v1/a/c/o", &[]).await;
    assert_eq!(response.status(), 500);
    assert!(!page(response).await.contains("secret"));
}
