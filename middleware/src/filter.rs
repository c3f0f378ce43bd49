//! The shape that all filters share: a struct with its settings and its inner service, and one `handle`.

use std::future::Future;
use std::sync::Arc;

use common::functional::{Reply, Request};
use common::service::{ArcService, FunctionalService, HttpService};
use common::{Body, Error};
use tower::service_fn;

/// A filter of the protocol stack.
pub(crate) trait ProtocolFilter: Send + Sync + 'static {
    /// Answers `request`, mostly by sending it on.
    fn handle(&self, request: http::Request<Body>) -> impl Future<Output = http::Response<Body>> + Send;
}

/// A filter of the semantic or of the guard stack.
pub(crate) trait FunctionalFilter: Send + Sync + 'static {
    /// Answers `request`, mostly by sending it on.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Reply, Error>> + Send;
}

/// Puts a filter behind the seam.
pub(crate) fn protocol<F: ProtocolFilter>(filter: F) -> HttpService {
    let filter = Arc::new(filter);
    ArcService::new(service_fn(move |request| {
        let filter = Arc::clone(&filter);
        async move { Ok(filter.handle(request).await) }
    }))
}

/// Puts a filter behind the seam.
pub(crate) fn functional<F: FunctionalFilter>(filter: F) -> FunctionalService {
    let filter = Arc::new(filter);
    ArcService::new(service_fn(move |request| {
        let filter = Arc::clone(&filter);
        async move { filter.handle(request).await }
    }))
}

/// What `inner` answers; it cannot fail.
pub(crate) async fn pass(inner: &HttpService, request: http::Request<Body>) -> http::Response<Body> {
    match inner.handle(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
