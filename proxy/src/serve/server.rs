//! A server that runs, until it is stopped.

use std::net::SocketAddr;

use common::Error;
use common::config::{Config, Mistakes};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::first_start::FirstStart;
use super::renewal::Renewal;
use super::{Part, Plan};

/// A running server.
#[derive(Debug)]
pub struct Server {
    pub(super) address: SocketAddr,
    pub(super) renewal: Renewal,
    pub(super) first_start: Option<FirstStart>,
    /// A first start that could not be completed before clients were served.
    pub(super) late_first_start: Option<oneshot::Receiver<FirstStart>>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) ended: JoinHandle<Result<(), Error>>,
}

impl Server {
    /// Reads `config`, opens the whole store and listens.
    ///
    /// # Errors
    /// All mistakes in the configuration, or what could not be opened.
    pub async fn start(config: Config) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Plan::new(Part::Everything, config)?.start().await?)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a first start has to tell.
    pub fn first_start(&self) -> Option<&FirstStart> {
        self.first_start.as_ref()
    }

    /// Waits for what a first start has to tell whose database was not there at once; for ever, where there is nothing, or
    /// nothing more.
    pub async fn late_first_start(&mut self) -> FirstStart {
        if let Some(waiting) = &mut self.late_first_start {
            let told = waiting.await;
            self.late_first_start = None;
            if let Ok(told) = told {
                return told;
            }
        }
        std::future::pending().await
    }

    /// Takes over what `config` says, for all requests from now on; none that is under way notices. Settings that hold
    /// only after a restart stay as they were; they are returned as `[section] key`.
    ///
    /// # Errors
    /// Everything that is wrong; then nothing has changed.
    pub fn renew(&self, config: Config) -> Result<Vec<String>, Mistakes> {
        self.renewal.renew(config)
    }

    /// Lets requests that are under way end, and closes everything.
    ///
    /// # Errors
    /// When the last state could not be written down; what was acknowledged is kept nevertheless.
    pub async fn stop(self) -> Result<(), Error> {
        self.stop.send_replace(true);
        self.ended.await.map_err(Error::internal)?
    }
}
