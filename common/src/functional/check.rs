//! Checking that what an account keeps in several places is the same everywhere, and mending what is not.
//!
//! Storage is the truth. A check compares it with the mirror both ways, and with the counters; `deep` reads all data besides.
//! What is under way while it looks is no difference.

use serde::{Deserialize, Serialize};

use crate::name::AccountName;

/// `check/run`: checks an account, as a job with a [`Report`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The account.
    pub account: AccountName,
    /// Whether all data is read, and compared with its `ETag`.
    #[serde(default)]
    pub deep: bool,
    /// Whether what differs is mended.
    #[serde(default)]
    pub repair: bool,
    /// So many examples of each kind are told; none, or more, is [`MAX_EXAMPLES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<usize>,
}

/// The most examples of a kind of difference.
pub const MAX_EXAMPLES: usize = 100;

/// `check/rebuild`: drops all that the mirror has of an account and fills it anew from storage, as a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebuild {
    /// The account.
    pub account: AccountName,
}

/// `check/adopt`: takes files into a container that were put into its directory by other means, as a job with a
/// [`Report`]: hashes them, gives them attributes, counts and lists them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopt {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: crate::name::ContainerName,
    /// Only what lies below this directory, whose name ends in a slash; none is the whole container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<crate::name::ObjectName>,
}

/// `check/accounts`: a page of all accounts that storage holds, in byte order of their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// Behind this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<AccountName>,
}

/// The most accounts in a page.
pub const MAX_ACCOUNTS: usize = 1000;

/// A page of accounts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountPage {
    /// Their names; fewer than [`MAX_ACCOUNTS`] on the last page.
    pub accounts: Vec<AccountName>,
}

/// What came of a check.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Containers that were looked at.
    pub containers: u64,
    /// Objects that were looked at.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// How many differences there were, of all kinds.
    pub differences: u64,
    /// How many of them were mended.
    pub repaired: u64,
    /// Which, in the order of [`Kind`]; kinds without any are not here.
    pub kinds: Vec<Differences>,
}

/// All differences of a kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Differences {
    /// The kind.
    pub kind: Kind,
    /// How many.
    pub count: u64,
    /// How many of them were mended.
    pub repaired: u64,
    /// The first of them.
    pub examples: Vec<Difference>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Where: `container/object`, `container`, or what the database calls it.
    pub path: String,
    /// What storage shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// What the other place shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
    /// Why it cannot be mended as things are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What kind of difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A container that the mirror does not have, or has and storage does not.
    Container,
    /// An object that the mirror does not have.
    NotInMirror,
    /// A row of the mirror without an object.
    NotInStorage,
    /// A row that says something else of an object than storage.
    Row,
    /// An explicit directory that only one of both has.
    Directory,
    /// A counter that is not the sum of what is there.
    Counter,
    /// A directory's total in the mirror that is not the sum of what lies below.
    Total,
    /// A row of the mirror that can have no meaning where it is.
    Structure,
    /// A file that was put into the storage by other means, and not adopted yet.
    ForeignFile,
    /// A file that was changed by other means, and not hashed again yet.
    ChangedFile,
    /// Data that is not what was stored.
    Damaged,
    /// What the storage cannot read.
    Unreadable,
}

impl Kind {
    /// As it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::NotInMirror => "not_in_mirror",
            Self::NotInStorage => "not_in_storage",
            Self::Row => "row",
            Self::Directory => "directory",
            Self::Counter => "counter",
            Self::Total => "total",
            Self::Structure => "structure",
            Self::ForeignFile => "foreign_file",
            Self::ChangedFile => "changed_file",
            Self::Damaged => "damaged",
            Self::Unreadable => "unreadable",
        }
    }
}

impl Report {
    /// Counts a difference, and keeps it when there are fewer than `examples` of its kind.
    pub fn note(&mut self, kind: Kind, difference: Difference, is_repaired: bool, examples: usize) {
        let at = match self.kinds.binary_search_by_key(&kind, |of| of.kind) {
            Ok(at) => at,
            Err(at) => {
                let none = Differences {
                    kind,
                    count: 0,
                    repaired: 0,
                    examples: Vec::new(),
                };
                self.kinds.insert(at, none);
                at
            }
        };
        let of_kind = &mut self.kinds[at];
        self.differences += 1;
        of_kind.count += 1;
        if is_repaired {
            self.repaired += 1;
            of_kind.repaired += 1;
        }
        if of_kind.examples.len() < examples {
            of_kind.examples.push(difference);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(path: &str) -> Difference {
        Difference {
            path: path.to_owned(),
            storage: None,
            found: None,
            reason: None,
        }
    }

    #[test]
    fn differences_are_counted_by_kind_with_the_first_examples() {
        let mut report = Report::default();
        for (number, kind) in [Kind::Row, Kind::Container, Kind::Row, Kind::Row]
            .into_iter()
            .enumerate()
        {
            report.note(kind, at(&number.to_string()), number == 2, 2);
        }
        assert_eq!((report.differences, report.repaired), (4, 1));
        let kinds: Vec<_> = report
            .kinds
            .iter()
            .map(|of| (of.kind, of.count, of.repaired))
            .collect();
        assert_eq!(kinds, [(Kind::Container, 1, 0), (Kind::Row, 3, 1)]);
        let paths: Vec<_> = report.kinds[1]
            .examples
            .iter()
            .map(|of| of.path.as_str())
            .collect();
        assert_eq!(paths, ["0", "2"]);
    }

    #[test]
    fn a_kind_is_called_the_same_everywhere() {
        for kind in [
            Kind::Container,
            Kind::NotInMirror,
            Kind::NotInStorage,
            Kind::ForeignFile,
        ] {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{}\"", kind.as_str()));
        }
    }
}
