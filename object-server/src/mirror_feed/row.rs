//! The mirror's form of nodes.

use common::Properties;
use common::functional::mirror::{AccountRow, ContainerRow, Moved, Node, ObjectRow};

use crate::node::{AccountAttributes, ContainerAttributes, NodePath, ObjectAttributes};

/// The journal's name of a node; of what became of a whole directory that of the directory it began with.
pub(crate) fn node_path(node: &Node) -> NodePath {
    match node {
        Node::Account(_) => NodePath::Account,
        Node::Container(name, _) => NodePath::Container(name.clone()),
        Node::Object(container, object, _) => NodePath::Object(container.clone(), object.clone()),
        Node::Directory(container, directory, _)
        | Node::Detached(container, directory)
        | Node::Moved(Moved {
            container, directory, ..
        }) => NodePath::Directory(container.clone(), directory.clone()),
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
