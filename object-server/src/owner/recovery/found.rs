//! What the journal holds of one account.

use std::collections::BTreeMap;
use std::sync::Arc;

use common::name::{ContainerName, ObjectName};

use crate::journal::{Action, Footprint, Kind, Position, Record};
use crate::node::{NodePath, WriteId};
use crate::tree::{Operation, lies_in};

/// Of one account: what was done, in its order, and what was announced only.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) changes: Vec<Change>,
    pub(super) begun: BTreeMap<Position, Begun>,
}

/// A change that was made.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) seq: u64,
    pub(super) position: Position,
    pub(super) made: Made,
}

#[derive(Debug)]
pub(super) enum Made {
    Node {
        id: WriteId,
        path: NodePath,
        old: Option<Footprint>,
        new: Option<Footprint>,
        record: Arc<Record>,
    },
    Operation(Operation),
}

/// A change that may have been made.
#[derive(Debug)]
pub(super) enum Begun {
    Node {
        id: WriteId,
        path: NodePath,
        action: Action,
        old: Option<Footprint>,
        record: Arc<Record>,
    },
    Operation(WriteId, Operation),
}

impl Change {
    /// A moved object takes two numbers.
    pub(super) fn last_seq(&self) -> u64 {
        match &self.made {
            Made::Operation(operation) if operation.rename.is_of_object() => self.seq + 1,
            _ => self.seq,
        }
    }
}

impl Found {
    /// Takes an entry of the journal on; they come in its order.
    pub(super) fn add(&mut self, position: Position, kind: Kind) {
        let made = |seq, made| Change { seq, position, made };
        match kind {
            Kind::Begin {
                id,
                path,
                action,
                old,
                record,
            } => {
                let begun = Begun::Node {
                    id,
                    path,
                    action,
                    old,
                    record,
                };
                self.begun.insert(position, begun);
            }
            Kind::Commit {
                id,
                seq,
                path,
                old,
                new,
                record,
            } => {
                self.end(id);
                let node = Made::Node {
                    id,
                    path,
                    old,
                    new,
                    record,
                };
                self.changes.push(made(seq, node));
            }
            Kind::Abort { id } => self.end(id),
            Kind::Moving { id, .. } | Kind::Detaching { id, .. } | Kind::Attaching { id, .. } => {
                if let Some(operation) = Operation::of(kind) {
                    self.begun.insert(position, Begun::Operation(id, operation));
                }
            }
            Kind::Moved { id, seq, .. } | Kind::Detached { id, seq, .. } | Kind::Attached { id, seq, .. } => {
                self.end(id);
                if let Some(operation) = Operation::of(kind) {
                    self.changes.push(made(seq, Made::Operation(operation)));
                }
            }
        }
    }

    fn end(&mut self, ended: WriteId) {
        self.begun.retain(|_, begun| match begun {
            Begun::Node { id, .. } | Begun::Operation(id, _) => *id != ended,
        });
    }

    /// Whether a change was announced of a name that a tree operation then gave to another node, or may have given: the
    /// announcement does not know what it really replaced.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.begun.iter().any(|(announced, begun)| {
            let Begun::Node { path, .. } = begun else {
                return false;
            };
            let mut undecided = self.begun.values();
            self.is_given_away(path, *announced)
                || undecided
                    .any(|other| matches!(other, Begun::Operation(_, operation) if is_place(path, operation)))
        })
    }

    /// Whether a tree operation gave the name to another node after the change was announced.
    pub(super) fn is_given_away(&self, path: &NodePath, announced: Position) -> bool {
        let later = self.changes.iter().rev();
        let mut later = later.take_while(|change| change.position > announced);
        later.any(|change| match &change.made {
            Made::Operation(operation) => is_place(path, operation),
            Made::Node { .. } => false,
        })
    }

    /// The last write of a name that is known.
    pub(super) fn last_write(&self, of: &NodePath) -> Option<WriteId> {
        self.changes.iter().rev().find_map(|change| match &change.made {
            Made::Node { id, path, .. } if path == of => Some(*id),
            _ => None,
        })
    }

    /// The directories that were made, changed or removed by themselves, or may have been, each with the `seq` of that.
    pub(super) fn directories(&self) -> Vec<(u64, NodePath)> {
        let done = self.changes.iter().filter_map(|change| match &change.made {
            Made::Node { path, .. } => Some((change.seq, path)),
            Made::Operation(_) => None,
        });
        let begun = self.begun.values().filter_map(|begun| match begun {
            Begun::Node { path, .. } => Some((u64::MAX, path)),
            Begun::Operation(..) => None,
        });
        let all = done.chain(begun);
        all.filter(|(_, path)| matches!(path, NodePath::Directory(..)))
            .map(|(seq, path)| (seq, path.clone()))
            .collect()
    }

    /// The objects that were switched off or on, or may have been.
    pub(super) fn switched(&self) -> Vec<(ContainerName, ObjectName)> {
        let done = self.changes.iter().filter_map(|change| match &change.made {
            Made::Node { path, record, .. } => Some((path, record)),
            Made::Operation(_) => None,
        });
        let begun = self.begun.values().filter_map(|begun| match begun {
            Begun::Node { path, record, .. } => Some((path, record)),
            Begun::Operation(..) => None,
        });
        let switched = done
            .chain(begun)
            .filter(|(_, record)| record.action == "firewall/state");
        switched
            .filter_map(|(path, _)| match path {
                NodePath::Object(container, object) => Some((container.clone(), object.clone())),
                _ => None,
            })
            .collect()
    }
}

/// Whether a tree operation leaves or takes this name, or one that it lies in.
pub(super) fn is_place(path: &NodePath, operation: &Operation) -> bool {
    operation.rename.places().any(|place| lies_in(path, place))
}
