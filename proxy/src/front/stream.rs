//! The connection's socket: gives up on a client that does not take its answer, and closes so that the last answer
//! arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::crowd::Member;
use super::refusal::{self, RequestLine};

/// A client that goes on sending what was refused is listened to so long at most.
const LINGER: Duration = Duration::from_secs(30);
/// And not longer than this when it sends nothing.
const LINGER_SILENCE: Duration = Duration::from_secs(5);

/// What the socket of a connection and the requests on it tell each other.
#[derive(Clone, Debug, Default)]
pub(super) struct Link(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    heads: AtomicU64,
    is_in_body: AtomicBool,
    lingers: AtomicBool,
    /// A part of an answer was handed out, and nothing was written since.
    is_unsent: AtomicBool,
    /// The next part is waited with until something is written.
    awaits_sending: AtomicBool,
}

impl Link {
    /// The head of a request is there; `has_body` says what comes behind it.
    pub(super) fn head_is_read(&self, has_body: bool) {
        self.0.is_in_body.store(has_body, Ordering::Relaxed);
        self.0.heads.fetch_add(1, Ordering::Relaxed);
    }

    /// What is read from now on is another head.
    pub(super) fn body_is_read(&self) {
        self.0.is_in_body.store(false, Ordering::Relaxed);
    }

    /// Whether the next part of an answer may be read: something was written since the last one. If not, the
    /// connection's task is woken when it is so.
    pub(super) fn may_send_more(&self) -> bool {
        let waits = self.0.is_unsent.load(Ordering::Relaxed);
        self.0.awaits_sending.store(waits, Ordering::Relaxed);
        !waits
    }

    /// A part of an answer was handed out.
    pub(super) fn is_sending(&self) {
        self.0.is_unsent.store(true, Ordering::Relaxed);
    }

    /// Something was written.
    fn has_sent(&self, context: &Context<'_>) {
        if self.0.is_unsent.swap(false, Ordering::Relaxed)
            && self.0.awaits_sending.swap(false, Ordering::Relaxed)
        {
            context.waker().wake_by_ref();
        }
    }

    /// Asks for a careful end: the client may still be sending when the last answer goes out, and a socket that is
    /// closed over unread bytes resets the connection, which can cost the client that answer.
    pub(super) fn linger(&self) {
        self.0.lingers.store(true, Ordering::Relaxed);
    }
}

/// A socket with time-outs for heads and for writing, and with a careful end.
pub(super) struct Stream {
    socket: TcpStream,
    header_timeout: Duration,
    client_timeout: Duration,
    link: Link,
    member: Member,
    /// Bytes of the present head.
    head_bytes: usize,
    /// How many heads there were when the present one began.
    heads: u64,
    /// When the present head began.
    head_since: Option<Instant>,
    /// Runs while the present head is not complete.
    head_time: Option<Pin<Box<Sleep>>>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    lingering: Option<Lingering>,
    /// The first line of the present head.
    request_line: RequestLine,
    /// An answer that takes the place of one of hyper's own, and how much of it is written.
    refusal: Option<(Vec<u8>, usize)>,
}

struct Lingering {
    end: Instant,
    silence: Pin<Box<Sleep>>,
}

impl Stream {
    /// Over `socket`. A head that was begun must be there within `header_timeout`; a client that takes nothing for
    /// `client_timeout` is given up.
    pub(super) fn new(
        socket: TcpStream,
        header_timeout: Duration,
        client_timeout: Duration,
        link: Link,
        member: Member,
    ) -> Self {
        Self {
            socket,
            header_timeout,
            client_timeout,
            link,
            member,
            head_bytes: 0,
            heads: 0,
            head_since: None,
            head_time: None,
            stalled: None,
            lingering: None,
            request_line: RequestLine::default(),
            refusal: None,
        }
    }

    fn with_patience(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.link.has_sent(context);
            self.stalled = None;
            return written;
        }
        let patience = self.client_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads no more at once than there is room for.
    fn poll_socket(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let is_in_body = self.link.0.is_in_body.load(Ordering::Relaxed);
        let Some(most) = self.member.read_at_once(is_in_body) else {
            return Pin::new(&mut self.socket).poll_read(context, buffer);
        };
        // Memory is touched only for what is there.
        ready!(self.socket.poll_read_ready(context))?;
        let size = buffer.remaining().min(most);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(size));
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }

    /// Notes the beginning of a head, and fails one that is not complete in time, or that takes too much while too
    /// many others do. The gaps in a body are the body's
    /// matter, and the time before a head is hyper's.
    fn watch_head(&mut self, context: &mut Context<'_>, has_read: bool) -> Poll<io::Result<()>> {
        let told = &self.link.0;
        let heads = told.heads.load(Ordering::Relaxed);
        if heads != self.heads || told.is_in_body.load(Ordering::Relaxed) {
            self.heads = heads;
            self.head_since = None;
            self.head_time = None;
            self.head_bytes = 0;
            self.member.holds_head(0);
            self.request_line = RequestLine::default();
        }
        if told.is_in_body.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        if has_read {
            self.head_since.get_or_insert_with(Instant::now);
            return Poll::Pending;
        }
        let Some(since) = self.head_since else {
            return Poll::Pending;
        };
        if !self.member.holds_head(self.head_bytes) {
            return Poll::Ready(Err(io::ErrorKind::QuotaExceeded.into()));
        }
        let end = since + self.header_timeout;
        let time = self.head_time.get_or_insert_with(|| Box::pin(sleep_until(end)));
        ready!(time.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Looks whether hyper is about to say by itself that this is no request.
    fn refuse_instead(&mut self, bytes: &[u8]) {
        if self.refusal.is_none()
            && let Some(answer) = refusal::instead_of(bytes, &self.request_line)
        {
            self.refusal = Some((answer, 0));
            self.link.linger();
        }
    }

    /// Writes our answer; hyper hears that its own went out.
    fn poll_refusal(&mut self, context: &mut Context<'_>, length: usize) -> Poll<io::Result<usize>> {
        while let Some((answer, written)) = self.refusal.take() {
            if written == answer.len() {
                self.refusal = Some((answer, written));
                return Poll::Ready(Ok(length));
            }
            let poll = Pin::new(&mut self.socket).poll_write(context, &answer[written..]);
            let more = self.with_patience(context, poll);
            let more_bytes = match more {
                Poll::Ready(Ok(bytes)) => bytes,
                _ => 0,
            };
            self.refusal = Some((answer, written + more_bytes));
            match more {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(_)) => {}
                other => return other,
            }
        }
        Poll::Ready(Ok(length))
    }

    /// Reads and forgets what the client still sends, until it ends, falls silent, or has had its time.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let lingering = self.lingering.get_or_insert_with(|| Lingering {
            end: Instant::now() + LINGER,
            silence: Box::pin(sleep(LINGER_SILENCE)),
        });
        let mut space = [0; 16 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match Pin::new(&mut self.socket).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let silence = Instant::now() + LINGER_SILENCE;
                    lingering.silence.as_mut().reset(silence.min(lingering.end));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return lingering.silence.as_mut().poll(context),
            }
            if Instant::now() >= lingering.end {
                return Poll::Ready(());
            }
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.poll_socket(context, buffer);
        let has_read = buffer.filled().len() > before;
        if (has_read || read.is_pending())
            && let Poll::Ready(late) = self.watch_head(context, has_read)
        {
            return Poll::Ready(late);
        }
        if has_read && self.head_since.is_some() {
            self.head_bytes += buffer.filled().len() - before;
            self.request_line.read(&buffer.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.refuse_instead(bytes);
        if self.refusal.is_some() {
            return self.poll_refusal(context, bytes.len());
        }
        let written = Pin::new(&mut self.socket).poll_write(context, bytes);
        self.with_patience(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(first) = slices.first() {
            self.refuse_instead(first);
        }
        if self.refusal.is_some() {
            return self.poll_refusal(context, slices.iter().map(|slice| slice.len()).sum());
        }
        let written = Pin::new(&mut self.socket).poll_write_vectored(context, slices);
        self.with_patience(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.socket).poll_shutdown(context))?;
        }
        if self.link.0.lingers.load(Ordering::Relaxed) {
            ready!(self.poll_linger(context));
        }
        Poll::Ready(Ok(()))
    }
}
