//! The client: a [`FunctionalService`] whose server is another process. The pipeline cannot tell.
//!
//! A request waits for the other process for a bounded time, whatever that does: accept nothing, ask for no body, take
//! no more of one, not answer, fall silent within an answer. While a body waits for the client who sends it, or an
//! answer for the client who reads it, no time runs here: that is the front's matter.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Authority;
use http::{Request as HttpRequest, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};

use crate::body::BoxError;
use crate::functional::{Reply, Request};
use crate::service::FunctionalService;
use crate::wire::{self, ClusterKey, RequestHead};
use crate::{Body, Error, Outcome};

mod breaker;
mod exchange;
mod held_body;
mod repetition;
mod reply_body;
mod several;

pub use several::Several;

use breaker::Breaker;
use exchange::Wait;
use held_body::HeldBody;
use repetition::{Twice, is_question};

/// Exchanges at once with one server; whoever comes on top waits for a place. A copy needs two.
const MAX_EXCHANGES: usize = 8192;
/// Connections that rest are kept so long, which must be shorter than the server keeps them.
const IDLE: Duration = Duration::from_secs(60);
const MAX_IDLE: usize = 256;
/// A head with an answer in it.
const BUFFER: usize = 256 * 1024;
/// A server that has vanished without a word is noticed so.
const KEEPALIVE: Duration = Duration::from_secs(20);
/// When clients may come back while a server is away.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// A process that is there says so within this time.
const PROBE: Duration = Duration::from_secs(2);
/// Between two looks for a process that is awaited.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How long another process may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To accept a connection.
    pub connect: Duration,
    /// To answer what changes nothing; and between two parts of an answer's body.
    pub read: Duration,
    /// To ask for a request's body, to take more of it, and to answer when it has all.
    pub write: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            read: Duration::from_secs(20),
            write: Duration::from_secs(120),
        }
    }
}

/// Another process that answers functional requests.
pub struct Remote {
    authority: Authority,
    key: ClusterKey,
    client: Client<HttpConnector, Body>,
    places: Arc<Semaphore>,
    patience: Patience,
    breaker: Breaker,
}

impl Remote {
    /// The server at `authority` (`host:port`). Nothing is connected before the first request.
    pub fn new(authority: Authority, key: ClusterKey, patience: Patience) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(patience.connect));
        connector.set_keepalive(Some(KEEPALIVE));
        connector.set_keepalive_interval(Some(KEEPALIVE));
        connector.set_keepalive_retries(Some(3));
        connector.set_tcp_user_timeout(Some(patience.write));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(MAX_IDLE)
            .http1_max_buf_size(BUFFER)
            .build(connector);
        Self {
            authority,
            key,
            client,
            places: Arc::new(Semaphore::new(MAX_EXCHANGES)),
            patience,
            breaker: Breaker::default(),
        }
    }

    /// As a stage of the pipeline.
    pub fn into_service(self: Arc<Self>) -> FunctionalService {
        FunctionalService::new(tower::service_fn(move |request| {
            Arc::clone(&self).handle(request)
        }))
    }

    /// Whether the process answers at all just now. It is asked for a page that it does not have.
    pub async fn is_there(&self) -> bool {
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.authority.clone())
            .path_and_query("/")
            .build();
        let request = uri.and_then(|uri| HttpRequest::get(uri).body(Body::empty()));
        match request {
            Ok(request) => matches!(timeout(PROBE, self.client.request(request)).await, Ok(Ok(_))),
            Err(_) => false,
        }
    }

    /// Waits until the process answers.
    pub async fn available(&self) {
        while !self.is_there().await {
            sleep(PROBE_INTERVAL).await;
        }
    }

    async fn handle(self: Arc<Self>, request: Request) -> Result<Reply, Error> {
        self.attempt(request).await.map_err(|failed| failed.error)
    }

    /// The same; what this server has surely not done is given back, for another one to do it.
    async fn attempt(self: &Arc<Self>, request: Request) -> Result<Reply, Failed> {
        if self.breaker.is_open() {
            let error = self.unsent("it does not answer").error;
            return Err(Failed::before(error, request));
        }
        let Request {
            action,
            mut context,
            body,
        } = request;
        let name = action.name();
        let has_body = !wire::is_empty(&body);
        let mut head = RequestHead::new(&action, &context, has_body)?;
        let twice = match has_body {
            true => Twice::Never,
            false => Twice::of(&action),
        };
        let patience = match is_question(&action) {
            true => self.patience.read,
            false => self.patience.write,
        };
        let deadline = Instant::now() + patience;
        let mut body = has_body.then_some(body);
        let mut may_be_done = false;
        for is_last in [false, true] {
            let (held, sent) = match body.take() {
                Some(body) => {
                    let (held, sent) = HeldBody::new(body);
                    (Some(held), sent)
                }
                None => (None, head.json.clone().map_or_else(Body::empty, Body::full)),
            };
            let wait = Wait { patience, deadline };
            let exchange = self.exchange(name, &head, held.as_ref(), sent, wait);
            let broken = match exchange.await {
                Ok(Ok(reply)) => return Ok(reply),
                Ok(Err(error)) if matches!(error.outcome(), Outcome::NotOwner) => {
                    self.unsent("another server is the owner")
                }
                Ok(Err(error)) => return Err(with_unread_body(error, held.as_ref()).into()),
                Err(broken) => broken,
            };
            if let Some(failure) = held.as_ref().and_then(HeldBody::take_failure) {
                return Err(failure_of_body(failure).into());
            }
            // A body that nobody asked for cannot have been stored.
            body = held.as_ref().and_then(HeldBody::take_unread);
            may_be_done |= body.is_none() && (has_body || !broken.is_unsent);
            let may_repeat = body.is_some() || twice != Twice::Never;
            if is_last || !broken.may_pass || !may_repeat {
                let is_undone = !may_be_done || twice == Twice::Same;
                let body = body.unwrap_or_default();
                let again = Failed::before(
                    broken.error,
                    Request {
                        action,
                        context,
                        body,
                    },
                );
                return Err(if is_undone { again } else { again.error.into() });
            }
            if may_be_done && twice == Twice::Known {
                context.is_repeated = true;
                head = RequestHead::new(&action, &context, has_body)?;
            }
            tracing::debug!(server = %self.authority, action = name, error = %broken.error, "tried again");
        }
        Err(Error::from(Outcome::Internal).into())
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Remote({})", self.authority)
    }
}

/// A request without a reply.
struct Failed {
    error: Error,
    /// The request, when it was not done, or may be done twice.
    again: Option<Box<Request>>,
}

impl Failed {
    fn before(error: Error, request: Request) -> Self {
        let again = Some(Box::new(request));
        Self { error, again }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, again: None }
    }
}

/// A `Stale` answer has the body with it, as in one process.
fn with_unread_body(error: Error, held: Option<&HeldBody>) -> Error {
    let Some(held) = held else { return error };
    let found = match error.into_stale() {
        Ok((found, _)) => found,
        Err(error) => return error,
    };
    match held.take_unread() {
        Some(body) => Error::stale(found, body),
        None => Error::internal("a request was answered as stale after its body had been asked for"),
    }
}

/// A body of ours says itself what is wrong with it; any other breaks off because the client did.
fn failure_of_body(failure: BoxError) -> Error {
    match failure.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::new(Outcome::ClientGone).caused_by(error),
    }
}
