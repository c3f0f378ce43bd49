//! The changes of one account that the mirror does not have yet.
//!
//! Nodes are sent by state: one that changed twice while it waited is sent once. Tree operations are sent as what they
//! are, in their order, so a node's changes on the two sides of one are never made one: behind it the name may be another
//! node's. A state that is not known is read when it is sent, under the name that the node then has.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use common::functional::mirror::Node;

use crate::journal::Position;
use crate::node::NodePath;
use crate::tree::Rename;

/// States are kept for so many waiting changes of an account; of the others only the names, and storage is asked when
/// it is their turn.
const MAX_KEPT_STATES: usize = 10_000;

/// What changed.
#[derive(Clone, Debug)]
pub(super) enum What {
    /// A node, with the last state known of it.
    Node(NodePath, Option<Node>),
    /// A name; of an object that was moved, with the state under the new one, if it is known. The object is two changes,
    /// which go together.
    Rename(Rename, Option<Node>),
}

/// A change that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Of the last change.
    pub(super) seq: u64,
    /// Of the first change: the journal must be kept from here.
    pub(super) position: Position,
    pub(super) what: What,
}

/// A batch taken out: what is to be sent, and what the mirror has with it.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) waiting: Vec<(u64, Waiting)>,
    pub(super) through: u64,
}

/// Waiting changes in the order of their first `seq`.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeMap<u64, Waiting>,
    /// Where the nodes wait that changed since the last tree operation.
    places: HashMap<NodePath, u64>,
    /// Tree operations that have not arrived, by their `seq`.
    renames: BTreeMap<u64, Rename>,
    in_flight: Option<Position>,
    last_seq: u64,
}

impl Queue {
    pub(super) fn new(last_seq: u64) -> Self {
        Self {
            last_seq,
            ..Self::default()
        }
    }

    pub(super) fn note(&mut self, seq: u64, position: Position, path: NodePath, state: Option<Node>) {
        self.last_seq = self.last_seq.max(seq);
        let state = state.filter(|_| self.order.len() < MAX_KEPT_STATES);
        if let Some(waiting) = self.places.get(&path).and_then(|place| self.order.get_mut(place)) {
            waiting.seq = seq;
            waiting.what = What::Node(path, state);
            return;
        }
        self.places.insert(path.clone(), seq);
        let what = What::Node(path, state);
        self.order.insert(seq, Waiting { seq, position, what });
    }

    /// Takes a tree operation on. That of an object has the next `seq`, too, and may know the object's state.
    pub(super) fn note_rename(&mut self, seq: u64, position: Position, rename: Rename, state: Option<Node>) {
        let what = What::Rename(rename.clone(), state);
        self.last_seq = self.last_seq.max(what.last_seq(seq));
        // Clearing it would take as long as it once was large.
        self.places = HashMap::new();
        self.renames.insert(seq, rename);
        self.order.insert(seq, Waiting { seq, position, what });
    }

    /// What the node is called now that was called `path` when the change `seq` was made; `None`: it was taken away.
    pub(super) fn now_called(&self, path: &NodePath, seq: u64) -> Option<NodePath> {
        let later = self.renames.range((Bound::Excluded(seq), Bound::Unbounded));
        later
            .map(|(_, rename)| rename)
            .try_fold(path.clone(), |path, rename| rename.after(&path))
    }

    /// The tree operations that came after the change `seq`, and have not arrived.
    pub(super) fn renames_after(&self, seq: u64) -> Vec<Rename> {
        let later = self.renames.range((Bound::Excluded(seq), Bound::Unbounded));
        later.map(|(_, rename)| rename.clone()).collect()
    }

    /// The next batch of at most `limit` changes; empty when nothing waits, and then `through` is the last change.
    pub(super) fn take(&mut self, limit: usize) -> Batch {
        self.take_until(limit, u64::MAX)
    }

    /// The same of changes up to `last`.
    pub(super) fn take_until(&mut self, limit: usize, last: u64) -> Batch {
        let mut waiting = Vec::new();
        let mut changes = 0;
        while let Some(next) = self.order.first_entry() {
            changes += next.get().what.changes();
            let is_attach = next.get().what.attached().is_some();
            // What was attached goes alone: its rows are many batches.
            if changes > limit || *next.key() > last || is_attach && !waiting.is_empty() {
                break;
            }
            let (place, next) = next.remove_entry();
            if let What::Node(path, _) = &next.what
                && self.places.get(path) == Some(&place)
            {
                self.places.remove(path);
            }
            waiting.push((place, next));
            if is_attach {
                break;
            }
        }
        self.in_flight = waiting.first().map(|(_, first)| first.position);
        let through = self.order.keys().next().map_or(self.last_seq, |next| next - 1);
        Batch { waiting, through }
    }

    /// The batch arrived.
    pub(super) fn arrived(&mut self, batch: &Batch) {
        self.in_flight = None;
        for (place, _) in &batch.waiting {
            self.renames.remove(place);
        }
    }

    /// The batch did not arrive: its nodes wait again at their places, with the newer states that came meanwhile.
    pub(super) fn put_back(&mut self, batch: Batch) {
        self.in_flight = None;
        let last_rename = self.renames.keys().next_back().copied().unwrap_or(0);
        for (place, mut waiting) in batch.waiting {
            if let What::Node(path, state) = &mut waiting.what
                && place > last_rename
            {
                let newer = self.places.insert(path.clone(), place);
                if let Some(newer) = newer.and_then(|later| self.order.remove(&later))
                    && let What::Node(_, newer_state) = newer.what
                {
                    waiting.seq = newer.seq;
                    *state = newer_state;
                }
            }
            self.order.insert(place, waiting);
        }
    }

    /// Forgets what the mirror has anyway.
    pub(super) fn forget_through(&mut self, seq: u64) {
        let places = &mut self.places;
        self.order.retain(|place, waiting| {
            let keep = waiting.what.last_seq(waiting.seq) > seq;
            if !keep
                && let What::Node(path, _) = &waiting.what
                && places.get(path) == Some(place)
            {
                places.remove(path);
            }
            keep
        });
        let order = &self.order;
        self.renames.retain(|place, _| order.contains_key(place));
    }

    /// Gives up the tree operations that wait: whoever takes them makes sure that the mirror has what they led to. What else
    /// waits is put down under the name that it has now, to be read. Answers them, and the last change so far.
    pub(super) fn take_renames(&mut self) -> (Vec<Rename>, u64) {
        let order = std::mem::take(&mut self.order);
        for (place, mut waiting) in order {
            match &mut waiting.what {
                What::Rename(..) => continue,
                What::Node(path, state) => match self.now_called(path, waiting.seq) {
                    None => continue,
                    Some(now) if now != *path => (*path, *state) = (now, None),
                    Some(_) => {}
                },
            }
            self.order.insert(place, waiting);
        }
        let renames = std::mem::take(&mut self.renames);
        (renames.into_values().collect(), self.last_seq)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty() && self.in_flight.is_none()
    }

    pub(super) fn last_seq(&self) -> u64 {
        self.last_seq
    }

    pub(super) fn oldest_needed(&self) -> Option<Position> {
        let first = self.order.values().next().map(|waiting| waiting.position);
        self.in_flight.into_iter().chain(first).min()
    }
}

impl Batch {
    /// The directory that was attached, when that is the batch, with its `seq`.
    pub(super) fn attached(&self) -> Option<(u64, &NodePath)> {
        let (_, first) = self.waiting.first()?;
        Some((first.seq, first.what.attached()?))
    }
}

impl What {
    /// The directory that was attached, if this is that.
    fn attached(&self) -> Option<&NodePath> {
        match self {
            Self::Rename(Rename { from: None, to }, _) => to.as_ref(),
            Self::Node(..) | Self::Rename(..) => None,
        }
    }

    /// As how many changes it is sent.
    fn changes(&self) -> usize {
        match self {
            Self::Rename(rename, _) if rename.is_of_object() => 2,
            Self::Node(..) | Self::Rename(..) => 1,
        }
    }

    /// The last `seq` of what has `seq` as its first, or only one.
    fn last_seq(&self, seq: u64) -> u64 {
        seq + self.changes() as u64 - 1
    }
}

#[cfg(test)]
mod tests;
