//! Who copies a directory learns whether anything changed in it meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::account::{Account, Ledger};
use crate::node::NodePath;
use crate::tree::lies_in;

/// A directory that is watched, in the ledger of its account.
#[derive(Debug)]
pub(super) struct Watched {
    top: NodePath,
    changes: AtomicU64,
    operations: AtomicU64,
}

/// The hand of who watches; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Watch {
    account: Arc<Account>,
    watched: Arc<Watched>,
}

impl Ledger {
    /// A node changed.
    pub(super) fn tell_watches(&self, path: &NodePath) {
        for watched in &self.watches {
            if lies_in(path, &watched.top) {
                watched.changes.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// This name was left or taken by a tree operation.
    pub(super) fn tell_watches_of_operation(&self, path: &NodePath) {
        for watched in &self.watches {
            if lies_in(path, &watched.top) || lies_in(&watched.top, path) {
                watched.operations.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Account {
    /// From now on changes at and below `top` are counted.
    pub(crate) fn watch(self: &Arc<Self>, top: NodePath) -> Watch {
        let watched = Arc::new(Watched {
            top,
            changes: AtomicU64::new(0),
            operations: AtomicU64::new(0),
        });
        self.ledger.lock().watches.push(Arc::clone(&watched));
        Watch {
            account: Arc::clone(self),
            watched,
        }
    }
}

impl Watch {
    /// Whether anything came, went or changed.
    pub(crate) fn saw_changes(&self) -> bool {
        self.watched.changes.load(Ordering::Relaxed) > 0 || self.saw_operations()
    }

    /// Whether something was moved there, from there or within it, or a directory was removed.
    pub(crate) fn saw_operations(&self) -> bool {
        self.watched.operations.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut ledger = self.account.ledger.lock();
        ledger
            .watches
            .retain(|watched| !Arc::ptr_eq(watched, &self.watched));
    }
}
