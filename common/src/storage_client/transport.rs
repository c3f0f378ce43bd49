//! HTTP with bounds on every wait: for a connection, for more of a body to be taken, for an answer, for more of that.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use super::watched::Watched;
use crate::Body;

/// Connections that rest are closed after this time, before most servers do it.
const IDLE: Duration = Duration::from_secs(15);

/// How long the store may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// To accept a connection.
    pub connect: Duration,
    /// To take more of a request, to begin to answer it, to go on with an answer.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(120),
        }
    }
}

/// Sends requests.
pub(super) struct Transport {
    client: legacy::Client<HttpsConnector<HttpConnector>, Body>,
    patience: Patience,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// Nothing was sent.
    NeverSent(String),
    /// The body that was to be sent failed by itself.
    Source(std::io::Error),
    /// Something was sent, and what came of it is not known.
    InTheMidst(String),
}

/// The body of an answer, as it comes.
pub(super) struct Incomings {
    incoming: Incoming,
    silence: Duration,
}

impl Transport {
    /// Nothing is connected before the first request. The certificates that the system trusts are read only for `https`.
    pub(super) fn new(patience: Patience, is_secure: bool) -> Result<Self, String> {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(patience.connect));
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let builder = HttpsConnectorBuilder::new();
        let builder = match is_secure {
            true => builder
                .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
                .map_err(|error| format!("the certificates that this system trusts: {error}"))?,
            false => builder.with_tls_config(trusting_nobody()?),
        };
        let connector = builder.https_or_http().enable_http1().wrap_connector(connector);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector);
        Ok(Self { client, patience })
    }

    /// One request; its answer's head has come.
    pub(super) async fn send(&self, request: Request<Body>) -> Result<(Response<()>, Incomings), Broken> {
        let owed_since = Arc::new(Mutex::new(Some(Instant::now())));
        let failure = Arc::new(Mutex::new(None));
        let request = request.map(|body| Watched::body(body, Arc::clone(&owed_since), Arc::clone(&failure)));
        let mut sending = Box::pin(self.client.request(request));
        let result = loop {
            let deadline = || owed_since.lock().unwrap_or_else(Instant::now) + self.patience.silence;
            match timeout_at(deadline(), &mut sending).await {
                Ok(result) => break result,
                Err(_) if deadline() > Instant::now() => {}
                Err(_) => return Err(Broken::InTheMidst("it takes too long".into())),
            }
        };
        drop(sending);
        match result {
            Ok(response) => {
                let (head, incoming) = response.into_parts();
                let silence = self.patience.silence;
                Ok((Response::from_parts(head, ()), Incomings { incoming, silence }))
            }
            Err(error) => {
                if let Some(failure) = failure.lock().take() {
                    return Err(Broken::Source(failure));
                }
                let why = innermost(&error);
                Err(match error.is_connect() {
                    true => Broken::NeverSent(why),
                    false => Broken::InTheMidst(why),
                })
            }
        }
    }
}

impl Incomings {
    /// The next part; `None` is the end.
    ///
    /// # Errors
    /// Why no more will come.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        use http_body_util::BodyExt as _;
        loop {
            let next = timeout(self.silence, self.incoming.frame()).await;
            match next.map_err(|_| "it takes too long".to_owned())? {
                None => return Ok(None),
                Some(Err(error)) => return Err(innermost(&error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// All of it, when it is no longer than that.
    pub(super) async fn collect(mut self, limit: usize) -> Result<Bytes, String> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if whole.len() + chunk.len() > limit {
                return Err(format!("the answer is longer than {limit} bytes"));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for Incomings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Incomings")
    }
}

/// The seconds of a `Retry-After`.
pub(super) fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    let may_tell = matches!(status.as_u16(), 429 | 498 | 503);
    let value = headers.get(http::header::RETRY_AFTER).filter(|_| may_tell)?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Without certificates nobody is believed; for clients that speak `http` only and are sent nowhere else.
fn trusting_nobody() -> Result<rustls::ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| error.to_string())?;
    Ok(builder
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}

/// The cause that says most.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
