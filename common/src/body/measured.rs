//! A body that says how many bytes went through it, and how it ended.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};

use super::{Body, BoxError};

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every byte went through.
    Complete,
    /// It failed in the middle.
    Failed,
    /// Nobody wanted the rest: the client hung up, or the request was given up.
    Dropped,
}

/// Wraps `body`; `report` is called exactly once, with the bytes that went through and how it ended.
pub fn measured(body: Body, report: impl FnOnce(u64, End) + Send + 'static) -> Body {
    Body::new(Measured {
        body,
        bytes: 0,
        report: Some(Box::new(report)),
    })
}

struct Measured {
    body: Body,
    bytes: u64,
    report: Option<Box<dyn FnOnce(u64, End) + Send>>,
}

impl Measured {
    fn end(&mut self, end: End) {
        if let Some(report) = self.report.take() {
            report(self.bytes, end);
        }
    }
}

impl http_body::Body for Measured {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        match &frame {
            Some(Ok(frame)) => self.bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            Some(Err(_)) => self.end(End::Failed),
            None => self.end(End::Complete),
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

impl Drop for Measured {
    fn drop(&mut self) {
        // A reader that trusts `is_end_stream` or the length never asks for the frame behind the last.
        let complete = self.body.is_end_stream() || self.body.exact_length() == Some(0);
        self.end(if complete { End::Complete } else { End::Dropped });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    use parking_lot::Mutex;

    type Reports = Arc<Mutex<Vec<(u64, End)>>>;

    fn watched(body: Body) -> (Body, Reports) {
        let reports = Reports::default();
        let sink = Arc::clone(&reports);
        (
            measured(body, move |bytes, end| sink.lock().push((bytes, end))),
            reports,
        )
    }

    fn two_frames(second: Result<Bytes, BoxError>) -> Body {
        Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"abc")), second]))
    }

    #[tokio::test]
    async fn reports_a_complete_body_once() {
        let (body, reports) = watched(two_frames(Ok(Bytes::from_static(b"de"))));
        assert_eq!(body.collect(100).await.unwrap(), "abcde");
        assert_eq!(*reports.lock(), [(5, End::Complete)]);
    }

    #[tokio::test]
    async fn reports_a_failure_in_the_middle() {
        let (body, reports) = watched(two_frames(Err("broken".into())));
        assert!(body.collect(100).await.is_err());
        assert_eq!(*reports.lock(), [(3, End::Failed)]);
    }

    #[tokio::test]
    async fn reports_a_body_dropped_in_the_middle() {
        let (mut body, reports) = watched(two_frames(Ok(Bytes::from_static(b"de"))));
        assert_eq!(body.chunk().await.unwrap().unwrap(), "abc");
        drop(body);
        assert_eq!(*reports.lock(), [(3, End::Dropped)]);
    }

    #[tokio::test]
    async fn an_empty_body_is_complete_when_dropped() {
        let (body, reports) = watched(Body::empty());
        drop(body);
        assert_eq!(*reports.lock(), [(0, End::Complete)]);
    }
}
