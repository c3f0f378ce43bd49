//! `gatekeeper`: headers by which the stages speak among themselves neither come in nor go out.
//!
//! Follows Swift's "GateKeeper" middleware. A header's `_` counts as `-`, since they become one where headers are
//! kept; otherwise `X_Object_Sysmeta_…` would slip through.
//!
//! Two kinds of requests do not come in at all, because someone between the client and this server may understand them
//! otherwise: those for a tunnel, and those for several hosts.

use common::config::Config;
use common::service::HttpService;
use common::{Body, Error, Outcome};
use http::header::{HOST, HeaderMap, HeaderName};
use http::{Method, Request, Response};

use crate::InboundTimestamp;
use crate::filter::{ProtocolFilter, pass, protocol};
use crate::registry::Context;

/// Prefixes of internal headers, without the `x-` that all of them have.
const INTERNAL_PREFIXES: [&str; 5] = [
    "account-sysmeta-",
    "container-sysmeta-",
    "object-sysmeta-",
    "object-transient-sysmeta-",
    "backend",
];

/// Internal headers, without the `x-` that all of them have.
const INTERNAL: [&str; 11] = [
    "account-host",
    "account-device",
    "account-partition",
    "container-host",
    "container-device",
    "container-partition",
    "container-root-db-state",
    "delete-at-host",
    "delete-at-device",
    "delete-at-partition",
    "delete-at-container",
];

/// Builds the filter around `inner`; nothing about it can be set.
pub fn build(_config: &mut Config, _context: &mut Context, inner: HttpService) -> HttpService {
    protocol(Gatekeeper { inner })
}

struct Gatekeeper {
    inner: HttpService,
}

impl ProtocolFilter for Gatekeeper {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    async fn handle(&self, mut request: Request<Body>) -> Response<Body> {
        if let Err(error) = check(&request) {
            return error.into_response();
        }
        strip(request.headers_mut());
        if let Some(timestamp) = request.headers_mut().remove("x-timestamp") {
            request.extensions_mut().insert(InboundTimestamp(timestamp));
        }
        let mut response = pass(&self.inner, request).await;
        strip(response.headers_mut());
        response
    }
}

fn check(request: &Request<Body>) -> Result<(), Error> {
    if request.method() == Method::CONNECT {
        return Err(Outcome::MethodNotAllowed(Vec::new()).into());
    }
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Err(Error::bad_request("There must be one Host"));
    }
    Ok(())
}

fn strip(headers: &mut HeaderMap) {
    let internal: Vec<HeaderName> = headers.keys().filter(|name| is_internal(name)).cloned().collect();
    for name in internal {
        headers.remove(name);
    }
}

fn is_internal(name: &HeaderName) -> bool {
    let dashed = |byte: u8| if byte == b'_' { b'-' } else { byte };
    let starts_with = |name: &[u8], prefix: &str| {
        name.len() >= prefix.len()
            && name
                .iter()
                .zip(prefix.bytes())
                .all(|(&byte, expected)| dashed(byte) == expected)
    };
    let name = name.as_str().as_bytes();
    if !starts_with(name, "x-") {
        return false;
    }
    let name = &name[2..];
    INTERNAL_PREFIXES.iter().any(|prefix| starts_with(name, prefix))
        || INTERNAL
            .iter()
            .any(|internal| name.len() == internal.len() && starts_with(name, internal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{remembering, request, responding};

    const INTERNAL_EXAMPLES: [&str; 10] = [
        "x-account-sysmeta-core-access-control",
        "X-Container-Sysmeta-Foo",
        "x-object-sysmeta-slo-etag",
        "x_object_sysmeta_slo_etag",
        "x-object_transient-sysmeta-crypto",
        "x-backend-storage-policy-index",
        "x-backend",
        "x-account-host",
        "x_delete_at_container",
        "x-container-root-db-state",
    ];

    #[tokio::test]
    async fn internal_headers_do_not_come_in() {
        let (inner, requests) = remembering();
        let mut sent: Vec<_> = INTERNAL_EXAMPLES.iter().map(|name| (*name, "v")).collect();
        let passing = [
            "x-object-meta-sysmeta",
            "x-container-read",
            "x-account-hosting",
            "x-delete-at",
            "host",
        ];
        sent.extend(passing.map(|name| (name, "v")));
        let filter = protocol(Gatekeeper { inner });
        filter.handle(request("PUT", "/", &sent)).await.unwrap();
        let requests = requests.lock();
        let mut names: Vec<_> = requests[0].headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let mut expected = passing;
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[tokio::test]
    async fn internal_headers_do_not_go_out() {
        let inner = responding(|_| {
            let mut response = Response::new(Body::empty());
            for name in INTERNAL_EXAMPLES {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                response.headers_mut().insert(name, "v".parse().unwrap());
            }
            response.headers_mut().insert("x-timestamp", "1".parse().unwrap());
            response
        });
        let filter = protocol(Gatekeeper { inner });
        let response = filter.handle(request("GET", "/", &[])).await.unwrap();
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["x-timestamp"], "1");
    }

    #[tokio::test]
    async fn tunnels_and_several_hosts_do_not_come_in() {
        let (inner, requests) = remembering();
        let filter = protocol(Gatekeeper { inner });
        for (method, hosts, status) in [
            ("CONNECT", &[("Host", "a")][..], 405),
            ("GET", &[("Host", "a"), ("Host", "b")], 400),
            ("GET", &[("Host", "a"), ("Host", "a")], 400),
            ("GET", &[("Host", "a")], 200),
            ("GET", &[], 200),
        ] {
            let mut sent = request(method, "/", &[]);
            for (name, value) in hosts {
                sent.headers_mut().append(*name, value.parse().unwrap());
            }
            let response = filter.handle(sent).await.unwrap();
            assert_eq!(response.status(), status, "{method} {hosts:?}");
        }
        assert_eq!(requests.lock().len(), 2);
    }

    #[tokio::test]
    async fn a_timestamp_is_set_aside() {
        let (inner, requests) = remembering();
        let filter = protocol(Gatekeeper { inner });
        let sent = request("PUT", "/", &[("X-Timestamp", "-1")]);
        filter.handle(sent).await.unwrap();
        let requests = requests.lock();
        assert!(requests[0].headers.is_empty());
        assert_eq!(requests[0].extensions.get::<InboundTimestamp>().unwrap().0, "-1");
    }
}
