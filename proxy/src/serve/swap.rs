//! The pipeline that serves, which another can take the place of at any time.

use std::sync::Arc;

use arc_swap::ArcSwap;
use common::service::HttpService;

/// A pipeline that can be exchanged. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Swap(Arc<ArcSwap<HttpService>>);

impl Swap {
    pub(super) fn new(pipeline: HttpService) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(pipeline)))
    }

    /// From now on requests pass `pipeline`. Those that are under way go on in the one that took them, which is dropped
    /// behind the last.
    pub(super) fn replace(&self, pipeline: HttpService) {
        self.0.store(Arc::new(pipeline));
    }

    /// What sends each request through the pipeline of that moment.
    pub(super) fn into_service(self) -> HttpService {
        HttpService::from_fn(move |request| self.0.load().handle(request))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use common::Body;
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
