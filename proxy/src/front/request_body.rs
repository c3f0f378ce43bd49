//! The body of a request on its way in: broken off when the client falls silent, and looked after when nobody has
//! read it to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use common::body::BoxError;
use common::{Body, Error, Outcome};
use http::HeaderMap;
use http::header::EXPECT;
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::Limits;
use super::crowd::{Crowd, Waiting};
use super::stream::Link;

/// So much of an unread body is read and thrown away, so that the connection can serve the next request.
const MOST_THROWN_AWAY: u64 = 64 * 1024;
/// It must be there within this time.
const THROWING_AWAY: Duration = Duration::from_millis(500);

/// Seconds after which a client may come back whose body was not waited for.
const PAUSE: u64 = 5;

/// A body that gives itself back when it is dropped before its end.
pub(super) struct RequestBody {
    incoming: Option<Incoming>,
    client_timeout: Duration,
    max_waiting: usize,
    silence: Option<Pin<Box<Sleep>>>,
    /// While the client is waited for.
    waiting: Option<Waiting>,
    crowd: Arc<Crowd>,
    state: State,
    link: Link,
    rest: Arc<Mutex<Option<(Incoming, State)>>>,
}

/// How far a body was read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not at all, and the client waits to be asked for it.
    Expected,
    /// Somewhat, or at least the client does not wait.
    Flowing,
    /// As far as it came.
    Failed,
}

/// What became of a request's body, to be settled when the request is answered.
pub(super) struct Unread(Arc<Mutex<Option<(Incoming, State)>>>);

impl RequestBody {
    /// Wraps `incoming`, unless it is empty.
    pub(super) fn wrap(
        incoming: Incoming,
        headers: &HeaderMap,
        limits: &Limits,
        link: &Link,
        crowd: &Arc<Crowd>,
    ) -> (Body, Option<Unread>) {
        link.head_is_read(!incoming.is_end_stream());
        if incoming.is_end_stream() {
            return (Body::empty(), None);
        }
        let waits = headers
            .get(EXPECT)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        let rest = Arc::default();
        let body = Self {
            incoming: Some(incoming),
            client_timeout: limits.client_timeout,
            max_waiting: limits.max_waiting_uploads.get(),
            silence: None,
            waiting: None,
            crowd: Arc::clone(crowd),
            state: if waits { State::Expected } else { State::Flowing },
            link: link.clone(),
            rest: Arc::clone(&rest),
        };
        (Body::new(body), Some(Unread(rest)))
    }

    /// Why the client is not waited for any longer: it has been silent for too long, or too many others are.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<Outcome> {
        if self.waiting.is_none() {
            let Some(waiting) = self.crowd.wait(self.max_waiting) else {
                return Poll::Ready(Outcome::Unavailable(Some(PAUSE)));
            };
            self.waiting = Some(waiting);
            if let Some(silence) = &mut self.silence {
                silence.as_mut().reset(Instant::now() + self.client_timeout);
            }
        }
        let patience = self.client_timeout;
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(patience)));
        silence.as_mut().poll(context).map(|()| Outcome::RequestTimeout)
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(incoming).poll_frame(context);
        if self.state == State::Expected {
            self.state = State::Flowing;
        }
        match polled {
            Poll::Ready(frame) => {
                self.waiting = None;
                match &frame {
                    Some(Ok(_)) => {}
                    Some(Err(_)) => self.state = State::Failed,
                    None => self.incoming = None,
                }
                if self.is_end_stream() {
                    self.link.body_is_read();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
            }
            Poll::Pending => {
                let outcome = std::task::ready!(self.poll_silence(context));
                self.state = State::Failed;
                self.waiting = None;
                Poll::Ready(Some(Err(Error::from(outcome).into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), http_body::Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(incoming) = self.incoming.take() {
            if incoming.is_end_stream() {
                self.link.body_is_read();
            } else {
                *self.rest.lock() = Some((incoming, self.state));
            }
        }
    }
}

impl Unread {
    /// Whether the connection can serve another request: nothing of this one is left, or so little that it was
    /// thrown away at once. Asking a client for a body that nobody wants would be wrong.
    pub(super) async fn settle(self) -> bool {
        let rest = self.0.lock().take();
        let (mut incoming, state) = match rest {
            None => return true,
            Some((_, State::Expected | State::Failed)) => return false,
            Some((incoming, State::Flowing)) => (incoming, State::Flowing),
        };
        debug_assert!(state == State::Flowing);
        if incoming.size_hint().lower() > MOST_THROWN_AWAY {
            return false;
        }
        let read_on = async {
            let mut thrown_away = 0;
            while thrown_away <= MOST_THROWN_AWAY {
                match incoming.frame().await {
                    None => return true,
                    Some(Ok(frame)) => thrown_away += frame.data_ref().map_or(0, |data| data.len() as u64),
                    Some(Err(_)) => return false,
                }
            }
            false
        };
        timeout(THROWING_AWAY, read_on).await.unwrap_or(false)
    }
}
