//! The circuit breaker: when the database is away, nobody waits for it.
//!
//! One time-out opens it. While it is open every request is refused at once, also those that wait already, and one
//! task tries the database once a second. The first try that gets the lock of a writer closes it.

use std::time::Duration;

use common::Error;
use tokio::sync::watch;

use crate::sql::{Connector, Failure, Role};

/// The pause between two tries.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Open (the database is away) or closed (it is there).
#[derive(Debug)]
pub(crate) struct Breaker {
    open: watch::Sender<bool>,
}

impl Breaker {
    /// A closed one.
    pub(crate) fn new() -> Self {
        Self {
            open: watch::Sender::new(false),
        }
    }

    /// The database did not answer.
    pub(crate) fn open(&self, failure: &Failure) {
        if !self.open.send_replace(true) {
            tracing::warn!(%failure, "the database is away; requests that need it are refused");
        }
    }

    /// Whether the database counts as away.
    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until the database is there.
    pub(crate) async fn closed(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.open.subscribe().wait_for(|open| !open).await;
    }

    /// Does `work`, but no longer than the database is there.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut state = self.open.subscribe();
        tokio::select! {
            biased;
            _ = state.wait_for(|open| *open) => Err(Failure::Timeout.into()),
            done = work => done,
        }
    }

    /// Tries the database while it is away, for ever.
    pub(crate) async fn probe(&self, connector: &Connector) {
        let mut state = self.open.subscribe();
        while state.wait_for(|open| *open).await.is_ok() {
            tokio::time::sleep(PROBE_INTERVAL).await;
            if let Ok(()) = try_once(connector).await {
                self.open.send_replace(false);
                tracing::info!("the database is there again");
            }
        }
    }
}

async fn try_once(connector: &Connector) -> Result<(), Failure> {
    let mut connection = connector.connect(Role::Writer).await?;
    connection.begin_write().await?;
    crate::table::policy::lock(&mut connection).await?;
    connection.rollback().await?;
    connection.close().await;
    Ok(())
}
