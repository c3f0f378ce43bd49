//! The owner of accounts: everything that changes one goes through here, in one order.
//!
//! A change of an object: announce it in the journal ([`Begun`]) while its data is synced, take the locks of its name,
//! publish it in the engine, commit it ([`Begun::commit`]: `seq`, journal, counters and mirror in one step), let the
//! locks go, sync names and journal, answer.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::constraints::Constraints;
use common::functional::Context;
use common::functional::info::{Found, Resource};
use common::name::{AccountName, ContainerName};
use common::service::FunctionalService;
use common::{Body, Error};
use parking_lot::{Mutex, RwLock};

use crate::adoptions::Adoptions;
use crate::engine::ArcEngine;
use crate::jobs::Jobs;
use crate::journal::{Journal, Position};
use crate::lease::Lease;
use crate::mirror_feed::MirrorFeed;
use crate::record_feed::RecordFeed;
use crate::settings::Settings;
use crate::tree::{Reaper, Repeats};
use crate::tree_listing::TreeListing;

mod account;
mod checkpoints;
mod commit;
mod container;
mod limited;
mod locks;
mod recount;
mod recovery;
mod reservation;
mod retell;
mod watch;

pub(crate) use account::Account;
pub(crate) use commit::{Announcement, Begun, PRESENT, footprint, object_node, record, recorded};
pub(crate) use container::{Container, Renaming};
pub(crate) use limited::Limited;
use locks::Stripes;
pub(crate) use recount::{Recount, Step};
use recovery::Recovery;
pub(crate) use reservation::Reservation;
pub(crate) use retell::NameLocks;
pub(crate) use watch::Watch;

/// The owner.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) engine: ArcEngine,
    /// Whether anything may be changed.
    pub(crate) lease: Lease,
    pub(crate) journal: Arc<Journal>,
    pub(crate) feed: MirrorFeed,
    pub(crate) records: Arc<RecordFeed>,
    pub(crate) tree_listing: TreeListing,
    pub(crate) stripes: Stripes,
    pub(crate) jobs: Jobs,
    pub(crate) adoptions: Adoptions,
    pub(crate) settings: Settings,
    pub(crate) constraints: Arc<Constraints>,
    state_directory: PathBuf,
    /// Whether it follows on another server: each account gets a new term.
    takes_over: bool,
    accounts: RwLock<HashMap<AccountName, Arc<Account>>>,
    /// Held while counters are written down, so that nobody writes those of an account that is removed.
    pub(crate) writing_down: tokio::sync::Mutex<()>,
    /// Held while an account is made or read from storage, so that nobody makes a second one.
    pub(crate) loading: tokio::sync::Mutex<()>,
    /// Announcements in the journal of changes that are under way.
    in_flight: Mutex<BTreeSet<Position>>,
    recovery: Mutex<Recovery>,
    pub(crate) reaper: Reaper,
    pub(crate) repeats: Repeats,
}

/// What an owner is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) engine: ArcEngine,
    /// Whether anything may be changed.
    pub(crate) lease: Lease,
    pub(crate) journal: Arc<Journal>,
    pub(crate) feed: MirrorFeed,
    pub(crate) records: Arc<RecordFeed>,
    pub(crate) tree_listing: TreeListing,
    pub(crate) settings: Settings,
    pub(crate) constraints: Arc<Constraints>,
    pub(crate) guards: FunctionalService,
    pub(crate) state_directory: PathBuf,
    /// Whether another server may have had the accounts before.
    pub(crate) takes_over: bool,
}

impl Owner {
    fn new(parts: Parts, recovery: Recovery) -> Self {
        Self {
            engine: parts.engine,
            lease: parts.lease.clone(),
            journal: parts.journal,
            feed: parts.feed,
            records: parts.records,
            tree_listing: parts.tree_listing,
            stripes: Stripes::new(),
            jobs: Jobs::new(parts.state_directory.clone(), parts.lease, parts.guards),
            adoptions: Adoptions::default(),
            settings: parts.settings,
            constraints: parts.constraints,
            state_directory: parts.state_directory,
            takes_over: parts.takes_over,
            accounts: RwLock::default(),
            writing_down: tokio::sync::Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            in_flight: Mutex::default(),
            recovery: Mutex::new(recovery),
            reaper: Reaper::default(),
            repeats: Repeats::default(),
        }
    }

    /// Where the server keeps what is its own.
    pub(crate) fn state_directory(&self) -> &Path {
        &self.state_directory
    }

    /// The account, if it exists.
    pub(crate) async fn account(&self, name: &AccountName) -> Result<Option<Arc<Account>>, Error> {
        if let Some(account) = self.accounts.read().get(name) {
            return Ok(Some(Arc::clone(account)));
        }
        let _loading = self.loading.lock().await;
        self.load(name).await
    }

    /// The same, for whoever holds `loading`.
    pub(crate) async fn load(&self, name: &AccountName) -> Result<Option<Arc<Account>>, Error> {
        if let Some(account) = self.accounts.read().get(name) {
            return Ok(Some(Arc::clone(account)));
        }
        let Some(attributes) = self.engine.account(name).await? else {
            return Ok(None);
        };
        let account = self.recover_account(name, attributes).await?;
        self.accounts.write().insert(name.clone(), Arc::clone(&account));
        Ok(Some(account))
    }

    /// Whether the account was deleted; one that is being removed is in memory.
    pub(crate) fn is_deleted(&self, name: &AccountName) -> bool {
        self.accounts
            .read()
            .get(name)
            .is_some_and(|account| account.is_deleted())
    }

    /// Takes a new account on. The caller holds `loading`.
    pub(crate) fn add_account(&self, account: Arc<Account>) {
        self.feed.register(Arc::clone(&account));
        self.accounts.write().insert(account.name.clone(), account);
    }

    /// Forgets an account that is no more. The caller holds `loading`.
    pub(crate) fn remove_account(&self, account: &Account) {
        self.accounts.write().remove(&account.name);
        self.feed.unregister(account.account_id);
    }

    /// Whether the account is in memory.
    pub(crate) fn is_loaded(&self, name: &AccountName) -> bool {
        self.accounts.read().contains_key(name)
    }

    /// The accounts in memory.
    fn loaded(&self) -> Vec<Arc<Account>> {
        self.accounts.read().values().cloned().collect()
    }

    /// The account and container of a request that needs both, when it was decided under their present generations.
    /// The body comes back unread otherwise.
    ///
    /// # Errors
    /// `Stale`; 404 when the account or the container is not there.
    pub(crate) async fn admit(
        &self,
        account: &AccountName,
        container: &ContainerName,
        context: &Context,
        body: Body,
    ) -> Result<(Arc<Account>, Arc<Container>, Body), Error> {
        let (found, body) = self
            .admit_account(account, Some(container), context, body)
            .await?;
        let found = found.ok_or_else(Error::not_found)?;
        let container = found.container(container).ok_or_else(Error::not_found)?;
        Ok((found, container, body))
    }

    /// The account of a request, there or not, when the request was decided under the present generations and the
    /// account is neither switched off nor deleted.
    ///
    /// # Errors
    /// `Stale`; 403; 410.
    pub(crate) async fn admit_account(
        &self,
        name: &AccountName,
        container: Option<&ContainerName>,
        context: &Context,
        body: Body,
    ) -> Result<(Option<Arc<Account>>, Body), Error> {
        let (account, body) = self.admit_switch(name, container, context, body).await?;
        if let Some(account) = &account {
            account.check_enabled()?;
        }
        Ok((account, body))
    }

    /// The same for who may switch it on again, or says something else of one that was deleted.
    ///
    /// # Errors
    /// `Stale`.
    pub(crate) async fn admit_switch(
        &self,
        name: &AccountName,
        container: Option<&ContainerName>,
        context: &Context,
        body: Body,
    ) -> Result<(Option<Arc<Account>>, Body), Error> {
        let account = self.account(name).await?;
        let decided = context.decided_under;
        let generation = || {
            account
                .as_ref()
                .map_or(0, |account| account.attributes().generation)
        };
        let container_generation = |container: &ContainerName| {
            account
                .as_ref()
                .map_or(0, |account| account.container_generation(container))
        };
        let account_is_stale = decided.account.is_some_and(|known| known != generation());
        let container_is_stale = match (decided.container, container) {
            (Some(known), Some(container)) => known != container_generation(container),
            _ => false,
        };
        if account_is_stale || container_is_stale {
            return Err(Error::stale(found(account.as_deref(), container), body));
        }
        Ok((account, body))
    }
}

/// What guards decide by.
pub(crate) fn found(account: Option<&Account>, container: Option<&ContainerName>) -> Found {
    match account {
        Some(account) => Found {
            account: account.resource(),
            container: container.map(|container| account.container_resource(container)),
        },
        None => Found {
            account: Resource::default(),
            container: container.map(|_| Resource::default()),
        },
    }
}
