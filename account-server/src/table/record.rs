//! `record`: who did what, when, and what came of it.

use common::Timestamp;
use common::functional::record::{Change, Marker, Record};
use common::name::AccountName;

use super::{counted, stored};
use crate::sql::{Connection, Failure, Many, ManyText, Row, Text, Value};

/// Which index a page is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Range {
    /// All records, by time.
    All,
    /// Those of an account.
    Account(AccountName),
    /// Those of a user; `None` is nobody who was logged in.
    User(Option<String>),
    /// Those of a path, and maybe few others.
    Path(String),
    /// Those of an action.
    Action(String),
    /// Those with a result.
    Result(u16),
}

const HEAD: &str = "INSERT INTO record (time, id, account, account_id, seq, user, action, path, path_key, result, \
                    received, sent, duration, address, agent, transaction_id, destination) VALUES ";
const ROW: &str = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// A change that is known already gets its place in the order.
const COMMIT: ManyText = ManyText {
    name: "record.commit",
    sqlite: Many {
        head: HEAD,
        row: ROW,
        separator: ", ",
        tail: " ON CONFLICT (time, id) DO UPDATE SET account_id = excluded.account_id, seq = excluded.seq, \
               destination = COALESCE(record.destination, excluded.destination) WHERE record.seq IS NULL",
    },
    mysql: Many {
        head: HEAD,
        row: ROW,
        separator: ", ",
        tail: " ON DUPLICATE KEY UPDATE account_id = COALESCE(account_id, VALUES(account_id)), \
               seq = COALESCE(seq, VALUES(seq)), destination = COALESCE(destination, VALUES(destination))",
    },
};

/// The same of those that are there, without what is known of them.
const PLACE: ManyText = ManyText {
    name: "record.place",
    sqlite: Many {
        head: "WITH told (time, id, account_id, seq, destination) AS (VALUES ",
        row: "(?, ?, ?, ?, ?)",
        separator: ", ",
        tail: ") UPDATE record SET account_id = told.account_id, seq = told.seq, \
               destination = COALESCE(record.destination, told.destination) FROM told WHERE record.time = told.time AND record.id = told.id",
    },
    mysql: Many {
        head: "UPDATE record JOIN (",
        row: "SELECT CAST(? AS SIGNED) AS time, CAST(? AS SIGNED) AS id, CAST(? AS SIGNED) AS account_id, \
              CAST(? AS SIGNED) AS seq, CAST(? AS BINARY) AS destination",
        separator: " UNION ALL ",
        tail: ") AS told ON record.time = told.time AND record.id = told.id \
               SET record.account_id = told.account_id, record.seq = told.seq, \
               record.destination = COALESCE(record.destination, told.destination)",
    },
};

/// Of one that is known already the end is noted, once.
const COMPLETE: ManyText = ManyText {
    name: "record.complete",
    sqlite: Many {
        head: HEAD,
        row: ROW,
        separator: ", ",
        tail: " ON CONFLICT (time, id) DO UPDATE SET result = excluded.result, received = excluded.received, \
               sent = excluded.sent, duration = excluded.duration WHERE record.duration IS NULL",
    },
    // Assignments run from left to right, so duration comes last.
    mysql: Many {
        head: HEAD,
        row: ROW,
        separator: ", ",
        tail: " ON DUPLICATE KEY UPDATE result = IF(duration IS NULL, VALUES(result), result), \
               received = IF(duration IS NULL, VALUES(received), received), \
               sent = IF(duration IS NULL, VALUES(sent), sent), duration = COALESCE(duration, VALUES(duration))",
    },
};

/// A page of what the condition says, from newest to oldest.
macro_rules! page {
    ($condition:literal) => {
        concat!(
            "SELECT time, id, account, account_id, seq, user, action, path, result, received, sent, duration, \
             address, agent, transaction_id, destination FROM record WHERE ",
            $condition,
            "time >= ? AND time <= ? AND (time < ? OR id < ?) ORDER BY time DESC, id DESC LIMIT ?"
        )
    };
}

const OF_ALL: Text = Text::both("record.of_all", page!(""));
const OF_ACCOUNT: Text = Text::both("record.of_account", page!("account = ? AND "));
const OF_USER: Text = Text::both("record.of_user", page!("user = ? AND "));
const OF_NOBODY: Text = Text::both("record.of_nobody", page!("user IS NULL AND "));
const OF_PATH: Text = Text::both("record.of_path", page!("path_key = ? AND "));
const OF_ACTION: Text = Text::both("record.of_action", page!("action = ? AND "));
const OF_RESULT: Text = Text::both("record.of_result", page!("result = ? AND "));

const OLDER: Text = Text::both(
    "record.older",
    "SELECT time FROM record WHERE time < ? ORDER BY time, id LIMIT 1 OFFSET ?",
);

const BEHIND: Text = Text::both(
    "record.behind",
    "SELECT time, id FROM record WHERE time <= ? AND (time < ? OR id < ?) ORDER BY time DESC, id DESC \
     LIMIT 1 OFFSET ?",
);

const FORGET: Text = Text::both("record.forget", "DELETE FROM record WHERE time < ?");

/// Keeps records of changes. Mostly their ends were told before, and then there is little to do.
pub(crate) async fn commit(connection: &mut Connection, records: &[Record]) -> Result<(), Failure> {
    let places = records.iter().flat_map(|record| {
        let change = record.change;
        [
            stored(record.time.units()).into(),
            stored(record.id).into(),
            change.map(|change| change.account_id.cast_signed()).into(),
            change.map(|change| stored(change.seq)).into(),
            record.destination.as_deref().into(),
        ]
    });
    let places: Vec<Value<'_>> = places.collect();
    if connection.touch_many(PLACE, &places).await? == records.len() as u64 {
        return Ok(());
    }
    connection.execute_many(COMMIT, &values(records)).await
}

/// Keeps how requests ended.
pub(crate) async fn complete(connection: &mut Connection, records: &[Record]) -> Result<(), Failure> {
    connection.execute_many(COMPLETE, &values(records)).await
}

/// Up to `limit` records of `range` before `before`, the newest first, none older than `since`.
pub(crate) async fn before(
    connection: &mut Connection,
    range: &Range,
    since: Timestamp,
    before: Marker,
    limit: usize,
) -> Result<Vec<Record>, Failure> {
    let (text, wanted): (Text, Option<Value<'_>>) = match range {
        Range::All => (OF_ALL, None),
        Range::Account(account) => (OF_ACCOUNT, Some(account.as_str().into())),
        Range::User(Some(user)) => (OF_USER, Some(user.as_str().into())),
        Range::User(None) => (OF_NOBODY, None),
        Range::Path(path) => (OF_PATH, Some(path_key(path).into())),
        Range::Action(action) => (OF_ACTION, Some(action.as_str().into())),
        Range::Result(result) => (OF_RESULT, Some(i64::from(*result).into())),
    };
    let time = stored(before.time.units());
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut values: Vec<Value<'_>> = wanted.into_iter().collect();
    values.extend([
        stored(since.units()).into(),
        time.into(),
        time.into(),
        stored(before.id).into(),
        limit.into(),
    ]);
    let rows = connection.rows(text, &values).await?;
    rows.iter().map(read).collect()
}

/// The time of the record that has so many older ones, of those before `time`.
pub(crate) async fn older(
    connection: &mut Connection,
    time: Timestamp,
    count: i64,
) -> Result<Option<Timestamp>, Failure> {
    let row = connection
        .first(OLDER, &[stored(time.units()).into(), count.into()])
        .await?;
    row.map(|row| row.int(0).map(timestamp)).transpose()
}

/// The record that is so many behind `before`, going back in time.
pub(crate) async fn behind(
    connection: &mut Connection,
    before: Marker,
    count: i64,
) -> Result<Option<Marker>, Failure> {
    let time = stored(before.time.units());
    let values = [
        time.into(),
        time.into(),
        stored(before.id).into(),
        (count - 1).into(),
    ];
    let Some(row) = connection.first(BEHIND, &values).await? else {
        return Ok(None);
    };
    Ok(Some(Marker {
        time: timestamp(row.int(0)?),
        id: counted(row.int(1)?),
    }))
}

/// Removes what is older.
pub(crate) async fn forget_before(connection: &mut Connection, time: Timestamp) -> Result<u64, Failure> {
    connection.execute(FORGET, &[stored(time.units()).into()]).await
}

fn values(records: &[Record]) -> Vec<Value<'_>> {
    let mut values: Vec<Value<'_>> = Vec::with_capacity(records.len() * 17);
    for record in records {
        let address = record.address.map(|address| address.to_string().into_bytes());
        values.extend([
            stored(record.time.units()).into(),
            stored(record.id).into(),
            record.account.as_ref().map(AccountName::as_str).into(),
            record.change.map(|change| change.account_id.cast_signed()).into(),
            record.change.map(|change| stored(change.seq)).into(),
            record.user.as_deref().into(),
            record.action.as_str().into(),
            record.path.as_str().into(),
            path_key(&record.path).into(),
            i64::from(record.result).into(),
            stored(record.received).into(),
            stored(record.sent).into(),
            record.duration.map(stored).into(),
            address.into(),
            record.agent.as_deref().into(),
            record.transaction_id.as_str().into(),
            record.destination.as_deref().into(),
        ]);
    }
    values
}

/// What a path is found by: FNV-1a, 64 bits. Of those that share one the right ones are picked when they are read.
fn path_key(path: &str) -> i64 {
    let step = |key: u64, byte: u8| (key ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    path.bytes().fold(0xcbf2_9ce4_8422_2325, step).cast_signed()
}

fn timestamp(units: i64) -> Timestamp {
    Timestamp::from_units(counted(units))
}

fn read(row: &Row) -> Result<Record, Failure> {
    let account = row
        .optional_text(2)?
        .map(|name| AccountName::new(name).map_err(|_| Failure::Inconsistent("record.account is no name")));
    let change = match (row.optional_int(3)?, row.optional_int(4)?) {
        (Some(account_id), Some(seq)) => Some(Change {
            account_id: account_id.cast_unsigned(),
            seq: counted(seq),
        }),
        _ => None,
    };
    let text = |column| Ok::<_, Failure>(row.optional_text(column)?.map(str::to_owned));
    Ok(Record {
        time: timestamp(row.int(0)?),
        id: counted(row.int(1)?),
        account: account.transpose()?,
        change,
        user: text(5)?,
        action: row.text(6)?,
        path: row.text(7)?,
        destination: text(15)?,
        result: u16::try_from(row.int(8)?).unwrap_or(0),
        received: counted(row.int(9)?),
        sent: counted(row.int(10)?),
        duration: row.optional_int(11)?.map(counted),
        address: row.optional_text(12)?.and_then(|address| address.parse().ok()),
        agent: text(13)?,
        transaction_id: row.text(14)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_found_by_the_same_number_for_ever() {
        assert_eq!(path_key(""), 0xcbf2_9ce4_8422_2325_u64.cast_signed());
        assert_eq!(path_key("foobar"), 0x8594_4171_f739_67e8_u64.cast_signed());
    }
}
