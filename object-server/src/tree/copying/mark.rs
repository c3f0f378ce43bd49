//! How far a copy is durable: whoever takes it up after a restart goes on from there.
//!
//! The order is the one in which a copy goes: level by level, in a level by name, in a directory by segment. What a mark reaches was
//! synced before the mark was written down, so it is never ahead of the disk; what of a build lies behind it may be torn.

use serde::{Deserialize, Serialize};

use crate::engine::Child;
use crate::journal::Footprint;
use crate::node::WriteId;

/// So much of a build is durable, whole and complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Of which build.
    pub(crate) build: WriteId,
    /// The directory that was being copied, relative to the source; empty: that itself.
    directory: String,
    /// What in it was the last; empty: nothing yet.
    segment: String,
    /// Copied so far.
    pub(crate) objects: u64,
    /// Bytes of these.
    pub(crate) bytes: u64,
}

impl Mark {
    /// Of a build that has come to this child of a directory.
    pub(super) fn at(build: WriteId, directory: &str, segment: &str, copied: Footprint) -> Self {
        Self {
            build,
            directory: directory.to_owned(),
            segment: segment.to_owned(),
            objects: copied.objects,
            bytes: copied.bytes,
        }
    }

    pub(super) const fn footprint(&self) -> Footprint {
        Footprint {
            objects: self.objects,
            bytes: self.bytes,
        }
    }

    /// Whether this child of a directory comes no later.
    pub(super) fn reaches(&self, directory: &str, segment: &str) -> bool {
        place(directory, segment) <= place(&self.directory, &self.segment)
    }

    /// What of these children of a directory comes no later.
    pub(super) fn reached(&self, directory: &str, children: &[Child]) -> Vec<Child> {
        let reached = |child: &&Child| self.reaches(directory, &child.segment);
        children.iter().filter(reached).cloned().collect()
    }
}

/// To be compared. As segments keep their slashes the order of names of one level is that of their segments, one by one.
fn place<'a>(directory: &'a str, segment: &'a str) -> (usize, &'a str, &'a str) {
    (directory.matches('/').count(), directory, segment)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};

    use proptest::prelude::*;

    use super::*;

    fn mark(directory: &str, segment: &str) -> Mark {
        Mark::at(WriteId(1), directory, segment, Footprint::default())
    }

    /// All children of a tree in the order in which they are copied.
    fn breadth_first(names: &BTreeSet<String>) -> Vec<(String, String)> {
        let mut tree = BTreeMap::<String, BTreeSet<String>>::new();
        for name in names {
            let mut directory = String::new();
            for segment in name.split_inclusive('/') {
                let children = tree.entry(directory.clone()).or_default();
                children.insert(segment.to_owned());
                directory.push_str(segment);
            }
        }
        let (mut order, mut ahead) = (Vec::new(), VecDeque::from([String::new()]));
        while let Some(directory) = ahead.pop_front() {
            for segment in tree.get(&directory).into_iter().flatten() {
                order.push((directory.clone(), segment.clone()));
                if segment.ends_with('/') {
                    ahead.push_back(format!("{directory}{segment}"));
                }
            }
        }
        order
    }

    proptest! {
        #[test]
        fn a_mark_reaches_what_was_copied_before_it_and_nothing_else(
            names in proptest::collection::btree_set("[a!0/\u{e4}]{1,8}", 1..24),
        ) {
            let order = breadth_first(&names);
            for (at, (directory, segment)) in order.iter().enumerate() {
                let mark = mark(directory, segment);
                for (other, (directory, segment)) in order.iter().enumerate() {
                    prop_assert_eq!(mark.reaches(directory, segment), other <= at);
                }
            }
        }
    }

    #[test]
    fn a_directory_begins_before_its_children() {
        assert!(mark("d/", "a").reaches("d/", ""));
        assert!(!mark("d/", "").reaches("d/", "a"));
        assert!(!mark("", "z").reaches("a/", ""));
        assert!(mark("a/", "a").reaches("", "z"));
    }

    #[test]
    fn of_children_those_are_reached_that_come_no_later() {
        let child = |segment: &str| Child {
            segment: segment.to_owned(),
            is_object: true,
        };
        let children = ["a", "b", "b/", "c"].map(child);
        assert_eq!(mark("d/", "b").reached("d/", &children), children[..2]);
        assert_eq!(mark("d/e/", "").reached("d/", &children), children);
        assert_eq!(mark("c/", "z").reached("d/", &children), []);
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let footprint = Footprint { objects: 7, bytes: 8 };
        let mark = Mark::at(WriteId(u64::MAX), "d/\u{e4}/", "x/", footprint);
        let json = serde_json::to_string(&mark).unwrap();
        assert_eq!(serde_json::from_str::<Mark>(&json).unwrap(), mark);
        assert_eq!(mark.footprint(), footprint);
    }
}
