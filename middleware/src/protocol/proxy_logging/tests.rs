use super::*;
use crate::testing::{request, responding, text};
use parking_lot::Mutex;
use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Metadata, Subscriber, span};

/// Remembers the messages on the access target.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Message(&self.0));
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Message<'a>(&'a Mutex<Vec<String>>);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0.lock().push(format!("{value:?}"));
        }
    }
}

fn listen() -> (Lines, DefaultGuard) {
    let lines = Lines::default();
    let guard = tracing::subscriber::set_default(lines.clone());
    (lines, guard)
}

fn answering(body: &'static str) -> HttpService {
    let inner = responding(move |request| {
        drop(request);
        Response::new(Body::full(body))
    });
    protocol(ProxyLogging { inner })
}

#[tokio::test]
async fn a_line_has_swifts_fields() {
    let (lines, _guard) = listen();
    let headers = [
        ("x-auth-token", "AUTH_tk0123456789abcdef"),
        ("user-agent", "curl/8 x"),
        ("x-forwarded-for", "10.0.0.2"),
    ];
    let mut sent = request(
        "GET",
        "/v1/A/c%20d?limit=1&temp_url_sig=0123456789abcdef0123",
        &headers,
    );
    sent.extensions_mut().insert(TransactionId("tx1".into()));
    sent.extensions_mut()
        .insert(PeerAddress("127.0.0.1:9".parse().unwrap()));
    sent.extensions_mut()
        .insert(ClientAddress("10.0.0.1".parse().unwrap()));
    let response = answering("12345").handle(sent).await.unwrap();
    assert!(lines.0.lock().is_empty(), "the body has not gone out yet");
    text(response).await;
    let lines = lines.0.lock();
    let fields: Vec<_> = lines[0].split(' ').collect();
    assert_eq!(fields.len(), 21, "{lines:?}");
    assert_eq!(fields[..2], ["10.0.0.1", "127.0.0.1"]);
    assert_eq!(
        fields[3..9],
        [
            "GET",
            "/v1/A/c%20d?limit=1&temp_url_sig=0123456789abcdef...",
            "HTTP/1.1",
            "200",
            "-",
            "curl/8%20x"
        ]
    );
    assert_eq!(fields[9..14], ["AUTH_tk012345678...", "-", "5", "-", "tx1"]);
    assert_eq!(fields[14..15], ["-"]);
    assert!(fields[15].parse::<f64>().unwrap() < 60.0);
    assert_eq!(fields[16..18], ["-", "-"]);
    assert!(fields[18].parse::<f64>().unwrap() <= fields[19].parse::<f64>().unwrap());
}

#[tokio::test]
async fn who_hangs_up_is_499() {
    let (lines, _guard) = listen();
    let response = answering("12345").handle(request("GET", "/", &[])).await.unwrap();
    drop(response);
    let response = answering("12345")
        .handle(request("HEAD", "/", &[]))
        .await
        .unwrap();
    drop(response);
    let never = common::service::ArcService::new(tower::service_fn(|_| std::future::pending()));
    let call = protocol(ProxyLogging { inner: never });
    drop(call.handle(request("GET", "/", &[])));
    let mut pending = call.handle(request("GET", "/", &[]));
    assert!(futures::poll!(&mut pending).is_pending());
    drop(pending);
    let lines = lines.0.lock();
    let statuses: Vec<_> = lines.iter().map(|line| line.split(' ').nth(6).unwrap()).collect();
    assert_eq!(statuses, ["499", "200", "499"]);
}

#[tokio::test]
async fn nothing_a_client_sends_breaks_the_line() {
    let (lines, _guard) = listen();
    let mut sent = request("PUT", "/", &[]);
    let odd = http::HeaderValue::from_bytes(b"a b\xff\"\tc").unwrap();
    for name in [
        "referer",
        "user-agent",
        "etag",
        "x-storage-token",
        "x-forwarded-for",
    ] {
        sent.headers_mut().insert(name, odd.clone());
    }
    *sent.body_mut() = Body::full("abc");
    text(answering("").handle(sent).await.unwrap()).await;
    let lines = lines.0.lock();
    assert_eq!(lines[0].split(' ').count(), 21, "{lines:?}");
    assert!(lines[0].is_ascii());
}

#[test]
fn dates_are_swifts() {
    assert_eq!(
        log_date(Timestamp::from_units(170_000_000_012_345)),
        "14/Nov/2023/22/13/20"
    );
}
