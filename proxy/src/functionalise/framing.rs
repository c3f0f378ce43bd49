//! How long an upload is, and a watch over its bytes while they arrive.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use common::body::BoxError;
use common::{Body, Error, Outcome};
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};

/// The length that an upload declares; `None` is a chunked one.
///
/// # Errors
/// 411 for neither, 400 for a length that is no number and for an unknown coding, 501 for several codings.
pub(super) fn declared_length(headers: &HeaderMap) -> Result<Option<u64>, Error> {
    let codings: Vec<_> = headers
        .get_all(header::TRANSFER_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .collect();
    match codings.as_slice() {
        [] => {}
        [coding] if coding.eq_ignore_ascii_case(b"chunked") => return Ok(None),
        [_] => return Err(Error::bad_request("The only transfer coding here is chunked")),
        _ => {
            return Err(
                Error::new(Outcome::NotImplemented).with_text("The only transfer coding here is chunked")
            );
        }
    }
    match headers.get(header::CONTENT_LENGTH) {
        None => Err(Outcome::LengthRequired.into()),
        Some(length) => content_length(length.as_bytes()).map(Some),
    }
}

/// The same of a request whose body is not wanted: what is not said is nothing.
///
/// # Errors
/// 400 for a length that is no number.
pub(super) fn unwanted_length(headers: &HeaderMap) -> Result<u64, Error> {
    headers
        .get(header::CONTENT_LENGTH)
        .map_or(Ok(0), |length| content_length(length.as_bytes()))
}

fn content_length(digits: &[u8]) -> Result<u64, Error> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Error::bad_request("Content-Length is not a number"))
}

/// What went wrong with an upload, known even when whoever read it says something else.
#[derive(Clone, Debug, Default)]
pub(super) struct Failure(Arc<OnceLock<Outcome>>);

impl Failure {
    /// `error`, or what really was the matter.
    pub(super) fn explain(&self, error: Error) -> Error {
        match self.0.get() {
            Some(outcome) => Error::new(outcome.clone()).caused_by(error),
            None => error,
        }
    }
}

/// Watches `body`: more than `limit` bytes are 413, and its failures are remembered.
pub(super) fn watched(body: Body, limit: u64) -> (Body, Failure) {
    let failure = Failure::default();
    let body = Body::new(Watched {
        body,
        left: limit,
        failure: failure.clone(),
    });
    (body, failure)
}

struct Watched {
    body: Body,
    left: u64,
    failure: Failure,
}

impl Watched {
    fn fail(&self, error: Error) -> BoxError {
        let _first_counts = self.failure.0.set(error.outcome().clone());
        error.into()
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => {
                let error = match error.downcast::<Error>() {
                    Ok(error) => *error,
                    Err(other) => Error::new(Outcome::ClientGone).caused_by(other),
                };
                return Poll::Ready(Some(Err(self.fail(error))));
            }
            Some(Ok(frame)) => frame,
        };
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(frame)))
            }
            None => Poll::Ready(Some(Err(self.fail(Outcome::TooLarge.into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(headers: &[(&'static str, &str)]) -> Result<Option<u64>, u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        declared_length(&map).map_err(|error| error.status().as_u16())
    }

    #[test]
    fn lengths() {
        assert_eq!(declared(&[("content-length", "5")]), Ok(Some(5)));
        assert_eq!(declared(&[("transfer-encoding", "Chunked")]), Ok(None));
        assert_eq!(declared(&[]), Err(411));
        for length in ["X", "-1", "", "+5", "99999999999999999999"] {
            assert_eq!(declared(&[("content-length", length)]), Err(400), "{length}");
        }
        assert_eq!(declared(&[("transfer-encoding", "gzip, chunked")]), Err(501));
        assert_eq!(
            declared(&[("transfer-encoding", "gzip"), ("transfer-encoding", "chunked")]),
            Err(501)
        );
        assert_eq!(declared(&[("transfer-encoding", "gzip")]), Err(400));
    }

    fn body(chunks: Vec<Result<&'static str, BoxError>>) -> Body {
        Body::from_stream(futures::stream::iter(
            chunks.into_iter().map(|chunk| chunk.map(Bytes::from)),
        ))
    }

    #[tokio::test]
    async fn a_body_within_the_limit_goes_through() {
        let (body, failure) = watched(body(vec![Ok("abc"), Ok("de")]), 5);
        assert_eq!(body.collect(100).await.unwrap(), "abcde");
        assert_eq!(failure.explain(Error::not_found()).status(), 404);
    }

    #[tokio::test]
    async fn a_longer_body_breaks_off() {
        let (mut body, failure) = watched(body(vec![Ok("abc"), Ok("de")]), 4);
        assert_eq!(body.chunk().await.unwrap().unwrap(), "abc");
        assert!(body.chunk().await.unwrap().is_err());
        assert_eq!(failure.explain(Error::internal("?")).status(), 413);
    }

    #[tokio::test]
    async fn the_reason_of_a_broken_body_is_kept() {
        let (gone, failure) = watched(body(vec![Ok("abc"), Err("reset".into())]), 9);
        assert!(gone.collect(100).await.is_err());
        assert_eq!(failure.explain(Error::internal("?")).status(), 499);
        let slow = Error::new(Outcome::RequestTimeout);
        let (slow, failure) = watched(body(vec![Err(slow.into())]), 9);
        assert!(slow.collect(100).await.is_err());
        assert_eq!(failure.explain(Error::internal("?")).status(), 408);
    }
}
