//! The trash is emptied in the background, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use common::Error;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::journal::Position;
use crate::node::WriteId;
use crate::owner::Owner;

/// So many files and directories are removed in one step.
const STEP: usize = 64;

/// After a step nothing is removed for as long as it took, times this while others change something.
const PATIENCE: u32 = 4;

/// The longest pause between two steps.
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// Between two attempts while the storage fails.
const RETRY: Duration = Duration::from_secs(5);

/// What whoever empties the trash is told.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    work: Notify,
    /// Directories that left the tree and were not released, each with where the journal says so.
    detached: Mutex<Vec<(Position, WriteId)>>,
}

impl Reaper {
    /// There may be something in the trash.
    pub(crate) fn wake(&self) {
        self.work.notify_one();
    }

    /// A directory left the tree, as the journal says there. Before that is durable a start would look for it in the trash.
    pub(crate) fn note(&self, position: Position, id: WriteId) {
        self.detached.lock().push((position, id));
        self.wake();
    }
}

impl Owner {
    /// Empties the trash until `stop` changes: at first what an earlier process left.
    pub(crate) async fn reap(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let begun = Instant::now();
            let pause = match self.reap_some().await {
                Ok(true) if self.is_busy() => (begun.elapsed() * PATIENCE).min(MAX_PAUSE),
                Ok(true) => begun.elapsed().min(MAX_PAUSE),
                Ok(false) => {
                    tokio::select! {
                        () = self.reaper.work.notified() => continue,
                        _ = stop.changed() => return,
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the trash cannot be emptied");
                    RETRY
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stop.changed() => return,
            }
        }
    }

    /// Removes a little of the trash; `false`: nothing is left there.
    async fn reap_some(&self) -> Result<bool, Error> {
        self.release_detached().await?;
        Ok(self.engine.reap(STEP).await?)
    }

    /// Releases what the journal durably says of that it left the tree.
    async fn release_detached(&self) -> Result<(), Error> {
        let last = {
            let detached = self.reaper.detached.lock();
            detached.iter().map(|&(position, _)| position).max()
        };
        let Some(last) = last else { return Ok(()) };
        self.journal.sync(last).await?;
        let mut detached = self.reaper.detached.lock();
        detached.retain(|&(position, id)| {
            let is_durable = position <= last;
            if is_durable {
                self.engine.release(id);
            }
            !is_durable
        });
        Ok(())
    }
}
