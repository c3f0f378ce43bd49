//! `cors`: lets scripts of other sites reach a container, where the container (or the cluster) says so.
//!
//! Follows Swift's "CORS" page. Preflight requests (OPTIONS) on accounts, containers and objects are answered here and
//! need no token. To answers of containers and objects headers are added; the request itself proceeds whatever its
//! origin is, since it is the browser that keeps scripts away.

use std::collections::BTreeSet;
use std::sync::Arc;

use common::Body;
use common::config::Config;
use common::constraints::Constraints;
use common::functional::Context as RequestContext;
use common::service::HttpService;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, Request, Response};
use serde::{Deserialize, Serialize};

use crate::filter::{ProtocolFilter, pass, protocol};
use crate::info_cache::{ContainerInfo, InfoCache};
use crate::registry::Context;
use crate::resource::{Resource, own_context, unauthorized};

/// Headers that every script may read.
const EXPOSED: [&str; 10] = [
    "cache-control",
    "content-language",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
    "etag",
    "x-timestamp",
    "x-trans-id",
    "x-openstack-request-id",
];

/// Section `[filter.cors]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Origins that may reach every container; `*` is all.
    pub allow_origin: Vec<String>,
    /// Headers that scripts may read besides the usual ones.
    pub expose_headers: Vec<String>,
    /// Add headers only to answers for origins that are allowed.
    pub strict_mode: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            allow_origin: Vec::new(),
            expose_headers: Vec::new(),
            strict_mode: true,
        }
    }
}

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, context: &mut Context, inner: HttpService) -> HttpService {
    let settings: Settings = config.read("filter.cors");
    for header in &settings.expose_headers {
        if HeaderName::try_from(header.as_str()).is_err() {
            let message = format!("{header:?} is no header name");
            config.reject("filter.cors", "expose_headers", message);
        }
    }
    let features = &context.features;
    features.set("swift", "strict_cors_mode", settings.strict_mode);
    protocol(Cors {
        settings,
        constraints: Arc::clone(&context.constraints),
        info_cache: Arc::clone(&context.info_cache),
        inner,
    })
}

struct Cors {
    settings: Settings,
    constraints: Arc<Constraints>,
    info_cache: Arc<InfoCache>,
    inner: HttpService,
}

/// What a container says.
#[derive(Default)]
struct ContainerCors {
    origins: Vec<String>,
    max_age: Option<u64>,
    exposed: Vec<String>,
}

impl ProtocolFilter for Cors {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    fn concerns(&self, request: &Request<Body>) -> bool {
        request.method() == Method::OPTIONS || request.headers().contains_key(ORIGIN)
    }

    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let Some(resource) = Resource::parse(request.uri().path()) else {
            return pass(&self.inner, request).await;
        };
        if request.method() == Method::OPTIONS {
            return self.preflight(&resource, &request.into_parts().0).await;
        }
        let origin = request.headers().get(ORIGIN).cloned();
        let (Some(origin), Some(_)) = (origin, &resource.container) else {
            return pass(&self.inner, request).await;
        };
        let context = own_context(request.extensions());
        let cors = self.container_cors(&resource, context).await;
        let mut response = pass(&self.inner, request).await;
        if !self.settings.strict_mode || self.allows(&cors, &origin) {
            self.expose(&cors, response.headers_mut());
            if !response.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
                allow_origin(&cors, origin, response.headers_mut());
            }
        }
        response
    }
}

impl Cors {
    async fn preflight(&self, resource: &Resource, request: &Parts) -> Response<Body> {
        let methods = self.methods(resource);
        let allowed = HeaderValue::try_from(methods.join(", ")).ok();
        let mut response = Response::new(Body::empty());
        let html = HeaderValue::from_static("text/html; charset=UTF-8");
        response.headers_mut().insert(CONTENT_TYPE, html);
        response
            .headers_mut()
            .extend(allowed.clone().map(|it| (ALLOW, it)));
        let origin = request.headers.get(ORIGIN);
        let (Some(origin), Some(_)) = (origin, &resource.container) else {
            return response;
        };
        let cors = self
            .container_cors(resource, own_context(&request.extensions))
            .await;
        let wanted = request.headers.get(ACCESS_CONTROL_REQUEST_METHOD);
        let is_known = wanted.is_some_and(|wanted| methods.iter().any(|method| wanted == method));
        if !is_known || !self.allows(&cors, origin) {
            let mut response = unauthorized(Some(resource.account.as_str()));
            response.headers_mut().extend(allowed.map(|it| (ALLOW, it)));
            return response;
        }
        let headers = response.headers_mut();
        allow_origin(&cors, origin.clone(), headers);
        if let Some(seconds) = cors.max_age {
            headers.insert(ACCESS_CONTROL_MAX_AGE, seconds.into());
        }
        headers.extend(allowed.map(|it| (ACCESS_CONTROL_ALLOW_METHODS, it)));
        if let Some(asked) = request.headers.get(ACCESS_CONTROL_REQUEST_HEADERS)
            && !asked.is_empty()
        {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            add_vary(headers, "Access-Control-Request-Headers");
        }
        response
    }

    fn methods(&self, resource: &Resource) -> Vec<&'static str> {
        let mut methods = vec!["HEAD", "GET", "POST", "OPTIONS"];
        if resource.container.is_some() || self.constraints.allow_account_management {
            methods.extend(["PUT", "DELETE"]);
        }
        if resource.is_object {
            methods.push("COPY");
        }
        methods
    }

    async fn container_cors(&self, resource: &Resource, context: RequestContext) -> ContainerCors {
        let container = resource.container.as_ref();
        let info = self.info_cache.load(&resource.account, container, &context).await;
        match info {
            Ok(info) => info
                .container
                .as_deref()
                .map(ContainerCors::of)
                .unwrap_or_default(),
            Err(error) => {
                let id = &context.transaction_id;
                tracing::warn!(transaction_id = %id, %error, "the container's CORS settings are unknown");
                ContainerCors::default()
            }
        }
    }

    fn allows(&self, cors: &ContainerCors, origin: &HeaderValue) -> bool {
        let mut origins = cors.origins.iter().chain(&self.settings.allow_origin);
        origins.any(|allowed| allowed == "*" || origin == allowed.as_str())
    }

    fn expose(&self, cors: &ContainerCors, headers: &mut HeaderMap) {
        if headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
            return;
        }
        let metadata = headers.keys().map(HeaderName::as_str);
        let is_metadata =
            |name: &&str| name.starts_with("x-container-meta") || name.starts_with("x-object-meta");
        let configured = self.settings.expose_headers.iter().chain(&cors.exposed);
        let configured: BTreeSet<_> = configured.map(|name| name.to_ascii_lowercase()).collect();
        let mut exposed: BTreeSet<&str> = EXPOSED.into_iter().collect();
        exposed.extend(metadata.filter(is_metadata));
        exposed.extend(configured.iter().map(String::as_str));
        let list = exposed.into_iter().collect::<Vec<_>>().join(", ");
        if let Ok(list) = HeaderValue::try_from(list) {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, list);
        }
    }
}

impl ContainerCors {
    fn of(container: &ContainerInfo) -> Self {
        let setting = |name: &str| {
            let name = format!("x-container-meta-access-control-{name}");
            container.properties.text(&name).unwrap_or_default()
        };
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        Self {
            origins: words(setting("allow-origin")),
            max_age: setting("max-age").trim().parse().ok(),
            exposed: words(setting("expose-headers")),
        }
    }
}

fn allow_origin(cors: &ContainerCors, origin: HeaderValue, headers: &mut HeaderMap) {
    let is_any = cors.origins.len() == 1 && cors.origins[0] == "*";
    if is_any {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        add_vary(headers, "Origin");
    }
}

fn add_vary(headers: &mut HeaderMap, name: &str) {
    let before = headers.get(VARY).and_then(|vary| vary.to_str().ok());
    let vary = before.map_or_else(|| name.to_owned(), |before| format!("{before}, {name}"));
    if let Ok(vary) = HeaderValue::try_from(vary) {
        headers.insert(VARY, vary);
    }
}

#[cfg(test)]
mod tests;
