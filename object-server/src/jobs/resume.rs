//! After a restart: what had not ended begins anew, and a copy goes on with what of it is durable.

use std::collections::BTreeSet;
use std::sync::Arc;

use common::functional::job::{Job, State};
use common::{Clock, Error, Timestamp};

use super::{Handle, Stored, Waiting, Work, store};
use crate::node::WriteId;
use crate::owner::Owner;

/// Of jobs that were begun so long ago whoever asks again is told after a restart.
const REPEATED_SECONDS: u64 = 61;

impl Owner {
    /// Takes up again what an earlier process had not ended.
    pub(crate) async fn resume_jobs(self: &Arc<Self>) -> Result<(), Error> {
        let since = Timestamp::from_seconds(Clock::now().seconds().saturating_sub(REPEATED_SECONDS));
        let mut resumed = BTreeSet::new();
        for mut stored in store::unended_or_since(&self.jobs.state_directory, since).await? {
            self.remember_answer(&stored);
            if stored.job.state.has_ended() {
                continue;
            }
            stored.job.begin_anew();
            self.forget_unattached(&mut stored).await?;
            resumed.extend(self.resume_build(&mut stored).await?);
            let id = stored.job.id.clone();
            let removed = stored.work.is_removal().then(|| stored.job.account.clone());
            let handle = Handle::new(stored);
            if let Err(error) = self.jobs.enqueue(id.clone(), handle.clone()) {
                tracing::warn!(job = id, %error, "a job could not be taken up again; it waits for the next start");
            } else if let Some(account) = removed {
                self.account(&account).await?;
                self.begin_removal(handle);
            }
        }
        // Whoever builds anything else begins anew.
        for build in self.engine.builds().await? {
            if !resumed.contains(&build) {
                self.engine.drop_build(build).await?;
            }
        }
        self.reaper.wake();
        self.start_jobs();
        Ok(())
    }

    /// Whoever asks for the same again hears of this job.
    fn remember_answer(&self, stored: &Stored) {
        if let Some(request) = stored.work.request(&stored.job) {
            let mut job = stored.job.clone();
            job.begin_anew();
            job.ended = None;
            self.repeats.remember_job(&request, &stored.context, job);
        }
    }

    /// A copy that was complete and is still being built was not attached. That is written down before the build is dropped:
    /// what is gone was attached.
    async fn forget_unattached(&self, stored: &mut Stored) -> Result<(), Error> {
        let Work::CopyDirectory(copy) = &mut stored.work else {
            return Ok(());
        };
        match copy.complete {
            Some(complete) if self.engine.built(complete.build).await?.is_some() => copy.complete = None,
            _ => return Ok(()),
        }
        self.jobs.write_down(stored.clone()).await
    }

    /// The build that a copy goes on with, and how far it is with it.
    async fn resume_build(&self, stored: &mut Stored) -> Result<Option<WriteId>, Error> {
        let Work::CopyDirectory(copy) = &mut stored.work else {
            return Ok(None);
        };
        let Some(mark) = &copy.mark else { return Ok(None) };
        let build = mark.build;
        if self.engine.built(build).await?.is_none() {
            copy.mark = None;
            return Ok(None);
        }
        (stored.job.done, stored.job.bytes) = (mark.objects, mark.bytes);
        tracing::info!(
            job = stored.job.id,
            done = mark.objects,
            "a copy goes on where it was"
        );
        Ok(Some(build))
    }

    /// What a job had built goes with it. Nothing is written down of it any more: what is, is durable.
    pub(super) async fn drop_unended(&self, handle: &Handle) {
        let Some(build) = handle.stored().work.build() else {
            return;
        };
        let dropped = Waiting::decided(self, handle).insist(|| self.engine.drop_build(build));
        match dropped.await {
            Ok(()) => self.reaper.wake(),
            Err(end) => {
                tracing::warn!(
                    ?end,
                    "what a job had built could not be removed; the next start tries again"
                );
            }
        }
    }
}

/// What a job that begins anew has not done yet.
trait BeginAnew {
    fn begin_anew(&mut self);
}

impl BeginAnew for Job {
    fn begin_anew(&mut self) {
        self.state = State::Queued;
        (self.done, self.bytes, self.errors) = (0, 0, 0);
        (self.total, self.error, self.report) = (None, None, None);
    }
}
