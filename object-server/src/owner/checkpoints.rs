//! Writes the counters down from time to time and lets go of the journal what nobody needs any more.

use std::sync::Arc;
use std::time::Duration;

use common::Error;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::{Account, Owner};
use crate::checkpoint::{self, Checkpoint};

/// So often counters are written down while changes hold back because the journal is large.
const WHILE_LARGE: Duration = Duration::from_secs(5);

impl Owner {
    /// Runs until `stop` changes: after each interval, and earlier when the journal grows by a file or is large.
    pub(crate) async fn keep_checkpoints(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(self.settings.checkpoint_interval.0);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_large = self.journal.pause().is_some();
            tokio::select! {
                _ = ticks.tick() => {}
                () = tokio::time::sleep(WHILE_LARGE), if is_large => {}
                () = self.journal.grown() => {}
                _ = stop.changed() => return,
            }
            if let Err(error) = self.checkpoint().await {
                tracing::warn!(%error, "the counters could not be written down; the journal keeps growing");
            }
        }
    }

    /// Writes down the counters of every account that changed, and frees the journal behind.
    pub(crate) async fn checkpoint(&self) -> Result<(), Error> {
        let _writing_down = self.writing_down.lock().await;
        // Whatever is appended from here on may be missing from the counters read below.
        let begin = self.journal.position();
        let in_flight = self.in_flight.lock().first().copied();
        let mirror_needs = self.feed.oldest_needed();
        let records_need = self.records.oldest_needed();
        let repeats_need = self
            .repeats
            .oldest_needed()
            .filter(|&from| self.journal.is_near(from));
        let mut checkpoints = Vec::new();
        for account in self.loaded() {
            let mirrored_seq = self.feed.had(account.account_id);
            let mut ledger = account.ledger.lock();
            if ledger.is_dirty || ledger.mirrored_seq != mirrored_seq {
                ledger.is_dirty = false;
                ledger.mirrored_seq = mirrored_seq;
                let mut checkpoint = Checkpoint {
                    account_id: account.account_id,
                    term: account.attributes().term,
                    through_seq: ledger.last_seq,
                    containers: ledger.counters.containers().clone(),
                    mirrored_seq,
                    ..Checkpoint::default()
                };
                ledger.names.write_down(&mut checkpoint);
                checkpoint.limited = ledger.limited.used();
                drop(ledger);
                checkpoints.push((account, checkpoint));
            }
        }
        // What the counters cover must not be lost from the journal: its replay would count it again.
        let written = self.write_down(&checkpoints).await;
        if written.is_err() {
            for (account, _) in &checkpoints {
                account.ledger.lock().is_dirty = true;
            }
        }
        written?;
        let needed = [Some(begin), in_flight, mirror_needs, records_need, repeats_need];
        let needed = needed.into_iter().flatten().min();
        if let Some(needed) = needed {
            self.journal.release(needed).await?;
        }
        Ok(())
    }

    async fn write_down(&self, checkpoints: &[(Arc<Account>, Checkpoint)]) -> Result<(), Error> {
        self.journal.sync(self.journal.position()).await?;
        for (_, checkpoint) in checkpoints {
            checkpoint::save(&self.state_directory, &self.lease, checkpoint.clone()).await?;
        }
        Ok(())
    }
}
