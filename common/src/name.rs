//! Names of accounts, containers and objects.
//!
//! A name is checked once, where it enters, and is valid ever after. Limits count **bytes** of UTF-8 (Swift
//! counts characters; a listed deviation). A name may hold any byte but none of its own kind of separator;
//! the byte zero is reserved for names that only filters make (Swift's reserved namespace) and is refused at
//! the edge, not here.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a {kind} name must not be empty")]
    Empty {
        /// `account`, `container` or `object`.
        kind: &'static str,
    },
    /// The text is longer than the limit.
    #[error("{kind} name length of {length} bytes is longer than {limit}")]
    TooLong {
        /// `account`, `container` or `object`.
        kind: &'static str,
        /// Bytes in the text.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// An account or container name holds a slash.
    #[error("a {kind} name must not contain a slash")]
    Slash {
        /// `account` or `container`.
        kind: &'static str,
    },
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $limit:literal, slash: $slash:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "Arc<str>", into = "Arc<str>")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The greatest length in bytes.
            pub const MAX_BYTES: usize = $limit;

            /// Checks `text`.
            ///
            /// # Errors
            /// When the text is empty, too long, or holds a slash where none may be.
            pub fn new(text: impl Into<Arc<str>>) -> Result<Self, NameError> {
                let text = text.into();
                if text.is_empty() {
                    return Err(NameError::Empty { kind: $kind });
                }
                if text.len() > $limit {
                    return Err(NameError::TooLong { kind: $kind, length: text.len(), limit: $limit });
                }
                if !$slash && text.contains('/') {
                    return Err(NameError::Slash { kind: $kind });
                }
                Ok(Self(text))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, formatter)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<Arc<str>> for $type {
            type Error = NameError;
            fn try_from(text: Arc<str>) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$type> for Arc<str> {
            fn from(name: $type) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// The name of an account, `AUTH_test`.
    AccountName,
    "account",
    256,
    slash: false
);
name!(
    /// The name of a container, unique in its account.
    ContainerName,
    "container",
    256,
    slash: false
);
name!(
    /// The name of an object in its container: flat for Swift, a path of [segments](ObjectName::segments) for us.
    ObjectName,
    "object",
    1024,
    slash: true
);

impl ObjectName {
    /// The pieces of the name, each cut **after** its slash: `a/b` is `a/`, `b`; `a//b` is `a/`, `/`, `b`.
    ///
    /// Every piece but perhaps the last ends in a slash and is a directory; a last piece that ends in one is a
    /// directory that carries the object itself. Byte order of segments along a depth-first walk is byte order of
    /// whole names.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split_inclusive('/')
    }

    /// Whether the name ends in a slash, so that a directory carries the object.
    pub fn is_directory(&self) -> bool {
        self.0.ends_with('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(AccountName::new(""), Err(NameError::Empty { kind: "account" }));
        assert_eq!(
            ContainerName::new("a/b"),
            Err(NameError::Slash { kind: "container" })
        );
        assert!(ObjectName::new("x".repeat(1024)).is_ok());
        assert_eq!(
            ObjectName::new("x".repeat(1025)),
            Err(NameError::TooLong {
                kind: "object",
                length: 1025,
                limit: 1024
            })
        );
    }

    #[test]
    fn segments_keep_their_slash() {
        let name = ObjectName::new("/a//b/").unwrap();
        assert_eq!(name.segments().collect::<Vec<_>>(), ["/", "a/", "/", "b/"]);
        assert!(name.is_directory());
    }

    proptest! {
        #[test]
        fn segments_join_to_the_name(text in "[a/\u{e4}.-]{1,40}") {
            let name = ObjectName::new(text.as_str()).unwrap();
            prop_assert_eq!(name.segments().collect::<String>(), text);
            let pieces: Vec<_> = name.segments().collect();
            for piece in &pieces[..pieces.len() - 1] {
                prop_assert!(piece.ends_with('/'));
            }
            for piece in pieces {
                prop_assert_eq!(piece.matches('/').count(), usize::from(piece.ends_with('/')));
            }
        }

        /// A depth-first walk (own object first, children in byte order) visits names in byte order.
        #[test]
        fn walk_order_is_byte_order(names in prop::collection::vec("[a/b.]{1,8}", 2..20)) {
            let mut by_name = names.clone();
            by_name.sort();
            let mut by_walk = names;
            by_walk.sort_by(|left, right| left.split_inclusive('/').cmp(right.split_inclusive('/')));
            prop_assert_eq!(by_name, by_walk);
        }
    }
}
