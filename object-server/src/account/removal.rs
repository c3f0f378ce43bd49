//! The end of an account. It is marked deleted, durably, and from then on answers 410 wherever it is asked for; nothing in it
//! changes any more, and the mirror has nothing of it. A job then removes what it holds, and at last the account itself: its name
//! may be another one's after that, its number never is.
//!
//! The job begins anew after each start, and each of its steps finds done what was. Nothing that fails, and no database that is
//! away, ends it: it waits, as nobody else could bring it to its end.

use std::sync::Arc;
use std::time::Duration;

use common::functional::Context;
use common::functional::account::{Delete, Written};
use common::{Body, Error, Outcome};

use crate::engine::EngineError;
use crate::jobs::{End, Handle, Stored, Waiting, Wanted, Work};
use crate::node::{AccountAttributes, State, WriteId};
use crate::owner::{Account, Container, Owner};

/// How often it is looked whether the trash has been emptied.
const LOOK: Duration = Duration::from_millis(50);

/// So long it is waited for the mirror before it is asked again.
const PATIENCE: Duration = Duration::from_secs(1);

impl Owner {
    pub(crate) async fn delete_account(
        self: &Arc<Self>,
        delete: Delete,
        context: &Context,
    ) -> Result<Written, Error> {
        let (account, _) = self
            .admit_switch(&delete.account, None, context, Body::empty())
            .await?;
        let account = account.filter(|account| !account.is_deleted());
        let account = account.ok_or_else(Error::not_found)?;
        account.check_enabled()?;
        let (owner, context) = (Arc::clone(self), context.clone());
        super::uncancelled(async move {
            // Written down before the mark, so that no account is deleted that nobody removes.
            let wanted = Wanted {
                work: Work::RemoveAccount,
                source: None,
                destination: None,
            };
            let job = owner.take_on(&account, wanted, &context).await?;
            match owner.mark_deleted(account, &context).await {
                Ok(()) => {
                    owner.begin_removal(job);
                    Ok(Written { created: false })
                }
                Err(error) => {
                    owner.give_up(&job).await;
                    Err(error)
                }
            }
        })
        .await
    }

    async fn mark_deleted(self: &Arc<Self>, account: Arc<Account>, context: &Context) -> Result<(), Error> {
        let now = context.timestamp;
        let mark = move |attributes: &mut AccountAttributes| {
            if attributes.deleted {
                return Err(Error::not_found());
            }
            if attributes.state == State::Disabled {
                return Err(Outcome::Disabled.into());
            }
            attributes.deleted = true;
            attributes.timestamp = attributes.timestamp.max(now);
            Ok(())
        };
        self.change_account(account, "account/delete", context, mark)
            .await
    }
}

/// Removes a deleted account with all it holds, as its job.
pub(crate) async fn remove(owner: &Arc<Owner>, job: &Stored, handle: &Handle) -> Result<(), End> {
    let removal = Removal { owner, job, handle };
    let name = &job.job.account;
    let account = removal.insist(|| async { owner.account(name).await }).await?;
    if let Some(account) = account.filter(|account| account.account_id == job.account_id) {
        if !account.is_deleted() {
            // The server ended before it was marked, and whoever asked for it was not told that it was.
            return Err(End::Cancelled);
        }
        owner.end_other_jobs(job).await;
        removal.empty(&account).await?;
        removal.wait_for_followers(&account).await?;
    }
    removal.insist(|| removal.forget()).await
}

struct Removal<'a> {
    owner: &'a Arc<Owner>,
    job: &'a Stored,
    handle: &'a Handle,
}

impl Removal<'_> {
    /// Removes what the account holds: each container leaves the tree in one step, and what was in it is reaped in many.
    async fn empty(&self, account: &Account) -> Result<(), End> {
        self.handle.expect(account.info().objects);
        for container in account.containers() {
            let id = self.insist(|| self.detach(account, &container)).await?;
            self.owner.reaper.wake();
            while self.insist(|| self.is_in_trash(id)).await? {
                self.handle.unless_ended(tokio::time::sleep(LOOK)).await?;
            }
            let count = account.count(&container.name);
            self.handle.advance(count.objects, count.bytes);
        }
        Ok(())
    }

    async fn detach(&self, account: &Account, container: &Container) -> Result<WriteId, Error> {
        let id = WriteId::random()?;
        let detached = self
            .owner
            .engine
            .detach_container(&account.name, &container.name, id)
            .await;
        self.owner
            .tree_listing
            .forget_container(&account.name, &container.name);
        match detached {
            Ok(_) | Err(EngineError::NoContainer) => Ok(id),
            Err(error) => Err(error.into()),
        }
    }

    async fn is_in_trash(&self, id: WriteId) -> Result<bool, Error> {
        Ok(self.owner.engine.is_in_trash(id).await?)
    }

    /// Waits until the mirror has let go of the account, and all records of what was done in it have arrived: afterwards nobody
    /// knows whose they are.
    async fn wait_for_followers(&self, account: &Account) -> Result<(), End> {
        let (owner, account_id) = (self.owner, account.account_id);
        while !self
            .handle
            .unless_ended(owner.feed.reached(account_id, account.last_seq(), PATIENCE))
            .await?
        {
            self.handle.unless_ended(tokio::time::sleep(PATIENCE)).await?;
        }
        let position = owner.journal.position();
        while owner
            .records
            .oldest_needed()
            .is_some_and(|oldest| oldest < position)
        {
            self.handle.unless_ended(tokio::time::sleep(LOOK)).await?;
        }
        Ok(())
    }

    /// Removes what is left of the account in storage, and then in memory.
    async fn forget(&self) -> Result<(), Error> {
        let (name, account_id) = (&self.job.job.account, self.job.account_id);
        let _loading = self.owner.loading.lock().await;
        let removed = self
            .owner
            .engine
            .remove_account(name, account_id, WriteId::random()?);
        removed.await?;
        self.owner.reaper.wake();
        if let Some(account) = self.owner.load(name).await?
            && account.account_id == account_id
        {
            self.owner.remove_account(&account);
        }
        Ok(())
    }

    /// Does a step until it is done.
    async fn insist<T, F>(&self, step: impl Fn() -> F) -> Result<T, End>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.handle.check()?;
        Waiting::in_any_case(self.owner, self.handle).insist(step).await
    }
}
