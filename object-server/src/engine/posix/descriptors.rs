//! Open container directories, within a bound.

use std::collections::HashMap;
use std::sync::Arc;

use common::name::{AccountName, ContainerName};
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::confine::{self, Wait};
use super::name;
use super::store::Store;

/// Containers a generation holds; there are two.
const GENERATION: usize = 128;

/// An open container.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) directory: OwnedFd,
    /// Its path below the root.
    pub(super) path: String,
}

impl Container {
    /// The path below the root of what lies at `path` in it.
    pub(super) fn below_root(&self, path: &str) -> String {
        match path {
            "" => self.path.clone(),
            path => format!("{}/{path}", self.path),
        }
    }
}

type Key = (AccountName, ContainerName);

/// A cache in two generations: when the young one is full it becomes the old one, and what nobody asked for since is
/// closed.
#[derive(Debug, Default)]
pub(super) struct Descriptors(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Key, Arc<Container>>,
    old: HashMap<Key, Arc<Container>>,
    /// Counts removals, so that nobody keeps what was removed while they opened it.
    epoch: u64,
}

impl Descriptors {
    fn find(&self, key: &Key) -> Result<Arc<Container>, u64> {
        let mut generations = self.0.lock();
        if let Some(container) = generations.young.get(key) {
            return Ok(Arc::clone(container));
        }
        let Some((key, container)) = generations.old.remove_entry(key) else {
            return Err(generations.epoch);
        };
        generations.keep(key, Arc::clone(&container));
        Ok(container)
    }

    fn keep(&self, key: Key, container: &Arc<Container>, epoch: u64) {
        let mut generations = self.0.lock();
        if generations.epoch == epoch {
            generations.keep(key, Arc::clone(container));
        }
    }

    /// Closes a container that is no longer what its name says.
    pub(super) fn forget(&self, account: &AccountName, container: &ContainerName) {
        let key = (account.clone(), container.clone());
        let mut generations = self.0.lock();
        generations.epoch += 1;
        generations.young.remove(&key);
        generations.old.remove(&key);
    }
}

impl Generations {
    fn keep(&mut self, key: Key, container: Arc<Container>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, container);
    }
}

/// The path of a container below the root.
pub(super) fn container_path(account: &AccountName, container: &ContainerName) -> String {
    format!(
        "{}/{}",
        name::component(account.as_str()),
        name::component(container.as_str())
    )
}

impl Store {
    /// An open container; `None`: there is none.
    pub(super) fn container(
        &self,
        account: &AccountName,
        container: &ContainerName,
        wait: Wait,
    ) -> Result<Option<Arc<Container>>, Errno> {
        let key = (account.clone(), container.clone());
        let epoch = match self.descriptors().find(&key) {
            Ok(found) => return Ok(Some(found)),
            Err(epoch) => epoch,
        };
        let path = container_path(account, container);
        let Some(directory) = confine::existing_directory(self.root(), &path, wait)? else {
            return Ok(None);
        };
        let opened = Arc::new(Container { directory, path });
        self.descriptors().keep(key, &opened, epoch);
        Ok(Some(opened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        (
            AccountName::new("a").unwrap(),
            ContainerName::new(number.to_string()).unwrap(),
        )
    }

    fn container() -> Arc<Container> {
        let directory = std::fs::File::open("/").unwrap().into();
        Arc::new(Container {
            directory,
            path: String::new(),
        })
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_is_closed() {
        let descriptors = Descriptors::default();
        let container = container();
        for number in 0..GENERATION * 4 {
            let epoch = descriptors.find(&key(number)).unwrap_err();
            descriptors.keep(key(number), &container, epoch);
            assert!(descriptors.find(&key(0)).is_ok());
            assert!(Arc::strong_count(&container) <= 2 * GENERATION + 2);
        }
        assert!(descriptors.find(&key(1)).is_err());
    }

    #[test]
    fn what_was_removed_meanwhile_is_not_kept() {
        let descriptors = Descriptors::default();
        let epoch = descriptors.find(&key(1)).unwrap_err();
        let (account, name) = key(1);
        descriptors.forget(&account, &name);
        descriptors.keep(key(1), &container(), epoch);
        assert!(descriptors.find(&key(1)).is_err());
    }
}
