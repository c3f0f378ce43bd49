//! A reply's body: keeps the place of its exchange, and breaks off when the other process falls silent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep, sleep};

use super::{Remote, breaker};
use crate::body::BoxError;

/// The time runs only while somebody wants more: a slow reader is no silence of the server's.
pub(super) struct ReplyBody {
    incoming: Incoming,
    _place: OwnedSemaphorePermit,
    remote: Arc<Remote>,
    silence: Option<Pin<Box<Sleep>>>,
    is_waiting: bool,
}

impl ReplyBody {
    pub(super) fn new(incoming: Incoming, place: OwnedSemaphorePermit, remote: Arc<Remote>) -> Self {
        Self {
            incoming,
            _place: place,
            remote,
            silence: None,
            is_waiting: false,
        }
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.remote.patience.read;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(patience)));
        if !self.is_waiting {
            silence.as_mut().reset(Instant::now() + patience);
            self.is_waiting = true;
        }
        silence.as_mut().poll(context)
    }
}

impl http_body::Body for ReplyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(context) {
            self.is_waiting = false;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.poll_silence(context));
        breaker::open(&self.remote);
        Poll::Ready(Some(Err("the server fell silent within its answer".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
