//! What decides over an account and a container: existence, ACLs, limits, CORS. Cached by whoever decides.

use serde::{Deserialize, Serialize};

use crate::Properties;
use crate::name::{AccountName, ContainerName};

/// Asks for it. Answered by the owner from memory; it never fails for absence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Get {
    /// Of this account,
    pub account: AccountName,
    /// and of this container in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
}

/// What the owner knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// The account.
    pub account: Resource,
    /// The container, when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Resource>,
}

/// An account or a container, there or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// The `seq` of its last change; of something absent, that of the last change which could have made it.
    pub generation: u64,
    /// Whether it is there.
    pub state: State,
    /// Its properties.
    #[serde(default)]
    pub properties: Properties,
}

/// Whether a resource is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is not.
    #[default]
    Absent,
    /// It is.
    Present,
    /// It was deleted and its remains are still being removed (accounts: 410).
    Deleted,
}
