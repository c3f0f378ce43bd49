//! `revocation`: tokens that are void before they expire.

use common::Timestamp;
use common::functional::policy::Revocation;

use super::{counted, stored};
use crate::sql::{Connection, Failure, Many, ManyText, Text, Value};

const LIVE: Text = Text::both(
    "revocation.live",
    "SELECT user_id, token_id, expires FROM revocation WHERE expires > ? ORDER BY user_id, token_id",
);

const COUNT: Text = Text::both(
    "revocation.count",
    "SELECT COUNT(*), COUNT(CASE WHEN user_id = ? THEN 1 END) FROM revocation",
);

const ADD: ManyText = ManyText {
    name: "revocation.add",
    sqlite: Many {
        head: "INSERT INTO revocation (user_id, token_id, expires) VALUES ",
        row: "(?, ?, ?)",
        separator: ", ",
        tail: " ON CONFLICT (user_id, token_id) DO UPDATE SET expires = excluded.expires",
    },
    mysql: Many {
        head: "INSERT INTO revocation (user_id, token_id, expires) VALUES ",
        row: "(?, ?, ?)",
        separator: ", ",
        tail: " ON DUPLICATE KEY UPDATE expires = VALUES(expires)",
    },
};

const FORGET_EXPIRED: Text = Text::both(
    "revocation.forget_expired",
    "DELETE FROM revocation WHERE expires <= ?",
);

const FORGET_USER: Text = Text::both(
    "revocation.forget_user",
    "DELETE FROM revocation WHERE user_id = ?",
);

/// Those of tokens that have not ended by `now`.
pub(crate) async fn live(connection: &mut Connection, now: Timestamp) -> Result<Vec<Revocation>, Failure> {
    let rows = connection.rows(LIVE, &[stored(now.units()).into()]).await?;
    let read = |row: &crate::sql::Row| {
        Ok(Revocation {
            user_id: counted(row.int(0)?),
            token_id: row.int(1)?.cast_unsigned(),
            expires: Timestamp::from_units(counted(row.int(2)?)),
        })
    };
    rows.iter().map(read).collect()
}

/// How many there are of all users, and of this one.
pub(crate) async fn count(connection: &mut Connection, user_id: u64) -> Result<(u64, u64), Failure> {
    let row = connection.first(COUNT, &[stored(user_id).into()]).await?;
    row.map_or(Ok((0, 0)), |row| Ok((counted(row.int(0)?), counted(row.int(1)?))))
}

/// Adds these; one that is there stays.
pub(crate) async fn add(connection: &mut Connection, revocations: &[Revocation]) -> Result<(), Failure> {
    let row = |revocation: &Revocation| -> [Value<'static>; 3] {
        [
            stored(revocation.user_id).into(),
            revocation.token_id.cast_signed().into(),
            stored(revocation.expires.units()).into(),
        ]
    };
    let values: Vec<_> = revocations.iter().flat_map(row).collect();
    connection.execute_many(ADD, &values).await
}

/// Removes those of tokens that have ended by `now`.
pub(crate) async fn forget_expired(connection: &mut Connection, now: Timestamp) -> Result<(), Failure> {
    let now = stored(now.units());
    connection
        .execute(FORGET_EXPIRED, &[now.into()])
        .await
        .map(|_| ())
}

/// Removes those of a user all of whose tokens are void anyhow.
pub(crate) async fn forget_user(connection: &mut Connection, user_id: u64) -> Result<(), Failure> {
    let user_id = stored(user_id);
    connection
        .execute(FORGET_USER, &[user_id.into()])
        .await
        .map(|_| ())
}
