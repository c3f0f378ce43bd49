//! What is needed to decide a request without SQL.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

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

/// `policy/restore`: fills a database that was emptied. One that was not is left as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Restore {
    /// What was last known of it.
    pub policy: Policy,
}

/// What a restoration did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    /// Whether the database had nothing that decides, and was filled.
    pub restored: bool,
}

/// All that decides, and all that is needed to fill an empty database with it. The version is raised in the same SQL
/// transaction as the change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Rises with every change.
    pub version: u64,
    /// Everybody who can log in.
    pub users: Vec<User>,
    /// Users who cannot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inactive: Vec<Inactive>,
    /// Tokens that are void before they expire.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revocations: Vec<Revocation>,
}

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct User {
    /// The user's number, which tokens carry.
    pub id: u64,
    /// Raised by a new password, by disabling, by revoking all: older tokens are void. No user ever has the generation
    /// that another had, also in a database that was refilled.
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
    /// The e-mail address, in lower case, with which the user can log in too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// When the user was made.
    #[serde(default)]
    pub created: Timestamp,
}

/// A user who cannot log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Inactive {
    /// Why.
    pub state: State,
    /// Who.
    pub user: User,
}

/// Whether a user can log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Yes.
    Enabled,
    /// An administrator does not want it.
    Disabled,
    /// The user registered, and the account is not made yet.
    Pending,
}

/// A token that is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// Whose it is.
    pub user_id: u64,
    /// Its own number.
    pub token_id: u64,
    /// When it would have ended anyhow, and nobody needs to remember it any more.
    pub expires: Timestamp,
}
