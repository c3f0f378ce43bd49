//! What the owner tells administrators of quotas, and lets them set.

use std::sync::Arc;

use bytes::Bytes;
use common::functional::object::Path;
use common::functional::quota::{List, Quota, Quotas, Set, Show};
use common::functional::{Context, account, container};
use common::name::{AccountName, ContainerName, ObjectName};
use common::quota::{ACCOUNT_BYTES, ACCOUNT_OBJECTS, CONTAINER_BYTES, CONTAINER_OBJECTS, Limits};
use common::{Error, Outcome, Properties};

use crate::checkpoint::{self, Loaded};
use crate::owner::Owner;

/// The longest page.
const MAX_PAGE: usize = 1000;
/// A page looks at no more accounts than this, however few of them have limits.
const MAX_ACCOUNTS: usize = 1000;

impl Owner {
    pub(crate) async fn set_quota(self: &Arc<Self>, set: Set, context: &Context) -> Result<Quota, Error> {
        let Set {
            account,
            container,
            directory,
            bytes,
            objects,
        } = set;
        if let Some(directory) = directory {
            let container =
                container.ok_or_else(|| Error::bad_request("A directory is named with its container."))?;
            let path = Path {
                account,
                container,
                object: directory,
            };
            return self.limit_directory(path, (bytes, objects), context).await;
        }
        match container.clone() {
            None => {
                let post = account::Post {
                    account: account.clone(),
                    properties: changes([(ACCOUNT_BYTES, bytes), (ACCOUNT_OBJECTS, objects)]),
                };
                self.post_account_as(post, "quota/set", context).await?;
            }
            Some(container) => {
                let post = container::Post {
                    account: account.clone(),
                    container,
                    properties: changes([(CONTAINER_BYTES, bytes), (CONTAINER_OBJECTS, objects)]),
                };
                self.post_container_as(post, "quota/set", context).await?;
            }
        }
        self.show_quota(beginning(account, container), context).await
    }

    pub(crate) async fn show_quota(&self, show: Show, context: &Context) -> Result<Quota, Error> {
        let account = self.account(&show.account).await?;
        if account.is_none() && show.container.is_none() && self.constraints.account_autocreate {
            return Ok(Quota::new(show.account, None, (0, 0), Limits::default()));
        }
        let account = account.ok_or_else(Error::not_found)?;
        if account.is_deleted() {
            return Err(Outcome::Gone.into());
        }
        match &show.container {
            None => Ok(account.quota()),
            Some(name) => {
                let container = account.container(name).ok_or_else(Error::not_found)?;
                match show.directory {
                    None => Ok(account.container_quota(&container)),
                    Some(directory) => {
                        let path = Path {
                            account: show.account,
                            container: container.name.clone(),
                            object: directory,
                        };
                        self.directory_quota(&account, path, context).await
                    }
                }
            }
        }
    }

    pub(crate) async fn list_quotas(&self, list: List) -> Result<Quotas, Error> {
        let length = list.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE);
        let mut names = self.engine.accounts().await?;
        names.sort_unstable();
        let from = list.from.as_ref();
        let begin = from.map_or(0, |from| names.partition_point(|name| *name < from.account));
        let mut quotas = Vec::new();
        for (looked_at, name) in names.drain(begin..).enumerate() {
            if looked_at == MAX_ACCOUNTS {
                let next = Some(beginning(name, None));
                return Ok(Quotas { quotas, next });
            }
            let from = from.filter(|from| from.account == name);
            let first = (
                from.and_then(|from| from.container.clone()),
                from.and_then(|from| from.directory.clone()),
            );
            let limited = self.limited(&name).await?;
            for quota in limited.into_iter().filter(|quota| place(quota) >= first) {
                if quotas.len() == length {
                    let directory = quota.directory;
                    let next = Some(Show {
                        directory,
                        ..beginning(quota.account, quota.container)
                    });
                    return Ok(Quotas { quotas, next });
                }
                quotas.push(quota);
            }
        }
        Ok(Quotas { quotas, next: None })
    }

    /// The account, its containers and the directories in these as far as they have limits, in the order of their names.
    async fn limited(&self, name: &AccountName) -> Result<Vec<Quota>, Error> {
        // Who has no limit need not be taken into memory for that.
        if !self.is_loaded(name) && !self.is_limited_in_storage(name).await? {
            return Ok(Vec::new());
        }
        let account = self.account(name).await?;
        let Some(account) = account.filter(|account| !account.is_deleted()) else {
            return Ok(Vec::new());
        };
        let containers = account.containers();
        let below = containers.iter().flat_map(|container| {
            let directories = account.limited_directories(&container.name);
            std::iter::once(account.container_quota(container)).chain(directories)
        });
        let quotas = std::iter::once(account.quota()).chain(below);
        let is_limited = |quota: &Quota| quota.bytes.limit.is_some() || quota.objects.limit.is_some();
        Ok(quotas.filter(is_limited).collect())
    }

    async fn is_limited_in_storage(&self, name: &AccountName) -> Result<bool, Error> {
        let Some(account) = self.engine.account(name).await? else {
            return Ok(false);
        };
        if Limits::of_account(&account.properties).are_set() {
            return Ok(true);
        }
        match checkpoint::load(self.state_directory(), account.account_id).await? {
            Loaded::Good(checkpoint) if checkpoint.limited.is_empty() => {}
            // Without a checkpoint only a look at all directories tells.
            Loaded::Good(_) | Loaded::Missing | Loaded::Bad(_) => return Ok(true),
        }
        let containers = self.engine.containers(name).await?;
        Ok(containers
            .iter()
            .any(|(_, container)| Limits::of_container(&container.properties).are_set()))
    }
}

/// What comes behind its account, then its container.
fn place(quota: &Quota) -> (Option<ContainerName>, Option<ObjectName>) {
    (quota.container.clone(), quota.directory.clone())
}

fn beginning(account: AccountName, container: Option<ContainerName>) -> Show {
    Show {
        account,
        container,
        directory: None,
    }
}

/// The properties that say so; an empty value takes away.
fn changes(limits: [(&str, Option<Option<u64>>); 2]) -> Properties {
    let mut properties = Properties::new();
    for (name, change) in limits {
        if let Some(limit) = change {
            let value = limit.map_or_else(Bytes::new, |limit| limit.to_string().into());
            properties.insert(name, value);
        }
    }
    properties
}
