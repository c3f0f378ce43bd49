//! Users: their truth is in SQL.
//!
//! Where programs may leave out `account` and `name`, the caller is meant.

use serde::{Deserialize, Serialize};

use super::policy::State;
use crate::{Secret, Timestamp};

/// `user/put`: adds a user, or brings an existing one (same account and name) to this state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// The account's short name, as in `account:user`: without the reseller prefix.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// The password; hashed before it is stored. A password that already verifies is not hashed anew.
    pub password: Secret,
    /// `.admin`, `.reseller_admin`, `.reseller_reader` and any further groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The e-mail address, with which the user can log in too; `None` leaves it as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Do nothing when the user is there.
    #[serde(default)]
    pub only_if_absent: bool,
}

/// `user/password`: gives a user another password, which ends all of their tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Password {
    /// The account's short name.
    #[serde(default)]
    pub account: String,
    /// The user's name in it.
    #[serde(default)]
    pub name: String,
    /// The new password.
    pub password: Secret,
    /// The one that it was, which everybody must know who is no administrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_password: Option<Secret>,
}

/// `user/enable`: lets a user log in who was disabled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enable {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
}

/// `user/disable`: ends all of a user's tokens, and gives no others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disable {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
}

/// `user/revoke`: makes a token void, or all of a user's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoke {
    /// The account's short name.
    #[serde(default)]
    pub account: String,
    /// The user's name in it.
    #[serde(default)]
    pub name: String,
    /// This one; `None` is all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<RevokedToken>,
}

/// What is known of a token that is to be void.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevokedToken {
    /// Its own number.
    pub token_id: u64,
    /// When it would have ended.
    pub expires: Timestamp,
}

/// `user/show`: one user, by account and name or by e-mail address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Show {
    /// The account's short name.
    #[serde(default)]
    pub account: String,
    /// The user's name in it.
    #[serde(default)]
    pub name: String,
    /// The e-mail address, instead of both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// `user/list`: a page of users, by account and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Only those of this account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// Those behind the user `account:name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<String>,
    /// So many at most; 1000 is the most there can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// A user as administrators see one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// The e-mail address.
    #[serde(default)]
    pub email: Option<String>,
    /// `.admin`, `.reseller_admin`, `.reseller_reader` and further groups.
    pub groups: Vec<String>,
    /// Whether the user can log in.
    pub state: State,
    /// When the user was made, in seconds since 1970.
    pub created: u64,
    /// The user's number.
    pub id: u64,
}

/// A page of users.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// By account and name.
    pub users: Vec<Shown>,
}

/// `user/delete`: removes a user, and says what becomes of the account. The filter `users` takes it apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// What becomes of the account and of all that is in it.
    pub resources: Resources,
}

/// What becomes of a deleted user's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resources {
    /// It stays as it is.
    Keep,
    /// It stays, and nobody reaches it until an administrator enables it.
    Disable,
    /// It is removed with all that is in it.
    Remove,
}

/// `user/remove`: takes a user out of the table, and touches nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
}

/// `user/pend`: adds somebody who registers and has no account yet. A try that was not brought to its end can be
/// repeated with the same e-mail address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pend {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// The e-mail address.
    pub email: String,
    /// The password.
    pub password: Secret,
    /// Only repeat an earlier try.
    #[serde(default)]
    pub only_again: bool,
}

/// Who is pending now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pended {
    /// Which try this is: `user/admit` and `user/abandon` do nothing to a later one.
    pub generation: u64,
    /// Whether it repeats an earlier one.
    pub again: bool,
}

/// `user/admit`: lets a pending user log in, whose account is there now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// Which try it was.
    pub generation: u64,
}

/// `user/abandon`: removes a pending user, whose account could not be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abandon {
    /// The account's short name.
    pub account: String,
    /// The user's name in it.
    pub name: String,
    /// Which try it was.
    pub generation: u64,
}

/// What a change did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// Whether the user was made by it.
    pub created: bool,
}
