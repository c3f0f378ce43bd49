//! Who may change a name at the moment.
//!
//! One read/write lock a container, and stripes over names: a change of an object holds its container shared and its
//! stripe; what concerns a container as a whole holds it exclusively. Nobody ever holds two stripes.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use common::functional::object::Path;
use tokio::sync::{Mutex, OwnedMutexGuard, OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

const STRIPES: usize = 1024;

/// The stripes over all names of an owner.
#[derive(Debug)]
pub(crate) struct Stripes {
    locks: Vec<Arc<Mutex<()>>>,
    hasher: RandomState,
}

impl Stripes {
    pub(crate) fn new() -> Self {
        Self {
            locks: (0..STRIPES).map(|_| Arc::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until nobody else changes this name; `a` and `a/` are one.
    pub(crate) async fn lock(&self, path: &Path) -> OwnedMutexGuard<()> {
        self.stripe(path).lock_owned().await
    }

    /// The same, if nobody changes it now.
    pub(crate) fn try_lock(&self, path: &Path) -> Option<OwnedMutexGuard<()>> {
        self.stripe(path).try_lock_owned().ok()
    }

    fn stripe(&self, path: &Path) -> Arc<Mutex<()>> {
        let name = path.object.as_str();
        let name = name.strip_suffix('/').unwrap_or(name);
        let hash = self
            .hasher
            .hash_one((path.account.as_str(), path.container.as_str(), name));
        let index = usize::try_from(hash % STRIPES as u64).unwrap_or(0);
        Arc::clone(&self.locks[index])
    }
}

/// The lock of one container.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContainerLock(Arc<RwLock<()>>);

impl ContainerLock {
    /// For a change of one object.
    pub(crate) async fn shared(&self) -> OwnedRwLockReadGuard<()> {
        Arc::clone(&self.0).read_owned().await
    }

    /// The same, if nobody changes the container as a whole now.
    pub(crate) fn try_shared(&self) -> Option<OwnedRwLockReadGuard<()>> {
        Arc::clone(&self.0).try_read_owned().ok()
    }

    /// For a change of the container as a whole.
    pub(crate) async fn exclusive(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.0).write_owned().await
    }
}
