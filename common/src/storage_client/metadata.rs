//! What the headers of an answer tell.

use http::header::{self, AsHeaderName};
use http::{HeaderMap, HeaderValue};

use crate::Etag;

/// What an account, a container or an object is, as its headers tell.
#[derive(Clone, Debug)]
pub struct Properties(HeaderMap);

impl Properties {
    pub(super) fn new(headers: HeaderMap) -> Self {
        Self(headers)
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.0
    }

    /// A header as text.
    pub fn text(&self, name: impl AsHeaderName) -> Option<&str> {
        self.0.get(name).and_then(|value| value.to_str().ok())
    }

    /// A header as a number.
    pub fn number(&self, name: impl AsHeaderName) -> Option<u64> {
        self.text(name)?.trim().parse().ok()
    }

    /// The bytes of an object.
    pub fn content_length(&self) -> Option<u64> {
        self.number(header::CONTENT_LENGTH)
    }

    /// The type of an object.
    pub fn content_type(&self) -> Option<&str> {
        self.text(header::CONTENT_TYPE)
    }

    /// The tag of an object; none of a file that was not hashed yet.
    pub fn etag(&self) -> Option<Etag> {
        let etag = Etag::new(self.text(header::ETAG)?);
        (!etag.is_unknown()).then_some(etag)
    }

    /// The tag, if it is the MD5 of the bytes, which that of an object in segments is not.
    pub fn md5(&self) -> Option<Etag> {
        let in_segments = ["x-static-large-object", "x-object-manifest"];
        if in_segments.iter().any(|name| self.0.contains_key(*name)) {
            return None;
        }
        self.etag().filter(|etag| {
            etag.as_str().len() == 32 && etag.as_str().bytes().all(|byte| byte.is_ascii_hexdigit())
        })
    }

    /// When a file that was uploaded was last written, in seconds since 1970, as other clients note it too.
    pub fn modified_seconds(&self) -> Option<f64> {
        let seconds: f64 = self.text(super::upload::MTIME)?.trim().parse().ok()?;
        (0.0..1e11).contains(&seconds).then_some(seconds)
    }

    /// The user metadata of an object: names without `x-object-meta-`.
    pub fn metadata(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        let of_user = |(name, value)| {
            Some((
                http::HeaderName::as_str(name).strip_prefix("x-object-meta-")?,
                value,
            ))
        };
        self.0.iter().filter_map(of_user)
    }
}
