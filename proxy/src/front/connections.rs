//! The connections of a listener, each a task: from their first byte to their end, and all of them at the end.

use std::net::SocketAddr;
use std::sync::Arc;

use common::service::HttpService;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::crowd::Crowd;
use super::stream::{Link, Stream};
use super::{Entrance, Limits, Place};

/// All of them.
pub(super) struct Connections {
    service: HttpService,
    limits: Limits,
    builder: http1::Builder,
    graceful: GracefulShutdown,
    /// Dropped when connections that have not said anything are to end.
    silence: watch::Sender<()>,
    tasks: JoinSet<()>,
    crowd: Arc<Crowd>,
}

impl Connections {
    pub(super) fn new(service: HttpService, limits: Limits) -> Self {
        Self {
            service,
            limits,
            builder: super::builder(&limits),
            graceful: GracefulShutdown::new(),
            silence: watch::Sender::new(()),
            tasks: JoinSet::new(),
            crowd: Arc::default(),
        }
    }

    pub(super) fn add(&mut self, stream: TcpStream, peer: SocketAddr, place: Place) {
        // Answers are written whole; waiting for more to send would only delay them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, "TCP_NODELAY cannot be set: {error}");
        }
        let guest = Guest {
            service: self.service.clone(),
            builder: self.builder.clone(),
            watcher: self.graceful.watcher(),
            crowd: Arc::clone(&self.crowd),
            limits: self.limits,
            peer,
        };
        let idle_timeout = self.limits.idle_timeout;
        let mut silence = self.silence.subscribe();
        self.tasks.spawn(async move {
            let (_place, mut first) = (place, [0]);
            // Until it says something a connection is no more than this. (A new socket counts as readable; only a look
            // tells.)
            tokio::select! {
                spoken = timeout(idle_timeout, stream.peek(&mut first)) => if !matches!(spoken, Ok(Ok(_))) {
                    return;
                },
                _ = silence.changed() => return,
            }
            Box::pin(guest.serve(stream)).await;
        });
    }

    /// Takes on whoever waits to be accepted, and closes the listener: a connection that the kernel has made already
    /// would be reset with it.
    pub(super) fn add_waiting(&mut self, listener: TcpListener, places: &Arc<Semaphore>) {
        let Ok(listener) = listener.into_std() else { return };
        while let Ok(place) = Arc::clone(places).try_acquire_owned()
            && let Ok((stream, peer)) = listener.accept()
        {
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream));
            match stream {
                Ok(stream) => self.add(stream, peer, place),
                Err(error) => tracing::debug!(%peer, "a connection cannot be taken on: {error}"),
            }
        }
    }

    /// Waits for one to end; for ever while there is none.
    pub(super) async fn one_ended(&mut self) {
        if self.tasks.join_next().await.is_none() {
            std::future::pending::<()>().await;
        }
    }

    /// From now on each answer says that it is the last on its connection.
    pub(super) fn announce_end(&self) {
        self.crowd.end();
    }

    /// Waits for all to end: for a while of themselves, as each answer now says that it is the last, so that no client
    /// is cut that is just sending its next request; then those that rest are closed, and what is under way ends.
    pub(super) async fn drain(mut self) {
        let lame_duck = self.limits.lame_duck_timeout.min(self.limits.drain_timeout);
        let all_ended = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(lame_duck, all_ended).await.is_ok() {
            return;
        }
        drop(self.silence);
        let rest = self.limits.drain_timeout.saturating_sub(lame_duck);
        if timeout(rest, self.graceful.shutdown()).await.is_err() {
            tracing::warn!(
                connections = self.tasks.len(),
                "requests were still under way after drain_timeout; they are broken off"
            );
        }
        self.tasks.shutdown().await;
    }
}

/// A connection, and what it is served with.
struct Guest {
    service: HttpService,
    builder: http1::Builder,
    watcher: Watcher,
    crowd: Arc<Crowd>,
    limits: Limits,
    peer: SocketAddr,
}

impl Guest {
    async fn serve(self, stream: TcpStream) {
        let (limits, peer, link) = (self.limits, self.peer, Link::default());
        let stream = Stream::new(
            stream,
            limits.header_timeout,
            limits.client_timeout,
            link.clone(),
            self.crowd.join(),
        );
        let entrance = Entrance {
            service: self.service,
            peer,
            limits,
            link,
            crowd: self.crowd,
        };
        let connection = self.builder.serve_connection(TokioIo::new(stream), entrance);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%peer, "connection broken off: {error}");
        }
    }
}
