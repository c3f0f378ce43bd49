use super::*;
use crate::testing::{Answering, context};
use common::functional::{Answer, Call as _};
use common::range::{Range, Ranges};
use parking_lot::Mutex;

const MD5: &str = "5d41402abc4b2a76b9719d911017c592";
const NOW: u64 = 1_700_000_000;

fn path(object: &str) -> object::Path {
    object::Path::new("AUTH_test", "c", object).unwrap()
}

fn properties(pairs: &[(&str, &'static str)]) -> Properties {
    let mut properties = Properties::new();
    for (name, value) in pairs {
        properties.insert(name, *value);
    }
    properties
}

fn source_info() -> object::Info {
    let mut info = object::Info::plain(5, MD5, Timestamp::from_seconds(9));
    info.content_type = "text/x-source".to_owned();
    info.delete_at = Some(Timestamp::from_seconds(NOW + 100));
    info.properties = properties(&[
        ("x-object-meta-color", "blue"),
        ("x-object-meta-size", "big"),
        ("content-encoding", "gzip"),
    ]);
    info
}

fn copying() -> object::Copy {
    object::Copy {
        source: object::Get {
            path: path("source"),
            conditions: common::conditions::Conditions::default(),
            ranges: None,
            open_expired: false,
        },
        destination: object::Put {
            path: path("copy"),
            content_type: None,
            content_length: None,
            etag: None,
            if_absent: false,
            delete_at: None,
            properties: properties(&[("x-object-meta-color", "red")]),
            listing: None,
        },
        fresh_metadata: false,
    }
}

/// Runs `copy` on a store that holds `info`; answers the outcome and the PUT that arrived.
async fn run(copy: object::Copy, info: object::Info) -> (Result<object::Copied, Error>, Option<object::Put>) {
    let put = Arc::new(Mutex::new(None));
    let sink = Arc::clone(&put);
    let inner = Answering::with_request(move |request| match request.action {
        Action::ObjectGet(get) => {
            let ranges = get.ranges.map(|_| vec![ByteRange { first: 1, last: 3 }]);
            let bytes = if ranges.is_some() { "ell" } else { "hello" };
            let got = object::Got {
                info: info.clone(),
                ranges,
            };
            Ok(Reply {
                answer: Answer::ObjectGet(got),
                body: Body::full(bytes),
            })
        }
        Action::ObjectPut(put) => {
            assert_eq!(request.body.exact_length(), put.content_length);
            let stored = object::Stored {
                etag: common::Etag::new(MD5),
                timestamp: request.context.timestamp,
                content_type: put.content_type.clone().unwrap(),
                is_current: true,
            };
            *sink.lock() = Some(put);
            Ok(Reply::new(Answer::ObjectPut(stored)))
        }
        action => panic!("{action:?}"),
    });
    let filter = functional(Copy {
        constraints: Arc::default(),
        inner,
    });
    let request = Request {
        action: copy.into(),
        context: context(),
        body: Body::empty(),
    };
    let outcome = filter.handle(request).await;
    let outcome = outcome.and_then(|reply| object::Copy::expect(reply.answer));
    let put = put.lock().take();
    (outcome, put)
}

#[tokio::test]
async fn metadata_is_carried_and_overridden() {
    let (outcome, put) = run(copying(), source_info()).await;
    let put = put.unwrap();
    assert_eq!(put.path, path("copy"));
    assert_eq!(put.properties.text("x-object-meta-color"), Some("red"));
    assert_eq!(put.properties.text("x-object-meta-size"), Some("big"));
    assert_eq!(put.properties.text("content-encoding"), Some("gzip"));
    assert_eq!(put.content_type.as_deref(), Some("text/x-source"));
    assert_eq!(put.delete_at, Some(Timestamp::from_seconds(NOW + 100)));
    assert_eq!(put.etag.as_deref(), Some(MD5));
    assert_eq!(put.content_length, Some(5));
    let copied = outcome.unwrap();
    assert_eq!(copied.source, path("source"));
    assert_eq!(copied.properties, put.properties);
    assert_eq!(copied.delete_at, put.delete_at);
    assert_eq!(copied.source_info.timestamp, Timestamp::from_seconds(9));
}

#[tokio::test]
async fn fresh_metadata_leaves_the_sources_behind() {
    let mut copy = copying();
    copy.fresh_metadata = true;
    let (_, put) = run(copy, source_info()).await;
    let put = put.unwrap();
    assert_eq!(put.properties, properties(&[("x-object-meta-color", "red")]));
    assert_eq!(put.delete_at, None);
    assert_eq!(put.content_type.as_deref(), Some("text/x-source"));
}

#[tokio::test]
async fn what_the_request_names_wins() {
    let mut copy = copying();
    copy.destination.content_type = Some("image/png".to_owned());
    copy.destination.delete_at = Some(Timestamp::from_seconds(NOW + 5));
    let (_, put) = run(copy, source_info()).await;
    let put = put.unwrap();
    assert_eq!(put.content_type.as_deref(), Some("image/png"));
    assert_eq!(put.delete_at, Some(Timestamp::from_seconds(NOW + 5)));
}

#[tokio::test]
async fn a_range_is_copied_without_the_etag() {
    let mut copy = copying();
    copy.source.ranges = Some(Ranges::single(Range::Closed(1, 3)));
    let (outcome, put) = run(copy, source_info()).await;
    let put = put.unwrap();
    assert_eq!((put.content_length, put.etag), (Some(3), None));
    outcome.unwrap();
}

#[tokio::test]
async fn a_manifest_becomes_plain_bytes() {
    let mut info = source_info();
    info.properties.insert("x-object-manifest", "segments/a");
    let (_, put) = run(copying(), info).await;
    let put = put.unwrap();
    assert_eq!(put.properties.value("x-object-manifest"), None);
    assert_eq!(put.etag, None);
}

async fn refusal(copy: object::Copy, info: object::Info) -> u16 {
    let (outcome, put) = run(copy, info).await;
    assert_eq!(put, None);
    outcome.unwrap_err().status().as_u16()
}

#[tokio::test]
async fn refused_copies_write_nothing() {
    let mut large = source_info();
    large.size = Constraints::default().max_file_size.0 + 1;
    assert_eq!(refusal(copying(), large).await, 413);

    let mut expired = source_info();
    expired.delete_at = Some(Timestamp::from_seconds(NOW));
    assert_eq!(refusal(copying(), expired).await, 400);

    let mut many = source_info();
    for at in 0..90 {
        many.properties.insert(&format!("x-object-meta-{at}"), "v");
    }
    assert_eq!(refusal(copying(), many).await, 400);
}

#[tokio::test]
async fn a_refusal_of_the_source_passes() {
    let inner = Answering::with(|_| Err(Outcome::NotModified(Box::new(source_info())).into()));
    let filter = functional(Copy {
        constraints: Arc::default(),
        inner,
    });
    let request = Request {
        action: copying().into(),
        context: context(),
        body: Body::empty(),
    };
    let error = filter.handle(request).await.unwrap_err();
    assert_eq!(error.status(), 304);
}

#[tokio::test]
async fn other_requests_pass_with_their_body() {
    let inner = Answering::with_request(|request| {
        assert_eq!(request.body.exact_length(), Some(3));
        assert_eq!(request.action.name(), "object/put");
        Err(Error::forbidden())
    });
    let filter = functional(Copy {
        constraints: Arc::default(),
        inner,
    });
    let request = Request {
        action: copying().destination.into(),
        context: context(),
        body: Body::full("abc"),
    };
    assert_eq!(filter.handle(request).await.unwrap_err().status(), 403);
}
