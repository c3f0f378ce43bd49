//! `user`: who can log in.

use super::{counted, stored};
use crate::sql::{Connection, Failure, Row, Text};

/// A row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) id: u64,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) role: i64,
    pub(crate) generation: u64,
    /// The hash in PHC form.
    pub(crate) password: Option<String>,
    pub(crate) groups: Vec<String>,
}

const LOOKUP: Text = Text::both(
    "user.lookup",
    "SELECT id, account, name, role, generation, password, groups_ FROM user WHERE account = ? AND name = ?",
);

const ENABLED: Text = Text::both(
    "user.enabled",
    "SELECT id, account, name, role, generation, password, groups_ FROM user WHERE state = 0 AND id > ? \
     ORDER BY id LIMIT 1000",
);

const ADD: Text = Text::both(
    "user.add",
    "INSERT INTO user (email, name, account, role, state, password, groups_, created) \
     VALUES (?, ?, ?, ?, 0, ?, ?, ?)",
);

const UPDATE: Text = Text::both(
    "user.update",
    "UPDATE user SET role = ?, generation = ?, password = ?, groups_ = ? WHERE id = ?",
);

/// The user of this account and name.
pub(crate) async fn lookup(
    connection: &mut Connection,
    account: &str,
    name: &str,
) -> Result<Option<User>, Failure> {
    let row = connection.first(LOOKUP, &[account.into(), name.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Up to 1000 users that are not disabled, behind the number `after`, by number.
pub(crate) async fn enabled(connection: &mut Connection, after: u64) -> Result<Vec<User>, Failure> {
    let rows = connection.rows(ENABLED, &[stored(after).into()]).await?;
    rows.iter().map(read).collect()
}

/// Adds `user`, whose number and generation the database gives.
pub(crate) async fn add(connection: &mut Connection, user: &User, created: u64) -> Result<(), Failure> {
    let email = no_email(&user.account, &user.name);
    let values = [
        email.into(),
        user.name.as_str().into(),
        user.account.as_str().into(),
        user.role.into(),
        user.password.as_deref().into(),
        groups(user)?.into(),
        stored(created).into(),
    ];
    connection.execute(ADD, &values).await.map(|_| ())
}

/// Stores what may change of `user`.
pub(crate) async fn update(connection: &mut Connection, user: &User) -> Result<(), Failure> {
    let values = [
        user.role.into(),
        stored(user.generation).into(),
        user.password.as_deref().into(),
        groups(user)?.into(),
        stored(user.id).into(),
    ];
    connection.execute(UPDATE, &values).await.map(|_| ())
}

/// What stands in `email` of a user who has none. No e-mail address starts with a zero byte, and neither account
/// nor name holds one, so no two users have the same.
fn no_email(account: &str, name: &str) -> Vec<u8> {
    [b"\0", name.as_bytes(), b"\0@", account.as_bytes()].concat()
}

fn groups(user: &User) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(&user.groups).map_err(|_| Failure::Inconsistent("groups that are no JSON"))
}

fn read(row: &Row) -> Result<User, Failure> {
    let groups = match row.optional_bytes(6)? {
        None => Vec::new(),
        Some(json) => serde_json::from_slice(json)
            .map_err(|_| Failure::Inconsistent("user.groups_ is not a JSON list of texts"))?,
    };
    Ok(User {
        id: counted(row.int(0)?),
        account: row.text(1)?,
        name: row.text(2)?,
        role: row.int(3)?,
        generation: counted(row.int(4)?),
        password: row.optional_text(5)?.map(str::to_owned),
        groups,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_without_an_email_never_collide() {
        assert_ne!(no_email("c", "a@b"), no_email("b@c", "a"));
        assert!(no_email("a", "b").starts_with(b"\0"));
        assert!(no_email(&"a".repeat(256), &"b".repeat(256)).len() <= 520);
    }
}
