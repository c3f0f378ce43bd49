//! A request as it is sent, perhaps several times.

use std::future::Future;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::error::{Error, Failure};
use crate::Body;

/// What stands in a path as it is.
const PATH: AsciiSet = NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// What stands in a query as it is.
const QUERY: AsciiSet = PATH.add(b'/');

/// A body that is made anew for each time it is sent.
pub(super) type MakeBody = Box<dyn FnMut() -> MadeBody + Send>;
pub(super) type MadeBody = Pin<Box<dyn Future<Output = io::Result<Body>> + Send>>;

/// A request on something of the account.
pub(super) struct Request {
    pub(super) method: Method,
    /// Behind the account's URL, escaped; or behind the server's address, for a program's.
    pub(super) target: Target,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    pub(super) repeat: Repeat,
    /// What it is about, for people.
    pub(super) what: String,
    /// The longest answer; `None`: it is streamed to the caller.
    pub(super) answer_limit: Option<usize>,
}

/// Where a request goes.
pub(super) enum Target {
    /// An escaped path behind the account's URL: `` or `/container/name`.
    OfAccount(String),
    /// An absolute path of the server.
    OfServer(String),
}

/// What is sent along.
pub(super) enum Payload {
    /// These bytes, perhaps none.
    Bytes(Bytes),
    /// What can be read again.
    Again(MakeBody),
    /// What is there once only.
    Once(Option<Body>),
}

/// What may be sent again when it is not known what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// Twice is as good as once.
    Freely,
    /// Twice leaves the same behind, but the second answer may be 404: then the first time did it.
    AsRemoval,
    /// Not at all.
    No,
}

impl Request {
    /// One without a body, about an account (no container), a container or an object.
    pub(super) fn new(method: Method, container: &str, object: &str) -> Result<Self, Error> {
        let what = place(container, object);
        if container.contains('/') || (container.is_empty() && !object.is_empty()) {
            let why = Failure::Usage(format!("{container:?} is no name of a container"));
            return Err(Error::new(what, why));
        }
        let mut target = String::new();
        for part in [container, object].into_iter().filter(|part| !part.is_empty()) {
            target.push('/');
            target.extend(utf8_percent_encode(part, &PATH));
        }
        let repeat = match method {
            Method::GET | Method::HEAD | Method::PUT | Method::POST => Repeat::Freely,
            Method::DELETE => Repeat::AsRemoval,
            _ => Repeat::No,
        };
        Ok(Self {
            method,
            target: Target::OfAccount(target),
            query: Vec::new(),
            headers: HeaderMap::new(),
            payload: Payload::Bytes(Bytes::new()),
            repeat,
            what,
            answer_limit: Some(MAX_ANSWER),
        })
    }

    pub(super) fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn query_if(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.query(name, value.to_string()),
            None => self,
        }
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        let parsed = HeaderName::from_bytes(name.as_bytes()).ok();
        let parsed = parsed.zip(HeaderValue::from_bytes(value.as_bytes()).ok());
        let Some((name, value)) = parsed else {
            let why = Failure::Usage(format!("{name:?} with this value is no header"));
            return Err(Error::new(self.what, why));
        };
        self.headers.append(name, value);
        Ok(self)
    }

    /// The path and query, behind whatever the target is of.
    pub(super) fn path_and_query(&self) -> String {
        let (Target::OfAccount(path) | Target::OfServer(path)) = &self.target;
        let mut text = path.clone();
        for (index, (name, value)) in self.query.iter().enumerate() {
            text.push(if index == 0 { '?' } else { '&' });
            text.extend(utf8_percent_encode(name, &QUERY));
            if !value.is_empty() {
                text.push('=');
                text.extend(utf8_percent_encode(value, &QUERY));
            }
        }
        text
    }

    /// The body to send now; `None`: it was there once only.
    pub(super) async fn body(&mut self) -> io::Result<Option<Body>> {
        Ok(match &mut self.payload {
            Payload::Bytes(bytes) => Some(match bytes.is_empty() {
                true => Body::empty(),
                false => Body::full(bytes.clone()),
            }),
            Payload::Again(make) => Some(make().await?),
            Payload::Once(body) => body.take(),
        })
    }

    /// Whether there is a body to send it once more.
    pub(super) fn has_body_left(&self) -> bool {
        !matches!(self.payload, Payload::Once(None))
    }
}

/// The longest answer that is held in memory.
pub(super) const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// The name of a container or object, for people.
pub(super) fn place(container: &str, object: &str) -> String {
    match (container, object) {
        ("", _) => "the account".to_owned(),
        (container, "") => container.to_owned(),
        (container, object) => format!("{container}/{object}"),
    }
}

/// `container/name`, escaped as headers have it.
pub(super) fn escaped(container: &str, object: &str) -> String {
    utf8_percent_encode(&format!("{container}/{object}"), &PATH).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_byte_by_byte() {
        let request = Request::new(Method::GET, "c d", "ä/../?&%2F//").unwrap();
        let request = request.query("prefix", "a/b&c").query("jobs", "");
        assert_eq!(
            request.path_and_query(),
            "/c%20d/%C3%A4/../%3F%26%252F//?prefix=a%2Fb%26c&jobs"
        );
        assert_eq!(request.what, "c d/ä/../?&%2F//");
        assert_eq!(Request::new(Method::GET, "", "").unwrap().path_and_query(), "");
        assert!(Request::new(Method::GET, "", "o").is_err());
        assert!(Request::new(Method::GET, "a/b", "o").is_err());
        assert!(request.header("x-a", "line\nbreak").is_err());
    }
}
