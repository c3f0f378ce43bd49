//! Removals of accounts. They wait by themselves, one behind the other and as long as need be, and take no other job's place.

use std::sync::Arc;
use std::time::Duration;

use common::{Clock, Error};

use super::handle::Handle;
use super::store::{self, Stored};
use super::{End, Jobs, PATIENCE, Waiting};
use crate::owner::Owner;

impl Jobs {
    /// Those of this account that have not ended.
    fn active_of(&self, account_id: u64) -> Vec<Handle> {
        let state = self.state.lock();
        let handles = state.active.values();
        handles
            .filter(|handle| handle.stored().account_id == account_id)
            .cloned()
            .collect()
    }
}

impl Owner {
    /// Begins the removal of an account, when its time has come. `handle` is what was taken on.
    pub(crate) fn begin_removal(self: &Arc<Self>, handle: Handle) {
        self.jobs.removals.send_modify(|removals| *removals += 1);
        let owner = Arc::clone(self);
        tokio::spawn(async move {
            match handle.unless_ended(owner.turn_of(&handle)).await {
                Ok(Ok(turn)) => {
                    Arc::clone(&owner).carry_out(&handle).await;
                    drop(turn);
                }
                Ok(Err(error)) => owner.end_job(&handle, Err(End::Failed(error))).await,
                Err(end) => owner.end_job(&handle, Err(end)).await,
            }
            owner.jobs.removals.send_modify(|removals| *removals -= 1);
        });
    }

    /// Ends a job that was taken on and cannot be begun.
    pub(crate) async fn give_up(self: &Arc<Self>, handle: &Handle) {
        self.end_unbegun(handle);
        if self.lease.check().is_ok() {
            handle.ended(PATIENCE).await;
        }
    }

    /// Waits until the account has been kept as long as it is to be, and no other one is being removed.
    async fn turn_of(&self, handle: &Handle) -> Result<tokio::sync::OwnedSemaphorePermit, Error> {
        let delay = self.settings.delay_reaping.0;
        let kept = Clock::now()
            .seconds()
            .saturating_sub(handle.stored().job.created.seconds());
        tokio::time::sleep(delay.saturating_sub(Duration::from_secs(kept))).await;
        let turn = Arc::clone(&self.jobs.removal_turn).acquire_owned();
        turn.await.map_err(Error::internal)
    }

    /// Ends all other jobs of the account of this one.
    pub(crate) async fn end_other_jobs(self: &Arc<Self>, job: &Stored) {
        for handle in self.jobs.active_of(job.account_id) {
            let id = handle.stored().job.id;
            if id != job.job.id {
                self.cancel(&handle, &id).await;
            }
        }
    }

    /// Ends the removal of an account: with it goes all that is known of the account, the job itself as the last.
    pub(super) async fn end_removal(&self, handle: &Handle) {
        let stored = handle.stored();
        let mut waiting = Waiting::in_any_case(self, handle);
        let removed = loop {
            let nobody_writes = self.writing_down.lock().await;
            let Err(why) = self.lease.check() else {
                break store::remove_all(&self.jobs.state_directory, &stored).await;
            };
            drop(nobody_writes);
            if waiting.after(Error::from(why)).await.is_err() {
                // The next start, or who has the storage now, does it.
                return;
            }
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "what is known of a removed account could not be removed; the next start tries again");
        }
        handle.change(|job| {
            job.state = common::functional::job::State::Done;
            job.ended = Some(Clock::now());
        });
        self.jobs.state.lock().active.remove(&stored.job.id);
        handle.say_ended();
    }
}
