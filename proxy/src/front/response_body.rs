//! Bodies on their way out: part by part where there are many connections, and the `Content-Length: 0` of answers
//! without one.
//!
//! RFC 9110 has no length on a 204, and hyper leaves it out. Swift sends it, its clients read it (an empty listing),
//! and its functional tests insist. hyper writes the header when the body does not say beforehand that it has ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use common::Body;
use common::body::BoxError;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};

use super::stream::Link;

/// What is not longer comes in one part, or in few.
const SHORT: u64 = 16 << 10;

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

/// The same response; no part of its body is read before something of the last one was sent. Without this as many are
/// held ready as fit the connection's buffer.
pub(super) fn part_by_part(response: Response<Body>, link: &Link) -> Response<Body> {
    if response
        .body()
        .size_hint()
        .upper()
        .is_some_and(|length| length <= SHORT)
    {
        return response;
    }
    let link = link.clone();
    response.map(|body| Body::new(PartByPart { body, link }))
}

struct PartByPart {
    body: Body,
    link: Link,
}

impl http_body::Body for PartByPart {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if !self.link.may_send_more() {
            return Poll::Pending;
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(_)) = &frame {
            self.link.is_sending();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
