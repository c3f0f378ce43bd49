//! Several ranges of one object as `multipart/byteranges`, whose length is known before the first byte.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use common::Body;
use common::body::BoxError;
use common::range::ByteRange;
use http_body::{Body as _, Frame, SizeHint};

/// Puts the heads of the parts between the ranges that `body` holds one behind another.
pub(super) fn byteranges(
    body: Body,
    ranges: &[ByteRange],
    size: u64,
    content_type: &str,
    boundary: &str,
) -> Body {
    let mut left = 0;
    let mut parts = VecDeque::with_capacity(ranges.len());
    for (at, range) in ranges.iter().enumerate() {
        let mut head = String::with_capacity(128);
        let line_end = if at == 0 { "" } else { "\r\n" };
        let _infallible = write!(
            head,
            "{line_end}--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: bytes {}-{}/{size}\r\n\r\n",
            range.first, range.last
        );
        left += head.len() as u64 + range.length();
        parts.push_back((Bytes::from(head), range.length()));
    }
    let closing = Bytes::from(format!("\r\n--{boundary}--"));
    left += closing.len() as u64;
    parts.push_back((closing, 0));
    Body::new(Byteranges {
        body,
        parts,
        in_part: 0,
        pending: Bytes::new(),
        left,
    })
}

struct Byteranges {
    body: Body,
    /// The heads still to come, each with the length of what follows it.
    parts: VecDeque<(Bytes, u64)>,
    /// What is missing of the present part.
    in_part: u64,
    /// What was read beyond the present part.
    pending: Bytes,
    left: u64,
}

impl Byteranges {
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Bytes, BoxError>> {
        while self.pending.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                None => return Poll::Ready(Err("the ranges are shorter than announced".into())),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                Some(Ok(frame)) => self.pending = frame.into_data().unwrap_or_default(),
            }
        }
        let length = usize::try_from(self.in_part).unwrap_or(usize::MAX);
        let data = self.pending.split_to(self.pending.len().min(length));
        self.in_part -= data.len() as u64;
        Poll::Ready(Ok(data))
    }
}

impl http_body::Body for Byteranges {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let data = if self.in_part > 0 {
            match std::task::ready!(self.poll_data(context)) {
                Ok(data) => data,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        } else {
            let Some((head, length)) = self.parts.pop_front() else {
                return Poll::Ready(None);
            };
            self.in_part = length;
            head
        };
        self.left = self.left.saturating_sub(data.len() as u64);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && self.in_part == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(list: &[(u64, u64)]) -> Vec<ByteRange> {
        list.iter()
            .map(|&(first, last)| ByteRange { first, last })
            .collect()
    }

    fn chunked(bytes: &[u8], length: usize) -> Body {
        let chunks: Vec<_> = bytes
            .chunks(length)
            .map(|chunk| Ok::<_, BoxError>(Bytes::copy_from_slice(chunk)))
            .collect();
        Body::from_stream(futures::stream::iter(chunks))
    }

    #[tokio::test]
    async fn the_parts_stand_one_behind_another() {
        let body = byteranges(
            chunked(b"0123456", 4),
            &ranges(&[(0, 2), (6, 9)]),
            10,
            "text/plain; charset=x",
            "b",
        );
        let expected = "--b\r\nContent-Type: text/plain; charset=x\r\nContent-Range: bytes 0-2/10\r\n\r\n012\
                        \r\n--b\r\nContent-Type: text/plain; charset=x\r\nContent-Range: bytes 6-9/10\r\n\r\n3456\
                        \r\n--b--";
        assert_eq!(body.exact_length(), Some(expected.len() as u64));
        assert_eq!(body.collect(1000).await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_body_that_ends_early_fails() {
        let mut body = byteranges(chunked(b"01", 4), &ranges(&[(0, 2), (6, 9)]), 10, "a/b", "b");
        assert!(body.chunk().await.unwrap().is_ok());
        assert_eq!(body.chunk().await.unwrap().unwrap(), "01");
        assert!(body.chunk().await.unwrap().is_err());
    }

    proptest! {
        #[test]
        fn the_length_is_exact(lengths in prop::collection::vec(1..50_u64, 1..6), chunk in 1..20_usize) {
            let list: Vec<_> = lengths.iter().map(|&length| (100, 99 + length)).collect();
            let bytes = vec![b'x'; lengths.iter().sum::<u64>() as usize];
            let body = byteranges(chunked(&bytes, chunk), &ranges(&list), 1000, "a/b", "bound");
            let announced = body.exact_length().unwrap();
            let whole = tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(body.collect(100_000)).unwrap();
            prop_assert_eq!(whole.len() as u64, announced);
        }
    }
}
