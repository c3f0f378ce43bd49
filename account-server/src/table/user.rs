//! `user`: who can log in, and who could.

use common::functional::policy::State;

use super::{counted, stored};
use crate::sql::{Connection, Failure, Many, ManyText, Row, Text, Value};

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
    pub(crate) email: Option<String>,
    pub(crate) state: State,
    pub(crate) created: u64,
}

/// Which users to list.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// Of this account only.
    pub(crate) account: Option<String>,
    /// Behind this account and name.
    pub(crate) after: (String, String),
    pub(crate) limit: u64,
}

const LOOKUP: Text = Text::both(
    "user.lookup",
    "SELECT id, account, name, role, generation, password, groups_, email, state, created FROM user \
     WHERE account = ? AND name = ?",
);

const LOOKUP_EMAIL: Text = Text::both(
    "user.lookup_email",
    "SELECT id, account, name, role, generation, password, groups_, email, state, created FROM user \
     WHERE email = ?",
);

const ALL: Text = Text::both(
    "user.all",
    "SELECT id, account, name, role, generation, password, groups_, email, state, created FROM user \
     WHERE id > ? ORDER BY id LIMIT 1000",
);

const PAGE: Text = Text::both(
    "user.page",
    "SELECT id, account, name, role, generation, password, groups_, email, state, created FROM user \
     WHERE account > ? OR (account = ? AND name > ?) ORDER BY account, name LIMIT ?",
);

const PAGE_ACCOUNT: Text = Text::both(
    "user.page_account",
    "SELECT id, account, name, role, generation, password, groups_, email, state, created FROM user \
     WHERE account = ? AND name > ? ORDER BY account, name LIMIT ?",
);

const ADD: Text = Text::both(
    "user.add",
    "INSERT INTO user (email, name, account, role, state, generation, password, groups_, created) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
);

const UPDATE: Text = Text::both(
    "user.update",
    "UPDATE user SET email = ?, role = ?, state = ?, generation = ?, password = ?, groups_ = ? WHERE id = ?",
);

const REMOVE: Text = Text::both("user.remove", "DELETE FROM user WHERE id = ?");

/// A row that was just put in is put in again where a statement is filled up, and stays as it is.
const RESTORE: ManyText = ManyText {
    name: "user.restore",
    sqlite: Many {
        head: "INSERT INTO user (email, name, account, role, state, generation, password, groups_, created, id) VALUES ",
        row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        separator: ", ",
        tail: " ON CONFLICT (id) DO UPDATE SET id = excluded.id",
    },
    mysql: Many {
        head: "INSERT INTO user (email, name, account, role, state, generation, password, groups_, created, id) VALUES ",
        row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        separator: ", ",
        tail: " ON DUPLICATE KEY UPDATE id = VALUES(id)",
    },
};

/// The user of this account and name.
pub(crate) async fn lookup(
    connection: &mut Connection,
    account: &str,
    name: &str,
) -> Result<Option<User>, Failure> {
    let row = connection.first(LOOKUP, &[account.into(), name.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// The user of this e-mail address, which is in lower case.
pub(crate) async fn lookup_email(connection: &mut Connection, email: &str) -> Result<Option<User>, Failure> {
    let row = connection.first(LOOKUP_EMAIL, &[email.into()]).await?;
    row.as_ref().map(read).transpose()
}

/// Up to 1000 users behind the number `after`, by number.
pub(crate) async fn all(connection: &mut Connection, after: u64) -> Result<Vec<User>, Failure> {
    let rows = connection.rows(ALL, &[stored(after).into()]).await?;
    rows.iter().map(read).collect()
}

/// Users by account and name.
pub(crate) async fn page(connection: &mut Connection, page: &Page) -> Result<Vec<User>, Failure> {
    let (account, name) = (page.after.0.as_str(), page.after.1.as_str());
    let limit = stored(page.limit).into();
    let rows = match &page.account {
        Some(only) if only.as_str() < account => Vec::new(),
        Some(only) => {
            let name = if only == account { name } else { "" };
            connection
                .rows(PAGE_ACCOUNT, &[only.as_str().into(), name.into(), limit])
                .await?
        }
        None => {
            let values = [account.into(), account.into(), name.into(), limit];
            connection.rows(PAGE, &values).await?
        }
    };
    rows.iter().map(read).collect()
}

/// Adds `user`, whose number the database gives.
pub(crate) async fn add(connection: &mut Connection, user: &User) -> Result<(), Failure> {
    connection.execute(ADD, &values(user)?).await.map(|_| ())
}

/// Stores what may change of `user`.
pub(crate) async fn update(connection: &mut Connection, user: &User) -> Result<(), Failure> {
    let values = [
        email(user).into(),
        user.role.into(),
        state(user.state).into(),
        stored(user.generation).into(),
        user.password.as_deref().into(),
        groups(user)?.into(),
        stored(user.id).into(),
    ];
    connection.execute(UPDATE, &values).await.map(|_| ())
}

/// Removes the user of this number.
pub(crate) async fn remove(connection: &mut Connection, id: u64) -> Result<(), Failure> {
    connection.execute(REMOVE, &[stored(id).into()]).await.map(|_| ())
}

/// Puts users into an empty table, with the numbers that they had.
pub(crate) async fn restore(connection: &mut Connection, users: &[User]) -> Result<(), Failure> {
    let mut all = Vec::with_capacity(users.len() * 10);
    for user in users {
        all.extend(values(user)?);
        all.push(stored(user.id).into());
    }
    connection.execute_many(RESTORE, &all).await
}

fn values(user: &User) -> Result<[Value<'_>; 9], Failure> {
    Ok([
        email(user).into(),
        user.name.as_str().into(),
        user.account.as_str().into(),
        user.role.into(),
        state(user.state).into(),
        stored(user.generation).into(),
        user.password.as_deref().into(),
        groups(user)?.into(),
        stored(user.created).into(),
    ])
}

fn email(user: &User) -> Vec<u8> {
    match &user.email {
        Some(email) => email.as_bytes().to_vec(),
        None => no_email(&user.account, &user.name),
    }
}

/// What stands in `email` of a user who has none. No e-mail address starts with a zero byte, and neither account
/// nor name holds one, so no two users have the same.
fn no_email(account: &str, name: &str) -> Vec<u8> {
    [b"\0", name.as_bytes(), b"\0@", account.as_bytes()].concat()
}

fn groups(user: &User) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(&user.groups).map_err(|_| Failure::Inconsistent("groups that are no JSON"))
}

/// Column `state`.
fn state(state: State) -> i64 {
    match state {
        State::Enabled => 0,
        State::Disabled => 1,
        State::Pending => 2,
    }
}

fn read(row: &Row) -> Result<User, Failure> {
    let groups = match row.optional_bytes(6)? {
        None => Vec::new(),
        Some(json) => serde_json::from_slice(json)
            .map_err(|_| Failure::Inconsistent("user.groups_ is not a JSON list of texts"))?,
    };
    let email = match row.bytes(7)? {
        [0, ..] => None,
        _ => Some(row.text(7)?),
    };
    let state = match row.int(8)? {
        0 => State::Enabled,
        1 => State::Disabled,
        2 => State::Pending,
        _ => return Err(Failure::Inconsistent("user.state is none that is known here")),
    };
    Ok(User {
        id: counted(row.int(0)?),
        account: row.text(1)?,
        name: row.text(2)?,
        role: row.int(3)?,
        generation: counted(row.int(4)?),
        password: row.optional_text(5)?.map(str::to_owned),
        groups,
        email,
        state,
        created: counted(row.int(9)?),
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
