//! What can go wrong for a client, by what is to be done about it.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::Outcome;

/// A request that came to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {failure}")]
pub struct Error {
    /// What it was about, as `container/name`.
    pub what: String,
    /// Why it came to nothing. It is told with the error, so it is no source of it.
    pub failure: Failure,
}

/// Why a request came to nothing. Each says what to do, where there is something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It could not be asked so.
    #[error("{0}")]
    Usage(String),
    /// User and key, or the token, were not accepted.
    #[error(
        "user or key are wrong; look at ST_USER and ST_KEY (or at OS_AUTH_TOKEN, which ends after a time)"
    )]
    Unauthorized,
    /// There is nothing of that name.
    #[error("there is no such thing")]
    NotFound,
    /// The store understood and will not; asking again changes nothing.
    #[error("{}", Refusal { status: *status, text })]
    Refused {
        /// How it said so.
        status: StatusCode,
        /// In which words.
        text: String,
    },
    /// The store cannot just now, and still could not when it was asked again.
    #[error("not now ({status}){}", after(*retry_after))]
    Unavailable {
        /// How it said so.
        status: StatusCode,
        /// When to come again, if it said that.
        retry_after: Option<Duration>,
    },
    /// Nobody answered, and nothing was changed.
    #[error("no answer: {0}; does a server run there, and is ST_AUTH right?")]
    Unreachable(String),
    /// The connection broke off; whether it was done is not known.
    #[error("{0}; it may have been done: look before you ask again")]
    Unknown(String),
    /// The object is another one than when it was begun to be read.
    #[error("it was changed while it was being read; get it again")]
    Changed,
    /// What arrived is not what was sent.
    #[error("damaged on the way: its MD5 is {received}, and should be {expected}")]
    Damaged {
        /// What it should be.
        expected: String,
        /// What it is.
        received: String,
    },
    /// The source of an upload, or the destination of a download, failed.
    #[error(transparent)]
    Local(#[from] std::io::Error),
    /// The answer made no sense.
    #[error("the answer cannot be understood: {0}; is this a Swift, and one that can do this?")]
    NotUnderstood(String),
}

impl Error {
    /// Of `what`.
    pub fn new(what: impl Into<String>, failure: impl Into<Failure>) -> Self {
        Self {
            what: what.into(),
            failure: failure.into(),
        }
    }

    /// Whether there is nothing of that name.
    pub fn is_not_found(&self) -> bool {
        matches!(self.failure, Failure::NotFound)
    }

    /// Whether the store refused with this status.
    pub fn is_refused_with(&self, code: u16) -> bool {
        matches!(&self.failure, Failure::Refused { status, .. } if status.as_u16() == code)
    }
}

/// What the actions for programs fail with.
impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        let outcome = match &error.failure {
            Failure::Usage(_) => Outcome::BadRequest,
            Failure::Unauthorized => Outcome::Unauthorized,
            Failure::NotFound => Outcome::NotFound,
            _ => Outcome::Unavailable(None),
        };
        Self::new(outcome).with_text(error.to_string())
    }
}

/// A refusal in words.
struct Refusal<'a> {
    status: StatusCode,
    text: &'a str,
}

impl fmt::Display for Refusal<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.status.as_u16() {
            403 => "you may not do this",
            405 => "this cannot be done with it, or it is there already",
            409 => "what is there stands against it",
            410 => "the account was deleted",
            412 => "it is there already, or is not as you think",
            413 => "it is larger than is allowed, or the quota is reached",
            416 => "it has no such part",
            422 => "what arrived there is not what was sent",
            507 => "the store is full",
            _ => "refused",
        };
        write!(formatter, "{why} ({})", self.status)?;
        match self.text.is_empty() {
            true => Ok(()),
            false => write!(formatter, ": {}", self.text),
        }
    }
}

fn after(retry_after: Option<Duration>) -> String {
    match retry_after {
        Some(after) => format!("; try again in {} s", after.as_secs()),
        None => "; try again later".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let unavailable = Failure::Unavailable {
            status: StatusCode::SERVICE_UNAVAILABLE,
            retry_after: Some(Duration::from_secs(5)),
        };
        let refused = Failure::Refused {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            text: "Upload exceeds quota.".into(),
        };
        for (failure, words) in [
            (
                unavailable,
                "c/o: not now (503 Service Unavailable); try again in 5 s",
            ),
            (Failure::Unauthorized, "ST_KEY"),
            (Failure::NotFound, "c/o: there is no such thing"),
            (
                refused,
                "quota is reached (413 Payload Too Large): Upload exceeds quota.",
            ),
        ] {
            let text = Error::new("c/o", failure).to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
