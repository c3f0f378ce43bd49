//! What is needed to decide a request without SQL.

use serde::{Deserialize, Serialize};

/// `policy/fetch`: asked each second by whoever decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fetch {
    /// The version the asker has; 0 is none.
    pub known_version: u64,
}

/// The answer: nothing when the asker has it already.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fetched {
    /// A newer policy.
    pub policy: Option<Policy>,
}

/// All that decides. The version is raised in the same SQL transaction as the change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Rises with every change.
    pub version: u64,
    /// Everybody who can log in.
    pub users: Vec<User>,
}

/// A user who can log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The user's number, which tokens carry.
    pub id: u64,
    /// Raised by a new password, by disabling, by revoking all: older tokens are void.
    pub generation: u64,
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// `.admin`, `.reseller_admin` and further groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The argon2id hash in PHC form; `None` cannot log in by password.
    pub verifier: Option<String>,
}
