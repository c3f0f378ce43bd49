use super::*;
use crate::testing::{remembering, request, responding, text};

fn filter(inner: HttpService) -> HttpService {
    let ids = TransactionIds::new(String::new());
    protocol(CatchErrors { ids, inner })
}

async fn ask(inner: HttpService, request: Request<Body>) -> Response<Body> {
    filter(inner).handle(request).await.unwrap()
}

#[tokio::test]
async fn every_answer_carries_the_transaction_id() {
    let (inner, requests) = remembering();
    let response = ask(inner, request("GET", "/", &[])).await;
    let id = response.headers()["x-trans-id"].to_str().unwrap();
    assert_eq!(response.headers()["x-openstack-request-id"], id);
    assert_eq!(
        &*requests.lock()[0].extensions.get::<TransactionId>().unwrap().0,
        id
    );
    let (random, time) = id.strip_prefix("tx").unwrap().split_once('-').unwrap();
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    assert!(random.len() == 21 && is_hex(random), "{id}");
    assert!(time.len() == 10 && is_hex(time), "{id}");
    let seconds = u64::from_str_radix(time, 16).unwrap();
    assert!(Clock::now().seconds() - seconds < 60);
}

#[tokio::test]
async fn the_clients_extra_is_cut_and_appended() {
    for (extra, expected) in [
        ("mine", Some("-mine")),
        (&"x".repeat(40), Some(&*format!("-{}", "x".repeat(32)))),
        ("", None),
        ("\u{e4}", None),
    ] {
        let mut request = request("GET", "/", &[]);
        let value = HeaderValue::from_bytes(extra.as_bytes()).unwrap();
        request.headers_mut().insert("x-trans-id-extra", value);
        let response = ask(remembering().0, request).await;
        let id = response.headers()["x-trans-id"].to_str().unwrap();
        assert_eq!(id.get(34..).filter(|rest| !rest.is_empty()), expected, "{id}");
    }
}

#[test]
fn ids_never_repeat() {
    let ids = TransactionIds::new("-s".into());
    let mut seen: Vec<_> = (0..10_000).map(|_| ids.next(None)).collect();
    assert!(seen[0].ends_with("-s"));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 10_000);
}

#[tokio::test]
async fn a_panic_is_a_500_with_an_id() {
    let response = ask(responding(|_| panic!("on purpose")), request("GET", "/", &[])).await;
    assert_eq!(response.status(), 500);
    assert!(response.headers().contains_key("x-trans-id"));
    assert!(!text(response).await.contains("purpose"));
}

fn announcing(length: &'static str, chunks: &'static [&'static str]) -> HttpService {
    responding(move |_| {
        let chunks = chunks.iter().map(|chunk| Ok::<_, BoxError>(Bytes::from(*chunk)));
        let body = Body::from_stream(futures::stream::iter(chunks));
        Response::builder()
            .header("content-length", length)
            .body(body)
            .unwrap()
    })
}

#[tokio::test]
async fn a_body_is_held_to_its_announced_length() {
    let exact = ask(announcing("5", &["ab", "cde"]), request("GET", "/", &[])).await;
    assert_eq!(text(exact).await, "abcde");
    let longer = ask(announcing("4", &["ab", "cde", "f"]), request("GET", "/", &[])).await;
    assert_eq!(longer.body().exact_length(), Some(4));
    assert_eq!(text(longer).await, "abcd");
    let shorter = ask(announcing("6", &["ab", "cde"]), request("GET", "/", &[])).await;
    let error = shorter.into_body().collect(100).await.unwrap_err();
    assert!(error.to_string().contains("1 bytes early"), "{error}");
}

#[tokio::test]
async fn head_has_no_body_but_its_length() {
    let response = ask(announcing("5", &["ab", "cde"]), request("HEAD", "/", &[])).await;
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(text(response).await, "");
    let response = ask(remembering().0, request("HEAD", "/", &[])).await;
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(text(response).await, "");
}
