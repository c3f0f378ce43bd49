//! `proxy-logging`: one line a request, when its answer has gone out.
//!
//! Follows Swift's "Logging" page. The line has Swift's fields in Swift's order, each percent-quoted, `-` for none:
//!
//! ```text
//! client_ip remote_addr end_time method path protocol status_int referer user_agent auth_token bytes_recvd
//! bytes_sent client_etag transaction_id headers request_time source log_info start_time end_time policy_index
//! ```
//!
//! It is an event of level INFO on the tracing target [`TARGET`], so that a subscriber can send it elsewhere than the
//! log of the server. The client is where trusted proxies say it is; unlike in Swift no others are believed. Of tokens and signatures only the first characters are shown. A client that hung up is 499.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::body::measured::{End, measured};
use common::config::Config;
use common::service::HttpService;
use common::{Body, Clock, Timestamp};
use http::header::{HeaderMap, REFERER, USER_AGENT};
use http::{Method, Request, Response};
use http_body::Body as _;
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, percent_encode};
use serde::{Deserialize, Serialize};

use crate::filter::{ProtocolFilter, pass, protocol};
use crate::registry::Context;
use crate::{ClientAddress, PeerAddress, TransactionId};

/// The tracing target of access lines.
pub const TARGET: &str = "access";

/// So much of a token or signature is shown: enough to find a client's requests, not enough to forge one.
const REVEALED: usize = 16;
/// Query parameters that are as good as a password.
const SENSITIVE: [&str; 5] = [
    "temp_url_sig",
    "signature",
    "x-amz-signature",
    "swiftinfo_sig",
    "x-auth-token",
];
/// What must not stand in a field: the space divides fields.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/')
    .remove(b':');
/// A path is quoted already.
const PATH_QUOTED: &AsciiSet = &CONTROLS.add(b' ').add(b'"');

/// Section `[filter.proxy-logging]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether access lines are written.
    pub access_log: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { access_log: true }
    }
}

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, _context: &mut Context, inner: HttpService) -> HttpService {
    let settings: Settings = config.read("filter.proxy-logging");
    if settings.access_log {
        protocol(ProxyLogging { inner })
    } else {
        inner
    }
}

struct ProxyLogging {
    inner: HttpService,
}

impl ProtocolFilter for ProxyLogging {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    fn concerns(&self, _request: &Request<Body>) -> bool {
        tracing::enabled!(target: TARGET, tracing::Level::INFO)
    }

    async fn handle(&self, request: Request<Body>) -> Response<Body> {
        let mut line = Line::of(&request);
        let request = if request.body().is_end_stream() {
            request
        } else {
            let received = Arc::clone(&line.received);
            request.map(|body| measured(body, move |bytes, _| received.store(bytes, Ordering::Relaxed)))
        };
        let response = pass(&self.inner, request).await;
        line.status = response.status().as_u16();
        response.map(|body| measured(body, move |sent, end| line.end(sent, end)))
    }
}

/// An access line under way. Dropped before there is an answer it is written as 499.
struct Line {
    client: String,
    peer: String,
    method: Method,
    path: String,
    protocol: String,
    referer: String,
    agent: String,
    token: String,
    etag: String,
    transaction_id: Arc<str>,
    start: Timestamp,
    received: Arc<AtomicU64>,
    status: u16,
    sent: u64,
}

impl Line {
    fn of(request: &Request<Body>) -> Self {
        let headers = request.headers();
        let peer = request.extensions().get::<PeerAddress>();
        let peer = peer.map_or_else(|| "-".to_owned(), |peer| peer.0.ip().to_string());
        let token = ["x-auth-token", "x-storage-token"]
            .into_iter()
            .map(|name| field(headers, name))
            .find(|token| token != "-");
        Self {
            client: ClientAddress::of(request.extensions())
                .map_or_else(|| "-".to_owned(), |client| client.to_string()),
            peer,
            method: request.method().clone(),
            path: shown_path(request.uri()),
            protocol: format!("{:?}", request.version()),
            referer: field(headers, REFERER.as_str()),
            agent: field(headers, USER_AGENT.as_str()),
            token: token.map_or_else(|| "-".to_owned(), |token| revealed(&token)),
            etag: field(headers, "etag"),
            transaction_id: TransactionId::of(request.extensions()),
            start: Clock::now(),
            received: Arc::default(),
            status: 499,
            sent: 0,
        }
    }

    fn end(mut self, sent: u64, end: End) {
        self.sent = sent;
        self.status = match end {
            // The body of an answer to HEAD is dropped unread, as it should be.
            End::Dropped if self.method != Method::HEAD => 499,
            End::Failed => 500,
            End::Dropped | End::Complete => self.status,
        };
    }

    fn text(&self, end: Timestamp) -> String {
        let mut line = String::with_capacity(256);
        let took = end.units().saturating_sub(self.start.units()) as f64 / 1e5;
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            "{} {} {} {} {} {} {} {} {} {} {} {} {} {} - {took:.4} - - {}0000 {}0000 -",
            self.client,
            self.peer,
            log_date(end),
            self.method,
            self.path,
            self.protocol,
            self.status,
            self.referer,
            self.agent,
            self.token,
            count(self.received.load(Ordering::Relaxed)),
            count(self.sent),
            self.etag,
            self.transaction_id,
            self.start,
            end,
        );
        line
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        tracing::info!(target: TARGET, "{}", self.text(Clock::now()));
    }
}

fn field(headers: &HeaderMap, name: &str) -> String {
    match headers.get(name) {
        Some(value) if !value.is_empty() => percent_encode(value.as_bytes(), QUOTED).to_string(),
        _ => "-".to_owned(),
    }
}

fn count(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        bytes => bytes.to_string(),
    }
}

/// The first characters of a secret. Quoted text is ASCII, so any cut is between characters.
fn revealed(secret: &str) -> String {
    format!("{}...", &secret[..secret.len().min(REVEALED)])
}

fn shown_path(uri: &http::Uri) -> String {
    let quote = |text: &str| percent_encode(text.as_bytes(), PATH_QUOTED).to_string();
    let Some(query) = uri.query() else {
        return quote(uri.path());
    };
    let parameters: Vec<_> = query
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, value)) if SENSITIVE.iter().any(|known| name.eq_ignore_ascii_case(known)) => {
                format!("{}={}", quote(name), revealed(&quote(value)))
            }
            _ => quote(parameter),
        })
        .collect();
    format!("{}?{}", quote(uri.path()), parameters.join("&"))
}

/// `14/Nov/2023/22/13/20`.
fn log_date(moment: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let iso = moment.iso();
    let part = |at: usize, length: usize| iso.get(at..at + length).unwrap_or("00");
    let month = part(5, 2).parse::<usize>().unwrap_or(1).clamp(1, 12);
    let (year, month, day) = (part(0, 4), MONTHS[month - 1], part(8, 2));
    format!(
        "{day}/{month}/{year}/{}/{}/{}",
        part(11, 2),
        part(14, 2),
        part(17, 2)
    )
}

#[cfg(test)]
mod tests;
