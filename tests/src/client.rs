//! A Swift client for tests: one account, one token, paths as a person writes them.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::body::{Body, BoxError};
use futures::stream;
use http::{HeaderName, HeaderValue, Method};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::log::Log;
use crate::process::Process;
use crate::response::Response;

/// What needs no escape in a path.
const PATH: AsciiSet = NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What needs no escape in a query.
const QUERY: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A connection that was idle for longer is not used again. Some servers of tests close those that are idle for a second, and what
/// is sent at that very moment is lost.
const MAX_IDLE: Duration = Duration::from_millis(500);

/// Speaks to one account with one token. Clones share their idle connections.
#[derive(Clone, Debug)]
pub struct Client {
    endpoint: Arc<Endpoint>,
    base: String,
    token: Option<String>,
}

/// Where a server listens, and the connections to it that nobody uses just now.
pub(crate) struct Endpoint {
    pub(crate) address: String,
    pub(crate) log: Log,
    idle: Mutex<Vec<(SendRequest<Body>, Instant)>>,
}

/// A request in the making; awaiting it sends it.
#[derive(Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    endpoint: Arc<Endpoint>,
    method: Method,
    target: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Body,
}

impl Client {
    pub(crate) fn new(endpoint: Arc<Endpoint>) -> Self {
        Self {
            endpoint,
            base: String::new(),
            token: None,
        }
    }

    /// The same account, asked by nobody.
    pub fn anonymous(&self) -> Self {
        Self {
            token: None,
            ..self.clone()
        }
    }

    /// The same user, at another account.
    pub fn at_account(&self, account: &str) -> Self {
        Self {
            base: format!("/v1/{}", utf8_percent_encode(account, &PATH)),
            ..self.clone()
        }
    }

    /// The same account, asked with this token.
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    /// The path of the account's URL: `/v1/AUTH_test`.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token, which the client must have.
    pub fn token(&self) -> &str {
        self.token
            .as_deref()
            .expect("only a client that logged in has a token")
    }

    /// Of a process that the test started by itself, without token or account.
    pub fn of(process: &Process) -> Self {
        let endpoint = Endpoint::new(process.address().to_owned(), process.log().clone());
        Self::new(Arc::new(endpoint))
    }

    /// Asks for a token.
    pub fn ask_for_token(&self, user: &str, key: &str) -> Request {
        self.request_at(Method::GET, "/auth/v1.0")
            .header("x-auth-user", user)
            .header("x-auth-key", key)
    }

    /// Logs in.
    pub async fn login(&self, user: &str, key: &str) -> Self {
        let response = self.ask_for_token(user, key).await.expect(200);
        let url = response.header("x-storage-url");
        let base = url.find("/v1/").map(|at| url[at..].to_owned());
        Self {
            endpoint: Arc::clone(&self.endpoint),
            base: base.expect("a storage URL holds /v1/"),
            token: Some(response.header("x-auth-token").to_owned()),
        }
    }

    /// `GET`; `path` is `container/object` unescaped, or empty for the account.
    pub fn get(&self, path: &str) -> Request {
        self.request(Method::GET, path)
    }

    /// `HEAD`
    pub fn head(&self, path: &str) -> Request {
        self.request(Method::HEAD, path)
    }

    /// `PUT` with `body`
    pub fn put(&self, path: &str, body: impl Into<Bytes>) -> Request {
        self.request(Method::PUT, path).body(body)
    }

    /// `PUT` of so many bytes, in three chunks and without saying how many they are.
    pub fn put_chunked(&self, path: &str, bytes: usize) -> Request {
        let data = Bytes::from(vec![b'c'; bytes]);
        let chunks = data.chunks(1 + bytes / 3).map(Bytes::copy_from_slice);
        let chunks: Vec<_> = chunks.map(Ok::<_, std::io::Error>).collect();
        let put = self.request(Method::PUT, path);
        put.streamed(Body::from_stream(stream::iter(chunks)))
    }

    /// `POST` without a body
    pub fn post(&self, path: &str) -> Request {
        self.request(Method::POST, path)
    }

    /// `DELETE`
    pub fn delete(&self, path: &str) -> Request {
        self.request(Method::DELETE, path)
    }

    /// `OPTIONS`
    pub fn options(&self, path: &str) -> Request {
        self.request(Method::OPTIONS, path)
    }

    /// `COPY` to `destination`, given unescaped.
    pub fn copy(&self, path: &str, destination: &str) -> Request {
        let method = Method::from_bytes(b"COPY").expect("COPY is a method");
        let destination = utf8_percent_encode(destination, &PATH).to_string();
        self.request(method, path).header("destination", &destination)
    }

    /// `COPY` of a directory with all that lies in it.
    pub fn copy_directory(&self, path: &str, destination: &str) -> Request {
        self.copy(path, destination).header("depth", "infinity")
    }

    /// `MOVE` to `destination`, given unescaped.
    pub fn rename(&self, path: &str, destination: &str) -> Request {
        let method = Method::from_bytes(b"MOVE").expect("MOVE is a method");
        let destination = utf8_percent_encode(destination, &PATH).to_string();
        self.request(method, path).header("destination", &destination)
    }

    /// `MKCOL`
    pub fn make_directory(&self, path: &str) -> Request {
        let method = Method::from_bytes(b"MKCOL").expect("MKCOL is a method");
        self.request(method, path)
    }

    /// `DELETE` of a directory with all that lies in it.
    pub fn remove_directory(&self, path: &str) -> Request {
        self.delete(path).query("recursive", "true")
    }

    /// A listing in JSON: of a container, or of the account when `path` is empty.
    pub fn list(&self, path: &str) -> Request {
        self.get(path).query("format", "json")
    }

    /// Any method on a path of the account, with the token.
    pub fn request(&self, method: Method, path: &str) -> Request {
        let slash = if path.is_empty() { "" } else { "/" };
        let target = format!("{}{slash}{}", self.base, utf8_percent_encode(path, &PATH));
        self.request_at(method, &target)
    }

    /// Any method on a target that is escaped already: `/info`.
    pub fn request_at(&self, method: Method, target: &str) -> Request {
        let request = Request {
            endpoint: Arc::clone(&self.endpoint),
            method,
            target: target.to_owned(),
            headers: Vec::new(),
            body: Body::empty(),
        };
        match &self.token {
            Some(token) => request.header("x-auth-token", token),
            None => request,
        }
    }
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("tests write valid header names");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("tests write valid header values");
        self.headers.push((name, value));
        self
    }

    /// Adds a parameter to the query, escaping its value.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        let value = utf8_percent_encode(value, &QUERY);
        self.target = format!("{}{mark}{name}={value}", self.target);
        self
    }

    /// The body, sent with its length.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Body::full(body);
        self
    }

    /// The body as it comes, sent in chunks.
    pub fn streamed(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// Sends the request and waits for the whole answer.
    ///
    /// # Errors
    /// When nobody listens, or the connection breaks.
    pub async fn send(self) -> Result<Response, BoxError> {
        let shown = format!("{} {} {:?}", self.method, self.target, self.headers);
        let endpoint = Arc::clone(&self.endpoint);
        let mut connection = endpoint.connection().await?;
        let answer = match connection.try_send_request(self.into_http()).await {
            Ok(answer) => answer,
            // The server closed the idle connection just then, and the request never left: it goes over a new one.
            Err(mut error) => match error.take_message() {
                Some(request) => {
                    connection = endpoint.connect().await?;
                    connection.send_request(request).await?
                }
                None => return Err(error.into_error().into()),
            },
        };
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        endpoint.idle.lock().push((connection, Instant::now()));
        Ok(Response {
            request: shown,
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            log: endpoint.log.clone(),
        })
    }

    fn into_http(self) -> http::Request<Body> {
        let mut request = http::Request::new(self.body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.target.parse().expect("targets are escaped");
        let length = request.body().exact_length();
        let headers = request.headers_mut();
        let host = HeaderValue::from_str(&self.endpoint.address).expect("an address is a header value");
        headers.insert(http::header::HOST, host);
        if let Some(length) = length {
            headers.insert(http::header::CONTENT_LENGTH, length.into());
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        request
    }
}

impl IntoFuture for Request {
    type Output = Response;
    type IntoFuture = Pin<Box<dyn Future<Output = Response> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (shown, log) = (
                format!("{} {}", self.method, self.target),
                self.endpoint.log.clone(),
            );
            self.send().await.unwrap_or_else(|error| {
                let log = log.lines().join("\n");
                panic!("{shown}: {error:?}; the server's log:\n{log}")
            })
        })
    }
}

impl Endpoint {
    pub(crate) fn new(address: String, log: Log) -> Self {
        Self {
            address,
            log,
            idle: Mutex::default(),
        }
    }

    /// One that is idle, or a new one.
    async fn connection(&self) -> Result<SendRequest<Body>, BoxError> {
        loop {
            let Some((mut connection, since)) = self.idle.lock().pop() else {
                break;
            };
            if since.elapsed() < MAX_IDLE && connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        self.connect().await
    }

    async fn connect(&self) -> Result<SendRequest<Body>, BoxError> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true).expect("a TCP socket takes TCP_NODELAY");
        let (connection, driver) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Endpoint").field(&self.address).finish()
    }
}
