//! What decides over accounts and containers, remembered: existence, ACLs, CORS, each with its generation.
//!
//! The cache is never the last word. What was decided by it travels to the owner with the generations it was decided
//! under, and a refusal is decided again on what the owner says; so an entry may be old without any harm but a
//! second question.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common::functional::{Context, Generations, ask, info};
use common::name::{AccountName, ContainerName};
use common::service::FunctionalService;
use common::{Body, Error, Properties};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::acl::{AccountAcl, ContainerAcl};
use crate::bounded::BoundedMap;

/// Entries live no longer (Swift: `recheck_account_existence`, `recheck_container_existence`).
const LIFE: Duration = Duration::from_secs(60);
/// Remembered at most, accounts and containers each.
const CAPACITY: usize = 100_000;

/// An account, ready to be decided over.
#[derive(Debug)]
pub struct AccountInfo {
    /// The `seq` of its last change.
    pub generation: u64,
    /// Whether it is there.
    pub state: info::State,
    /// Its properties.
    pub properties: Properties,
    /// `X-Account-Access-Control`.
    pub acl: AccountAcl,
}

/// A container, ready to be decided over.
#[derive(Debug)]
pub struct ContainerInfo {
    /// The `seq` of its last change.
    pub generation: u64,
    /// Whether it is there.
    pub state: info::State,
    /// Its properties.
    pub properties: Properties,
    /// `X-Container-Read`.
    pub read: ContainerAcl,
    /// `X-Container-Write`.
    pub write: ContainerAcl,
}

/// An account and, when it was asked for, a container in it.
#[derive(Clone, Debug)]
pub struct Info {
    /// The account.
    pub account: Arc<AccountInfo>,
    /// The container.
    pub container: Option<Arc<ContainerInfo>>,
}

impl Info {
    /// The generations to be compared by the owner.
    pub fn generations(&self) -> Generations {
        Generations {
            account: Some(self.account.generation),
            container: self.container.as_ref().map(|container| container.generation),
        }
    }
}

impl From<info::Found> for Info {
    fn from(found: info::Found) -> Self {
        Self {
            account: Arc::new(found.account.into()),
            container: found.container.map(|container| Arc::new(container.into())),
        }
    }
}

impl From<info::Resource> for AccountInfo {
    fn from(resource: info::Resource) -> Self {
        let acl = resource.properties.text("x-account-access-control");
        Self {
            generation: resource.generation,
            state: resource.state,
            acl: acl.map_or_else(AccountAcl::default, AccountAcl::parse),
            properties: resource.properties,
        }
    }
}

impl From<info::Resource> for ContainerInfo {
    fn from(resource: info::Resource) -> Self {
        let acl = |name| {
            let value = resource.properties.text(name);
            value.map_or_else(ContainerAcl::default, ContainerAcl::parse)
        };
        Self {
            generation: resource.generation,
            state: resource.state,
            read: acl("x-container-read"),
            write: acl("x-container-write"),
            properties: resource.properties,
        }
    }
}

/// The cache, and the owner it asks.
pub struct InfoCache {
    owner: FunctionalService,
    entries: Mutex<Entries>,
}

struct Entries {
    accounts: BoundedMap<AccountName, Entry<AccountInfo>>,
    containers: BoundedMap<(AccountName, ContainerName), Entry<ContainerInfo>>,
    /// Raised by each invalidation, so that an answer that was under way meanwhile is not remembered.
    invalidations: u64,
}

struct Entry<T> {
    info: Arc<T>,
    until: Instant,
}

impl InfoCache {
    /// Empty; `owner` answers `info/get`.
    pub fn new(owner: FunctionalService) -> Self {
        Self {
            owner,
            entries: Mutex::new(Entries {
                accounts: BoundedMap::new(CAPACITY),
                containers: BoundedMap::new(CAPACITY),
                invalidations: 0,
            }),
        }
    }

    /// What is remembered and young enough.
    pub fn cached(&self, account: &AccountName, container: Option<&ContainerName>) -> Option<Info> {
        let now = Instant::now();
        let mut entries = self.entries.lock();
        let found = entries.accounts.lookup(account)?.young(now)?;
        let container = match container {
            Some(name) => {
                let key = (account.clone(), name.clone());
                Some(entries.containers.lookup(&key)?.young(now)?)
            }
            None => None,
        };
        Some(Info {
            account: found,
            container,
        })
    }

    /// What the owner says, which is remembered.
    ///
    /// # Errors
    /// When the owner cannot be asked.
    pub async fn fetch(
        &self,
        account: &AccountName,
        container: Option<&ContainerName>,
        context: &Context,
    ) -> Result<Info, Error> {
        let invalidations = self.entries.lock().invalidations;
        let question = info::Get {
            account: account.clone(),
            container: container.cloned(),
        };
        let (found, _) = ask(&self.owner, question, context.clone(), Body::empty()).await?;
        let info = Info::from(found);
        let mut entries = self.entries.lock();
        if entries.invalidations == invalidations {
            entries.remember(account, container, &info);
        }
        Ok(info)
    }

    /// What is remembered, else what the owner says.
    ///
    /// # Errors
    /// When the owner cannot be asked.
    pub async fn load(
        &self,
        account: &AccountName,
        container: Option<&ContainerName>,
        context: &Context,
    ) -> Result<Info, Error> {
        match self.cached(account, container) {
            Some(info) => Ok(info),
            None => self.fetch(account, container, context).await,
        }
    }

    /// Takes over what the owner said in a `Stale` answer.
    pub fn update(
        &self,
        account: &AccountName,
        container: Option<&ContainerName>,
        found: info::Found,
    ) -> Info {
        let info = Info::from(found);
        self.entries.lock().remember(account, container, &info);
        info
    }

    /// Forgets the account and the container, because they were or may have been changed.
    pub fn invalidate(&self, account: &AccountName, container: Option<&ContainerName>) {
        let mut entries = self.entries.lock();
        entries.invalidations += 1;
        entries.accounts.remove(account);
        if let Some(container) = container {
            let key = (account.clone(), container.clone());
            entries.containers.remove(&key);
        }
    }
}

impl fmt::Debug for InfoCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("InfoCache")
    }
}

impl Entries {
    fn remember(&mut self, account: &AccountName, container: Option<&ContainerName>, info: &Info) {
        let until = Instant::now() + LIFE;
        let entry = Entry {
            info: Arc::clone(&info.account),
            until,
        };
        self.accounts.insert(account.clone(), entry);
        if let (Some(name), Some(info)) = (container, &info.container) {
            let entry = Entry {
                info: Arc::clone(info),
                until,
            };
            self.containers.insert((account.clone(), name.clone()), entry);
        }
    }
}

impl<T> Entry<T> {
    fn young(&self, now: Instant) -> Option<Arc<T>> {
        (now < self.until).then(|| Arc::clone(&self.info))
    }
}

#[cfg(test)]
mod tests;
