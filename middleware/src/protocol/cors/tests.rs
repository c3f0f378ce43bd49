use super::*;
use crate::testing::{Answering, request, responding};
use common::functional::{Answer, Reply, info};
use common::{Error, Properties};

fn cache(allow_origin: &str) -> Arc<InfoCache> {
    let mut properties = Properties::new();
    for (name, value) in [
        ("allow-origin", allow_origin),
        ("max-age", "600"),
        ("expose-headers", "X-Foo  x-bar"),
    ] {
        let name = format!("x-container-meta-access-control-{name}");
        properties.insert(&name, value.to_owned());
    }
    let resource = info::Resource {
        state: info::State::Present,
        properties,
        generation: 1,
    };
    Arc::new(InfoCache::new(Answering::with(move |_| {
        let found = info::Found {
            account: info::Resource::default(),
            container: Some(resource.clone()),
        };
        Ok(Reply::new(Answer::InfoGet(found)))
    })))
}

fn filter(info_cache: Arc<InfoCache>, settings: Settings) -> HttpService {
    protocol(Cors {
        settings,
        constraints: Arc::default(),
        info_cache,
        inner: responding(|_| {
            let response = Response::builder().header("x-object-meta-color", "blue");
            response.body(Body::empty()).unwrap()
        }),
    })
}

async fn preflight(allow_origin: &str, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let filter = filter(cache(allow_origin), Settings::default());
    filter.handle(request("OPTIONS", path, headers)).await.unwrap()
}

const FROM_M: (&str, &str) = ("origin", "http://m.com");
const WANTS_GET: (&str, &str) = ("access-control-request-method", "GET");

#[tokio::test]
async fn options_without_an_origin_tell_the_methods() {
    let response = preflight("", "/v1/A/c/o", &[]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.headers()["allow"],
        "HEAD, GET, POST, OPTIONS, PUT, DELETE, COPY"
    );
    let response = preflight("", "/v1/A", &[FROM_M]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["allow"], "HEAD, GET, POST, OPTIONS");
}

#[tokio::test]
async fn a_preflight_of_an_allowed_origin() {
    let asked = ("access-control-request-headers", "x-a, x-b");
    let response = preflight(
        "http://x.com http://m.com",
        "/v1/A/c",
        &[FROM_M, WANTS_GET, asked],
    )
    .await;
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["access-control-allow-origin"], "http://m.com");
    assert_eq!(headers["access-control-max-age"], "600");
    assert_eq!(headers["access-control-allow-headers"], "x-a, x-b");
    assert_eq!(headers["vary"], "Origin, Access-Control-Request-Headers");
    assert_eq!(headers["access-control-allow-methods"], headers["allow"]);
    assert!(!headers.contains_key("access-control-expose-headers"));
    let response = preflight("*", "/v1/A/c/o", &[FROM_M, WANTS_GET]).await;
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert!(!response.headers().contains_key("vary"));
}

#[tokio::test]
async fn other_preflights_are_refused() {
    let cases: [(&str, &[(&str, &str)]); 4] = [
        ("http://x.com", &[FROM_M, WANTS_GET]),
        ("*", &[FROM_M]),
        ("*", &[FROM_M, ("access-control-request-method", "LICK")]),
        ("", &[FROM_M, WANTS_GET]),
    ];
    for (allowed, headers) in cases {
        let response = preflight(allowed, "/v1/A/c/o", headers).await;
        assert_eq!(response.status(), 401, "{allowed} {headers:?}");
        assert_eq!(response.headers()["www-authenticate"], "Swift realm=\"A\"");
        assert!(!response.headers().contains_key("access-control-allow-origin"));
    }
}

#[tokio::test]
async fn answers_to_an_allowed_origin_get_headers() {
    let filter = filter(cache("http://m.com"), Settings::default());
    let ask = |origin| filter.handle(request("GET", "/v1/A/c/o", &[("origin", origin)]));
    let response = ask("http://m.com").await.unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "http://m.com");
    assert_eq!(response.headers()["vary"], "Origin");
    let exposed = response.headers()["access-control-expose-headers"]
        .to_str()
        .unwrap();
    for name in ["etag", "x-trans-id", "x-object-meta-color", "x-foo", "x-bar"] {
        assert!(exposed.split(", ").any(|exposed| exposed == name), "{exposed}");
    }
    let response = ask("http://other.com").await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn the_cluster_may_allow_more() {
    let settings = Settings {
        allow_origin: vec!["http://m.com".into()],
        expose_headers: vec!["X-Cluster".into()],
        ..Settings::default()
    };
    let response = filter(cache(""), settings)
        .handle(request("GET", "/v1/A/c", &[FROM_M]))
        .await
        .unwrap();
    let exposed = &response.headers()["access-control-expose-headers"];
    assert!(exposed.to_str().unwrap().contains("x-cluster"));

    let settings = Settings {
        strict_mode: false,
        ..Settings::default()
    };
    let response = filter(cache(""), settings)
        .handle(request("GET", "/v1/A/c", &[FROM_M]))
        .await
        .unwrap();
    assert_eq!(response.headers()["access-control-allow-origin"], "http://m.com");
}

#[tokio::test]
async fn an_owner_that_is_away_allows_nobody() {
    let away = Answering::with(|_| Err(Error::unavailable("away", None)));
    let filter = filter(Arc::new(InfoCache::new(away)), Settings::default());
    let response = filter.handle(request("GET", "/v1/A/c", &[FROM_M])).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.headers().contains_key("access-control-allow-origin"));
}
