//! A request's body that notes when something of it was last taken, and what it failed with.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Body;
use crate::body::BoxError;

/// Tells since when the store owes something: to take more, or to answer. `None` while the source has nothing to send, as
/// a pipe whose other end thinks; that is no fault of the store's.
pub(super) struct Watched {
    body: Body,
    owed_since: Arc<Mutex<Option<Instant>>>,
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Watched {
    /// `body`, watched.
    pub(super) fn body(
        body: Body,
        owed_since: Arc<Mutex<Option<Instant>>>,
        failure: Arc<Mutex<Option<io::Error>>>,
    ) -> Body {
        // A body without bytes is left as it is, so that the client sees that there is none.
        match http_body::Body::is_end_stream(&body) {
            true => body,
            false => Body::new(Self {
                body,
                owed_since,
                failure,
            }),
        }
    }
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        *self.owed_since.lock() = polled.is_ready().then(Instant::now);
        let frame = ready!(polled);
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                let error = match error.downcast::<io::Error>() {
                    Ok(error) => *error,
                    Err(error) => io::Error::other(error),
                };
                *self.failure.lock() = Some(error);
                "the body failed".into()
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
