//! The hyper front: accepts connections, bounds what each may take in time and memory, and drains them at the end.
//!
//! A connection is a task. What a client can hold up is bounded: the number of connections, the time until the head
//! of a request is there, the gaps in its body, the gaps in what it reads of an answer.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use common::Body;
use common::constraints::Constraints;
use common::service::HttpService;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioTimer;
use middleware::PeerAddress;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::Semaphore;
use tokio::time::sleep;

mod connections;
mod crowd;
mod refusal;
mod request_body;
mod response_body;
mod stream;

use connections::Connections;
use crowd::Crowd;
use request_body::RequestBody;
use stream::Link;

/// As much of a request is buffered at most: its head, and what one read of a body gives.
const BUFFER: usize = 256 * 1024;
/// After accepting failed (most often: no more file descriptors), so long is waited.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the kernel has made and that are not taken on yet, as far as it allows so many (`somaxconn`). One
/// beyond these is tried again by its client's kernel, and in the end reset.
const BACKLOG: u32 = 4096;
/// Several proxies, and two connections for a copy.
const MORE_CONNECTIONS: NonZeroUsize = const { NonZeroUsize::new(8).unwrap() };

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once; further ones wait to be accepted.
    pub max_connections: NonZeroUsize,
    /// From when a connection is ready for a request until its head is there.
    pub idle_timeout: Duration,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// Without a byte of a request's body, or without one of an answer being taken.
    pub client_timeout: Duration,
    /// Request bodies at once whose client is being waited for; one more is 503.
    pub max_waiting_uploads: NonZeroUsize,
    /// For the requests that are under way when the end is asked for.
    pub drain_timeout: Duration,
    /// From then until connections that rest are closed; meanwhile each answer says that it is the last.
    pub lame_duck_timeout: Duration,
    /// Headers of a request.
    pub max_headers: usize,
}

impl Limits {
    /// The most headers by Swift's formula: its own, the metadata, and room for proxies on the way.
    pub fn max_headers_of(constraints: &Constraints) -> usize {
        (constraints.max_meta_count + 36 + constraints.extra_header_count) * 16 / 10
    }

    /// For the cluster's own processes. These limit their own clients by the same settings, and must be the first to
    /// lose patience; they keep connections that rest, and each holds as many as its clients need.
    pub fn between_servers(self) -> Self {
        Self {
            max_connections: self.max_connections.saturating_mul(MORE_CONNECTIONS),
            max_waiting_uploads: self.max_waiting_uploads.saturating_mul(MORE_CONNECTIONS),
            idle_timeout: Duration::from_secs(600),
            client_timeout: self.client_timeout * 2,
            ..self
        }
    }
}

/// Listens on `address` (host and port).
pub async fn listen(address: &str) -> io::Result<TcpListener> {
    let mut failure = io::ErrorKind::AddrNotAvailable.into();
    for address in lookup_host(address).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that was restarted need not wait for what is left of the connections of the former one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections of `listener` by `service` until `stop` is ready, then lets requests that are under way end.
pub async fn serve(
    listener: TcpListener,
    service: HttpService,
    limits: Limits,
    stop: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(limits.max_connections.get()));
    let mut connections = Connections::new(service, limits);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            () = connections.one_ended() => continue,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, peer, place)) => connections.add(stream, peer, place),
            Err(error) => {
                tracing::warn!("a connection cannot be accepted: {error}");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.announce_end();
    connections.add_waiting(listener, &places);
    connections.drain().await;
}

type Place = tokio::sync::OwnedSemaphorePermit;

/// The next connection, once there is a place for it.
async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, Place)> {
    let place = Arc::clone(places)
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle_timeout)
        .max_headers(limits.max_headers)
        .max_header_size(BUFFER)
        .max_buf_size(BUFFER)
        .title_case_headers(true);
    builder
}

/// Where the requests of one connection enter the pipeline.
struct Entrance {
    service: HttpService,
    peer: SocketAddr,
    limits: Limits,
    link: Link,
    crowd: Arc<Crowd>,
}

impl hyper::service::Service<Request<Incoming>> for Entrance {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let keeps_alive = asks_to_keep_alive(&request);
        let (mut head, incoming) = request.into_parts();
        head.extensions.insert(PeerAddress(self.peer));
        let (body, unread) =
            RequestBody::wrap(incoming, &head.headers, &self.limits, &self.link, &self.crowd);
        let service = self.service.clone();
        let link = self.link.clone();
        let crowd = Arc::clone(&self.crowd);
        Box::pin(async move {
            let mut response =
                response_body::announced(service.handle(Request::from_parts(head, body)).await?);
            let can_go_on = match unread {
                Some(unread) => {
                    let is_settled = unread.settle().await;
                    if is_settled {
                        link.body_is_read();
                    }
                    is_settled
                }
                None => true,
            };
            let close = HeaderValue::from_static("close");
            if !can_go_on {
                link.linger();
                response.headers_mut().insert(CONNECTION, close);
            } else if crowd.is_ending() {
                response.headers_mut().insert(CONNECTION, close);
            } else if keeps_alive {
                let keep_alive = HeaderValue::from_static("keep-alive");
                response.headers_mut().entry(CONNECTION).or_insert(keep_alive);
            }
            if crowd.is_large() {
                response = response_body::part_by_part(response, &link);
            }
            Ok(response)
        })
    }
}

/// Swift echoes the wish, though in HTTP/1.1 it goes without saying.
fn asks_to_keep_alive(request: &Request<Incoming>) -> bool {
    request.headers().get(CONNECTION).is_some_and(|value| {
        value
            .as_bytes()
            .split(|&byte| byte == b',')
            .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"keep-alive"))
    })
}

#[cfg(test)]
mod tests;
