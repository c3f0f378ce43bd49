//! An object-server that waits while another one serves the same storage, and takes over when that one ends.
//!
//! The lock of the root says who serves it. Whoever waits asks for it again and again, and answers all requests with "not the
//! owner" meanwhile. With the lock it opens the storage as any start does: the journal that the other one left is read,
//! what was cut short is brought to an end, and counters are recovered. Each account gets a greater term before anything in it
//! can change (`owner/recovery.rs`).

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::constraints::Constraints;
use common::service::FunctionalService;
use common::{Error, Outcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::engine::EngineError;
use crate::engine::posix::Posix;
use crate::server::ObjectServer;
use crate::settings::Settings;

/// Between two looks whether the other server has ended.
const INTERVAL: Duration = Duration::from_millis(200);
/// Between two attempts to open a storage that is ours now and cannot be opened.
const PAUSE: Duration = Duration::from_secs(1);

/// A server that serves as soon as nobody else does.
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
    mirror: FunctionalService,
}

impl Standby {
    /// Opens the storage at `root` if nobody serves it, or waits in the background until nobody does.
    ///
    /// # Errors
    /// As [`ObjectServer::open`] has them, except that another server is there.
    pub async fn start(
        settings: &Settings,
        root: &Path,
        constraints: Arc<Constraints>,
        mirror: FunctionalService,
    ) -> Result<Self, Error> {
        let opening = Opening {
            settings: settings.clone(),
            root: root.to_owned(),
            constraints,
            mirror,
        };
        let opened: Arc<OnceLock<FunctionalService>> = Arc::default();
        let (stop, stopped) = watch::channel(false);
        let service = {
            let opened = Arc::clone(&opened);
            FunctionalService::from_fn(move |request| match opened.get() {
                Some(owner) => owner.handle(request),
                // Its body goes back with the answer, as nobody has touched it.
                None => Box::pin(std::future::ready(Err(Outcome::NotOwner.into()))),
            })
        };
        let waiting = match opening.engine().await {
            Ok(engine) => {
                let server = opening.open(engine).await?;
                let _first = opened.set(server.service());
                tokio::spawn(std::future::ready(Some(server)))
            }
            Err(EngineError::Taken(what)) => {
                tracing::info!("standing by: another process serves {what}");
                tokio::spawn(opening.wait(opened, stopped))
            }
            Err(error) => return Err(error.into()),
        };
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
    /// Takes the storage, if it is free.
    async fn engine(&self) -> Result<Posix, EngineError> {
        ObjectServer::engine(&self.settings, &self.root).await
    }

    async fn open(&self, engine: Posix) -> Result<ObjectServer, Error> {
        let (constraints, mirror) = (Arc::clone(&self.constraints), self.mirror.clone());
        ObjectServer::open_posix(engine, &self.settings, constraints, mirror).await
    }

    /// Waits until the storage is free, and serves it. `None`: it was told to stop before.
    async fn wait(
        self,
        opened: Arc<OnceLock<FunctionalService>>,
        mut stopped: watch::Receiver<bool>,
    ) -> Option<ObjectServer> {
        loop {
            let pause = match self.take_over().await {
                Ok(Some(server)) => {
                    let _first = opened.set(server.service());
                    tracing::warn!("the other server has ended; this one owns all accounts now");
                    return Some(server);
                }
                Ok(None) => INTERVAL,
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(cause, "the storage is free, and cannot be taken over: {error}");
                    PAUSE
                }
            };
            // Whoever stops it, or drops it, ends the waiting.
            if timeout(pause, stopped.wait_for(|stop| *stop)).await.is_ok() {
                return None;
            }
        }
    }

    /// `None`: the other server is still there.
    async fn take_over(&self) -> Result<Option<ObjectServer>, Error> {
        match self.engine().await {
            Ok(engine) => self.open(engine).await.map(Some),
            Err(EngineError::Taken(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
