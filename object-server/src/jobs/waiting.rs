//! What a job does when a step fails because the lease of the storage is late: it waits until that is renewed, and does the step
//! again. So all steps are made that doing them twice does no harm.
//!
//! What the job has done so far stays done and shown. Who ends it need not wait; who asked for it is judged anew before it goes on.
//! When another server has taken the storage over, the job stops here without an end: it is that one's from then on.

use std::time::Duration;

use common::Error;
use tokio::time::Instant;

use super::{End, Handle};
use crate::owner::Owner;

/// So long a step waits in all; then the job fails.
const LONGEST: Duration = Duration::from_secs(600);
/// The journal needs a moment longer than the lease.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two attempts of a step that fails for another reason, where it is done in any case.
const RETRY: Duration = Duration::from_secs(5);

/// The attempts of one step.
#[derive(Debug)]
pub(crate) struct Waiting<'a> {
    owner: &'a Owner,
    handle: &'a Handle,
    persistence: Persistence,
    /// When it ends at the latest, once it has begun.
    until: Option<Instant>,
}

/// What keeps a step from being given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Persistence {
    /// Nothing but a late lease, as long as the job is to go on.
    WhileWanted,
    /// The same, whether the job is wanted or not, as it cannot be taken back, or has to be cleaned up after.
    Decided,
    /// Everything.
    InAnyCase,
}

impl Owner {
    /// Does a step of a job, if need be again and again while the lease is late.
    ///
    /// # Errors
    /// What the step fails with; the job is not to go on.
    pub(crate) async fn insist<T, E, F>(&self, handle: &Handle, step: impl Fn() -> F) -> Result<T, End>
    where
        E: Into<End>,
        F: Future<Output = Result<T, E>>,
    {
        Waiting::new(self, handle).insist(step).await
    }
}

impl<'a> Waiting<'a> {
    /// Of a step that is done as long as the job is to go on.
    pub(crate) const fn new(owner: &'a Owner, handle: &'a Handle) -> Self {
        Self {
            owner,
            handle,
            persistence: Persistence::WhileWanted,
            until: None,
        }
    }

    /// Of one that only the end of the server keeps from being done.
    pub(crate) const fn decided(owner: &'a Owner, handle: &'a Handle) -> Self {
        Self {
            persistence: Persistence::Decided,
            ..Self::new(owner, handle)
        }
    }

    /// Of one that nobody else could do: whatever it fails with, it is tried again.
    pub(crate) const fn in_any_case(owner: &'a Owner, handle: &'a Handle) -> Self {
        Self {
            persistence: Persistence::InAnyCase,
            ..Self::new(owner, handle)
        }
    }

    /// Does the step until it is done.
    ///
    /// # Errors
    /// What it fails with; the job is not to go on.
    pub(crate) async fn insist<T, E, F>(mut self, step: impl Fn() -> F) -> Result<T, End>
    where
        E: Into<End>,
        F: Future<Output = Result<T, E>>,
    {
        loop {
            match step().await {
                Ok(done) => return Ok(done),
                Err(error) => self.after(error).await?,
            }
        }
    }

    /// Whether an attempt has failed: then what was to be done may be done.
    pub(crate) const fn has_begun(&self) -> bool {
        self.until.is_some()
    }

    /// Waits after an attempt that failed until the next one may help.
    ///
    /// # Errors
    /// No other one does: what it failed with, or that the job is not to go on.
    pub(crate) async fn after(&mut self, failure: impl Into<End>) -> Result<(), End> {
        let error = match failure.into() {
            End::Failed(error) => error,
            end => return Err(end),
        };
        if self.owner.lease.is_lost() {
            return Err(End::Stopped);
        }
        self.check()?;
        if self.owner.lease.explains(&error) {
            return self.renewed().await;
        }
        if self.persistence != Persistence::InAnyCase {
            return Err(End::Failed(error));
        }
        let account = self.handle.stored().job.account;
        tracing::warn!(%account, %error, "a deleted account cannot be removed; it is tried again");
        self.unless_ended(tokio::time::sleep(RETRY)).await
    }

    /// Waits until the lease is renewed, and the guards let the job go on.
    ///
    /// # Errors
    /// The job is not to go on; it was waited for too long.
    pub(crate) async fn renewed(&mut self) -> Result<(), End> {
        let id = self.handle.stored().job.id;
        let now = Instant::now();
        let until = *self.until.get_or_insert_with(|| {
            tracing::warn!(job = id, "a job waits until the lease of the storage is renewed");
            now + LONGEST
        });
        match self.persistence {
            Persistence::InAnyCase => self.held().await?,
            _ if now >= until => return Err(too_long().into()),
            _ => match tokio::time::timeout_at(until, self.held()).await {
                Ok(held) => held?,
                Err(_) => return Err(too_long().into()),
            },
        }
        self.unless_ended(tokio::time::sleep(PAUSE)).await?;
        if self.persistence == Persistence::WhileWanted && self.handle.does_answer_to_guards() {
            self.owner.ask_first(self.handle).await?;
        }
        Ok(())
    }

    async fn held(&self) -> Result<(), End> {
        let held = self.unless_ended(self.owner.lease.held()).await?;
        held.map_err(|_lost| End::Stopped)
    }

    fn check(&self) -> Result<(), End> {
        match self.persistence {
            Persistence::Decided => self.handle.check_stopped(),
            Persistence::WhileWanted | Persistence::InAnyCase => self.handle.check(),
        }
    }

    async fn unless_ended<T>(&self, awaited: impl Future<Output = T>) -> Result<T, End> {
        match self.persistence {
            Persistence::Decided => self.handle.unless_stopped(awaited).await,
            Persistence::WhileWanted | Persistence::InAnyCase => self.handle.unless_ended(awaited).await,
        }
    }
}

fn too_long() -> Error {
    const TEXT: &str = "The lease of the storage could not be renewed for ten minutes.";
    Error::unavailable("the lease of the storage is late", None).with_text(TEXT)
}
