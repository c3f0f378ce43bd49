//! Room under limits, held by changes that are under way.
//!
//! A change that makes something larger holds the room it needs, from before its body is read until it is committed:
//! what is there and what is on its way never exceed a limit together. What is held stands beside the counters under
//! the same lock, the ledger's, and a commit turns the one into the other in one step. Dropping a reservation gives
//! back what it still holds.
//!
//! What a change frees is held, too, until the change is durable: what stands in its place must not come on top of it
//! when a power cut brings it back.
//!
//! A reservation holds room in each limited node above an object: account, container, directories. Where none of them has a
//! limit there is no reservation. Which directories these are is looked up whenever room is asked for: they may have been
//! moved, or limited, since the body began to arrive.

use std::sync::Arc;

use common::name::ObjectName;
use common::quota::Limits;
use common::{Error, Outcome};
use parking_lot::Mutex;

use super::account::{Account, Ledger};
use super::container::Container;
use super::limited::Limited;
use crate::journal::Footprint;
use crate::node::NodePath;

const EXCEEDED: &str = "Upload exceeds quota.";

/// The limits of one node, and what changes under way hold of its room. Looked at and changed under the ledger's lock
/// only.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) limits: Limits,
    held: Footprint,
}

impl Room {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            held: Footprint::default(),
        }
    }

    /// Whether `growth` may be held instead of `held`, where `used` is there. What does not grow always may, however
    /// much there is.
    pub(super) fn takes(&self, growth: Footprint, held: Footprint, used: Footprint) -> bool {
        let takes = |limit: Option<u64>, growth: u64, others: u64, used: u64| {
            growth == 0
                || limit.is_none_or(|limit| used.saturating_add(others).saturating_add(growth) <= limit)
        };
        let others = self.held.less(held);
        takes(self.limits.bytes, growth.bytes, others.bytes, used.bytes)
            && takes(self.limits.objects, growth.objects, others.objects, used.objects)
    }

    pub(super) fn exchange(&mut self, old: Footprint, new: Footprint) {
        self.held = self.held.less(old).plus(new);
    }
}

/// The room that one change holds.
#[derive(Debug)]
pub(crate) struct Reservation {
    account: Arc<Account>,
    container: Arc<Container>,
    /// What comes; of a tree operation, what it comes into.
    what: What,
    held: Mutex<Held>,
}

#[derive(Debug)]
enum What {
    /// An object, which is new in the account, too.
    Object(ObjectName),
    /// Something that was in the account before, and maybe in the container.
    Moved { in_container: bool },
    /// A directory that is new in the account.
    Built(NodePath),
}

#[derive(Debug, Default)]
struct Held {
    footprint: Footprint,
    /// The directories in which it is held.
    directories: Vec<Arc<Limited>>,
}

impl Reservation {
    /// Of an object; holds nothing yet.
    pub(crate) fn new(account: &Arc<Account>, container: &Arc<Container>, name: &ObjectName) -> Arc<Self> {
        Self::of(account, container, What::Object(name.clone()), Vec::new())
    }

    /// Of what is moved within its account: into these directories, and into the container, if it was not there.
    pub(crate) fn of_move(
        account: &Arc<Account>,
        container: &Arc<Container>,
        in_container: bool,
        directories: Vec<Arc<Limited>>,
    ) -> Arc<Self> {
        Self::of(account, container, What::Moved { in_container }, directories)
    }

    /// Of a directory that is being built, and will get this name; holds nothing yet.
    pub(crate) fn of_build(account: &Arc<Account>, container: &Arc<Container>, to: NodePath) -> Arc<Self> {
        Self::of(account, container, What::Built(to), Vec::new())
    }

    fn of(
        account: &Arc<Account>,
        container: &Arc<Container>,
        what: What,
        directories: Vec<Arc<Limited>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            account: Arc::clone(account),
            container: Arc::clone(container),
            what,
            held: Mutex::new(Held {
                footprint: Footprint::default(),
                directories,
            }),
        })
    }

    /// Holds just this from now on.
    ///
    /// # Errors
    /// 413 when there is no room for it; then what was held still is.
    pub(crate) fn hold(&self, growth: Footprint) -> Result<(), Error> {
        self.hold_up_to(growth, growth).map(|_| ())
    }

    /// Holds `wish` from now on, or only `need` when there is no room for more; answers which.
    ///
    /// # Errors
    /// As of [`hold`](Self::hold).
    pub(crate) fn hold_up_to(&self, wish: Footprint, need: Footprint) -> Result<Footprint, Error> {
        let ledger = &mut *self.account.ledger.lock();
        let mut held = self.held.lock();
        let directories = match &self.what {
            What::Object(name) => ledger.limited.above(&self.container.name, name.as_str()),
            What::Moved { .. } => held.directories.clone(),
            What::Built(to) => ledger.limited.around(to),
        };
        let takes = |growth: &Footprint| self.takes(ledger, &held, &directories, *growth);
        let Some(growth) = [wish, need].into_iter().find(takes) else {
            return Err(Error::new(Outcome::TooLarge).with_text(EXCEEDED));
        };
        // Where it is held no more it goes back, and where it was not yet it is held from now on.
        Self::exchange_in(&held.directories, held.footprint, Footprint::default());
        held.directories = directories;
        Self::exchange_in(&held.directories, Footprint::default(), held.footprint);
        self.exchange_with(ledger, &mut held, growth);
        Ok(growth)
    }

    /// Whether all nodes that it counts in have room for it.
    fn takes(&self, ledger: &Ledger, held: &Held, directories: &[Arc<Limited>], growth: Footprint) -> bool {
        let (in_account, in_container) = self.counts_in();
        let (totals, used) = (
            ledger.counters.totals(),
            ledger.counters.container(&self.container.name),
        );
        let totals = Footprint {
            objects: totals.objects,
            bytes: totals.bytes,
        };
        let used = Footprint {
            objects: used.objects,
            bytes: used.bytes,
        };
        let takes_directory = |directory: &Arc<Limited>| {
            let is_held = held.directories.iter().any(|other| Arc::ptr_eq(directory, other));
            let held = if is_held {
                held.footprint
            } else {
                Footprint::default()
            };
            directory.takes(growth, held)
        };
        (!in_account || ledger.room.takes(growth, held.footprint, totals))
            && (!in_container || self.container.room.lock().takes(growth, held.footprint, used))
            && directories.iter().all(takes_directory)
    }

    /// Whether it counts in the account, and in the container.
    fn counts_in(&self) -> (bool, bool) {
        match &self.what {
            What::Object(_) | What::Built(_) => (true, true),
            What::Moved { in_container } => (false, *in_container),
        }
    }

    /// The change is counted: what it brought stands in the counters, and what it freed is held until the change is
    /// durable and this value gone.
    pub(super) fn settle(&self, ledger: &mut Ledger, old: Option<Footprint>, new: Option<Footprint>) {
        let freed = old.unwrap_or_default().less(new.unwrap_or_default());
        self.exchange_with(ledger, &mut self.held.lock(), freed);
    }

    /// Gives back what is held.
    pub(crate) fn release(&self) {
        let ledger = &mut *self.account.ledger.lock();
        self.exchange_with(ledger, &mut self.held.lock(), Footprint::default());
    }

    fn exchange_with(&self, ledger: &mut Ledger, held: &mut Held, new: Footprint) {
        let (in_account, in_container) = self.counts_in();
        if in_account {
            ledger.room.exchange(held.footprint, new);
        }
        if in_container {
            self.container.room.lock().exchange(held.footprint, new);
        }
        Self::exchange_in(&held.directories, held.footprint, new);
        held.footprint = new;
    }

    fn exchange_in(directories: &[Arc<Limited>], old: Footprint, new: Footprint) {
        for directory in directories {
            directory.exchange(old, new);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.held.get_mut().footprint != Footprint::default() {
            self.release();
        }
    }
}

#[cfg(test)]
mod tests;
