//! `Content-Length: 0` of answers without a body.
//!
//! RFC 9110 has no length on a 204, and hyper leaves it out. Swift sends it, its clients read it (an empty listing),
//! and its functional tests insist. hyper writes the header when the body does not say beforehand that it has ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::Body;
use common::body::BoxError;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Frame, SizeHint};

/// The same response; a 204 announces that its body is empty.
pub(super) fn announced(mut response: Response<Body>) -> Response<Body> {
    if response.status() != StatusCode::NO_CONTENT {
        return response;
    }
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response.map(|_empty| Body::new(Nothing))
}

/// An empty body whose end has to be asked for.
struct Nothing;

impl http_body::Body for Nothing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        false
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(0)
    }
}
