//! Directories that have limits: what is in each, and what changes under way hold of its room.
//!
//! Looked at and changed under the ledger's lock only, as the counters are: the locks in here are never contended, they only let
//! a reservation keep what it holds room in.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::name::{ContainerName, ObjectName};
use common::quota::Limits;
use parking_lot::Mutex;

use super::reservation::Room;
use crate::journal::Footprint;
use crate::node::NodePath;
use crate::tree::Operation;

/// A directory that has limits.
#[derive(Debug, Default)]
pub(crate) struct Limited(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    room: Room,
    used: Footprint,
}

/// All of an account.
#[derive(Debug, Default)]
pub(super) struct LimitedDirectories(BTreeMap<ContainerName, BTreeMap<ObjectName, Arc<Limited>>>);

impl Limited {
    fn new(limits: Limits, used: Footprint) -> Arc<Self> {
        let room = Room::new(limits);
        Arc::new(Self(Mutex::new(State { room, used })))
    }

    pub(super) fn takes(&self, growth: Footprint, held: Footprint) -> bool {
        let state = self.0.lock();
        state.room.takes(growth, held, state.used)
    }

    pub(super) fn exchange(&self, old: Footprint, new: Footprint) {
        self.0.lock().room.exchange(old, new);
    }

    /// What is in it, as far as that was counted.
    pub(super) fn used(&self) -> Footprint {
        self.0.lock().used
    }

    /// It really holds this much, as somebody counted.
    pub(super) fn correct(&self, holds: Footprint) {
        self.0.lock().used = holds;
    }

    fn count(&self, old: Footprint, new: Footprint) {
        let mut state = self.0.lock();
        state.used = state.used.less(old).plus(new);
    }
}

impl LimitedDirectories {
    /// Those in which a name lies; a directory's own name lies in it.
    pub(super) fn above(&self, container: &ContainerName, name: &str) -> Vec<Arc<Limited>> {
        let Some(limited) = self.0.get(container) else {
            return Vec::new();
        };
        let ends = name.match_indices('/').map(|(slash, _)| slash + 1);
        ends.filter_map(|end| limited.get(&name[..end]).cloned())
            .collect()
    }

    /// Those in which a node of a tree operation lies, itself not counted.
    pub(super) fn around(&self, path: &NodePath) -> Vec<Arc<Limited>> {
        match path {
            NodePath::Object(container, name) => self.above(container, name.as_str()),
            NodePath::Directory(container, name) => {
                self.above(container, name.as_str().strip_suffix('/').unwrap_or_default())
            }
            NodePath::Account | NodePath::Container(_) => Vec::new(),
        }
    }

    /// Those of a container.
    pub(super) fn of(&self, container: &ContainerName) -> BTreeMap<ObjectName, Arc<Limited>> {
        self.0.get(container).cloned().unwrap_or_default()
    }

    /// Whether any directory of the container has limits.
    pub(super) fn are_in(&self, container: &ContainerName) -> bool {
        self.0.contains_key(container)
    }

    /// Whether a directory has limits, or one in it.
    pub(super) fn are_at_or_below(&self, path: &NodePath) -> bool {
        let NodePath::Directory(container, directory) = path else {
            return false;
        };
        let Some(limited) = self.0.get(container) else {
            return false;
        };
        let first = limited.range::<ObjectName, _>(directory..).next();
        first.is_some_and(|(name, _)| name.as_str().starts_with(directory.as_str()))
    }

    /// Counts a change of a node; a directory that is gone has no limits.
    pub(super) fn count(&mut self, path: &NodePath, old: Option<Footprint>, new: Option<Footprint>) {
        match path {
            NodePath::Object(container, name) => {
                for limited in self.above(container, name.as_str()) {
                    limited.count(old.unwrap_or_default(), new.unwrap_or_default());
                }
            }
            NodePath::Directory(container, name) if new.is_none() => self.remove(container, name),
            NodePath::Container(name) if new.is_none() => drop(self.0.remove(name)),
            NodePath::Account | NodePath::Container(_) | NodePath::Directory(..) => {}
        }
    }

    /// Counts a tree operation; limits go with their directories.
    pub(super) fn count_operation(&mut self, operation: &Operation) {
        let nothing = Footprint::default();
        let mut taken = Vec::new();
        if let Some(from) = &operation.rename.from {
            for limited in self.around(from) {
                limited.count(operation.moved, nothing);
            }
            taken = self.cut(from);
        }
        let Some(to) = &operation.rename.to else {
            return;
        };
        for limited in self.around(to) {
            limited.count(operation.replaced, operation.moved);
        }
        self.cut(to);
        if let NodePath::Directory(container, directory) = to {
            for (rest, limited) in taken {
                if let Ok(name) = ObjectName::new(format!("{directory}{rest}")) {
                    self.put(container, name, limited);
                }
            }
        }
    }

    /// Gives a directory, in which there is so much, these limits.
    pub(super) fn set(
        &mut self,
        container: &ContainerName,
        name: &ObjectName,
        limits: Limits,
        used: Option<Footprint>,
    ) {
        if !limits.are_set() {
            return self.remove(container, name);
        }
        match (self.find(container, name), used) {
            (Some(limited), _) => limited.0.lock().room.limits = limits,
            (None, Some(used)) => self.put(container, name.clone(), Limited::new(limits, used)),
            (None, None) => {}
        }
    }

    /// What is in a directory that has limits, and these.
    pub(super) fn show(&self, container: &ContainerName, name: &ObjectName) -> Option<(Footprint, Limits)> {
        let limited = self.find(container, name)?;
        let state = limited.0.lock();
        Some((state.used, state.room.limits))
    }

    /// All of a container, in byte order, with what is in each and its limits.
    pub(super) fn show_all(&self, container: &ContainerName) -> Vec<(ObjectName, Footprint, Limits)> {
        let limited = self.0.get(container).into_iter().flatten();
        let shown = limited.map(|(name, limited)| {
            let state = limited.0.lock();
            (name.clone(), state.used, state.room.limits)
        });
        shown.collect()
    }

    /// The names of all, with what is in each.
    pub(super) fn used(&self) -> BTreeMap<ContainerName, BTreeMap<ObjectName, Footprint>> {
        let used = |limited: &BTreeMap<ObjectName, Arc<Limited>>| {
            let used = limited.iter();
            used.map(|(name, limited)| (name.clone(), limited.0.lock().used))
                .collect()
        };
        let containers = self.0.iter();
        containers
            .map(|(container, limited)| (container.clone(), used(limited)))
            .collect()
    }

    /// The same again, with no limits as long as they are not set.
    pub(super) fn with_used(used: BTreeMap<ContainerName, BTreeMap<ObjectName, Footprint>>) -> Self {
        let mut directories = Self::default();
        for (container, used) in used {
            for (name, used) in used {
                directories.put(&container, name, Limited::new(Limits::default(), used));
            }
        }
        directories
    }

    fn find(&self, container: &ContainerName, name: &ObjectName) -> Option<&Arc<Limited>> {
        self.0.get(container)?.get(name)
    }

    fn put(&mut self, container: &ContainerName, name: ObjectName, limited: Arc<Limited>) {
        self.0.entry(container.clone()).or_default().insert(name, limited);
    }

    fn remove(&mut self, container: &ContainerName, name: &ObjectName) {
        if let Some(limited) = self.0.get_mut(container) {
            limited.remove(name);
            if limited.is_empty() {
                self.0.remove(container);
            }
        }
    }

    /// Takes a directory and those in it out; names are relative to it.
    fn cut(&mut self, top: &NodePath) -> Vec<(String, Arc<Limited>)> {
        let NodePath::Directory(container, directory) = top else {
            return Vec::new();
        };
        let Some(limited) = self.0.get_mut(container) else {
            return Vec::new();
        };
        let is_below = |name: &ObjectName| name.as_str().starts_with(directory.as_str());
        let cut = limited.extract_if(.., |name, _| is_below(name));
        let cut: Vec<_> = cut
            .map(|(name, limited)| (name.as_str()[directory.as_str().len()..].to_owned(), limited))
            .collect();
        if limited.is_empty() {
            self.0.remove(container);
        }
        cut
    }
}
