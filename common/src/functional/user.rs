//! Users: their truth is in SQL.

use serde::{Deserialize, Serialize};

/// `user/put`: adds a user, or brings an existing one (same account and name) to this state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// The account's short name, as in `account:user`: without the reseller prefix.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// The password; hashed before it is stored. A password that already verifies is not hashed anew.
    pub password: crate::Secret,
    /// `.admin`, `.reseller_admin`, `.reseller_reader` and any further groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Do nothing when the user is there.
    #[serde(default)]
    pub only_if_absent: bool,
}

/// `user/password`: gives a user another password, which ends all of their tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Password {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// The new password.
    pub password: crate::Secret,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Whether the user was made by it.
    pub created: bool,
}
