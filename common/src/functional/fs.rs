//! The tree: directories as directories.
//!
//! A directory is named like an object whose name ends in a slash. It is *implicit* when it is there for what lies in it, and goes
//! with the last of that; *explicit* when it was made by itself (`MKCOL`, RFC 4918 §9.3), and then stays when it is empty. An
//! empty directory is in no flat listing.

use serde::{Deserialize, Serialize};

use super::job::Job;
use super::object::Path;
use crate::name::{AccountName, ContainerName, ObjectName};

/// `fs/make_directory`: makes an explicit directory. Its parents must be there, or are made implicit.
///
/// An existing directory, also an implicit one, is 405; a missing parent 409.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MakeDirectory {
    /// The directory; its name ends in a slash.
    pub path: Path,
    /// Whether missing parents are made.
    #[serde(default)]
    pub create_parents: bool,
}

/// A directory that was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeDirectory {}

/// `fs/remove_directory`: removes a directory with all that lies in it. It is gone for every reader when this is answered;
/// its space comes back later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RemoveDirectory {
    /// The directory; its name ends in a slash.
    pub path: Path,
}

/// A directory that was removed, with what it held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedDirectory {
    /// Objects.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// `fs/move`: gives an object, or a directory with all that lies in it, another name. One rename, whatever is below; between
/// accounts a job.
///
/// The source is a directory exactly if its name ends in a slash; the destination then is one too. Missing parents of the
/// destination are made, a missing container is 404. A directory into itself is 403.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// What is moved.
    pub source: Path,
    /// What it is called then.
    pub destination: Path,
    /// Whether what bears that name is replaced (never merged); otherwise it is 412.
    #[serde(default = "yes")]
    pub overwrite: bool,
}

/// What came of a move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// It has the new name.
    Done {
        /// Whether it took the place of something (204 rather than 201).
        replaced: bool,
    },
    /// It will have; the job does it (202).
    Job(Box<Job>),
}

/// `fs/copy_directory`: copies a directory with all that lies in it, as a job. The copy becomes visible at once, when it is
/// complete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyDirectory {
    /// What is copied; its name ends in a slash.
    pub source: Path,
    /// The name of the copy; ends in a slash.
    pub destination: Path,
    /// Whether what bears that name is replaced (never merged); otherwise it is 412.
    #[serde(default = "yes")]
    pub overwrite: bool,
}

/// `fs/tree`: a container, or a directory in it, as nested nodes with totals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tree {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
    /// The directory, whose name ends in a slash; none is the whole container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<ObjectName>,
    /// So many levels of children, at least one and at most [`MAX_TREE_DEPTH`]; none is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<usize>,
    /// At most so many nodes all together; none, or more, is [`MAX_TREE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where the page begins: the `next` of a node of an earlier page, asked for with that node's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
}

/// The most nodes in a page of a tree.
pub const MAX_TREE: usize = 10_000;

/// The most levels in a page of a tree: what is nested deeper cannot be read by every program.
pub const MAX_TREE_DEPTH: usize = 50;

/// A node of a tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeNode {
    /// Its segment; a directory's ends in a slash. Of the outermost node the whole name, of a container the container's.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: TreeKind,
    /// Objects at and below it.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// What a directory may hold, if it is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<TreeQuota>,
    /// What lies directly in it, in byte order; none of a file, or where the depth ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub children: Option<Vec<Self>>,
    /// There are further children: the `marker` of the page that begins with them, asked for with this node's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The limits of a directory in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeQuota {
    /// The most bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The most objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<u64>,
}

/// What a node of a tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TreeKind {
    /// A container.
    Container,
    /// A directory.
    Directory,
    /// An object.
    File,
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_replaces_unless_told_otherwise() {
        let path = r#"{"account": "AUTH_a", "container": "c", "object": "d/"}"#;
        let json = format!(r#"{{"source": {path}, "destination": {path}}}"#);
        assert!(serde_json::from_str::<Move>(&json).unwrap().overwrite);
        let misspelt = json.replace("\"source\"", "\"overwrites\": false, \"source\"");
        assert!(serde_json::from_str::<Move>(&misspelt).is_err());
    }

    #[test]
    fn the_deepest_page_of_a_tree_can_be_read() {
        let node = |children: Option<Vec<TreeNode>>| TreeNode {
            name: "a/".into(),
            kind: TreeKind::Directory,
            objects: 1,
            bytes: 1,
            quota: None,
            children,
            next: None,
        };
        let deepest = (0..MAX_TREE_DEPTH).fold(node(None), |child, _| node(Some(vec![child])));
        let page = super::super::mirror::TreePage::Node(Some(deepest));
        let answer = super::super::Answer::MirrorTree(page);
        let json = serde_json::to_vec(&answer).unwrap();
        assert_eq!(
            serde_json::from_slice::<super::super::Answer>(&json).unwrap(),
            answer
        );
    }
}
