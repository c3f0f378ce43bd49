//! What must be known of the names in an account before a tree in it is moved.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use common::name::{ContainerName, ObjectName};

use super::Checkpoint;
use crate::journal::Footprint;
use crate::node::NodePath;
use crate::tree::Rename;

/// How long names are, and which objects are switched off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// No name of the container is longer; none: it is not known.
    longest: BTreeMap<ContainerName, usize>,
    disabled: BTreeMap<ContainerName, BTreeSet<ObjectName>>,
}

impl Names {
    /// What was written down; `None`: it was not.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Option<Self> {
        let disabled = checkpoint.disabled.clone()?;
        Some(Self {
            longest: checkpoint.longest.clone(),
            disabled,
        })
    }

    /// As it is written down.
    pub(crate) fn write_down(&self, checkpoint: &mut Checkpoint) {
        checkpoint.longest = self.longest.clone();
        checkpoint.disabled = Some(self.disabled.clone());
    }

    /// Takes note of a change: what was at `path` before and what is now.
    pub(crate) fn apply(&mut self, path: &NodePath, old: Option<Footprint>, new: Option<Footprint>) {
        match path {
            NodePath::Account => {}
            NodePath::Container(name) if new.is_none() => {
                self.longest.remove(name);
                self.disabled.remove(name);
            }
            NodePath::Container(name) if old.is_none() => {
                self.longest.insert(name.clone(), 0);
            }
            NodePath::Container(_) => {}
            NodePath::Object(container, name) | NodePath::Directory(container, name) => {
                if new.is_some()
                    && let Some(longest) = self.longest.get_mut(container)
                {
                    *longest = name.as_str().len().max(*longest);
                }
            }
        }
    }

    /// Takes note of a tree operation. No disabled object lies in what it concerns. Of a directory that had no name before no
    /// name is longer than `built`.
    pub(crate) fn rename(&mut self, rename: &Rename, built: Option<usize>) {
        let Some((to, new)) = rename.to.as_ref().and_then(parts) else {
            return;
        };
        let grown = match rename.from.as_ref().and_then(parts) {
            None => built,
            Some(_) if rename.is_of_object() => Some(new.as_str().len()),
            Some((from, old)) => {
                let below = self.longest.get(from);
                below.map(|below| below.saturating_sub(old.as_str().len()) + new.as_str().len())
            }
        };
        match (grown, self.longest.get_mut(to)) {
            (Some(grown), Some(longest)) => *longest = grown.max(*longest),
            _ => {
                self.longest.remove(to);
            }
        }
    }

    /// No name of the container is longer; `None`: it is not known.
    pub(crate) fn longest(&self, container: &ContainerName) -> Option<usize> {
        self.longest.get(container).copied()
    }

    /// Switches an object off, or on again.
    pub(crate) fn set_disabled(&mut self, container: &ContainerName, object: &ObjectName, is_disabled: bool) {
        if is_disabled {
            let disabled = self.disabled.entry(container.clone()).or_default();
            disabled.insert(object.clone());
        } else if let Some(disabled) = self.disabled.get_mut(container) {
            disabled.remove(object);
            if disabled.is_empty() {
                self.disabled.remove(container);
            }
        }
    }

    /// Whether this object is switched off, or one in this directory.
    pub(crate) fn is_disabled_in(&self, path: &NodePath) -> bool {
        let Some((container, name)) = parts(path) else {
            return false;
        };
        let Some(disabled) = self.disabled.get(container) else {
            return false;
        };
        match path {
            NodePath::Directory(..) => {
                let from = (Bound::Included(name.as_str()), Bound::Unbounded);
                let first = disabled.range::<str, _>(from).next();
                first.is_some_and(|first| first.as_str().starts_with(name.as_str()))
            }
            _ => disabled.contains(name),
        }
    }
}

fn parts(path: &NodePath) -> Option<(&ContainerName, &ObjectName)> {
    match path {
        NodePath::Object(container, name) | NodePath::Directory(container, name) => Some((container, name)),
        NodePath::Account | NodePath::Container(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::owner::PRESENT;

    fn container(name: &str) -> ContainerName {
        ContainerName::new(name).unwrap()
    }

    fn object(of: &str, name: &str) -> NodePath {
        NodePath::Object(container(of), ObjectName::new(name).unwrap())
    }

    fn directory(of: &str, name: &str) -> NodePath {
        NodePath::Directory(container(of), ObjectName::new(name).unwrap())
    }

    fn with_containers() -> Names {
        let mut names = Names::default();
        for name in ["a", "b"] {
            names.apply(&NodePath::Container(container(name)), None, Some(PRESENT));
        }
        names
    }

    #[test]
    fn the_longest_name_is_known_of_containers_that_were_seen_from_the_first() {
        let mut names = with_containers();
        names.apply(&object("a", "dir/four"), None, Some(PRESENT));
        names.apply(&object("a", "x"), None, Some(PRESENT));
        names.apply(&object("a", "dir/four"), Some(PRESENT), None);
        names.apply(&object("unknown", "x"), None, Some(PRESENT));
        assert_eq!(names.longest(&container("a")), Some(8));
        assert_eq!(names.longest(&container("unknown")), None);
        let rename = |from, to| Rename {
            from,
            to: Some(directory("b", to)),
        };
        names.rename(&rename(Some(directory("a", "dir/")), "longer/"), None);
        assert_eq!(names.longest(&container("b")), Some(11));
        names.rename(&rename(None, "d/"), Some(20));
        assert_eq!(names.longest(&container("b")), Some(20));
        names.rename(&rename(Some(directory("unknown", "dir/")), "d/"), None);
        assert_eq!(names.longest(&container("b")), None);
        names.apply(&NodePath::Container(container("a")), Some(PRESENT), None);
        assert_eq!(names.longest(&container("a")), None);
    }

    #[test]
    fn disabled_objects_are_found_below_a_directory() {
        let mut names = with_containers();
        let name = ObjectName::new("d/e/f").unwrap();
        names.set_disabled(&container("a"), &name, true);
        for (path, expected) in [
            (directory("a", "d/"), true),
            (directory("a", "d/e/"), true),
            (object("a", "d/e/f"), true),
            (object("a", "d/e"), false),
            (directory("a", "d/e/f/"), false),
            (directory("a", "c/"), false),
            (directory("b", "d/"), false),
        ] {
            assert_eq!(names.is_disabled_in(&path), expected, "{path:?}");
        }
        names.set_disabled(&container("a"), &name, false);
        assert!(!names.is_disabled_in(&directory("a", "d/")));
        assert_eq!(names, with_containers());
    }
}
