//! The mirror's form of nodes.

use common::Properties;
use common::functional::mirror::{AccountRow, ContainerRow, DirectoryRow, Moved, Node, ObjectRow};

use crate::engine::EngineError;
use crate::node::{AccountAttributes, ContainerAttributes, DirectoryAttributes, NodePath, ObjectAttributes};
use crate::tree::Rename;

/// The journal's name of a node. Tree operations are none.
pub(crate) fn node_path(node: &Node) -> Option<NodePath> {
    Some(match node {
        Node::Account(_) => NodePath::Account,
        Node::Container(name, _) => NodePath::Container(name.clone()),
        Node::Object(container, object, _) => NodePath::Object(container.clone(), object.clone()),
        Node::Directory(container, directory, _) => NodePath::Directory(container.clone(), directory.clone()),
        Node::Moved(_) | Node::Detached(..) => return None,
    })
}

/// A node that is not there.
pub(super) fn gone(path: &NodePath) -> Node {
    match path.clone() {
        NodePath::Account => Node::Account(None),
        NodePath::Container(name) => Node::Container(name, None),
        NodePath::Object(container, object) => Node::Object(container, object, None),
        NodePath::Directory(container, directory) => Node::Directory(container, directory, None),
    }
}

/// A tree operation on a directory.
pub(super) fn renamed(rename: &Rename) -> Option<Node> {
    let Some(NodePath::Directory(container, directory)) = rename.from.clone() else {
        return None;
    };
    match rename.to.clone() {
        None => Some(Node::Detached(container, directory)),
        Some(NodePath::Directory(to_container, to_directory)) => Some(Node::Moved(Moved {
            container,
            directory,
            to_container,
            to_directory,
        })),
        Some(_) => None,
    }
}

/// What the mirror keeps of an explicit directory.
pub(crate) fn directory_row(attributes: &DirectoryAttributes) -> DirectoryRow {
    DirectoryRow {
        created: attributes.created,
    }
}

/// What the mirror keeps of an account.
pub(crate) fn account_row(attributes: &AccountAttributes) -> AccountRow {
    AccountRow {
        created: attributes.created,
        timestamp: attributes.timestamp,
        state: attributes.state.into(),
    }
}

/// What the mirror keeps of a container.
pub(crate) fn container_row(attributes: &ContainerAttributes) -> ContainerRow {
    ContainerRow {
        created: attributes.created,
        timestamp: attributes.timestamp,
    }
}

/// What the mirror keeps of an object.
pub(crate) fn object_row(attributes: &ObjectAttributes) -> ObjectRow {
    let mut metadata = Properties::new();
    for (name, value) in &attributes.properties {
        if name.starts_with("x-object-meta-") {
            metadata.insert(name, value.clone());
        }
    }
    ObjectRow {
        timestamp: attributes.timestamp,
        bytes: attributes.size,
        etag: attributes.etag.clone(),
        content_type: attributes.content_type.clone(),
        delete_at: attributes.delete_at,
        listing: attributes.listing.clone(),
        metadata,
        state: attributes.state.into(),
    }
}

/// Nothing is in a container that is not there.
pub(super) fn or_nothing<T>(found: Result<Option<T>, EngineError>) -> Result<Option<T>, EngineError> {
    match found {
        Err(EngineError::NoContainer) => Ok(None),
        found => found,
    }
}
