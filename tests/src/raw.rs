//! Bytes on a socket, for requests that no library would send.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::log::Log;
use crate::process::Process;
use crate::response::Response;
use crate::server::Server;

/// Longer than any time-out that a test sets.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a server.
#[derive(Debug)]
pub struct Connection {
    stream: BufReader<TcpStream>,
    sent: String,
    log: Log,
}

impl Connection {
    /// Connects.
    pub async fn open(server: &Server) -> Self {
        Self::connect(server.address(), server.log()).await
    }

    /// Connects to a process that the test started by itself.
    pub async fn to(process: &Process) -> Self {
        Self::connect(process.address(), process.log()).await
    }

    async fn connect(address: &str, log: &Log) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP socket takes TCP_NODELAY");
        Self {
            stream: BufReader::new(stream),
            sent: String::new(),
            log: log.clone(),
        }
    }

    /// Sends `bytes` at once. A server that has closed is no error: its answer tells.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.sent = String::from_utf8_lossy(bytes.as_ref())
            .chars()
            .take(400)
            .collect();
        self.stream.write_all(bytes.as_ref()).await.ok();
        self
    }

    /// Sends as much of `bytes` as is taken at once, and says how much. A server that has closed takes all.
    pub async fn send_some(&mut self, bytes: &[u8]) -> usize {
        self.stream.write(bytes).await.unwrap_or(bytes.len())
    }

    /// Says that nothing more will be sent.
    pub async fn finish(&mut self) {
        self.stream.shutdown().await.ok();
    }

    /// The next response, interim ones (`100 Continue`) included.
    pub async fn response(&mut self) -> Response {
        let response = timeout(PATIENCE, self.read_response(true)).await;
        response.unwrap_or_else(|_| panic!("no answer to {:?}", self.sent))
    }

    /// The next response, which has no body because it answers HEAD.
    pub async fn head_response(&mut self) -> Response {
        let response = timeout(PATIENCE, self.read_response(false)).await;
        response.unwrap_or_else(|_| panic!("no answer to {:?}", self.sent))
    }

    /// All responses until the server closes the connection: what was understood as how many requests.
    pub async fn responses(mut self) -> Vec<Response> {
        let mut responses = Vec::new();
        let reading = async {
            // A reset is an end too.
            while self.stream.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
                responses.push(self.read_response(true).await);
            }
        };
        let ended = timeout(PATIENCE, reading).await;
        ended.unwrap_or_else(|_| panic!("the connection stays open after {:?}", self.sent));
        responses
    }

    /// The statuses of all responses to `bytes`, which the server must end by closing the connection.
    pub async fn statuses(server: &Server, bytes: impl AsRef<[u8]>) -> Vec<u16> {
        let mut connection = Self::open(server).await;
        connection.send(bytes).await;
        let responses = connection.responses().await;
        responses.iter().map(Response::status).collect()
    }

    /// Waits for the server to close the connection; what it still sent is returned.
    pub async fn closed(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let closing = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        let closed = closing.unwrap_or_else(|_| panic!("the connection stays open after {:?}", self.sent));
        closed.ok(); // a reset is an end too
        rest
    }

    /// Reads the head of a response and leaves its body unread; its status is 200.
    pub async fn head_of_response(&mut self) {
        let status_line = self.line().await;
        assert!(
            status_line.contains(" 200 "),
            "{:?} was answered by {status_line:?}",
            self.sent
        );
        while !self.line().await.is_empty() {}
    }

    async fn read_response(&mut self, has_body: bool) -> Response {
        let status_line = self.line().await;
        let status = status_line
            .strip_prefix("HTTP/1.1 ")
            .or_else(|| status_line.strip_prefix("HTTP/1.0 "))
            .and_then(|rest| rest.get(..3)?.parse().ok());
        let Some(status) = status else {
            panic!("{:?} was answered by {status_line:?}", self.sent);
        };
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            let name = HeaderName::from_bytes(name.as_bytes()).expect("the server sends header names");
            let value = HeaderValue::from_str(value.trim()).expect("the server sends header values");
            headers.append(name, value);
        }
        let empty = !has_body || status < 200 || status == 204 || status == 304;
        let body = if empty {
            Bytes::new()
        } else {
            self.body(&headers).await
        };
        Response {
            request: self.sent.clone(),
            status,
            headers,
            body,
            log: self.log.clone(),
        }
    }

    async fn body(&mut self, headers: &HeaderMap) -> Bytes {
        let length = headers
            .get("content-length")
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        match length {
            Some(length) => body = self.exactly(length).await,
            None if headers.contains_key("transfer-encoding") => loop {
                let size = self.line().await;
                let size = usize::from_str_radix(&size, 16).expect("the server sends chunk sizes");
                body.extend(self.exactly(size).await);
                self.line().await;
                if size == 0 {
                    break;
                }
            },
            None => {
                self.stream.read_to_end(&mut body).await.ok();
            }
        }
        body.into()
    }

    /// The next bytes of a body.
    pub async fn exactly(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream
            .read_exact(&mut bytes)
            .await
            .expect("the server sends the body it announced");
        bytes
    }

    async fn line(&mut self) -> String {
        let mut line = Vec::new();
        self.stream.read_until(b'\n', &mut line).await.ok();
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }
}
