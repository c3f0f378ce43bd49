//! Accounts.

use serde::{Deserialize, Serialize};

use super::listing::Query;
use crate::name::{AccountName, ContainerName};
use crate::{Properties, Timestamp};

/// `account/head`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The account.
    pub account: AccountName,
}

/// `account/list`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct List {
    /// The account.
    pub account: AccountName,
    /// Which page.
    pub query: Query,
}

/// `account/put`: makes the account; an existing one gets the properties merged.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// The account.
    pub account: AccountName,
    /// To merge; an empty value removes.
    #[serde(default)]
    pub properties: Properties,
}

/// `account/post`: merges properties.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// The account.
    pub account: AccountName,
    /// To merge; an empty value removes.
    #[serde(default)]
    pub properties: Properties,
}

/// `account/delete`: marks the account; what it holds is removed later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delete {
    /// The account.
    pub account: AccountName,
}

/// An account as its owner counts it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// When it was made; zero for one that nothing was written to yet.
    pub created: Timestamp,
    /// Containers in it.
    pub containers: u64,
    /// Objects in all of them.
    pub objects: u64,
    /// Bytes of all of these.
    pub bytes: u64,
    /// Metadata and settings.
    #[serde(default)]
    pub properties: Properties,
}

/// A page of containers, with the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listing {
    /// The account.
    pub info: Info,
    /// The page.
    pub entries: Vec<Entry>,
}

/// One line of an account's listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// A container.
    Container {
        /// Its name.
        name: ContainerName,
        /// Objects in it.
        objects: u64,
        /// Bytes of these.
        bytes: u64,
        /// Its last PUT or POST.
        last_modified: Timestamp,
    },
    /// Names rolled up.
    Subdir(String),
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Whether the account was made by it.
    pub created: bool,
}
