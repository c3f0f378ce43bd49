//! The ways to be refused or to fail: the status of each, and what it says by default.

use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::functional::{info, object};

/// How a request was refused or failed. Each has exactly one status ([`Outcome::status`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// 304: the client's copy is still good.
    NotModified(Box<object::Info>),
    /// 400: the request makes no sense.
    BadRequest,
    /// 401: nobody is logged in, and this needs somebody.
    Unauthorized,
    /// 403: the caller may not.
    Forbidden,
    /// 403: the resource is switched off. Only administrators are told so; to everybody else it is `Forbidden`.
    Disabled,
    /// 404: there is nothing of that name.
    NotFound,
    /// 405: the resource does not know that method; these it knows.
    MethodNotAllowed(Vec<String>),
    /// 406: no acceptable format.
    NotAcceptable,
    /// 408: the client sent nothing for too long.
    RequestTimeout,
    /// 409: the state of the resource stands against it.
    Conflict,
    /// 410: the account was deleted and its remains are being removed.
    Gone,
    /// 411: neither a length nor chunks.
    LengthRequired,
    /// 412: a condition of the request does not hold; of an existing object, with what it is.
    PreconditionFailed(Option<Box<object::Info>>),
    /// 413: too large, or over a quota.
    TooLarge,
    /// 414: the request line is too long.
    UriTooLong,
    /// 416: none of the ranges lies within the object.
    RangeNotSatisfiable(Box<object::Info>),
    /// 422: the body is not the announced one.
    Unprocessable,
    /// 429: too many failed attempts; try again after so many seconds.
    TooManyAttempts(u64),
    /// 431: too many headers.
    HeadersTooLarge,
    /// 498: slow down.
    RateLimited,
    /// 499: the client hung up before its request was complete.
    ClientGone,
    /// 500: a fault of ours.
    Internal,
    /// 501: something this server does not do.
    NotImplemented,
    /// 503: not now; try again, after so many seconds when they are known.
    Unavailable(Option<u64>),
    /// 507: no space.
    InsufficientStorage,
    /// 503 between servers, never shown to a client: another object-server owns the accounts. Nothing was done, and the
    /// request's body is untouched: it can be sent to that one.
    NotOwner,
    /// 409 between servers, never shown to a client: the request was decided under an older generation of the
    /// account or container than the owner's. The caller decides again under `info` and sends the request again.
    Stale(Box<info::Found>),
}

impl Outcome {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        let code = match self {
            Self::NotModified(_) => 304,
            Self::BadRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden | Self::Disabled => 403,
            Self::NotFound => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::NotAcceptable => 406,
            Self::RequestTimeout => 408,
            Self::Conflict | Self::Stale(_) => 409,
            Self::Gone => 410,
            Self::LengthRequired => 411,
            Self::PreconditionFailed(_) => 412,
            Self::TooLarge => 413,
            Self::UriTooLong => 414,
            Self::RangeNotSatisfiable(_) => 416,
            Self::Unprocessable => 422,
            Self::TooManyAttempts(_) => 429,
            Self::HeadersTooLarge => 431,
            Self::RateLimited => 498,
            Self::ClientGone => 499,
            Self::Internal => 500,
            Self::NotImplemented => 501,
            Self::Unavailable(_) | Self::NotOwner => 503,
            Self::InsufficientStorage => 507,
        };
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The title and the sentence of the default error page.
    pub(super) fn page(&self) -> (&'static str, &'static str) {
        match self {
            Self::NotModified(_) => ("Not Modified", ""),
            Self::BadRequest => ("Bad Request", "The request is malformed or breaks a limit."),
            Self::Unauthorized => ("Unauthorized", "Log in to use this resource."),
            Self::Forbidden => ("Forbidden", "You may not do this with this resource."),
            Self::Disabled => ("Forbidden", "This resource is switched off."),
            Self::NotFound => ("Not Found", "There is no resource of this name."),
            Self::MethodNotAllowed(_) => ("Method Not Allowed", "This resource does not know this method."),
            Self::NotAcceptable => ("Not Acceptable", "None of the formats you accept can be made."),
            Self::RequestTimeout => ("Request Timeout", "The request took too long to arrive."),
            Self::Conflict | Self::Stale(_) => ("Conflict", "The state of the resource does not allow this."),
            Self::Gone => ("Gone", "This resource was deleted."),
            Self::LengthRequired => ("Length Required", "Send a Content-Length or a chunked body."),
            Self::PreconditionFailed(_) => {
                ("Precondition Failed", "A condition of the request does not hold.")
            }
            Self::TooLarge => (
                "Request Entity Too Large",
                "The body is larger than is allowed here.",
            ),
            Self::UriTooLong => ("Request-URI Too Long", "The request line is too long."),
            Self::RangeNotSatisfiable(_) => (
                "Requested Range Not Satisfiable",
                "None of the ranges lies within the object.",
            ),
            Self::Unprocessable => ("Unprocessable Entity", "The body is not the announced one."),
            Self::TooManyAttempts(_) => (
                "Too Many Requests",
                "There were too many failed attempts; try again later.",
            ),
            Self::HeadersTooLarge => ("Request Header Fields Too Large", "There are too many headers."),
            Self::RateLimited => ("Rate Limited", "Slow down."),
            Self::ClientGone => ("Client Disconnect", "The client hung up."),
            Self::Internal => ("Internal Error", "The server failed; the log says why."),
            Self::NotImplemented => ("Not Implemented", "This server does not do that."),
            Self::Unavailable(_) | Self::NotOwner => ("Service Unavailable", "Not now; try again later."),
            Self::InsufficientStorage => ("Insufficient Storage", "There is no space left."),
        }
    }
}
