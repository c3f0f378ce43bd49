//! Small fake services for the tests of the filters.

use std::sync::Arc;

use common::functional::{Action, Context, Reply, Request, policy};
use common::name::{AccountName, ContainerName};
use common::service::{ArcService, FunctionalService, HttpService};
use common::{Body, Error, Timestamp};
use http::Response;
use parking_lot::Mutex;
use tower::service_fn;

pub(crate) fn account() -> AccountName {
    AccountName::new("AUTH_test").unwrap()
}

pub(crate) fn container() -> ContainerName {
    ContainerName::new("c").unwrap()
}

pub(crate) fn context() -> Context {
    Context::internal("tx-test", Timestamp::from_seconds(1_700_000_000))
}

pub(crate) fn policy_user(id: u64, name: &str, groups: &[&str]) -> policy::User {
    policy::User {
        id,
        generation: 1,
        account: "test".to_owned(),
        name: name.to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        verifier: None,
        email: None,
        created: Timestamp::default(),
    }
}

/// A functional service that is a closure over the action.
pub(crate) struct Answering;

impl Answering {
    pub(crate) fn with<F>(answer: F) -> FunctionalService
    where
        F: Fn(Action) -> Result<Reply, Error> + Send + Sync + 'static,
    {
        Self::with_request(move |request| answer(request.action))
    }

    pub(crate) fn with_request<F>(answer: F) -> FunctionalService
    where
        F: Fn(Request) -> Result<Reply, Error> + Send + Sync + 'static,
    {
        let answer = Arc::new(answer);
        ArcService::new(service_fn(move |request| {
            let answer = Arc::clone(&answer);
            async move { answer(request) }
        }))
    }
}

/// An HTTP service that is a closure over the request.
pub(crate) fn responding<F>(respond: F) -> HttpService
where
    F: Fn(http::Request<Body>) -> Response<Body> + Send + Sync + 'static,
{
    let respond = Arc::new(respond);
    ArcService::new(service_fn(move |request| {
        let respond = Arc::clone(&respond);
        async move { Ok(respond(request)) }
    }))
}

/// An HTTP service that answers 200 and remembers the requests without their bodies.
pub(crate) fn remembering() -> (HttpService, Arc<Mutex<Vec<http::request::Parts>>>) {
    let requests = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&requests);
    let service = responding(move |request| {
        sink.lock().push(request.into_parts().0);
        Response::new(Body::full("inner"))
    });
    (service, requests)
}

/// A request without a body.
pub(crate) fn request(method: &str, uri: &str, headers: &[(&str, &str)]) -> http::Request<Body> {
    let mut builder = http::Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(Body::empty()).unwrap()
}

/// The text of a response's body.
pub(crate) async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect(10_000_000).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}
