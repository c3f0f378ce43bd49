//! The pipeline that serves, which another can take the place of at any time.

use std::sync::Arc;

use arc_swap::ArcSwap;
use common::service::ArcService;

/// A pipeline, or a part of one, that can be exchanged. Clones share it.
#[derive(Debug)]
pub(super) struct Swap<Request, Response, Failure>(Arc<ArcSwap<ArcService<Request, Response, Failure>>>);

impl<Request, Response, Failure> Swap<Request, Response, Failure>
where
    Request: 'static,
    Response: 'static,
    Failure: 'static,
{
    pub(super) fn new(pipeline: ArcService<Request, Response, Failure>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(pipeline)))
    }

    /// From now on requests pass `pipeline`. Those that are under way go on in the one that took them, which is dropped
    /// behind the last.
    pub(super) fn replace(&self, pipeline: ArcService<Request, Response, Failure>) {
        self.0.store(Arc::new(pipeline));
    }

    /// What sends each request through the pipeline of that moment.
    pub(super) fn into_service(self) -> ArcService<Request, Response, Failure> {
        ArcService::from_fn(move |request| self.0.load().handle(request))
    }
}

impl<Request, Response, Failure> Clone for Swap<Request, Response, Failure> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use common::Body;
    use common::service::HttpService;
    use http::{Request, Response};
    use tower::service_fn;

    use super::*;

    fn saying(status: u16) -> HttpService {
        HttpService::new(service_fn(move |_: Request<Body>| async move {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
            Ok(response)
        }))
    }

    #[tokio::test]
    async fn a_request_stays_in_the_pipeline_that_took_it() {
        let swap = Swap::new(saying(200));
        let service = swap.clone().into_service();
        let under_way = service.handle(Request::new(Body::empty()));
        swap.replace(saying(204));
        let later = service.handle(Request::new(Body::empty()));
        let status = |answer: Result<Response<Body>, Infallible>| {
            let Ok(response) = answer;
            response.status().as_u16()
        };
        assert_eq!(status(later.await), 204);
        assert_eq!(status(under_way.await), 200);
    }
}
