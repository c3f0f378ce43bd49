//! Containers.

use serde::{Deserialize, Serialize};

use super::listing::Query;
use crate::name::{AccountName, ContainerName, ObjectName};
use crate::{Etag, Properties, Timestamp};

/// `container/head`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
}

/// `container/list`. Objects whose time has run out by the request's timestamp are left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
    /// Which page.
    pub query: Query,
}

/// `container/put`: makes the container (and, where autocreate is on, the account); an existing one gets the
/// properties merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
    /// The storage policy asked for, by name; `None` is whichever there is, or the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_policy: Option<String>,
    /// To merge; an empty value removes.
    #[serde(default)]
    pub properties: Properties,
}

/// `container/post`: merges properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
    /// To merge; an empty value removes.
    #[serde(default)]
    pub properties: Properties,
}

/// `container/delete`: removes an empty container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delete {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
}

/// A container as its owner counts it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// When it was made.
    pub created: Timestamp,
    /// Its last PUT or POST; writing objects does not change it.
    pub last_modified: Timestamp,
    /// Objects in it, expired ones included until the expirer removes them.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// The storage policy's name.
    pub storage_policy: String,
    /// Metadata and settings.
    #[serde(default)]
    pub properties: Properties,
}

/// A page of objects, with the container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The container.
    pub info: Info,
    /// The page.
    pub entries: Vec<Entry>,
}

/// One line of a container's listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// An object.
    Object(Object),
    /// Names rolled up.
    Subdir(String),
}

/// An object in a listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Its name.
    pub name: ObjectName,
    /// Its bytes.
    pub bytes: u64,
    /// MD5 of its bytes.
    pub etag: Etag,
    /// Its type.
    pub content_type: String,
    /// Its last PUT or POST.
    pub last_modified: Timestamp,
    /// What the listing shows besides or instead (large objects, links), a JSON object; `None` is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<String>,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Whether the container was made by it.
    pub created: bool,
}
