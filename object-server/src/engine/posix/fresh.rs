//! What a change has to sync, and the directories that nobody has synced yet.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fd::OwnedFd;

use super::attribute::OverflowId;
use super::confine::{self, Wait};
use super::place;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::Unsynced;

/// Directories made by a change that is not durable yet. Whoever puts something below one syncs it too, so that no
/// acknowledged object hangs from a directory that a power cut takes.
#[derive(Debug, Default)]
pub(super) struct Fresh(Mutex<Directories>);

#[derive(Debug, Default)]
struct Directories {
    made: HashMap<String, u64>,
    next: u64,
}

impl Fresh {
    /// A directory was made; `path` is below the root.
    pub(super) fn add(&self, path: String) {
        let mut directories = self.0.lock();
        directories.next += 1;
        let number = directories.next;
        directories.made.insert(path, number);
    }

    /// A directory was pruned.
    pub(super) fn remove(&self, path: &str) {
        self.0.lock().made.remove(path);
    }

    /// What is at and below `path` is no longer there.
    pub(super) fn remove_below(&self, path: &str) {
        self.0.lock().made.retain(|made, _| !is_below(made, path));
    }

    #[cfg(test)]
    pub(super) fn holds(&self, path: &str) -> bool {
        self.0.lock().made.contains_key(path)
    }

    /// Adds the fresh ones at and below `path` to what is to be synced.
    fn collect_below(&self, path: &str, sync: &mut SyncSet) {
        for (made, &number) in &self.0.lock().made {
            if is_below(made, path) {
                sync.directories.insert(made.clone());
                sync.fresh.push((made.clone(), number));
            }
        }
    }

    /// Adds the fresh ones among `path` and its ancestors to what is to be synced.
    fn collect(&self, path: &str, sync: &mut SyncSet) {
        let directories = self.0.lock();
        if directories.made.is_empty() {
            return;
        }
        let mut path = path;
        while !path.is_empty() {
            let (above, _) = place::split(path);
            if let Some(&number) = directories.made.get(path) {
                sync.directories.insert(path.to_owned());
                sync.directories.insert(above.to_owned());
                sync.fresh.push((path.to_owned(), number));
            }
            path = above;
        }
    }

    /// These are durable, unless they were pruned and made again meanwhile.
    fn settle(&self, synced: &[(String, u64)]) {
        let mut directories = self.0.lock();
        for (path, number) in synced {
            if directories.made.get(path) == Some(number) {
                directories.made.remove(path);
            }
        }
    }
}

/// Whether `path` is `above` or lies below it.
fn is_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is left to do until a change is durable.
#[derive(Debug, Default)]
pub(super) struct SyncSet {
    open: Vec<OwnedFd>,
    /// Below the root; one that is gone needs no sync.
    directories: BTreeSet<String>,
    fresh: Vec<(String, u64)>,
    /// What the old state pointed to: a power cut before the sync brings the old state back.
    garbage: Vec<OverflowId>,
}

impl SyncSet {
    /// Syncs an open file or directory.
    pub(super) fn open(&mut self, node: OwnedFd) {
        self.open.push(node);
    }

    /// Syncs a directory by its path below the root.
    pub(super) fn directory(&mut self, path: String) {
        self.directories.insert(path);
    }

    /// Removes what the old state pointed to, once the new one is durable.
    pub(super) fn garbage(&mut self, overflow: Option<OverflowId>) {
        self.garbage.extend(overflow);
    }

    /// The change is visible; it is made durable with whatever it hangs from. `path` is below the root.
    pub(super) fn finish(mut self, store: &Store, path: &str) -> Result<(), Trouble> {
        self.prepare(store, path);
        self.sync(store)
    }

    /// The same for later.
    pub(super) fn postpone(mut self, store: &Arc<Store>, path: &str) -> Unsynced {
        self.prepare(store, path);
        let store = Arc::clone(store);
        Unsynced::new(super::blocking(move || Ok(self.sync(&store)?)))
    }

    /// What is at `from`, below the root, is about to move to `to`: makes durable what is fresh at and above both, and with a
    /// directory what is below. Whoever looks for what is fresh above an object by the name it had then finds nothing, and needs nothing.
    pub(super) fn before_rename(
        store: &Store,
        from: &str,
        to: &str,
        is_directory: bool,
    ) -> Result<(), Trouble> {
        if !store.is_durable() {
            return Ok(());
        }
        let mut sync = Self::default();
        for path in [from, to] {
            store.fresh().collect(path, &mut sync);
            if is_directory {
                store.fresh().collect_below(path, &mut sync);
            }
        }
        match sync.directories.is_empty() {
            true => Ok(()),
            false => sync.sync(store),
        }
    }

    fn prepare(&mut self, store: &Store, path: &str) {
        if store.is_durable() {
            store.fresh().collect(path, self);
        }
    }

    /// Nothing is made durable here; what the old state pointed to goes.
    pub(super) fn only_garbage(&self, store: &Store) {
        for &overflow in &self.garbage {
            store.remove_overflow(overflow);
        }
    }

    fn sync(&self, store: &Store) -> Result<(), Trouble> {
        if store.is_durable() {
            self.sync_nodes(store)?;
        }
        self.only_garbage(store);
        Ok(())
    }

    fn sync_nodes(&self, store: &Store) -> Result<(), Trouble> {
        store.pass("sync:before")?;
        for path in &self.directories {
            if let Some(directory) = confine::existing_directory(store.root(), path, Wait::Allowed)? {
                rustix::fs::fsync(directory)?;
            }
        }
        for node in &self.open {
            rustix::fs::fsync(node)?;
        }
        store.fresh().settle(&self.fresh);
        store.pass("sync:before_garbage")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_below_a_fresh_directory_syncs_it() {
        let fresh = Fresh::default();
        fresh.add("a/c/x".to_owned());
        let mut sync = SyncSet::default();
        fresh.collect("a/c/x/y", &mut sync);
        assert_eq!(sync.directories.iter().collect::<Vec<_>>(), ["a/c", "a/c/x"]);

        fresh.remove("a/c/x");
        fresh.add("a/c/x".to_owned());
        fresh.settle(&sync.fresh);
        let mut again = SyncSet::default();
        fresh.collect("a/c/x", &mut again);
        assert_eq!(again.fresh.len(), 1, "it was made anew after that sync began");
        fresh.settle(&again.fresh);
        let mut last = SyncSet::default();
        fresh.collect("a/c/x", &mut last);
        assert!(last.directories.is_empty());
    }
}
