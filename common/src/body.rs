//! Bodies: what streams through a request or a response, frame by frame.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use http_body::{Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full, Limited, StreamBody};

pub mod counted;
pub mod measured;

/// What goes wrong with a body, on whichever side of it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A stream of bytes of any origin, never held in memory as a whole.
///
/// A newtype and not an alias: with an alias rustc finds the `Send` bound of a boxed filter not general enough.
pub struct Body(UnsyncBoxBody<Bytes, BoxError>);

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self::new(Empty::new())
    }

    /// These bytes, in one frame.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        Self::new(Full::new(bytes.into()))
    }

    /// Any body.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(body.map_err(Into::into).boxed_unsync())
    }

    /// A stream of chunks.
    pub fn from_stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        Self::new(StreamBody::new(stream.map_ok(Frame::data)))
    }

    /// The next chunk of data; trailers are passed over. `None` is the end.
    ///
    /// # Errors
    /// When the other side breaks off or what lies behind the body fails.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            match self.0.frame().await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    Err(_trailers) => {}
                },
                Err(error) => return Some(Err(error)),
            }
        }
    }

    /// The whole body, when it is no longer than `limit` bytes.
    ///
    /// # Errors
    /// [`http_body_util::LengthLimitError`] when it is longer, or the body's own error.
    pub async fn collect(self, limit: usize) -> Result<Bytes, BoxError> {
        Ok(Limited::new(self.0, limit).collect().await?.to_bytes())
    }

    /// The length in bytes, when it is known beforehand.
    pub fn exact_length(&self) -> Option<u64> {
        http_body::Body::size_hint(&self.0).exact()
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Body({:?})",
            http_body::Body::size_hint(&self.0).exact()
        )
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
