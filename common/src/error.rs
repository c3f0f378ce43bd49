//! What can go wrong, as Swift's outcomes, and the one mapping to HTTP.
//!
//! Every stage behind *functionalise* fails with an [`Error`]: an [`Outcome`], the text the client may see, and the
//! cause, which is only ever logged. The mapping to a status stands once, with the outcomes, and goes both ways, so that a
//! server in this process and one across HTTP cannot differ.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::Body;
use crate::body::BoxError;
use crate::functional::firewall::State;
use crate::functional::info;

mod outcome;

pub use outcome::Outcome;

/// The switch of a resource, as administrators read and set it.
pub const X_RESOURCE_STATE: HeaderName = HeaderName::from_static("x-resource-state");
/// What has become of an account that is gone.
const X_ACCOUNT_STATUS: HeaderName = HeaderName::from_static("x-account-status");

/// A refused or failed request.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    outcome: Outcome,
    text: Option<Cow<'static, str>>,
    source: Option<BoxError>,
    /// The body of a request that was answered `Stale`, which nobody has read: the request can be sent again. The lock
    /// is never contended; it makes an error shareable between threads, which a body is not.
    unread: Mutex<Option<Body>>,
}

impl Error {
    /// A failure with the default text of its outcome.
    pub fn new(outcome: Outcome) -> Self {
        Self(Box::new(Inner {
            outcome,
            text: None,
            source: None,
            unread: Mutex::default(),
        }))
    }

    /// 400, with the text the client sees.
    pub fn bad_request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Outcome::BadRequest).with_text(text)
    }

    /// 403, with the default text.
    pub fn forbidden() -> Self {
        Self::new(Outcome::Forbidden)
    }

    /// 404, with the default text.
    pub fn not_found() -> Self {
        Self::new(Outcome::NotFound)
    }

    /// 409, with the text the client sees.
    pub fn conflict(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Outcome::Conflict).with_text(text)
    }

    /// 412 for a reason other than a condition on an existing object, with the text the client sees.
    pub fn precondition_failed(text: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Outcome::PreconditionFailed(None)).with_text(text)
    }

    /// 500, with its cause for the log.
    pub fn internal(source: impl Into<BoxError>) -> Self {
        Self::new(Outcome::Internal).caused_by(source)
    }

    /// 503, with its cause for the log and when to come back.
    pub fn unavailable(source: impl Into<BoxError>, retry_after: Option<Duration>) -> Self {
        Self::new(Outcome::Unavailable(
            retry_after.map(|after| after.as_secs().max(1)),
        ))
        .caused_by(source)
    }

    /// 429, with how long to wait.
    pub fn too_many_attempts(wait: Duration) -> Self {
        let begun = u64::from(wait.subsec_nanos() > 0);
        Self::new(Outcome::TooManyAttempts(wait.as_secs() + begun))
    }

    /// The request was decided under an older generation; `unread` is its body, untouched.
    pub fn stale(found: info::Found, unread: Body) -> Self {
        let mut error = Self::new(Outcome::Stale(Box::new(found)));
        *error.0.unread.get_mut() = Some(unread);
        error
    }

    /// The same with `text` as the whole body the client sees.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.0.text = Some(text.into());
        self
    }

    /// The same with a cause for the log.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// How it failed.
    pub fn outcome(&self) -> &Outcome {
        &self.0.outcome
    }

    /// The text for the client, when it is not the outcome's default.
    pub fn text(&self) -> Option<&str> {
        self.0.text.as_deref()
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.0.outcome.status()
    }

    /// Of a [`Stale`](Outcome::Stale) answer: what is true now, and the request's unread body.
    ///
    /// # Errors
    /// Gives the error back when it is another.
    pub fn into_stale(mut self) -> Result<(info::Found, Body), Self> {
        match &mut self.0.outcome {
            Outcome::Stale(found) => {
                let found = std::mem::take(found.as_mut());
                Ok((found, self.0.unread.get_mut().take().unwrap_or_default()))
            }
            _ => Err(self),
        }
    }

    /// What a client reads: a short page, or the text as it is.
    pub fn page(&self) -> String {
        match (&self.0.text, self.0.outcome.page()) {
            (Some(text), _) => text.as_ref().to_owned(),
            (None, (_, "")) => String::new(),
            (None, (title, sentence)) => format!("<html><h1>{title}</h1><p>{sentence}</p></html>"),
        }
    }

    /// The response a client gets: status, the headers that belong to it, and a short page (or the text, as it is).
    ///
    /// `WWW-Authenticate` is the edge's to add, which knows the account of the request.
    pub fn into_response(self) -> Response<Body> {
        let outcome = &self.0.outcome;
        let mut response = Response::new(Body::full(self.page()));
        *response.status_mut() = outcome.status();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=UTF-8"),
        );
        let mut set = |name: HeaderName, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        match outcome {
            Outcome::MethodNotAllowed(methods) => set(header::ALLOW, methods.join(", ")),
            Outcome::Gone => set(X_ACCOUNT_STATUS, "Deleted".into()),
            Outcome::Disabled => set(X_RESOURCE_STATE, State::Disable.as_str().into()),
            Outcome::Unavailable(Some(seconds)) | Outcome::TooManyAttempts(seconds) => {
                set(header::RETRY_AFTER, seconds.to_string());
            }
            Outcome::NotModified(info) | Outcome::PreconditionFailed(Some(info)) => {
                set(header::ETAG, info.etag.to_string());
                set(header::LAST_MODIFIED, info.timestamp.http_date());
                set(header::ACCEPT_RANGES, "bytes".into());
            }
            Outcome::RangeNotSatisfiable(info) => {
                set(header::ETAG, info.etag.to_string());
                set(header::LAST_MODIFIED, info.timestamp.http_date());
                set(header::ACCEPT_RANGES, "bytes".into());
                set(header::CONTENT_RANGE, format!("bytes */{}", info.size));
            }
            _ => {}
        }
        response
    }

    /// The form between servers: the status and a JSON object `{outcome, text?}`.
    ///
    /// # Errors
    /// When a text cannot be written as JSON, which no outcome of ours does.
    pub fn to_wire(&self) -> Result<(StatusCode, String), serde_json::Error> {
        let wire = Wire {
            outcome: self.0.outcome.clone(),
            text: self.text().map(str::to_owned),
        };
        Ok((self.status(), serde_json::to_string(&wire)?))
    }

    /// Back from the form between servers.
    ///
    /// # Errors
    /// When `json` is not that form.
    pub fn from_wire(json: &str) -> Result<Self, serde_json::Error> {
        let wire: Wire = serde_json::from_str(json)?;
        let error = Self::new(wire.outcome);
        Ok(match wire.text {
            Some(text) => error.with_text(text),
            None => error,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (title, _) = self.0.outcome.page();
        match &self.0.text {
            Some(text) => write!(formatter, "{title}: {text}"),
            None => formatter.write_str(title),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0
            .source
            .as_ref()
            .map(|source| source.as_ref() as &(dyn StdError + 'static))
    }
}

impl From<Outcome> for Error {
    fn from(outcome: Outcome) -> Self {
        Self::new(outcome)
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;
    use crate::functional::object;

    fn every_outcome() -> Vec<Outcome> {
        let info = || {
            Box::new(object::Info::plain(
                5,
                "0cc175b9c0f1b6a831c399e269772661",
                Timestamp::from_seconds(9),
            ))
        };
        vec![
            Outcome::NotModified(info()),
            Outcome::BadRequest,
            Outcome::Unauthorized,
            Outcome::Forbidden,
            Outcome::Disabled,
            Outcome::NotFound,
            Outcome::MethodNotAllowed(vec!["GET".into(), "PUT".into()]),
            Outcome::NotAcceptable,
            Outcome::RequestTimeout,
            Outcome::Conflict,
            Outcome::Gone,
            Outcome::LengthRequired,
            Outcome::PreconditionFailed(None),
            Outcome::PreconditionFailed(Some(info())),
            Outcome::TooLarge,
            Outcome::UriTooLong,
            Outcome::RangeNotSatisfiable(info()),
            Outcome::Unprocessable,
            Outcome::TooManyAttempts(7),
            Outcome::HeadersTooLarge,
            Outcome::RateLimited,
            Outcome::ClientGone,
            Outcome::Internal,
            Outcome::NotImplemented,
            Outcome::Unavailable(Some(3)),
            Outcome::Unavailable(None),
            Outcome::InsufficientStorage,
            Outcome::NotOwner,
            Outcome::Stale(Box::default()),
        ]
    }

    #[test]
    fn every_outcome_goes_over_the_wire_and_back() {
        for outcome in every_outcome() {
            for text in [None, Some("why, in \"words\"")] {
                let mut error = Error::new(outcome.clone());
                if let Some(text) = text {
                    error = error.with_text(text);
                }
                let (status, json) = error.to_wire().unwrap();
                let back = Error::from_wire(&json).unwrap();
                assert_eq!(back.outcome(), &outcome);
                assert_eq!(back.text(), text);
                assert_eq!(back.status(), status);
            }
        }
    }

    #[tokio::test]
    async fn a_cause_is_never_shown() {
        let response = Error::internal("secret path").into_response();
        assert_eq!(response.status(), 500);
        let page = response.into_body().collect(1000).await.unwrap();
        assert!(!String::from_utf8_lossy(&page).contains("secret"));
    }

    #[test]
    fn an_unsatisfiable_range_says_the_size() {
        let info = object::Info::plain(5, "0cc175b9c0f1b6a831c399e269772661", Timestamp::from_seconds(9));
        let response = Error::from(Outcome::RangeNotSatisfiable(Box::new(info))).into_response();
        assert_eq!(response.headers()["content-range"], "bytes */5");
    }
}
