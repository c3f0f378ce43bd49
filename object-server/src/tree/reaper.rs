//! The trash is emptied in the background, a little at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::owner::Owner;

/// So many files and directories are removed in one step.
const STEP: usize = 64;

/// After a step nothing is removed for as long as it took, times this while others change something.
const PATIENCE: u32 = 4;

/// The longest pause between two steps.
const MAX_PAUSE: Duration = Duration::from_millis(200);

/// Between two attempts while the storage fails.
const RETRY: Duration = Duration::from_secs(5);

/// Wakes whoever empties the trash.
#[derive(Debug, Default)]
pub(crate) struct Reaper(Notify);

impl Reaper {
    /// There may be something in the trash.
    pub(crate) fn wake(&self) {
        self.0.notify_one();
    }
}

impl Owner {
    /// Empties the trash until `stop` changes: at first what an earlier process left.
    pub(crate) async fn reap(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let begun = Instant::now();
            let pause = match self.engine.reap(STEP).await {
                Ok(true) if self.is_busy() => (begun.elapsed() * PATIENCE).min(MAX_PAUSE),
                Ok(true) => begun.elapsed().min(MAX_PAUSE),
                Ok(false) => {
                    tokio::select! {
                        () = self.reaper.0.notified() => continue,
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
}
