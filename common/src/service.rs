//! The seam between two stages of a pipeline.
//!
//! A configured pipeline is built from names at start-up, so its stages meet behind a pointer. Erasing through one
//! `Arc` keeps a call at two allocations a stage; a boxed, cloneable service would clone every stage below it.
//! Behind the seam `poll_ready` says nothing: a stage that must make others wait waits inside `call`.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower::{Service, ServiceExt as _};

use crate::Body;
use crate::Error;
use crate::functional;

/// A future behind a pointer, as every stage answers one.
pub type BoxFuture<Response, Failure> = Pin<Box<dyn Future<Output = Result<Response, Failure>> + Send>>;

/// Any service, behind one pointer; cloning it costs a reference count.
pub struct ArcService<Request, Response, Failure>(Arc<dyn Handle<Request, Response, Failure>>);

/// A stage of the protocol stack: speaks HTTP, and every failure is already a response.
pub type HttpService = ArcService<http::Request<Body>, http::Response<Body>, Infallible>;

/// A stage behind *functionalise*: answers functional requests.
pub type FunctionalService = ArcService<functional::Request, functional::Reply, Error>;

impl<Request, Response, Failure> ArcService<Request, Response, Failure> {
    /// Puts `service` behind a pointer.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<Request, Response = Response, Error = Failure> + Clone + Send + Sync + 'static,
        S::Future: Send,
        Request: Send + 'static,
        Response: 'static,
        Failure: 'static,
    {
        Self(Arc::new(Shared(service)))
    }

    /// Puts a stage behind a pointer that makes its futures itself. It may hand a request on to another stage as it
    /// is, which then costs next to nothing.
    pub fn from_fn(answer: impl Fn(Request) -> BoxFuture<Response, Failure> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Direct(answer)))
    }

    /// Sends `request` through.
    pub fn handle(&self, request: Request) -> BoxFuture<Response, Failure> {
        self.0.handle(request)
    }
}

impl<Request, Response, Failure> Clone for ArcService<Request, Response, Failure> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Request, Response, Failure> fmt::Debug for ArcService<Request, Response, Failure> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ArcService")
    }
}

impl<Request, Response, Failure> Service<Request> for ArcService<Request, Response, Failure> {
    type Response = Response;
    type Error = Failure;
    type Future = BoxFuture<Response, Failure>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        self.0.handle(request)
    }
}

trait Handle<Request, Response, Failure>: Send + Sync {
    fn handle(&self, request: Request) -> BoxFuture<Response, Failure>;
}

struct Shared<S>(S);

impl<S, Request> Handle<Request, S::Response, S::Error> for Shared<S>
where
    S: Service<Request> + Clone + Send + Sync + 'static,
    S::Future: Send,
    Request: Send + 'static,
{
    fn handle(&self, request: Request) -> BoxFuture<S::Response, S::Error> {
        Box::pin(self.0.clone().oneshot(request))
    }
}

struct Direct<F>(F);

impl<F, Request, Response, Failure> Handle<Request, Response, Failure> for Direct<F>
where
    F: Fn(Request) -> BoxFuture<Response, Failure> + Send + Sync,
{
    fn handle(&self, request: Request) -> BoxFuture<Response, Failure> {
        (self.0)(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_behind_the_seam_answers() {
        let double = ArcService::new(tower::service_fn(|number: u32| async move {
            Ok::<_, Infallible>(number * 2)
        }));
        let answer = double.handle(21).await;
        assert_eq!(answer, Ok(42));
        let odd_only = ArcService::from_fn(move |number| match number % 2 {
            1 => double.handle(number),
            _ => Box::pin(async move { Ok::<_, Infallible>(number) }),
        });
        assert_eq!(odd_only.handle(21).await, Ok(42));
        assert_eq!(odd_only.handle(20).await, Ok(20));
    }
}
