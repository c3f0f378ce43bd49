//! The mirror: how the owner of an account tells the account-server of its changes, and asks it for pages.
//!
//! One ordered stream an account. Every change carries the `seq` it got when it was published; a row changes only
//! for a greater one. A batch says which `seq` it follows, so a batch that was lost cannot go unnoticed, and one
//! that is sent twice does nothing the second time.

use serde::{Deserialize, Serialize};

use super::firewall::State;
use super::fs::TreeNode;
use super::listing::Query;
use crate::name::{AccountName, ContainerName, ObjectName};
use crate::{Etag, Properties, Timestamp};

mod inspect;

pub use inspect::{Fault, Inspect, Inspected, Inspection, KeptObject, MAX_MEND, Mark, Mend, Rows, Wrong};

/// `mirror/open`: asks where the mirror of an account stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// The account's number, of its control file.
    pub account_id: u64,
}

/// Where the mirror of an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which filling of the database this is; `None`: it knows nothing of the account.
    pub incarnation: Option<u64>,
    /// All changes up to and with this one are in.
    pub seq: u64,
}

/// `mirror/apply`: a batch of changes.
///
/// A batch of another incarnation than the stored one starts a new filling: everything known of the account is
/// forgotten first. That is how an owner recovers from a lost or restored database. `after` of such a batch is 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Apply {
    /// The account's number.
    pub account_id: u64,
    /// The account's name.
    pub account: AccountName,
    /// Which filling of the database the owner writes.
    pub incarnation: u64,
    /// The batch follows this `seq`. Answered with the stored position and not applied, when that is lower.
    pub after: u64,
    /// With this batch all changes up to this `seq` are in.
    pub through: u64,
    /// In the order of `seq`; at most [`MAX_BATCH`].
    pub changes: Vec<Change>,
}

/// The most changes in one batch.
pub const MAX_BATCH: usize = 1000;

/// One change, as the state it led to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Its place in the account's order.
    pub seq: u64,
    /// What changed, and to what.
    pub node: Node,
}

/// A node of the tree and its state; `None` is gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// The account itself.
    Account(Option<AccountRow>),
    /// A container.
    Container(ContainerName, Option<ContainerRow>),
    /// An object. Its directories are made and pruned with it.
    Object(ContainerName, ObjectName, Option<ObjectRow>),
    /// An explicit directory, whose name ends in a slash; `None`: it is explicit no more, and goes when nothing is left in it.
    Directory(ContainerName, ObjectName, Option<DirectoryRow>),
    /// A directory left its place with all below it, and took that of whatever bore the new name.
    Moved(Moved),
    /// A directory left its place with all below it, for ever.
    Detached(ContainerName, ObjectName),
}

/// Where a directory was, and where it is now. Both names end in a slash, and the new one does not lie below the old one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The container that it left.
    pub container: ContainerName,
    /// Its name there.
    pub directory: ObjectName,
    /// The container that it is in.
    pub to_container: ContainerName,
    /// Its name there. What bore it is gone, with all below it.
    pub to_directory: ObjectName,
}

/// What the mirror keeps of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountRow {
    /// When it was made.
    pub created: Timestamp,
    /// Its last PUT or POST.
    pub timestamp: Timestamp,
    /// Its switch.
    #[serde(default, skip_serializing_if = "State::is_enable")]
    pub state: State,
}

/// What the mirror keeps of a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerRow {
    /// When it was made.
    pub created: Timestamp,
    /// Its last PUT or POST.
    pub timestamp: Timestamp,
}

/// What the mirror keeps of an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectRow {
    /// Its last PUT or POST.
    pub timestamp: Timestamp,
    /// Its bytes.
    pub bytes: u64,
    /// MD5 of its bytes.
    pub etag: Etag,
    /// Its type.
    pub content_type: String,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
    /// What listings show besides or instead, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<String>,
    /// User metadata (`x-object-meta-…`), for search.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub metadata: Properties,
    /// Its switch.
    #[serde(default, skip_serializing_if = "State::is_enable")]
    pub state: State,
}

/// What the mirror keeps of an explicit directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryRow {
    /// When it was made.
    pub created: Timestamp,
}

/// Which state of the mirror a page must show at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtLeast {
    /// The account's number.
    pub account_id: u64,
    /// The filling the owner writes.
    pub incarnation: u64,
    /// All changes up to and with this one.
    pub seq: u64,
}

/// `mirror/list_account`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListAccount {
    /// The state it must show.
    pub at_least: AtLeast,
    /// Which page.
    pub query: Query,
}

/// `mirror/list_container`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListContainer {
    /// The state it must show.
    pub at_least: AtLeast,
    /// The container.
    pub container: ContainerName,
    /// Which page.
    pub query: Query,
    /// Objects whose time has run out by now are left out, and the page is still full.
    pub now: Timestamp,
}

/// A page out of the mirror, or word that the mirror is behind. Position and page are of one snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page<Entry> {
    /// The page.
    Entries(Vec<Entry>),
    /// The mirror does not hold the state asked for.
    Behind(Position),
}

/// `mirror/totals`: what a directory holds, without counting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// The state it must show.
    pub at_least: AtLeast,
    /// The container.
    pub container: ContainerName,
    /// The directory; its name ends in a slash.
    pub directory: ObjectName,
}

/// What a directory holds, or word that the mirror is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Total {
    /// All below it, and the object of its own name; nothing, when it is not there.
    Counted {
        /// Objects.
        objects: u64,
        /// Bytes of these.
        bytes: u64,
        /// What the mirror has of it as an explicit directory, if it is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        explicit: Option<DirectoryRow>,
    },
    /// The mirror does not hold the state asked for.
    Behind(Position),
}

/// `mirror/tree`: a page of a container, or of a directory in it, as nested nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tree {
    /// The state it must show.
    pub at_least: AtLeast,
    /// The container.
    pub container: ContainerName,
    /// The directory, whose name ends in a slash; none is the whole container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<ObjectName>,
    /// So many levels of children, at most [`MAX_TREE_DEPTH`](super::fs::MAX_TREE_DEPTH).
    pub depth: usize,
    /// At most so many nodes, the outermost one not counted, and never more than [`MAX_TREE`](super::fs::MAX_TREE).
    pub limit: usize,
    /// The children of the outermost node begin behind the one of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// A page of a tree, or word that the mirror is behind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TreePage {
    /// The outermost node; `None`: there is no such container or directory.
    Node(Option<TreeNode>),
    /// The mirror does not hold the state asked for.
    Behind(Position),
}
