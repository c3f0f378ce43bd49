//! Requests through functionalise against a functional service that remembers them.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use common::functional::object::{self, Got, Info, Stored};
use common::functional::{self, Action, Answer, Reply};
use common::functional::{account as accounts, container as containers};
use common::range::{ByteRange, Resolved};
use common::service::ArcService;
use common::{Etag, Timestamp};
use http::Method;
use middleware::RenderListing;
use parking_lot::Mutex;
use proptest::prelude::*;
use tower::service_fn;

use super::*;

const MD5: &str = "0cc175b9c0f1b6a831c399e269772661";

/// Answers like a server that has every account, container and object, each object being `0123456789`.
#[derive(Default)]
struct Fake {
    actions: Mutex<Vec<Action>>,
    contexts: Mutex<Vec<Context>>,
    refusal: Mutex<Option<Error>>,
    reads_bodies: bool,
}

impl Fake {
    async fn answer(&self, request: functional::Request) -> Result<Reply, Error> {
        self.actions.lock().push(request.action.clone());
        self.contexts.lock().push(request.context);
        if let Some(error) = self.refusal.lock().take() {
            return Err(error);
        }
        if self.reads_bodies {
            let mut body = request.body;
            while let Some(chunk) = body.chunk().await {
                chunk.map_err(|error| Error::internal(error.to_string()))?;
            }
        }
        let written = |created| containers::Written { created };
        let answer = match request.action {
            Action::AccountHead(_) => Answer::AccountHead(account_info()),
            Action::AccountList(_) => Answer::AccountList(accounts::Listing {
                info: account_info(),
                entries: Vec::new(),
            }),
            Action::AccountPut(_) => Answer::AccountPut(accounts::Written { created: true }),
            Action::AccountPost(_) => Answer::AccountPost(accounts::Written { created: false }),
            Action::AccountDelete(_) => Answer::AccountDelete(accounts::Written { created: false }),
            Action::ContainerHead(_) => Answer::ContainerHead(container_info()),
            Action::ContainerList(_) => Answer::ContainerList(containers::Listing {
                info: container_info(),
                entries: vec![containers::Entry::Subdir("d/".into())],
            }),
            Action::ContainerPut(put) => Answer::ContainerPut(written(put.container.as_str() == "new")),
            Action::ContainerPost(_) => Answer::ContainerPost(written(false)),
            Action::ContainerDelete(_) => Answer::ContainerDelete(written(false)),
            Action::ObjectHead(_) => Answer::ObjectHead(object_info()),
            Action::ObjectGet(get) => return got(&get),
            Action::ObjectPut(put) => Answer::ObjectPut(stored(put.content_type)),
            Action::ObjectPost(_) => Answer::ObjectPost(object::Posted {}),
            Action::ObjectDelete(_) => Answer::ObjectDelete(object::Deleted {}),
            Action::ObjectCopy(copy) => Answer::ObjectCopy(object::Copied {
                stored: stored(copy.destination.content_type),
                source: copy.source.path,
                source_info: object_info(),
                properties: object_info().properties,
                delete_at: Some(Timestamp::from_seconds(2_000_000_000)),
            }),
            other => panic!("{} is not asked by the edge", other.name()),
        };
        Ok(Reply::new(answer))
    }
}

fn account_info() -> accounts::Info {
    let mut properties = common::Properties::new();
    properties.insert("x-account-meta-colour", "blue");
    properties.insert("x-account-sysmeta-secret", "x");
    accounts::Info {
        created: Timestamp::from_seconds(1_600_000_000),
        containers: 2,
        objects: 3,
        bytes: 14,
        properties,
    }
}

fn container_info() -> containers::Info {
    containers::Info {
        created: Timestamp::from_seconds(1_600_000_000),
        last_modified: Timestamp::from_units(160_000_000_100_001),
        objects: 3,
        bytes: 14,
        storage_policy: "default".into(),
        properties: common::Properties::new(),
    }
}

fn object_info() -> Info {
    let mut info = Info::plain(10, MD5, Timestamp::from_units(160_000_000_000_001));
    info.content_type = "text/plain; charset=x".into();
    info.properties.insert("x-object-meta-colour", "blue");
    info.properties.insert("content-encoding", "gzip");
    info.delete_at = Some(Timestamp::from_seconds(2_000_000_000));
    info
}

fn stored(content_type: Option<String>) -> Stored {
    Stored {
        etag: Etag::new(MD5),
        timestamp: Timestamp::from_units(160_000_000_000_001),
        content_type: content_type.unwrap_or_default(),
        is_current: true,
    }
}

fn got(get: &object::Get) -> Result<Reply, Error> {
    const BYTES: &[u8] = b"0123456789";
    let slice = |range: &ByteRange| &BYTES[range.first as usize..=range.last as usize];
    let (ranges, body) = match get.ranges.as_ref().map(|ranges| ranges.resolve(10)) {
        None | Some(Resolved::Whole) => (None, BYTES.to_vec()),
        Some(Resolved::Parts(parts)) => {
            let body = parts.iter().flat_map(slice).copied().collect();
            (Some(parts), body)
        }
        Some(Resolved::Unsatisfiable) => {
            return Err(Outcome::RangeNotSatisfiable(Box::new(object_info())).into());
        }
    };
    Ok(Reply {
        answer: Answer::ObjectGet(Got {
            info: object_info(),
            ranges,
        }),
        body: Body::full(body),
    })
}

struct Edge {
    fake: Arc<Fake>,
    service: HttpService,
}

impl Edge {
    fn new() -> Self {
        Self::with(Fake::default(), Constraints::default())
    }

    fn with(fake: Fake, constraints: Constraints) -> Self {
        let fake = Arc::new(fake);
        let inner = {
            let fake = Arc::clone(&fake);
            ArcService::new(service_fn(move |request| {
                let fake = Arc::clone(&fake);
                async move { fake.answer(request).await }
            }))
        };
        let kept = ["Content-Encoding".to_owned()];
        let functionalise = Functionalise::new(inner, Arc::new(constraints), &kept, Arc::default());
        Self {
            fake,
            service: functionalise.into_service(),
        }
    }

    async fn send(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> Response<Body> {
        self.send_body(method, target, headers, Body::empty()).await
    }

    async fn send_body(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: Body,
    ) -> Response<Body> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(method.as_bytes()).unwrap();
        *request.uri_mut() = target.parse().unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request
                .headers_mut()
                .append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        self.service.handle(request).await.unwrap()
    }

    async fn status(&self, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
        self.send(method, target, headers).await.status().as_u16()
    }

    fn last(&self) -> Action {
        self.fake.actions.lock().last().unwrap().clone()
    }
}

fn text(response: &Response<Body>, name: &str) -> String {
    let value = response.headers().get(name);
    value.map_or_else(String::new, |value| {
        String::from_utf8_lossy(value.as_bytes()).into_owned()
    })
}

async fn page(response: Response<Body>) -> String {
    let bytes = response.into_body().collect(10_000).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn methods_that_a_resource_does_not_know() {
    let edge = Edge::new();
    for (method, target, allow) in [
        ("LICK", "/v1/a/c/o", "GET, HEAD, PUT, POST, DELETE, OPTIONS, COPY"),
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
async fn account_management_is_a_setting() {
    let constraints = Constraints {
        allow_account_management: true,
        ..Constraints::default()
    };
    let edge = Edge::with(Fake::default(), constraints);
    assert_eq!(edge.status("PUT", "/v1/a", &[]).await, 201);
    assert_eq!(edge.status("DELETE", "/v1/a?x", &[]).await, 400);
    assert_eq!(edge.status("DELETE", "/v1/a", &[]).await, 204);
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

#[tokio::test]
async fn an_account_shows_its_counters() {
    let edge = Edge::new();
    let response = edge.send("HEAD", "/v1/a", &[]).await;
    assert_eq!(response.status(), 204);
    for (name, value) in [
        ("x-account-container-count", "2"),
        ("x-account-object-count", "3"),
        ("x-account-bytes-used", "14"),
        ("x-account-storage-policy-default-object-count", "3"),
        ("x-timestamp", "1600000000.00000"),
        ("x-account-meta-colour", "blue"),
        ("x-account-sysmeta-secret", ""),
    ] {
        assert_eq!(text(&response, name), value, "{name}");
    }
    assert!(
        response.extensions().get::<RenderListing>().is_none(),
        "a HEAD has no page"
    );
}

#[tokio::test]
async fn a_listing_goes_along_unwritten() {
    let edge = Edge::new();
    let response = edge.send("GET", "/v1/a/c?limit=7&prefix=p", &[]).await;
    assert_eq!(response.status(), 200);
    let Some(RenderListing::Container { name, entries }) = response.extensions().get() else {
        panic!("no page");
    };
    assert_eq!((name.as_str(), entries.len()), ("c", 1));
    assert_eq!(text(&response, "last-modified"), "Sun, 13 Sep 2020 12:26:42 GMT");
    assert_eq!(text(&response, "x-storage-policy"), "default");
    let Action::ContainerList(list) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!((list.query.limit, list.query.prefix.as_str()), (7, "p"));
    assert_eq!(edge.status("GET", "/v1/a/c?limit=10001", &[]).await, 412);
    assert_eq!(edge.status("GET", "/v1/a?marker=%ff", &[]).await, 400);
}

#[tokio::test]
async fn containers_are_made_and_changed() {
    let edge = Edge::new();
    let response = edge
        .send("PUT", "/v1/a/new", &[("x-container-meta-a", "1")])
        .await;
    assert_eq!(response.status(), 201);
    assert_eq!(text(&response, "content-type"), "text/html; charset=UTF-8");
    assert_eq!(edge.status("PUT", "/v1/a/old", &[]).await, 202);
    assert_eq!(
        edge.status("PUT", "/v1/a/new", &[("x-storage-policy", "gold")])
            .await,
        400
    );
    let headers = [("x-remove-container-read", "x"), ("x-storage-policy", "gold")];
    assert_eq!(edge.status("POST", "/v1/a/c", &headers).await, 204);
    let Action::ContainerPost(post) = edge.last() else {
        panic!("{:?}", edge.last());
    };
    assert_eq!(post.properties.text("x-container-read"), Some(""));
    assert_eq!(edge.status("DELETE", "/v1/a/c", &[]).await, 204);
    let long = "c".repeat(257);
    let response = edge.send("PUT", &format!("/v1/a/{long}"), &[]).await;
    assert_eq!(response.status(), 400);
    assert_eq!(text(&response, "content-type"), "text/html; charset=UTF-8");
}

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
