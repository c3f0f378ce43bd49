//! Where an object lies below its container's directory.

use common::name::ObjectName;

use super::name::{self, Form, OWN_OBJECT};

/// The two places of an object: plain, and for all but `d/` escaped. All paths are relative to the container, and
/// none is longer than 3,500 bytes, so that none ever reaches `PATH_MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    plain: String,
    /// Bytes of `plain` that name the directory; 0 is the container itself.
    parent: usize,
    is_own_object: bool,
}

impl Place {
    pub(super) fn of(object: &ObjectName) -> Self {
        let mut plain = String::with_capacity(object.as_str().len() + 8);
        let mut segments = object.segments().peekable();
        while let Some(segment) = segments.next() {
            match segment.strip_suffix('/') {
                Some(directory) => name::push(&mut plain, directory, Form::Directory),
                None => name::push(&mut plain, segment, Form::Plain),
            }
            if segments.peek().is_none() && segment.ends_with('/') {
                plain.push('/');
                plain.push_str(OWN_OBJECT);
            }
        }
        let parent = plain.rfind('/').unwrap_or(0);
        Self {
            parent,
            is_own_object: object.is_directory(),
            plain,
        }
    }

    /// The path under its own name.
    pub(super) fn plain(&self) -> &str {
        &self.plain
    }

    /// The path under its escaped name. `None`: nothing can ever stand in its way.
    pub(super) fn escaped(&self) -> Option<String> {
        let escaped = self.escaped_last()?;
        Some(match self.parent() {
            "" => escaped,
            parent => format!("{parent}/{escaped}"),
        })
    }

    /// The path of the directory that holds the plain form; empty is the container.
    pub(super) fn parent(&self) -> &str {
        &self.plain[..self.parent]
    }

    /// The last component of the plain form.
    pub(super) fn last(&self) -> &str {
        let (_, last) = split(&self.plain);
        last
    }

    /// The escaped form relative to [`parent`](Self::parent): one component or two.
    pub(super) fn escaped_last(&self) -> Option<String> {
        (!self.is_own_object).then(|| name::escaped_of(self.last()))
    }

    /// What the stripe is taken of: the same for the object `a`, the object `a/` and the directory `a/`.
    pub(super) fn stripe(&self) -> &str {
        if self.is_own_object {
            self.parent()
        } else {
            &self.plain
        }
    }
}

/// The directory (empty: the one it is relative to) and the last component of a path.
pub(super) fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// The path of a directory below its container, which is empty itself.
pub(super) fn directory(directory: &str) -> String {
    let mut path = String::with_capacity(directory.len());
    for segment in directory.split_terminator('/') {
        name::push(&mut path, segment, Form::Directory);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        Place::of(&ObjectName::new(name).unwrap())
    }

    #[test]
    fn objects_have_their_places() {
        let file = place("a/b");
        assert_eq!((file.plain(), file.parent(), file.last()), ("a/b", "a", "b"));
        assert_eq!(file.escaped().as_deref(), Some("a/b%o"));
        assert_eq!(file.stripe(), "a/b");

        let top = place("a");
        assert_eq!((top.plain(), top.parent(), top.last()), ("a", "", "a"));
        assert_eq!(top.escaped().as_deref(), Some("a%o"));

        let own = place("a/");
        assert_eq!((own.plain(), own.parent(), own.last()), ("a/%o", "a", "%o"));
        assert_eq!(own.escaped(), None);
        assert_eq!(own.stripe(), top.stripe());

        assert_eq!(place("//").plain(), "%_/%_/%o");
        assert_eq!(place("../%/x").plain(), "%2E./%25/x");
    }

    #[test]
    fn directories_have_their_places() {
        assert_eq!(directory(""), "");
        assert_eq!(directory("/"), "%_");
        assert_eq!(directory("a//b/"), "a/%_/b");
    }
}
