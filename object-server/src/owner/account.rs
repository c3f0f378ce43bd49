//! One account in memory: what it is, what it holds, how much, and where its order of changes stands.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::functional::Context;
use common::functional::quota::Quota;
use common::name::{AccountName, ContainerName, ObjectName};
use common::quota::Limits;
use common::{Error, Outcome};
use parking_lot::{Mutex, RwLock};

use super::container::{Container, Standing};
use super::limited::{Limited, LimitedDirectories};
use super::recount::Counting;
use super::reservation::{Reservation, Room};
use super::watch::Watched;
use crate::checkpoint::{Count, Counters, Names};
use crate::journal::{Footprint, Position};
use crate::node::{self, AccountAttributes, ContainerAttributes, NodePath};
use crate::tree::Operation;

mod shown;

/// An account that exists in storage.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) name: AccountName,
    pub(crate) account_id: u64,
    /// Held while the account itself changes or containers are made and removed.
    pub(crate) structure: Arc<tokio::sync::Mutex<()>>,
    tree: RwLock<Tree>,
    pub(super) ledger: Mutex<Ledger>,
}

#[derive(Debug)]
struct Tree {
    attributes: Arc<AccountAttributes>,
    containers: BTreeMap<ContainerName, Arc<Container>>,
    /// The generation of every absent container: the last change that made or removed one.
    containers_changed: u64,
}

/// Where the account's order of changes stands, and what they add up to. One lock for both, so that the counters are
/// always those of exactly `last_seq`.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) last_seq: u64,
    pub(super) counters: Counters,
    pub(super) names: Names,
    pub(super) limited: LimitedDirectories,
    /// Whether anything changed since the counters were written down.
    pub(super) is_dirty: bool,
    /// What the mirror had when they were.
    pub(super) mirrored_seq: u64,
    /// Of the account as a whole; each container has its own.
    pub(super) room: Room,
    /// Who counts what containers really hold.
    pub(super) countings: Vec<Counting>,
    /// Who is told whether anything changes in a directory.
    pub(super) watches: Vec<Arc<Watched>>,
}

impl Ledger {
    /// Counts a change; what it held room for is now there.
    pub(super) fn count(
        &mut self,
        path: &NodePath,
        old: Option<Footprint>,
        new: Option<Footprint>,
        reservation: Option<&Reservation>,
    ) {
        self.counters.apply(path, old, new);
        self.names.apply(path, old, new);
        self.limited.count(path, old, new);
        self.tell_countings(path, old, new);
        self.tell_watches(path);
        if let Some(reservation) = reservation {
            reservation.settle(self, old, new);
        }
    }

    /// Counts a tree operation.
    pub(super) fn count_operation(&mut self, operation: &Operation) {
        for (path, old, new) in operation.counted() {
            self.counters.apply(path, old, new);
        }
        self.names.rename(&operation.rename, operation.longest());
        self.limited.count_operation(operation);
        for path in operation.rename.places() {
            self.tell_watches_of_operation(path);
            if let NodePath::Object(container, _) | NodePath::Directory(container, _) = path {
                self.break_countings(container);
            }
        }
    }
}

impl Account {
    pub(crate) fn new(
        name: AccountName,
        attributes: AccountAttributes,
        containers: Vec<(ContainerName, ContainerAttributes)>,
        last_seq: u64,
        (counters, names): (Counters, Names),
    ) -> Self {
        let limits = Limits::of_account(&attributes.properties);
        let containers = containers.into_iter().map(|(name, attributes)| {
            let container = Container::new(name.clone(), attributes);
            container.set_in_limited_account(limits.are_set());
            (name, Arc::new(container))
        });
        Self {
            name,
            account_id: attributes.account_id,
            structure: Arc::default(),
            tree: RwLock::new(Tree {
                attributes: Arc::new(attributes),
                containers: containers.collect(),
                containers_changed: last_seq,
            }),
            ledger: Mutex::new(Ledger {
                last_seq,
                counters,
                names,
                limited: LimitedDirectories::default(),
                is_dirty: false,
                mirrored_seq: 0,
                room: Room::new(limits),
                countings: Vec::new(),
                watches: Vec::new(),
            }),
        }
    }

    pub(crate) fn attributes(&self) -> Arc<AccountAttributes> {
        Arc::clone(&self.tree.read().attributes)
    }

    pub(crate) fn set_attributes(&self, attributes: AccountAttributes) {
        self.tree.write().attributes = Arc::new(attributes);
    }

    /// Whether it was deleted, and only its remains are still to be removed.
    pub(crate) fn is_deleted(&self) -> bool {
        self.tree.read().attributes.deleted
    }

    /// Refuses a change of what lies in an account that is switched off, or was deleted. To be asked under the lock of its
    /// container: whoever switches an account off, or deletes it, waits for all of these once.
    ///
    /// # Errors
    /// 403; 410.
    pub(crate) fn check_enabled(&self) -> Result<(), Error> {
        let attributes = self.attributes();
        match attributes.state {
            _ if attributes.deleted => Err(Outcome::Gone.into()),
            node::State::Disabled => Err(Outcome::Disabled.into()),
            node::State::Enabled => Ok(()),
        }
    }

    /// Refuses everybody but administrators the jobs of an account that was deleted.
    ///
    /// # Errors
    /// 410.
    pub(crate) fn check_shown(&self, context: &Context) -> Result<(), Error> {
        match self.is_deleted() && !context.authority.caller().is_administrator() {
            true => Err(Outcome::Gone.into()),
            false => Ok(()),
        }
    }

    /// Waits until all changes have ended that were let through before the account was switched off or deleted. The caller holds
    /// `structure`, so no container is made meanwhile.
    pub(crate) async fn changes_under_way(&self) {
        for container in self.containers() {
            drop(container.lock.exclusive().await);
        }
    }

    /// Brings the account's limits into force, if they are others than before: when this answers, every change that was
    /// let through under the former ones has been made. The caller holds `structure`.
    pub(crate) async fn enforce_limits(&self) {
        let limits = Limits::of_account(&self.attributes().properties);
        {
            let room = &mut self.ledger.lock().room;
            if room.limits == limits {
                return;
            }
            room.limits = limits;
        }
        for container in self.containers() {
            let _nobody_publishes = container.lock.exclusive().await;
            container.set_in_limited_account(limits.are_set());
        }
    }

    /// Takes over what a container now is. The caller holds its lock exclusively.
    pub(crate) fn set_container_attributes(&self, container: &Container, attributes: ContainerAttributes) {
        let limits = Limits::of_container(&attributes.properties);
        *container.attributes.write() = Arc::new(attributes);
        let _ledger = self.ledger.lock();
        container.room.lock().limits = limits;
        container.set(Standing::LIMITED, limits.are_set());
    }

    pub(crate) fn container(&self, name: &ContainerName) -> Option<Arc<Container>> {
        self.tree.read().containers.get(name).cloned()
    }

    /// All containers, in byte order of their names.
    pub(crate) fn containers(&self) -> Vec<Arc<Container>> {
        self.tree.read().containers.values().cloned().collect()
    }

    /// Takes a new container on. The caller holds `structure`.
    pub(crate) fn add_container(&self, container: Arc<Container>, generation: u64) {
        container.set_in_limited_account(self.ledger.lock().room.limits.are_set());
        let mut tree = self.tree.write();
        tree.containers_changed = generation;
        tree.containers.insert(container.name.clone(), container);
    }

    pub(crate) fn remove_container(&self, name: &ContainerName, generation: u64) {
        self.ledger.lock().break_countings(name);
        let mut tree = self.tree.write();
        tree.containers_changed = generation;
        if let Some(container) = tree.containers.remove(name) {
            container.set(Standing::REMOVED, true);
        }
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.ledger.lock().last_seq
    }

    /// A generation greater than every earlier one of the account and its containers. Each change that takes one is
    /// itself committed with a `seq` not lower before the next can take one, as `structure` or the container's lock
    /// is held.
    pub(crate) fn next_generation(&self) -> u64 {
        self.ledger.lock().last_seq + 1
    }

    pub(crate) fn count(&self, container: &ContainerName) -> Count {
        self.ledger.lock().counters.container(container)
    }

    /// The containers of which the counters know although they are not there, with what they say, and those that are there and
    /// not known; with `mend` no more. The caller holds `structure`.
    pub(crate) fn miscounted_containers(&self, mend: bool) -> Vec<(ContainerName, Option<Count>)> {
        let there: Vec<_> = self.tree.read().containers.keys().cloned().collect();
        let mut ledger = self.ledger.lock();
        let known = ledger.counters.containers();
        let missing = there.iter().filter(|name| !known.contains_key(*name));
        let missing = missing.map(|name| (name.clone(), None));
        let gone = known
            .iter()
            .filter(|(name, _)| there.binary_search(name).is_err());
        let gone = gone.map(|(name, count)| (name.clone(), Some(*count)));
        let found: Vec<_> = missing.chain(gone).collect();
        if mend {
            for (name, count) in &found {
                ledger.counters.correct_container(name, count.is_none());
            }
            ledger.is_dirty |= !found.is_empty();
        }
        found
    }

    /// No name of the container is longer; `None`: that is not known.
    pub(crate) fn longest_name(&self, container: &ContainerName) -> Option<usize> {
        self.ledger.lock().names.longest(container)
    }

    /// The limited directories in which only the first of two nodes lies, and those in which only the second does.
    pub(crate) fn limited_apart(
        &self,
        one: &NodePath,
        other: &NodePath,
    ) -> (Vec<Arc<Limited>>, Vec<Arc<Limited>>) {
        let ledger = self.ledger.lock();
        let (around_one, around_other) = (ledger.limited.around(one), ledger.limited.around(other));
        let without = |these: &[Arc<Limited>], those: &[Arc<Limited>]| {
            let these = these.iter();
            these
                .filter(|this| !those.iter().any(|that| Arc::ptr_eq(this, that)))
                .cloned()
                .collect()
        };
        (
            without(&around_one, &around_other),
            without(&around_other, &around_one),
        )
    }

    /// What is in a directory that has limits, and these.
    pub(crate) fn directory_limits(
        &self,
        container: &ContainerName,
        name: &ObjectName,
    ) -> Option<(Footprint, Limits)> {
        self.ledger.lock().limited.show(container, name)
    }

    /// Whether this directory has limits, or one in it.
    pub(crate) fn is_limited_in(&self, path: &NodePath) -> bool {
        self.ledger.lock().limited.are_at_or_below(path)
    }

    /// The directories of a container that have limits, in byte order, with what is in each.
    pub(crate) fn limited_directories(&self, container: &ContainerName) -> Vec<Quota> {
        let shown = self.ledger.lock().limited.show_all(container);
        let quotas = shown.into_iter().map(|(name, used, limits)| Quota {
            directory: Some(name),
            ..Quota::new(
                self.name.clone(),
                Some(container.clone()),
                (used.bytes, used.objects),
                limits,
            )
        });
        quotas.collect()
    }

    /// Brings the limits of a directory into force, in which there is so much. To be called under the lock of its container,
    /// held exclusively, or before anybody asks for anything.
    pub(crate) fn limit_directory(
        &self,
        container: &Container,
        name: &ObjectName,
        limits: Limits,
        used: Option<Footprint>,
    ) {
        let mut ledger = self.ledger.lock();
        ledger.limited.set(&container.name, name, limits, used);
        ledger.is_dirty = true;
        container.set(Standing::LIMITED_INSIDE, ledger.limited.are_in(&container.name));
    }

    /// Notes which containers have limited directories in them, after a tree operation in these.
    pub(crate) fn note_limited(&self, containers: &[Arc<Container>]) {
        let ledger = self.ledger.lock();
        for container in containers {
            container.set(Standing::LIMITED_INSIDE, ledger.limited.are_in(&container.name));
        }
    }

    /// A tree operation was made, as the journal says there. To be called under the locks of its containers.
    pub(super) fn note_operation(&self, operation: &Operation, made: Position) {
        for path in operation.rename.places() {
            if let NodePath::Object(container, _) | NodePath::Directory(container, _) = path
                && let Some(container) = self.container(container)
            {
                container.note_operation(made);
            }
        }
    }

    /// Whether this object is switched off, or one in this directory.
    pub(crate) fn is_disabled_in(&self, path: &NodePath) -> bool {
        self.ledger.lock().names.is_disabled_in(path)
    }

    /// An object was switched off, or on again. To be called under the lock of its container, when storage shows it.
    pub(crate) fn note_state(&self, container: &ContainerName, object: &ObjectName, is_disabled: bool) {
        let mut ledger = self.ledger.lock();
        ledger.names.set_disabled(container, object, is_disabled);
    }
}
