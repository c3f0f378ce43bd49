//! `catch_errors`: stands outermost, gives every request its transaction id, and lets no fault through.
//!
//! Follows Swift's "Catch Errors" middleware. Every answer carries `X-Trans-Id` and `X-Openstack-Request-Id`. A panic
//! below becomes 500. A body never differs from its announced length: a longer one is cut, a shorter one breaks the
//! connection off, so that the client notices. Answers to HEAD have no body but say how long it would be.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use common::body::BoxError;
use common::config::Config;
use common::service::HttpService;
use common::{Body, Clock, Error};
use futures::FutureExt as _;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use serde::{Deserialize, Serialize};

use crate::TransactionId;
use crate::filter::{ProtocolFilter, pass, protocol};
use crate::registry::Context;

const X_TRANS_ID: HeaderName = HeaderName::from_static("x-trans-id");
const X_OPENSTACK_REQUEST_ID: HeaderName = HeaderName::from_static("x-openstack-request-id");
/// Of `X-Trans-Id-Extra` so many characters are taken.
const MAX_EXTRA: usize = 32;

/// Section `[filter.catch_errors]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Stands behind every transaction id; tells one cluster's from another's.
    pub transaction_id_suffix: String,
}

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, _context: &mut Context, inner: HttpService) -> HttpService {
    let mut settings: Settings = config.read("filter.catch_errors");
    if !settings
        .transaction_id_suffix
        .bytes()
        .all(|byte| byte.is_ascii_graphic())
    {
        let message = "expected visible ASCII characters without spaces, as in \"-east\"";
        config.reject("filter.catch_errors", "transaction_id_suffix", message);
        settings = Settings::default();
    }
    let ids = TransactionIds::new(settings.transaction_id_suffix);
    protocol(CatchErrors { ids, inner })
}

struct CatchErrors {
    ids: TransactionIds,
    inner: HttpService,
}

impl ProtocolFilter for CatchErrors {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    async fn handle(&self, mut request: Request<Body>) -> Response<Body> {
        let extra = request.headers().get("x-trans-id-extra");
        let id = self.ids.next(extra.and_then(|extra| extra.to_str().ok()));
        let is_head = request.method() == Method::HEAD;
        request.extensions_mut().insert(TransactionId(Arc::clone(&id)));
        let answer = AssertUnwindSafe(pass(&self.inner, request)).catch_unwind().await;
        let response = answer.unwrap_or_else(|panic| {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            tracing::error!(transaction_id = %id, panic = what, "a request ended in a panic");
            Error::internal("panic").into_response()
        });
        let mut response = if is_head {
            without_body(response)
        } else {
            of_announced_length(response)
        };
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(X_TRANS_ID, value.clone());
            response.headers_mut().insert(X_OPENSTACK_REQUEST_ID, value);
        }
        response
    }
}

/// Makes ids `tx` + 21 hexadecimal digits + `-` + 10 hexadecimal digits of the time.
#[derive(Debug)]
pub struct TransactionIds {
    /// Random, of this process: five digits in front, and where the other sixteen start.
    prefix: u32,
    seed: u64,
    count: AtomicU64,
    suffix: String,
}

impl TransactionIds {
    /// Ids that end in `suffix`.
    pub fn new(suffix: String) -> Self {
        let mut random = [0; 12];
        // Without random numbers the ids still differ within the process, by count and time.
        let _ = getrandom::fill(&mut random);
        let (prefix, seed) = random.split_at(4);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        Self {
            prefix: (number(prefix) & 0xf_ffff) as u32,
            seed: number(seed),
            count: AtomicU64::new(0),
            suffix,
        }
    }

    /// The next id; `extra` is what the client wants to have behind it.
    pub fn next(&self, extra: Option<&str>) -> Arc<str> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let number = scatter(self.seed.wrapping_add(count));
        let (prefix, seconds, suffix) = (self.prefix, Clock::now().seconds(), &self.suffix);
        match extra.filter(|extra| !extra.is_empty()) {
            Some(extra) => {
                // Header text is ASCII, so every byte is a character.
                let extra = &extra[..extra.len().min(MAX_EXTRA)];
                format!("tx{prefix:05x}{number:016x}-{seconds:010x}{suffix}-{extra}").into()
            }
            None => format!("tx{prefix:05x}{number:016x}-{seconds:010x}{suffix}").into(),
        }
    }
}

/// A bijection that makes neighbours look random (the finaliser of splitmix64).
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    if let (http::header::Entry::Vacant(entry), Some(length)) =
        (parts.headers.entry(CONTENT_LENGTH), body.exact_length())
    {
        entry.insert(length.into());
    }
    Response::from_parts(parts, Body::empty())
}

fn of_announced_length(response: Response<Body>) -> Response<Body> {
    let announced = response.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse().ok());
    let is_bodiless = matches!(
        response.status(),
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    );
    match announced {
        Some(left) if !is_bodiless && response.body().exact_length() != Some(left) => {
            response.map(|body| Body::new(Announced { body, left }))
        }
        _ => response,
    }
}

/// A body that is held to its announced length.
struct Announced {
    body: Body,
    left: u64,
}

impl http_body::Body for Announced {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)?) else {
            let missing = self.left;
            return Poll::Ready(Some(Err(format!("the body ended {missing} bytes early").into())));
        };
        let frame = match frame.into_data() {
            Ok(mut data) => {
                data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= data.len() as u64;
                Frame::data(data)
            }
            Err(trailers) => trailers,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests;
