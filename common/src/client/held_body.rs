//! A request's body on its way to another process: not touched before that process asks for it, so that a refusal
//! finds it unread; and broken off together with the exchange.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Body;
use crate::body::BoxError;

/// How far a body is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nobody has asked for it yet.
    Held,
    /// It is being sent.
    Flowing,
    /// All of it is sent.
    Sent,
    /// It failed, or was taken back.
    Over,
}

/// The end that the connection sends.
struct Sending(Arc<Shared>);

/// The end that decides. Dropping it takes back what was not sent, which breaks the connection off.
#[derive(Debug)]
pub(super) struct HeldBody(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Never contended for long: who polls the body and who decides take turns.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Since when the other process has to do something; `None` while it waits for the body.
    owed_since: Option<Instant>,
    body: Option<Body>,
    failure: Option<BoxError>,
    waker: Option<Waker>,
}

impl HeldBody {
    /// Holds `body`; what is returned beside is to be sent.
    pub(super) fn new(body: Body) -> (Self, Body) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                phase: Phase::Held,
                owed_since: Some(Instant::now()),
                body: Some(body),
                failure: None,
                waker: None,
            }),
        });
        (Self(Arc::clone(&shared)), Body::new(Sending(shared)))
    }

    /// What lets the body flow when it is called.
    pub(super) fn opener(&self) -> impl Fn() + Send + Sync + 'static {
        let shared = Arc::clone(&self.0);
        move || shared.go_on(Phase::Held, Phase::Flowing)
    }

    /// Since when the other process has neither asked for the body, nor for more of it, nor answered; `None` while it
    /// waits for whoever makes the body.
    pub(super) fn owed_since(&self) -> Option<Instant> {
        self.0.state.lock().owed_since
    }

    /// The body, when nobody has asked for it. It cannot be sent any more then.
    pub(super) fn take_unread(&self) -> Option<Body> {
        let mut state = self.0.state.lock();
        if state.phase != Phase::Held {
            return None;
        }
        state.phase = Phase::Over;
        state.wake();
        state.body.take()
    }

    /// What the body itself failed with.
    pub(super) fn take_failure(&self) -> Option<BoxError> {
        self.0.state.lock().failure.take()
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        if state.phase != Phase::Sent {
            state.phase = Phase::Over;
            state.body = None;
            state.wake();
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        // A body of known length is let go without its end having been asked for.
        self.0.go_on(Phase::Flowing, Phase::Sent);
    }
}

impl Shared {
    fn go_on(&self, from: Phase, to: Phase) {
        let mut state = self.state.lock();
        if state.phase == from {
            state.phase = to;
            state.owed_since = Some(Instant::now());
            state.wake();
        }
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl http_body::Body for Sending {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.0.state.lock();
        let phase = state.phase;
        let polled = match (&mut state.body, phase) {
            (Some(body), Phase::Flowing) => Pin::new(body).poll_frame(context),
            (Some(_), Phase::Held) => Poll::Pending,
            (_, Phase::Sent) => return Poll::Ready(None),
            _ => return Poll::Ready(Some(Err("the body was taken back".into()))),
        };
        match polled {
            Poll::Pending => {
                state.waker = Some(context.waker().clone());
                if phase == Phase::Flowing {
                    state.owed_since = None;
                }
                Poll::Pending
            }
            Poll::Ready(Some(Ok(frame))) => {
                state.owed_since = Some(Instant::now());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                state.body = None;
                state.failure = Some(error);
                state.phase = Phase::Over;
                Poll::Ready(Some(Err("the body broke off".into())))
            }
            Poll::Ready(None) => {
                state.body = None;
                state.phase = Phase::Sent;
                state.owed_since = Some(Instant::now());
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // The end is always asked for, so that `Sent` is told.
        false
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.0.state.lock();
        state
            .body
            .as_ref()
            .map_or_else(SizeHint::default, http_body::Body::size_hint)
    }
}
