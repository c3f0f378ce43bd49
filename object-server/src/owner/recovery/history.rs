//! What the journal's commits say of names as they are now.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;

use super::found::{Change, Made};
use crate::journal::Footprint;
use crate::node::{NodePath, WriteId};
use crate::tree::Rename;

/// A write, and what it led to.
type Write = (WriteId, Option<Footprint>);

/// The writes of each name, and the tree operations between them, each with its `seq`.
#[derive(Debug, Default)]
pub(super) struct History {
    nodes: HashMap<NodePath, BTreeMap<u64, Write>>,
    renames: BTreeMap<u64, Rename>,
}

impl History {
    pub(super) fn of(changes: &[Change]) -> Self {
        let mut history = Self::default();
        for change in changes {
            match &change.made {
                Made::Node { id, path, new, .. } => history.add_node(path.clone(), change.seq, *id, *new),
                Made::Operation(operation) => history.add_operation(change.seq, operation.rename.clone()),
            }
        }
        history
    }

    pub(super) fn add_node(&mut self, path: NodePath, seq: u64, id: WriteId, new: Option<Footprint>) {
        self.nodes.entry(path).or_default().insert(seq, (id, new));
    }

    pub(super) fn add_operation(&mut self, seq: u64, rename: Rename) {
        self.renames.insert(seq, rename);
    }

    /// What the node is called now that was called `path` when the change `seq` was made; `None`: it was taken away.
    pub(super) fn now_called(&self, path: &NodePath, seq: u64) -> Option<NodePath> {
        let mut later = self.renames.range((Bound::Excluded(seq), Bound::Unbounded));
        later.try_fold(path.clone(), |path, (_, rename)| rename.after(&path))
    }

    /// The last write of the node that is called `path` now, when the journal has one.
    pub(super) fn last(&self, path: &NodePath) -> Option<Write> {
        let mut path = path.clone();
        let mut until = u64::MAX;
        for (&seq, rename) in self.renames.iter().rev() {
            if let Some(write) = self.last_between(&path, seq, until) {
                return Some(write);
            }
            // The name was left free, and whoever left it is the last who wrote.
            path = rename.before(&path)?;
            until = seq;
        }
        self.last_between(&path, 0, until)
    }

    fn last_between(&self, path: &NodePath, after: u64, before: u64) -> Option<Write> {
        let writes = self.nodes.get(path)?;
        let between = (Bound::Excluded(after), Bound::Excluded(before));
        writes.range(between).next_back().map(|(_, write)| *write)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::name::{ContainerName, ObjectName};
    use proptest::prelude::*;

    fn object(name: &str) -> NodePath {
        NodePath::Object(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
    }

    fn directory(name: &str) -> NodePath {
        NodePath::Directory(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
    }

    #[derive(Clone, Debug)]
    enum Step {
        Write(String),
        Move(String, String),
        Detach(String),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let name = || "[ab]/([ab]/)?[xy]";
        let step = prop_oneof![
            3 => name().prop_map(Step::Write),
            2 => ("[ab]/([ab]/)?", "[c-d]/").prop_map(|(from, to)| Step::Move(from, to)),
            2 => ("[cd]/", "[ab]/").prop_map(|(from, to)| Step::Move(from, to)),
            1 => "[a-d]/".prop_map(Step::Detach),
        ];
        prop::collection::vec(step, 0..40)
    }

    fn rename(model: &mut BTreeMap<String, u64>, from: &str, to: Option<&str>) {
        let moved: Vec<_> = model
            .iter()
            .filter_map(|(name, write)| Some((name.strip_prefix(from)?.to_owned(), *write)))
            .collect();
        model.retain(|name, _| !name.starts_with(from) && to.is_none_or(|to| !name.starts_with(to)));
        if let Some(to) = to {
            model.extend(
                moved
                    .into_iter()
                    .map(|(rest, write)| (format!("{to}{rest}"), write)),
            );
        }
    }

    proptest! {
        /// Names that were written, moved and removed: the last write of each is found under its present name.
        #[test]
        fn the_last_write_is_found(steps in steps()) {
            let (mut history, mut model) = (History::default(), BTreeMap::new());
            for (seq, step) in (1..).zip(steps) {
                match step {
                    Step::Write(name) => {
                        history.add_node(object(&name), seq, WriteId(seq), None);
                        model.insert(name, seq);
                    }
                    Step::Move(from, to) => {
                        let operation = Rename { from: Some(directory(&from)), to: Some(directory(&to)) };
                        history.add_operation(seq, operation);
                        rename(&mut model, &from, Some(&to));
                    }
                    Step::Detach(from) => {
                        history.add_operation(seq, Rename { from: Some(directory(&from)), to: None });
                        rename(&mut model, &from, None);
                    }
                }
            }
            for (name, write) in &model {
                prop_assert_eq!(history.last(&object(name)), Some((WriteId(*write), None)), "{}", name);
            }
            for (path, writes) in &history.nodes {
                for (seq, (id, _)) in writes {
                    if let Some(now) = history.now_called(path, *seq) {
                        let newer = history.last(&now);
                        prop_assert!(newer.is_some_and(|(newer, _)| newer >= *id));
                    }
                }
            }
        }
    }
}
