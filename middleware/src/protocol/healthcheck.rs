//! `healthcheck`: tells a load balancer whether to send clients here.
//!
//! Follows Swift's "Healthcheck" middleware: `/healthcheck` answers 200 `OK`, or 503 `DISABLED BY FILE` while the
//! file at `disable_path` exists, by which an administrator takes a server out of rotation.

use std::path::PathBuf;

use common::Body;
use common::config::Config;
use common::service::HttpService;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::filter::{ProtocolFilter, protocol};
use crate::registry::Context;

/// Section `[filter.healthcheck]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// While this file exists the check fails; empty is no file.
    pub disable_path: PathBuf,
}

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, _context: &mut Context, inner: HttpService) -> HttpService {
    let settings = config.read("filter.healthcheck");
    protocol(Healthcheck { settings, inner })
}

struct Healthcheck {
    settings: Settings,
    inner: HttpService,
}

impl ProtocolFilter for Healthcheck {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    fn concerns(&self, request: &Request<Body>) -> bool {
        request.uri().path() == "/healthcheck"
    }

    async fn handle(&self, _request: Request<Body>) -> Response<Body> {
        if self.is_disabled().await {
            answer(StatusCode::SERVICE_UNAVAILABLE, "DISABLED BY FILE")
        } else {
            answer(StatusCode::OK, "OK")
        }
    }
}

impl Healthcheck {
    async fn is_disabled(&self) -> bool {
        let path = &self.settings.disable_path;
        // A file that cannot be looked at is not there: the check must not fail by mistake.
        !path.as_os_str().is_empty() && tokio::fs::try_exists(path).await.unwrap_or(false)
    }
}

fn answer(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{remembering, request, text};

    #[tokio::test]
    async fn it_answers_until_the_file_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let settings = Settings {
            disable_path: directory.path().join("disabled"),
        };
        let file = settings.disable_path.clone();
        let (inner, requests) = remembering();
        let filter = protocol(Healthcheck { settings, inner });
        let check = || filter.handle(request("GET", "/healthcheck", &[]));

        let response = check().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(text(response).await, "OK");
        std::fs::write(file, "").unwrap();
        let response = check().await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(text(response).await, "DISABLED BY FILE");
        assert!(requests.lock().is_empty());
    }

    #[tokio::test]
    async fn other_paths_pass() {
        let (inner, requests) = remembering();
        let settings = Settings::default();
        let filter = protocol(Healthcheck { settings, inner });
        for path in ["/healthcheck/", "/v1/healthcheck", "/"] {
            filter.handle(request("GET", path, &[])).await.unwrap();
        }
        assert_eq!(requests.lock().len(), 3);
    }
}
