//! A container in memory: names of objects, and what is known of directories.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::object::Object;
use crate::engine::{Child, Directory};
use crate::node::{ContainerAttributes, DirectoryAttributes, ObjectAttributes};

#[derive(Debug)]
pub(super) struct Container {
    pub(super) attributes: ContainerAttributes,
    pub(super) objects: BTreeMap<Arc<str>, Object>,
    directories: BTreeMap<Arc<str>, Known>,
}

/// A directory that somebody made or asked for.
#[derive(Clone, Copy, Debug)]
struct Known {
    identity: u64,
    explicit: Option<DirectoryAttributes>,
}

/// A directory with all below it, out of every container. Names are relative to it.
#[derive(Debug, Default)]
pub(super) struct Subtree {
    objects: BTreeMap<Arc<str>, Object>,
    directories: BTreeMap<Arc<str>, Known>,
}

/// A number that nothing had before.
pub(super) fn next_identity() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Container {
    pub(super) const fn new(attributes: ContainerAttributes) -> Self {
        Self {
            attributes,
            objects: BTreeMap::new(),
            directories: BTreeMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.directories.values().all(|known| known.explicit.is_none())
    }

    /// Removes an object, and forgets directories that were only there for it.
    pub(super) fn remove(&mut self, name: &str) -> Option<ObjectAttributes> {
        let removed = self.objects.remove(name)?;
        self.prune(name);
        Some(removed.attributes)
    }

    /// What lies directly in a directory.
    pub(super) fn children(&self, directory: &str) -> Vec<Child> {
        let objects = names_below(&self.objects, directory).filter(|&name| name != directory);
        let explicit = self.explicit_below(directory);
        let segments: BTreeSet<&str> = objects
            .chain(explicit)
            .filter_map(|name| name[directory.len()..].split_inclusive('/').next())
            .collect();
        let child = |segment: &str| Child {
            is_object: self
                .objects
                .contains_key(format!("{directory}{segment}").as_str()),
            segment: segment.to_owned(),
        };
        segments.into_iter().map(child).collect()
    }

    /// A directory that is there, which is known from now on.
    pub(super) fn directory(&mut self, name: &str) -> Option<Directory> {
        let explicit = self.directories.get(name).and_then(|known| known.explicit);
        let is_empty = !self.holds_anything(name);
        if explicit.is_none() && is_empty {
            return None;
        }
        Some(self.know(name))
    }

    /// A directory that is taken for one, whether anything lies in it or not.
    pub(super) fn know(&mut self, name: &str) -> Directory {
        let is_empty = !self.holds_anything(name);
        let known = self.directories.entry(name.into()).or_insert_with(|| Known {
            identity: next_identity(),
            explicit: None,
        });
        Directory {
            identity: known.identity,
            explicit: known.explicit,
            is_empty,
        }
    }

    pub(super) fn make_directory(&mut self, name: &str, attributes: DirectoryAttributes) {
        let known = self.directories.entry(name.into()).or_insert_with(|| Known {
            identity: next_identity(),
            explicit: None,
        });
        known.explicit = Some(attributes);
    }

    /// A directory that stays only as long as something lies in it.
    pub(super) fn make_implicit(&mut self, name: &str) {
        if let Some(known) = self.directories.get_mut(name) {
            known.explicit = None;
        }
    }

    pub(super) fn remove_directory(&mut self, name: &str) {
        self.directories.remove(name);
        self.prune(name);
    }

    /// Takes a directory out with all below it. Those above it stay known until they are pruned.
    pub(super) fn take(&mut self, name: &str) -> Subtree {
        fn cut<T>(from: &mut BTreeMap<Arc<str>, T>, directory: &str) -> BTreeMap<Arc<str>, T> {
            let names: Vec<Arc<str>> = names_below(from, directory).map(Arc::from).collect();
            let cut = |name: Arc<str>| {
                let value = from.remove(&name)?;
                Some((Arc::from(&name[directory.len()..]), value))
            };
            names.into_iter().filter_map(cut).collect()
        }
        Subtree {
            objects: cut(&mut self.objects, name),
            directories: cut(&mut self.directories, name),
        }
    }

    /// Puts a directory in under a name that nothing bears.
    pub(super) fn put(&mut self, name: &str, subtree: Subtree) {
        let whole = |rest: &str| Arc::from(format!("{name}{rest}"));
        let objects = subtree.objects.into_iter();
        self.objects
            .extend(objects.map(|(rest, object)| (whole(&rest), object)));
        let directories = subtree.directories.into_iter();
        self.directories
            .extend(directories.map(|(rest, known)| (whole(&rest), known)));
    }

    fn holds_anything(&self, directory: &str) -> bool {
        names_below(&self.objects, directory).next().is_some()
            || self.explicit_below(directory).next().is_some()
    }

    /// Explicit directories below one, but not itself.
    fn explicit_below<'a>(&'a self, directory: &'a str) -> impl Iterator<Item = &'a str> {
        names_below(&self.directories, directory).filter(move |&name| {
            name != directory
                && self
                    .directories
                    .get(name)
                    .is_some_and(|known| known.explicit.is_some())
        })
    }

    /// Forgets the implicit directories above a name in which nothing lies any more.
    pub(super) fn prune(&mut self, name: &str) {
        for (end, _) in name.match_indices('/') {
            let directory = &name[..=end];
            let is_implicit = self
                .directories
                .get(directory)
                .is_some_and(|known| known.explicit.is_none());
            if is_implicit && !self.holds_anything(directory) {
                self.directories.remove(directory);
            }
        }
    }
}

impl Subtree {
    /// Of the directory itself, if anybody knows it.
    pub(super) fn identity(&self) -> Option<u64> {
        self.directories.get("").map(|known| known.identity)
    }

    /// Removes at most so many entries, the last first; gives what is left to do of them, `None`: it is not yet gone.
    pub(super) fn reap(&mut self, entries: usize) -> Option<usize> {
        let mut left = entries;
        while left > 0 {
            if self.objects.pop_last().is_none() && self.directories.pop_last().is_none() {
                return Some(left);
            }
            left -= 1;
        }
        None
    }
}

/// The names of a map that begin with `directory`.
fn names_below<'a, T>(names: &'a BTreeMap<Arc<str>, T>, directory: &'a str) -> impl Iterator<Item = &'a str> {
    let from = (Bound::Included(directory), Bound::Unbounded);
    let names = names.range::<str, _>(from).map(|(name, _)| name.as_ref());
    names.take_while(move |name| name.starts_with(directory))
}
