//! The shape that all filters share: a struct with its settings and its inner service, and one `handle`. A filter says
//! which requests concern it; the others go past it.

use std::future::Future;
use std::sync::Arc;

use common::functional::{Reply, Request};
use common::service::{ArcService, FunctionalService, HttpService};
use common::{Body, Error};

/// A filter of the protocol stack.
pub(crate) trait ProtocolFilter: Send + Sync + 'static {
    /// The next stage.
    fn inner(&self) -> &HttpService;

    /// Whether there is anything to do here about `request`.
    fn concerns(&self, _request: &http::Request<Body>) -> bool {
        true
    }

    /// Answers `request`, mostly by sending it on.
    fn handle(&self, request: http::Request<Body>) -> impl Future<Output = http::Response<Body>> + Send;
}

/// A filter of the semantic or of the guard stack.
pub(crate) trait FunctionalFilter: Send + Sync + 'static {
    /// The next stage.
    fn inner(&self) -> &FunctionalService;

    /// Whether there is anything to do here about `request`.
    fn concerns(&self, _request: &Request) -> bool {
        true
    }

    /// Answers `request`, mostly by sending it on.
    fn handle(&self, request: Request) -> impl Future<Output = Result<Reply, Error>> + Send;
}

/// Puts a filter behind the seam.
pub(crate) fn protocol<F: ProtocolFilter>(filter: F) -> HttpService {
    let filter = Arc::new(filter);
    ArcService::from_fn(move |request| {
        if !filter.concerns(&request) {
            return filter.inner().handle(request);
        }
        let filter = Arc::clone(&filter);
        Box::pin(async move { Ok(filter.handle(request).await) })
    })
}

/// Puts a filter behind the seam.
pub(crate) fn functional<F: FunctionalFilter>(filter: F) -> FunctionalService {
    let filter = Arc::new(filter);
    ArcService::from_fn(move |request| {
        if !filter.concerns(&request) {
            return filter.inner().handle(request);
        }
        let filter = Arc::clone(&filter);
        Box::pin(async move { filter.handle(request).await })
    })
}

/// What `inner` answers; it cannot fail.
pub(crate) async fn pass(inner: &HttpService, request: http::Request<Body>) -> http::Response<Body> {
    match inner.handle(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
