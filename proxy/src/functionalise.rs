//! The edge between HTTP and functional requests: a resource URL is read here once, and never again.
//!
//! Everything that can be refused by looking at the head of a request is refused before its body is touched, so that
//! a client that waits for `100 Continue` hears of it first.

use std::sync::Arc;

use common::constraints::Constraints;
use common::functional::{Authority, Call, Caller, Context, ask};
use common::service::{FunctionalService, HttpService};
use common::{Body, Clock, Error, Outcome};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use middleware::{Authenticated, ClientAddress, TransactionId};

mod account;
mod container;
mod content_type;
mod copying;
mod directory_quota;
mod expiry;
mod framing;
mod headers;
mod job;
mod metadata;
mod multipart;
mod object;
mod program;
mod query;
mod route;
mod search;
mod state;
mod tree;

use route::Resource;

/// A client's own name for a request that changes the tree.
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// It has at most so many characters.
const MAX_KEY: usize = 128;

/// Turns HTTP requests into functional ones and their replies into responses.
#[derive(Debug)]
pub struct Functionalise {
    inner: FunctionalService,
    constraints: Arc<Constraints>,
    kept_headers: Vec<String>,
    clock: Arc<Clock>,
}

impl Functionalise {
    /// Sends what it makes of requests to `inner`. `kept_headers` are the names of those headers that are kept with
    /// an object besides its metadata; `clock` gives each request its timestamp.
    pub fn new(
        inner: FunctionalService,
        constraints: Arc<Constraints>,
        kept_headers: &[String],
        clock: Arc<Clock>,
    ) -> Self {
        Self {
            inner,
            constraints,
            kept_headers: kept_headers
                .iter()
                .map(|name| name.to_ascii_lowercase())
                .collect(),
            clock,
        }
    }

    /// The same behind the seam.
    pub fn into_service(self) -> HttpService {
        let functionalise = Arc::new(self);
        HttpService::from_fn(move |request| {
            let functionalise = Arc::clone(&functionalise);
            Box::pin(async move { Ok(functionalise.handle(request).await) })
        })
    }

    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        if let Some(name) = program::name(head.uri.path()) {
            let context = self.context(&head);
            return program::answer(&self.inner, &head, name, context, body).await;
        }
        match self.answer(&head, body).await {
            Ok(response) => response,
            Err(error) => refuse(error, &head),
        }
    }

    async fn answer(&self, head: &Parts, body: Body) -> Result<Response<Body>, Error> {
        self.check_size(head)?;
        let resource = Resource::parse(head.uri.path())?;
        let may_end_jobs = job::is_named(head.uri.query());
        let methods = resource.methods(self.constraints.allow_account_management || may_end_jobs);
        let method = head.method.as_str();
        if !methods.contains(&method) {
            return Err(route::method_not_allowed(methods));
        }
        if method == "OPTIONS" {
            let mut response = headers::empty(StatusCode::OK);
            headers::set(response.headers_mut(), header::ALLOW, methods.join(", "));
            return Ok(response);
        }
        let exchange = Exchange {
            functionalise: self,
            head,
            context: self.context(head)?,
        };
        match resource {
            // In boxes of their own, so that the future of a GET of an object is no larger than it must be.
            Resource::Account(account) => Box::pin(account::answer(&exchange, account)).await,
            Resource::Container(account, container) => {
                Box::pin(container::answer(&exchange, account, container)).await
            }
            Resource::Object(path) => object::answer(&exchange, path, body).await,
        }
    }

    /// What Swift bounds of a head beyond what the front does.
    fn check_size(&self, head: &Parts) -> Result<(), Error> {
        let target = head
            .uri
            .path_and_query()
            .map_or(0, |target| target.as_str().len());
        let line = head.method.as_str().len() + target + " HTTP/1.1".len() + 1;
        if line > self.constraints.max_request_line {
            return Err(Outcome::UriTooLong.into());
        }
        let limit = self.constraints.max_header_size;
        match head.headers.iter().find(|(_, value)| value.len() > limit) {
            Some((name, _)) => Err(Error::bad_request(format!(
                "The value of {name} is longer than {limit} bytes"
            ))),
            None => Ok(()),
        }
    }

    /// # Errors
    /// 400 when the client's own key is none.
    fn context(&self, head: &Parts) -> Result<Context, Error> {
        let caller = head
            .extensions
            .get::<Authenticated>()
            .map_or(Caller::Anonymous, |authenticated| authenticated.0.clone());
        let text = |name| -> Option<Arc<str>> {
            let value: &HeaderValue = head.headers.get(name)?;
            Some(value.to_str().ok()?.into())
        };
        Ok(Context {
            transaction_id: TransactionId::of(&head.extensions),
            authority: Authority::Caller(caller),
            timestamp: self.clock.next(),
            referrer: text(header::REFERER),
            address: ClientAddress::of(&head.extensions),
            agent: text(header::USER_AGENT),
            record_id: None,
            is_inner: false,
            is_repeated: false,
            repeat_key: repeat_key(head)?,
            request: None,
            may_limit: false,
            is_question: false,
            decided_under: common::functional::Generations::default(),
        })
    }
}

/// The name that a client gave its request, to be answered the same when it asks again.
///
/// # Errors
/// 400 when it is none, as a request that is done twice against its sender's wish does harm.
fn repeat_key(head: &Parts) -> Result<Option<Arc<str>>, Error> {
    let Some(value) = head.headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().unwrap_or_default();
    let is_key = (1..=MAX_KEY).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match is_key {
        true => Ok(Some(key.into())),
        false => Err(Error::bad_request(format!(
            "Idempotency-Key is 1 to {MAX_KEY} visible characters of ASCII"
        ))),
    }
}

/// One request on its way: its head, and whom to ask.
struct Exchange<'a> {
    functionalise: &'a Functionalise,
    head: &'a Parts,
    context: Context,
}

impl Exchange<'_> {
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    fn constraints(&self) -> &Constraints {
        &self.functionalise.constraints
    }

    fn kept_headers(&self) -> &[String] {
        &self.functionalise.kept_headers
    }

    /// Sends a functional request without a body.
    async fn ask<C: Call>(&self, call: C) -> Result<C::Answer, Error> {
        Ok(self.exchange(call, Body::empty()).await?.0)
    }

    /// Sends a functional request with a body, and gives that of the reply.
    async fn exchange<C: Call>(&self, call: C, body: Body) -> Result<(C::Answer, Body), Error> {
        ask(&self.functionalise.inner, call, self.context.clone(), body).await
    }

    /// A configured limit binds only what is made anew: names made under a higher one stay within reach.
    fn check_name_length(&self, kind: &str, name: &str, limit: usize) -> Result<(), Error> {
        if name.len() > limit {
            return Err(Error::bad_request(format!(
                "{kind} name length of {} is longer than {limit}",
                name.len()
            )));
        }
        Ok(())
    }
}

/// The response to a request that failed; faults of ours are logged here, once.
fn refuse(error: Error, head: &Parts) -> Response<Body> {
    log(&error, head);
    let outcome = error.outcome();
    let is_condition = matches!(outcome, Outcome::PreconditionFailed(Some(_)));
    let mut response = error.into_response();
    if is_condition {
        *response.body_mut() = Body::empty();
    }
    response
}

fn log(error: &Error, head: &Parts) {
    let transaction_id = TransactionId::of(&head.extensions);
    let (method, path, status) = (head.method.as_str(), head.uri.path(), error.status().as_u16());
    let mut causes = String::new();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        causes = format!("{causes}: {cause}");
        source = cause.source();
    }
    match error.outcome() {
        Outcome::Internal => {
            tracing::error!(%transaction_id, method, path, status, "the request failed: {error}{causes}");
        }
        Outcome::Unavailable(_) | Outcome::InsufficientStorage => {
            tracing::warn!(%transaction_id, method, path, status, "the request cannot be served now: {error}{causes}");
        }
        _ => tracing::debug!(%transaction_id, method, path, status, "refused: {error}{causes}"),
    }
}

#[cfg(test)]
mod tests;
