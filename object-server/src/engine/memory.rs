//! An engine in memory: a flat map of names to objects.
//!
//! It is for tests, and the proof that nothing above an engine needs a tree: of directories it knows only those that somebody
//! made or asked for, all others are what names say.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName};
use parking_lot::Mutex;

use self::container::{Container, Subtree};
use self::object::{MemoryReader, MemoryStage, Object};
use super::{
    Capabilities, Changed, Child, Committed, Decide, Engine, EngineError, EngineFuture, Reader, Revise,
    Stage, Unsynced,
};
use crate::node::{AccountAttributes, ContainerAttributes, ObjectAttributes, WriteId};

mod build;
mod container;
mod object;
mod removal;
mod tree;

/// An engine that forgets everything with its last clone.
#[derive(Clone, Debug, Default)]
pub struct Memory(Arc<Mutex<Contents>>);

#[derive(Debug, Default)]
struct Contents {
    accounts: BTreeMap<AccountName, Account>,
    /// What left the tree, and was not released.
    detached: BTreeMap<WriteId, Subtree>,
    trash: BTreeMap<WriteId, Subtree>,
    builds: BTreeMap<WriteId, Container>,
    quarantine: BTreeMap<WriteId, Object>,
}

#[derive(Debug)]
struct Account {
    attributes: AccountAttributes,
    containers: BTreeMap<ContainerName, Container>,
}

impl Contents {
    fn container(&mut self, path: &Path) -> Option<&mut Container> {
        let account = self.accounts.get_mut(&path.account)?;
        account.containers.get_mut(&path.container)
    }
}

impl Memory {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// What `answer` says of the container a path lies in, if it is there.
    fn within<T>(&self, path: &Path, answer: impl FnOnce(&mut Container) -> T) -> Option<T> {
        self.0.lock().container(path).map(answer)
    }

    fn object(&self, path: &Path) -> Option<Object> {
        self.within(path, |container| {
            container.objects.get(path.object.as_str()).cloned()
        })
        .flatten()
    }
}

impl Memory {
    /// Replaces the attributes of an object, if it is the one of this identity.
    fn revise_object(
        &self,
        path: &Path,
        identity: Option<u64>,
        revise: Revise,
        committed: Committed,
    ) -> Result<Option<Changed>, EngineError> {
        let revised = self.within(path, |container| {
            let Some(object) = container.objects.get_mut(path.object.as_str()) else {
                return Ok(None);
            };
            if identity.is_some_and(|identity| identity != object.identity) {
                return Ok(None);
            }
            let mut new = revise(&object.attributes)?;
            (new.size, new.modified) = (object.attributes.size, object.attributes.modified);
            let old = std::mem::replace(&mut object.attributes, new.clone());
            let changed = Changed {
                old: Some(old),
                new: Some(new),
            };
            committed(&changed);
            Ok(Some(changed))
        });
        revised.unwrap_or(Ok(None))
    }
}

impl Engine for Memory {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_directory_move: true,
            inline_attribute_bytes: usize::MAX,
        }
    }

    fn accounts(&self) -> EngineFuture<'_, Vec<AccountName>> {
        Box::pin(async { Ok(self.0.lock().accounts.keys().cloned().collect()) })
    }

    fn account<'a>(&'a self, account: &'a AccountName) -> EngineFuture<'a, Option<AccountAttributes>> {
        Box::pin(async {
            Ok(self
                .0
                .lock()
                .accounts
                .get(account)
                .map(|account| account.attributes.clone()))
        })
    }

    fn put_account<'a>(
        &'a self,
        account: &'a AccountName,
        attributes: AccountAttributes,
    ) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            let accounts = &mut self.0.lock().accounts;
            match accounts.get_mut(account) {
                Some(account) => account.attributes = attributes,
                None => {
                    accounts.insert(
                        account.clone(),
                        Account {
                            attributes,
                            containers: BTreeMap::new(),
                        },
                    );
                }
            }
            Ok(())
        })
    }

    fn containers<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> EngineFuture<'a, Vec<(ContainerName, ContainerAttributes)>> {
        Box::pin(async {
            let accounts = &self.0.lock().accounts;
            let containers = accounts
                .get(account)
                .into_iter()
                .flat_map(|account| &account.containers);
            Ok(containers
                .map(|(name, container)| (name.clone(), container.attributes.clone()))
                .collect())
        })
    }

    fn put_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        attributes: ContainerAttributes,
    ) -> EngineFuture<'a, Unsynced> {
        Box::pin(async move {
            let accounts = &mut self.0.lock().accounts;
            let account = accounts.get_mut(account).ok_or(EngineError::NoContainer)?;
            match account.containers.get_mut(container) {
                Some(container) => container.attributes = attributes,
                None => {
                    account
                        .containers
                        .insert(container.clone(), Container::new(attributes));
                }
            }
            Ok(Unsynced::nothing())
        })
    }

    fn remove_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
    ) -> EngineFuture<'a, Unsynced> {
        Box::pin(async {
            let accounts = &mut self.0.lock().accounts;
            let account = accounts.get_mut(account).ok_or(EngineError::NoContainer)?;
            let found = account
                .containers
                .get(container)
                .ok_or(EngineError::NoContainer)?;
            if !found.is_empty() {
                return Err(EngineError::NotEmpty);
            }
            account.containers.remove(container);
            Ok(Unsynced::nothing())
        })
    }

    fn stat<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<ObjectAttributes>> {
        Box::pin(async { Ok(self.object(path).map(|object| object.attributes)) })
    }

    fn open<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<(ObjectAttributes, Box<dyn Reader>)>> {
        Box::pin(async {
            let Some(Object { attributes, data, .. }) = self.object(path) else {
                return Ok(None);
            };
            Ok(Some((
                attributes,
                Box::new(MemoryReader(data)) as Box<dyn Reader>,
            )))
        })
    }

    fn stage<'a>(
        &'a self,
        _account: &'a AccountName,
        _container: &'a ContainerName,
        _length: Option<u64>,
    ) -> EngineFuture<'a, Box<dyn Stage>> {
        let stage = MemoryStage {
            memory: self.clone(),
            data: BytesMut::new(),
        };
        Box::pin(async { Ok(Box::new(stage) as Box<dyn Stage>) })
    }

    fn revise<'a>(
        &'a self,
        path: &'a Path,
        revise: Revise,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async move { self.revise_object(path, None, revise, committed) })
    }

    fn remove<'a>(
        &'a self,
        path: &'a Path,
        decide: Decide,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async move {
            let removed = self.within(path, |container| {
                let Some(object) = container.objects.get(path.object.as_str()) else {
                    return Ok(None);
                };
                decide(Some(&object.attributes))?;
                let old = container.remove(path.object.as_str());
                let changed = Changed { old, new: None };
                committed(&changed);
                Ok(Some(changed))
            });
            removed.unwrap_or(Ok(None))
        })
    }

    fn children<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        directory: &'a str,
    ) -> EngineFuture<'a, Vec<Child>> {
        Box::pin(async move {
            let accounts = &self.0.lock().accounts;
            let found = accounts
                .get(account)
                .and_then(|account| account.containers.get(container));
            Ok(found.map_or_else(Vec::new, |container| container.children(directory)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_conforms() {
        crate::engine::conformance::run(Arc::new(Memory::new())).await;
    }

    #[test]
    fn memory_is_a_map() {
        crate::engine::conformance::model::run(200, || (Arc::new(Memory::new()) as _, ()));
    }
}
