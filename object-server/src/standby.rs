//! An object-server that cannot serve its storage yet: another one does, or nobody knows whether there is none yet.
//!
//! **Another one serves it.** The lock of the root says so. Whoever stands by asks for it again and again, and answers all
//! requests with "not the owner" meanwhile. With the lock it opens the storage as any start does: the journal that the other
//! one left is read, what was cut short is brought to an end, and counters are recovered. Each account gets a greater term
//! before anything in it can change (`owner/recovery.rs`).
//!
//! **One on another machine may serve it.** The lock is free, but what it owned it has not given back: its lease has to run
//! out first (`lease.rs`). Who loses the storage that way stands by in its turn, or answers nothing any more.
//!
//! **The root is empty.** That is a new storage, or a disk that is not mounted. Where the storage that was there is remembered
//! (`remembered.rs`) or the mirror has anything in it, nothing is made; while the mirror cannot be asked, that is waited for.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::constraints::Constraints;
use common::functional::search::{Find, Kind};
use common::functional::{self, Context, Reply, Request};
use common::service::FunctionalService;
use common::{Body, Clock, Error, Outcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engine::EngineError;
use crate::engine::posix::{Posix, Watched};
use crate::server::{Neighbours, ObjectServer};
use crate::settings::{Create, Settings};

/// Between two looks whether the storage can be served.
const INTERVAL: Duration = Duration::from_millis(200);
/// Between two attempts to open a storage that is ours now and cannot be opened.
const PAUSE: Duration = Duration::from_secs(1);
/// So long a request waits for that.
const PATIENCE: Duration = Duration::from_secs(2);
/// When clients may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A server that serves as soon as it can.
#[derive(Debug)]
pub struct Standby {
    service: FunctionalService,
    stop: watch::Sender<bool>,
    waiting: JoinHandle<Option<ObjectServer>>,
}

/// What is needed to open a server, again and again.
#[derive(Debug)]
struct Opening {
    settings: Settings,
    root: PathBuf,
    constraints: Arc<Constraints>,
    neighbours: Neighbours,
    watched: Watched,
}

/// What came of an attempt.
enum Tried {
    Opened(ObjectServer),
    Waiting(Why),
}

/// Why it has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// Another server has the storage.
    Taken,
    /// One on another machine may have it.
    Leased,
    /// The storage may be there in truth.
    Unknown,
}

/// Who answers.
#[derive(Clone, Debug)]
enum Answering {
    Owner(FunctionalService),
    Nobody(Why),
}

impl Standby {
    /// Opens the storage at `root`, or goes on trying in the background while it can only be waited for.
    ///
    /// # Errors
    /// As [`ObjectServer::open`] has them; also when the mirror knows that something was stored at an empty root.
    pub async fn start(
        settings: &Settings,
        root: &Path,
        constraints: Arc<Constraints>,
        neighbours: Neighbours,
    ) -> Result<Self, Error> {
        let opening = Opening {
            settings: settings.clone(),
            root: root.to_owned(),
            constraints,
            neighbours,
            watched: Watched::default(),
        };
        let (stop, stopped) = watch::channel(false);
        let tried = opening.attempt().await?;
        if let Tried::Waiting(why) = &tried {
            tracing::warn!("{}", why.told());
        }
        let sender = watch::Sender::new(tried.answering());
        let answering = sender.subscribe();
        let waiting = tokio::spawn(opening.keep(tried, sender, stopped));
        let service = FunctionalService::from_fn(move |request| {
            let now = answering.borrow().clone();
            match now {
                Answering::Owner(owner) => owner.handle(request),
                // The body of the request goes back with the answer, as nobody has touched it.
                Answering::Nobody(Why::Taken | Why::Leased) => {
                    Box::pin(std::future::ready(Err(Outcome::NotOwner.into())))
                }
                Answering::Nobody(Why::Unknown) => Box::pin(when_known(answering.clone(), request)),
            }
        });
        Ok(Self {
            service,
            stop,
            waiting,
        })
    }

    /// Answers functional requests; while another server is the owner, it says so.
    pub fn service(&self) -> FunctionalService {
        self.service.clone()
    }

    /// Closes the server, or gives up waiting. Requests must have ended before.
    ///
    /// # Errors
    /// As [`ObjectServer::close`] has them.
    pub async fn close(self) -> Result<(), Error> {
        self.stop.send_replace(true);
        match self.waiting.await.map_err(Error::internal)? {
            Some(server) => server.close().await,
            None => Ok(()),
        }
    }
}

impl Opening {
    async fn attempt(&self) -> Result<Tried, Error> {
        let engine = match self.engine(true).await {
            Err(EngineError::Missing(_)) if self.settings.create == Create::Always => {
                self.engine(false).await
            }
            Err(EngineError::Missing(_)) if self.settings.create == Create::UnlessKnown => {
                match self.is_known_to_mirror().await {
                    Ok(false) => self.engine(false).await,
                    Ok(true) => return Err(self.is_gone()),
                    Err(error) => {
                        tracing::debug!("the mirror does not say whether anything was stored: {error}");
                        return Ok(Tried::Waiting(Why::Unknown));
                    }
                }
            }
            engine => engine,
        };
        match engine {
            Ok(engine) => {
                let (constraints, neighbours) = (Arc::clone(&self.constraints), self.neighbours.clone());
                let opened = ObjectServer::open_posix(engine, &self.settings, constraints, neighbours).await;
                opened.map(Tried::Opened)
            }
            Err(EngineError::Taken(_)) if self.settings.standby => Ok(Tried::Waiting(Why::Taken)),
            Err(EngineError::Leased(_)) => Ok(Tried::Waiting(Why::Leased)),
            Err(error) => Err(error.into()),
        }
    }

    /// Takes the storage, if it is free.
    async fn engine(&self, must_exist: bool) -> Result<Posix, EngineError> {
        ObjectServer::engine(&self.settings, &self.root, must_exist, &self.watched).await
    }

    /// Whether the mirror has anything in it.
    async fn is_known_to_mirror(&self) -> Result<bool, Error> {
        let find = Find {
            kind: Some(Kind::Container),
            limit: Some(1),
            paths: false,
            ..Find::default()
        };
        let context = Context::internal("start", Clock::now());
        match functional::ask(&self.neighbours.account_server, find, context, Body::empty()).await {
            Ok((found, _)) => Ok(!found.results.is_empty()),
            // There is too much to sort.
            Err(error) if matches!(error.outcome(), Outcome::PreconditionFailed(_)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn is_gone(&self) -> Error {
        let why = format!(
            "{} is empty, and the database knows what was stored there: its disk is not mounted. Mount it; or, to begin a \
             new storage there, start once with create = \"always\" in [object-server]",
            self.root.display()
        );
        Error::unavailable(why, None)
    }

    /// Serves the storage as soon as it can be served, and stands by again when another server has taken it over. The server
    /// that it is when it is told to stop is given back.
    async fn keep(
        self,
        mut tried: Tried,
        answering: watch::Sender<Answering>,
        mut stopped: watch::Receiver<bool>,
    ) -> Option<ObjectServer> {
        loop {
            if let Tried::Opened(server) = tried {
                tokio::select! {
                    () = server.lost() => {}
                    // Whoever stops it, or drops it, ends the waiting.
                    _ = stopped.wait_for(|stop| *stop) => return Some(server),
                }
                answering.send_replace(Answering::Nobody(Why::Taken));
                server.abandon().await;
                if !self.settings.standby {
                    tracing::error!("this server answers nothing any more until it is started again");
                    let _ = stopped.wait_for(|stop| *stop).await;
                    return None;
                }
                tracing::warn!("{}", Why::Taken.told());
            }
            let server = self.wait(&answering, &mut stopped).await?;
            tried = Tried::Opened(server);
        }
    }

    /// Tries until the storage can be served. `None`: it was told to stop before.
    async fn wait(
        &self,
        answering: &watch::Sender<Answering>,
        stopped: &mut watch::Receiver<bool>,
    ) -> Option<ObjectServer> {
        let mut pause = INTERVAL;
        loop {
            if timeout(pause, stopped.wait_for(|stop| *stop)).await.is_ok() {
                return None;
            }
            pause = INTERVAL;
            match self.attempt().await {
                Ok(tried) => {
                    answering.send_replace(tried.answering());
                    if let Tried::Opened(server) = tried {
                        tracing::warn!("the storage is free; this server owns all accounts now");
                        return Some(server);
                    }
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(cause, "the storage cannot be served: {error}");
                    pause = PAUSE;
                }
            }
        }
    }
}

impl Tried {
    fn answering(&self) -> Answering {
        match self {
            Self::Opened(server) => Answering::Owner(server.service()),
            Self::Waiting(why) => Answering::Nobody(*why),
        }
    }
}

impl Why {
    const fn told(self) -> &'static str {
        match self {
            Self::Taken => "standing by, as another process serves the storage",
            Self::Leased => "standing by, as a process on another machine may serve the storage",
            Self::Unknown => {
                "there is no storage yet, and none is made before the database can say that nothing was stored"
            }
        }
    }
}

/// Answers as soon as the storage can be served: who is let in while the database comes back may be quicker than that.
async fn when_known(mut answering: watch::Receiver<Answering>, request: Request) -> Result<Reply, Error> {
    let owner = answering.wait_for(|now| matches!(now, Answering::Owner(_)));
    let now = timeout(PATIENCE, owner)
        .await
        .map(|known| known.map(|now| now.clone()));
    match now {
        Ok(Ok(Answering::Owner(owner))) => owner.handle(request).await,
        _ => Err(Error::unavailable(
            "it is not known whether there is a storage",
            Some(RETRY_AFTER),
        )),
    }
}
