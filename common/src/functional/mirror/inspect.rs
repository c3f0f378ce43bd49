//! What a check asks the mirror besides pages that clients see: everything its rows say, whether they make up a tree, and to
//! mend where they do not.

use serde::{Deserialize, Serialize};

use super::{AccountRow, AtLeast, ContainerRow, DirectoryRow, ObjectRow};
use crate::functional::listing::Query;
use crate::name::{ContainerName, ObjectName};

/// `mirror/rows`: a page of a container's objects with all that the mirror has of each, answered as a
/// [`Page`](super::Page) of [`KeptObject`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rows {
    /// The state it must show.
    pub at_least: AtLeast,
    /// The container.
    pub container: ContainerName,
    /// Which page. Nothing is rolled up, and what has run out is there.
    pub query: Query,
}

/// An object as the mirror has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptObject {
    /// Its name.
    pub name: ObjectName,
    /// What an owner told of it.
    pub row: ObjectRow,
    /// Whether what the mirror makes of that by itself is right, too.
    pub is_sound: bool,
}

/// `mirror/inspect`: looks whether rows of an account make up a tree: a page of all, one snapshot each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inspect {
    /// The state it must show.
    pub at_least: AtLeast,
    /// Behind this row; none is the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Mark>,
}

/// Where an inspection is: behind the row of this segment and number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The segment.
    pub segment: Vec<u8>,
    /// The row's number.
    pub id: i64,
}

/// What an inspection saw, or word that the mirror is behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inspected {
    /// A page.
    Rows(Box<Inspection>),
    /// The mirror does not hold the state asked for.
    Behind(super::Position),
}

/// A page of an inspection.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inspection {
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// The account's own row, on the page that it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountRow>,
    /// Rows of containers on this page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<(ContainerName, ContainerRow)>,
    /// Rows of explicit directories on this page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub directories: Vec<(ContainerName, ObjectName, DirectoryRow)>,
    /// Where the next page begins; none: this is the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Mark>,
}

/// A row that is not as it must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// The row.
    pub id: i64,
    /// Its name, as far as it has one.
    pub path: String,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What can be wrong with a row of the mirror.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    /// It can have no meaning where it is, for this reason.
    Place(String),
    /// Its totals are not the sums of what lies below: these sums, and these totals, as objects and bytes.
    Totals {
        /// What there is.
        sums: (i64, i64),
        /// What the row says.
        totals: (i64, i64),
    },
}

/// `mirror/mend`: takes rows out of the tree, and has others count again what lies below them, with all above. Answered with
/// the position; of another incarnation nothing is done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mend {
    /// The account's number.
    pub account_id: u64,
    /// The filling that was inspected.
    pub incarnation: u64,
    /// These rows leave the tree with all below them.
    pub detach: Vec<i64>,
    /// These count again.
    pub count: Vec<i64>,
}

/// The most rows of one [`Mend`].
pub const MAX_MEND: usize = 1000;
