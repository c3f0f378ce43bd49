//! A small server that does what a test tells it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream;
use http::{HeaderMap, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Collected};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::TcpListener;

use super::super::{Access, Client, Login, Patience, Settings};
use crate::{Body, Secret};

/// A request, as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What is done about it.
pub(super) enum Reply {
    Answer(Response<Body>),
    /// The connection is closed without a word.
    Close,
    /// Nothing, ever.
    Silence,
}

/// Everything that it was asked but for log-ins.
#[derive(Clone, Default)]
pub(super) struct Server {
    seen: Arc<Mutex<Vec<Seen>>>,
    log_ins: Arc<Mutex<u32>>,
    address: String,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Server {
    /// A server that hands out tokens, and leaves all else to `answer`, which is told how many requests were before.
    pub(super) async fn start(answer: impl Fn(usize, &Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap().to_string(),
            ..Self::default()
        };
        let answer = Arc::new(answer);
        let serving = server.clone();
        tokio::spawn(async move {
            loop {
                let (connection, _) = listener.accept().await.unwrap();
                let (server, answer) = (serving.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let (server, answer) = (server.clone(), Arc::clone(&answer));
                        let reply: BoxFuture<'static, Result<Response<Answered>, std::io::Error>> =
                            Box::pin(async move { server.reply(request, &*answer).await.map(into_answered) });
                        reply
                    });
                    let connection = TokioIo::new(connection);
                    // The connections that a test breaks end so.
                    let _broken = http1::Builder::new().serve_connection(connection, service).await;
                });
            }
        });
        server
    }

    async fn reply(
        &self,
        request: http::Request<hyper::body::Incoming>,
        answer: &(dyn Fn(usize, &Seen) -> Reply + Send + Sync),
    ) -> Result<Response<Body>, std::io::Error> {
        let (head, body) = request.into_parts();
        if head.uri.path() == "/auth/v1.0" {
            return Ok(self.log_in(&head.headers));
        }
        let seen = Seen {
            method: head.method.to_string(),
            target: head.uri.to_string(),
            headers: head.headers,
            body: body.collect().await.map(Collected::to_bytes).unwrap_or_default(),
        };
        let before = {
            let mut all = self.seen.lock();
            all.push(seen.clone());
            all.len() - 1
        };
        match answer(before, &seen) {
            Reply::Answer(response) => Ok(response),
            Reply::Close => Err(std::io::Error::other("as the test wants it")),
            Reply::Silence => std::future::pending().await,
        }
    }

    fn log_in(&self, headers: &HeaderMap) -> Response<Body> {
        if headers["x-auth-key"] != "sesame" {
            return status(401);
        }
        let mut log_ins = self.log_ins.lock();
        *log_ins += 1;
        let mut response = status(200);
        let url = format!("http://{}/v1/AUTH_a", self.address);
        response
            .headers_mut()
            .insert("x-storage-url", url.parse().unwrap());
        let token = format!("token-{log_ins}").parse().unwrap();
        response.headers_mut().insert("x-auth-token", token);
        response
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    pub(super) fn log_ins(&self) -> u32 {
        *self.log_ins.lock()
    }

    pub(super) fn client(&self) -> Client {
        self.client_with_key("sesame")
    }

    pub(super) fn client_with_key(&self, key: &str) -> Client {
        let login = Login {
            url: format!("http://{}/auth/v1.0", self.address),
            user: "a:b".into(),
            key: Secret::new(key),
        };
        Client::with_settings(Access::from(login), quick()).unwrap()
    }
}

/// What hyper sends: a [`Body`] whose error it can name.
type Answered = UnsyncBoxBody<Bytes, std::io::Error>;

fn into_answered(response: Response<Body>) -> Response<Answered> {
    response.map(|body| body.map_err(std::io::Error::other).boxed_unsync())
}

/// So that a test does not take long.
pub(super) fn quick() -> Settings {
    Settings {
        patience: Patience {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(10),
        },
        attempts: 3,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_secs(5),
    }
}

pub(super) fn status(code: u16) -> Response<Body> {
    Response::builder().status(code).body(Body::empty()).unwrap()
}

pub(super) fn answer(code: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Reply {
    let mut response = status(code);
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    *response.body_mut() = Body::full(body);
    Reply::Answer(response)
}

/// An answer that is announced as a whole, and breaks off.
pub(super) fn broken_off(code: u16, headers: &[(&'static str, &str)], length: usize, sent: Bytes) -> Reply {
    let mut response = status(code);
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response.headers_mut().insert("content-length", length.into());
    let chunks = [Ok(sent), Err(std::io::Error::other("as the test wants it"))];
    // Between the two something else has a turn, so that the first is really sent.
    let chunks = stream::unfold(chunks.into_iter(), async |mut chunks| {
        tokio::task::yield_now().await;
        chunks.next().map(|chunk| (chunk, chunks))
    });
    *response.body_mut() = Body::from_stream(chunks);
    Reply::Answer(response)
}
