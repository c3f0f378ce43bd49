//! `/info`: what this cluster can do and which limits it holds to; no token is needed.
//!
//! Follows Swift's "Discoverability" page. Every filter of the pipeline adds its own part while it is built; here the
//! `swift` section comes to it. The signed form for administrators is not offered, so `swiftinfo_sig` is refused.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use common::config::Config;
use common::constraints::Constraints;
use common::service::HttpService;
use common::{Body, Error, Outcome};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CONTENT_TYPE, HeaderValue, ORIGIN,
};
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Features;
use crate::filter::{ProtocolFilter, protocol};
use crate::registry::Context;

/// Section `[filter.info]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether clients may read it; else it is 403.
    pub expose: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { expose: true }
    }
}

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, context: &mut Context, inner: HttpService) -> HttpService {
    let settings = config.read("filter.info");
    add_swift(&context.features, &context.constraints);
    protocol(Info {
        settings,
        features: context.features.clone(),
        document: OnceLock::new(),
        inner,
    })
}

fn add_swift(features: &Features, constraints: &Arc<Constraints>) {
    let limits = constraints.as_ref();
    let members: [(&str, Value); 17] = [
        ("version", env!("CARGO_PKG_VERSION").into()),
        (
            "policies",
            json!([{"name": "default", "default": true, "aliases": "default"}]),
        ),
        ("allow_account_management", limits.allow_account_management.into()),
        ("account_autocreate", limits.account_autocreate.into()),
        ("allow_open_expired", limits.allow_open_expired.into()),
        ("max_file_size", limits.max_file_size.0.into()),
        ("max_meta_name_length", limits.max_meta_name_length.into()),
        ("max_meta_value_length", limits.max_meta_value_length.into()),
        ("max_meta_count", limits.max_meta_count.into()),
        ("max_meta_overall_size", limits.max_meta_overall_size.into()),
        ("max_header_size", limits.max_header_size.into()),
        ("max_object_name_length", limits.max_object_name_length.into()),
        (
            "max_container_name_length",
            limits.max_container_name_length.into(),
        ),
        ("max_account_name_length", limits.max_account_name_length.into()),
        ("container_listing_limit", limits.container_listing_limit.into()),
        ("account_listing_limit", limits.account_listing_limit.into()),
        ("extra_header_count", limits.extra_header_count.into()),
    ];
    for (name, value) in members {
        features.set("swift", name, value);
    }
    features.set("swift", "max_request_line", limits.max_request_line);
    // That there are directories, which clients treat another way than names with slashes.
    features.announce("tree");
}

struct Info {
    settings: Settings,
    features: Features,
    /// Written when it is first asked for, since filters further out are built later.
    document: OnceLock<Bytes>,
    inner: HttpService,
}

impl ProtocolFilter for Info {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    fn concerns(&self, request: &Request<Body>) -> bool {
        request.uri().path() == "/info"
    }

    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let mut response = self.answer(&request);
        if let Some(origin) = request.headers().get(ORIGIN) {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let exposed = HeaderValue::from_static("x-trans-id");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        response
    }
}

impl Info {
    fn answer(&self, request: &Request<Body>) -> Response<Body> {
        const METHODS: [&str; 3] = ["GET", "HEAD", "OPTIONS"];
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => {
                let mut response = Response::new(Body::empty());
                let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
                response.headers_mut().insert(ALLOW, methods);
                return response;
            }
            _ => {
                let methods = METHODS.map(str::to_owned).to_vec();
                return Error::from(Outcome::MethodNotAllowed(methods)).into_response();
            }
        }
        let is_signed = request.uri().query().is_some_and(|query| {
            query
                .split('&')
                .any(|parameter| parameter.starts_with("swiftinfo_"))
        });
        if !self.settings.expose || is_signed {
            return Error::forbidden().into_response();
        }
        let document = self
            .document
            .get_or_init(|| Bytes::from(self.features.to_json().to_string()));
        let mut response = Response::new(Body::full(document.clone()));
        let json = HeaderValue::from_static("application/json; charset=UTF-8");
        response.headers_mut().insert(CONTENT_TYPE, json);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{remembering, request, text};

    fn filter(expose: bool) -> HttpService {
        let features = Features::default();
        add_swift(&features, &Arc::default());
        features.announce("staticweb");
        protocol(Info {
            settings: Settings { expose },
            features,
            document: OnceLock::new(),
            inner: remembering().0,
        })
    }

    async fn ask(filter: &HttpService, method: &str, uri: &str) -> Response<Body> {
        let headers = [("origin", "http://m.com")];
        filter.handle(request(method, uri, &headers)).await.unwrap()
    }

    #[tokio::test]
    async fn limits_are_integers_and_features_are_there() {
        let response = ask(&filter(true), "GET", "/info").await;
        assert_eq!(
            response.headers()["content-type"],
            "application/json; charset=UTF-8"
        );
        assert_eq!(response.headers()["access-control-allow-origin"], "http://m.com");
        assert_eq!(response.headers()["access-control-expose-headers"], "x-trans-id");
        let info: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!(info["swift"]["max_file_size"], 5_368_709_122_u64);
        assert_eq!(info["swift"]["policies"][0]["name"], "default");
        assert_eq!(info["swift"]["account_autocreate"], true);
        assert_eq!(info["staticweb"], json!({}));
    }

    #[tokio::test]
    async fn other_methods_and_signed_requests() {
        let filter = filter(true);
        let options = ask(&filter, "OPTIONS", "/info").await;
        assert_eq!(options.status(), 200);
        assert_eq!(options.headers()["allow"], "GET, HEAD, OPTIONS");
        assert_eq!(ask(&filter, "POST", "/info").await.status(), 405);
        assert_eq!(ask(&filter, "HEAD", "/info").await.status(), 200);
        let signed = ask(&filter, "GET", "/info?swiftinfo_sig=x&swiftinfo_expires=1").await;
        assert_eq!(signed.status(), 403);
        let inner = ask(&filter, "GET", "/information").await;
        assert_eq!(text(inner).await, "inner");
    }

    #[tokio::test]
    async fn what_is_not_exposed_is_forbidden() {
        assert_eq!(ask(&filter(false), "GET", "/info").await.status(), 403);
    }
}
