//! What a tree operation does to names.
//!
//! Whoever speaks of a node by the name that it had before some tree operations (a change that waits for the mirror, a
//! commit in the journal) finds by these what it is called now, and the other way about.

use common::name::ObjectName;

use crate::node::NodePath;

/// One tree operation: an object or a directory left its name, with all that lay in it, and took the place of whatever
/// bore the new one. A directory that was built apart had no name before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rename {
    /// `None`: nobody had seen it.
    pub(crate) from: Option<NodePath>,
    /// `None`: it is gone for ever.
    pub(crate) to: Option<NodePath>,
}

impl Rename {
    /// Whether it is an object's. A moved object is two changes in its account's order.
    pub(crate) const fn is_of_object(&self) -> bool {
        matches!(self.from, Some(NodePath::Object(..)))
    }

    /// The names that were left and taken.
    pub(crate) fn places(&self) -> impl Iterator<Item = &NodePath> {
        self.from.iter().chain(&self.to)
    }

    /// What the node that was called `path` before is called after; `None`: it was taken away.
    pub(crate) fn after(&self, path: &NodePath) -> Option<NodePath> {
        if let Some(from) = &self.from
            && lies_in(path, from)
        {
            return self.to.as_ref().and_then(|to| exchanged(path, from, to));
        }
        match &self.to {
            Some(to) if lies_in(path, to) => None,
            _ => Some(path.clone()),
        }
    }

    /// What the node that is called `path` after was called before; `None`: there is none.
    pub(crate) fn before(&self, path: &NodePath) -> Option<NodePath> {
        if let Some(to) = &self.to
            && lies_in(path, to)
        {
            return self.from.as_ref().and_then(|from| exchanged(path, to, from));
        }
        match self.from.as_ref().is_some_and(|from| lies_in(path, from)) {
            true => None,
            false => Some(path.clone()),
        }
    }
}

/// Whether `path` is what bears the name `top`, or lies in it.
pub(crate) fn lies_in(path: &NodePath, top: &NodePath) -> bool {
    match (top, named(path)) {
        (NodePath::Directory(container, directory), Some((other, name))) => {
            container == other && name.as_str().starts_with(directory.as_str())
        }
        _ => path == top,
    }
}

/// The same node with `to` in the place of `from`, at which its name begins.
fn exchanged(path: &NodePath, from: &NodePath, to: &NodePath) -> Option<NodePath> {
    let ((_, old), (container, new), (_, name)) = (named(from)?, named(to)?, named(path)?);
    let rest = name.as_str().strip_prefix(old.as_str())?;
    let name = ObjectName::new(format!("{new}{rest}")).ok()?;
    Some(match path {
        NodePath::Directory(..) => NodePath::Directory(container.clone(), name),
        _ => NodePath::Object(container.clone(), name),
    })
}

fn named(path: &NodePath) -> Option<(&common::name::ContainerName, &ObjectName)> {
    match path {
        NodePath::Object(container, name) | NodePath::Directory(container, name) => Some((container, name)),
        NodePath::Account | NodePath::Container(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::name::ContainerName;

    fn object(container: &str, name: &str) -> NodePath {
        NodePath::Object(
            ContainerName::new(container).unwrap(),
            ObjectName::new(name).unwrap(),
        )
    }

    fn directory(container: &str, name: &str) -> NodePath {
        NodePath::Directory(
            ContainerName::new(container).unwrap(),
            ObjectName::new(name).unwrap(),
        )
    }

    #[test]
    fn a_directory_takes_along_what_lies_in_it() {
        let rename = Rename {
            from: Some(directory("c", "a/")),
            to: Some(directory("k", "x/y/")),
        };
        for (before, after) in [
            (object("c", "a/b/c"), Some(object("k", "x/y/b/c"))),
            (object("c", "a/"), Some(object("k", "x/y/"))),
            (directory("c", "a/"), Some(directory("k", "x/y/"))),
            (directory("c", "a/b/"), Some(directory("k", "x/y/b/"))),
            (object("c", "a"), Some(object("c", "a"))),
            (object("c", "ab/c"), Some(object("c", "ab/c"))),
            (object("k", "a/b"), Some(object("k", "a/b"))),
            (object("k", "x/y"), Some(object("k", "x/y"))),
            (object("k", "x/y/old"), None),
            (directory("k", "x/y/"), None),
            (
                NodePath::Container(ContainerName::new("c").unwrap()),
                Some(NodePath::Container(ContainerName::new("c").unwrap())),
            ),
            (NodePath::Account, Some(NodePath::Account)),
        ] {
            assert_eq!(rename.after(&before), after, "{before:?}");
            if let Some(after) = after {
                assert_eq!(rename.before(&after), Some(before));
            }
        }
        assert_eq!(rename.before(&object("c", "a/b")), None);
    }

    #[test]
    fn an_object_goes_alone() {
        let rename = Rename {
            from: Some(object("c", "a")),
            to: Some(object("c", "b")),
        };
        assert_eq!(rename.after(&object("c", "a")), Some(object("c", "b")));
        assert_eq!(rename.after(&object("c", "b")), None);
        assert_eq!(rename.after(&object("c", "b/x")), Some(object("c", "b/x")));
        assert_eq!(rename.after(&object("c", "a/x")), Some(object("c", "a/x")));
        assert_eq!(rename.before(&object("c", "a")), None);
    }

    #[test]
    fn what_was_detached_is_nowhere() {
        let rename = Rename {
            from: Some(directory("c", "a/")),
            to: None,
        };
        assert_eq!(rename.after(&object("c", "a/b")), None);
        assert_eq!(rename.before(&object("c", "a/b")), None);
        assert_eq!(rename.after(&object("c", "a")), Some(object("c", "a")));
    }

    #[test]
    fn what_is_attached_had_no_name_before() {
        let rename = Rename {
            from: None,
            to: Some(directory("c", "a/")),
        };
        assert_eq!(rename.after(&object("c", "a/b")), None);
        assert_eq!(rename.before(&object("c", "a/b")), None);
        assert_eq!(rename.before(&directory("c", "a/")), None);
        assert_eq!(rename.after(&object("c", "a")), Some(object("c", "a")));
        assert_eq!(rename.before(&object("c", "b/a")), Some(object("c", "b/a")));
    }
}
