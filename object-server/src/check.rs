//! Checking an account: storage against mirror both ways, the mirror's tree and totals by themselves, counters against sums, data against its `ETag`; and mending.
//!
//! Nobody is stopped. Objects are walked in byte order beside the pages of the mirror, and what then seems to differ is looked
//! at again with others kept off its name: the mirror is asked for a state that no change of it can be missing in. So what is
//! under way is no difference.

use std::sync::Arc;

use common::functional::Context;
use common::functional::check::{self, Accounts, Adopt, MAX_ACCOUNTS, MAX_EXAMPLES};
use common::functional::job::Job;
use common::name::AccountName;
use common::{Error, Outcome};

use crate::jobs::{End, Handle, Wanted, Work};
use crate::owner::{Account, Owner};

mod adopt;
mod compare;
mod containers;
mod content;
mod count;
mod directories;
mod findings;
mod rows;
mod structure;

use adopt::Adopting;
use compare::Comparison;
pub(crate) use content::{Damage, Data};
use findings::Findings;
use rows::Mirror;

impl Owner {
    pub(crate) async fn check_accounts(&self, page: Accounts) -> Result<check::AccountPage, Error> {
        let mut accounts = self.engine.accounts().await?;
        accounts.sort_unstable();
        if let Some(marker) = page.marker {
            accounts.retain(|account| *account > marker);
        }
        accounts.retain(|account| !self.is_deleted(account));
        accounts.truncate(MAX_ACCOUNTS);
        Ok(check::AccountPage { accounts })
    }

    pub(crate) async fn run_check(
        self: &Arc<Self>,
        run: check::Run,
        context: &Context,
    ) -> Result<Job, Error> {
        let account = self.alive(&run.account).await?;
        self.submit(&account, wanted(Work::Check(run)), context).await
    }

    pub(crate) async fn run_rebuild(
        self: &Arc<Self>,
        rebuild: check::Rebuild,
        context: &Context,
    ) -> Result<Job, Error> {
        let account = self.alive(&rebuild.account).await?;
        self.submit(&account, wanted(Work::Rebuild), context).await
    }

    pub(crate) async fn run_adopt(self: &Arc<Self>, adopt: Adopt, context: &Context) -> Result<Job, Error> {
        let account = self.alive(&adopt.account).await?;
        account.container(&adopt.container).ok_or_else(Error::not_found)?;
        if let Some(directory) = &adopt.directory
            && !directory.as_str().ends_with('/')
        {
            return Err(Error::bad_request("a directory's name ends in a slash"));
        }
        let directory = adopt.directory.as_ref().map(ToString::to_string);
        let source = format!("{}/{}", adopt.container, directory.unwrap_or_default());
        let wanted = Wanted {
            source: Some(source),
            ..wanted(Work::Adopt(adopt))
        };
        self.submit(&account, wanted, context).await
    }

    async fn alive(&self, name: &AccountName) -> Result<Arc<Account>, Error> {
        let account = self.account(name).await?.ok_or_else(Error::not_found)?;
        match account.is_deleted() {
            true => Err(Outcome::Gone.into()),
            false => Ok(account),
        }
    }
}

fn wanted(work: Work) -> Wanted {
    Wanted {
        work,
        source: None,
        destination: None,
    }
}

/// Checks an account, as its job.
pub(crate) async fn run(
    owner: &Arc<Owner>,
    account: &Arc<Account>,
    run: &check::Run,
    handle: &Handle,
) -> Result<(), End> {
    let examples = run.examples.unwrap_or(MAX_EXAMPLES).min(MAX_EXAMPLES);
    let mut comparison = Comparison {
        owner,
        account,
        handle,
        deep: run.deep,
        repair: run.repair,
        mirror: Mirror::new(owner, account, handle),
        findings: Findings::new(examples, handle),
    };
    handle.expect(account.info().objects);
    if run.repair {
        // Who writes the mirror forgets which rows there were.
        comparison.mirror.mend(&[], &[]).await?;
    }
    comparison.structure().await?;
    comparison.findings.tell();
    comparison.containers().await?;
    comparison.counted_containers().await;
    for container in account.containers() {
        comparison.container(&container).await?;
    }
    if run.repair {
        comparison.mend_totals().await?;
        // What was mended is seen by everybody, and survives.
        comparison.mirror.reached().await?;
        owner.insist(handle, || owner.checkpoint()).await?;
    }
    comparison.findings.tell();
    Ok(())
}

/// Fills the mirror of an account anew, as its job. The service goes on: listings read the tree meanwhile.
pub(crate) async fn rebuild(owner: &Arc<Owner>, account: &Arc<Account>, handle: &Handle) -> Result<(), End> {
    handle.expect(account.info().objects);
    let rebuilding = owner.feed.rebuild(account.account_id, |objects, bytes| {
        handle.advance(objects, bytes);
    });
    handle.unless_ended(rebuilding).await??;
    Ok(())
}

/// Takes files in, as a job.
pub(crate) async fn adopt(
    owner: &Arc<Owner>,
    account: &Arc<Account>,
    adopt: &Adopt,
    context: &Context,
    handle: &Handle,
) -> Result<(), End> {
    let adopting = Adopting {
        owner,
        account,
        context,
        handle,
    };
    adopting.run(adopt).await
}
