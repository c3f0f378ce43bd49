//! A client's connection that is kept alive, over hyper.

use anyhow::{Result, ensure};
use bytes::Bytes;
use http::{Request, Response, StatusCode, response::Parts};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One connection, for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with this value.
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Whoever waits for an answer hears of it.
            let _ = driver.await;
        });
        Ok(Self {
            sender,
            _driver: tasks,
        })
    }

    /// Whether another request can be sent.
    pub(crate) async fn is_open(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    /// Sends a request, and reads and forgets the answer's body.
    pub(crate) async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<StatusCode> {
        let mut response = self.send(request).await?;
        while let Some(frame) = response.frame().await {
            frame?;
        }
        Ok(response.status())
    }

    /// Sends a request and gives the whole answer.
    pub(crate) async fn fetch(&mut self, request: Request<Full<Bytes>>) -> Result<(Parts, Bytes)> {
        let (head, body) = self.send(request).await?.into_parts();
        Ok((head, body.collect().await?.to_bytes()))
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>> {
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

pub(crate) fn expect_success(status: StatusCode) -> Result<()> {
    ensure!(status.is_success(), "the answer is {status}");
    Ok(())
}
