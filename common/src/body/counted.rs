//! A body that counts what goes through it, for somebody who may look at any time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::{Body, BoxError};

/// Wraps `body`; the bytes that went through are added to `count`.
pub fn counted(body: Body, count: Arc<AtomicU64>) -> Body {
    Body::new(Counted { body, count })
}

struct Counted {
    body: Body,
    count: Arc<AtomicU64>,
}

impl http_body::Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
            self.count.fetch_add(bytes, Ordering::Relaxed);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_went_through_is_counted() {
        let count = Arc::new(AtomicU64::new(0));
        let frames = [
            Ok(Bytes::from_static(b"abc")),
            Ok(Bytes::from_static(b"de")),
            Err("broken"),
        ];
        let mut body = counted(
            Body::from_stream(futures::stream::iter(frames)),
            Arc::clone(&count),
        );
        let mut seen = Vec::new();
        while let Some(Ok(_)) = body.chunk().await {
            seen.push(count.load(Ordering::Relaxed));
        }
        assert_eq!(seen, [3, 5]);
        assert_eq!(counted(Body::full("four"), count).exact_length(), Some(4));
    }
}
