//! The statements of searches. They read index `k_search` in its order, and rows by their numbers.
//!
//! What a statement looks at is bounded by its `LIMIT`, though few rows may match: of all others one in so many (`mask`) is
//! answered too, which says how far it came. Which ones is chosen at random, so that nobody can see to it that there are none.

use std::iter::repeat_n;

use common::{Etag, Properties};

use super::Place;
use crate::sql::{Connection, Dialect, Failure, Many, ManyText, Row, Text, Value};

/// What the index knows of a row.
#[derive(Clone, Debug)]
pub(crate) struct Indexed {
    pub(crate) account: i64,
    pub(crate) path: Vec<u8>,
    pub(crate) id: i64,
    pub(crate) kind: i64,
    pub(crate) bytes: i64,
    pub(crate) timestamp: i64,
}

/// What the database can tell apart by itself. It may let more through.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sieve {
    /// The segment holds these bytes.
    pub(crate) literal: Vec<u8>,
    /// Column `type` is one of this range.
    pub(crate) kinds: (i64, i64),
    /// Objects have at least and at most so many bytes.
    pub(crate) bytes: (i64, i64),
    /// Objects were written not before the first and before the second time.
    pub(crate) timestamps: (i64, i64),
}

/// Which rows that are no matches are answered: those whose number has these lowest bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waymarks {
    pub(crate) mask: i64,
    pub(crate) value: i64,
}

/// Which part of the index is read, and in which direction.
#[derive(Clone, Debug)]
pub(crate) enum Span {
    /// Of this account the rows of this segment with a greater number.
    SameName(i64, Vec<u8>, i64),
    /// Of this account the rows with a greater segment.
    Behind(i64, Vec<u8>),
    /// The rows of accounts with a greater number.
    Accounts(i64),
    /// As `SameName`, with lower numbers, falling.
    SameNameFalling(i64, Vec<u8>, i64),
    /// As `Behind`, with lower segments, falling.
    Before(i64, Vec<u8>),
}

/// The text of a statement over this range (in MySQL without `=`: with it, statistics that are old make it read all of the
/// account and look for the range in that), where `holds` says that a segment holds a literal.
macro_rules! span {
    ($range:literal, $holds:literal, $order:literal) => {
        concat!(
            "SELECT account_id, path, id, type, bytes, timestamp FROM stobj WHERE ",
            $range,
            " AND ((",
            $holds,
            " AND type >= ? AND type <= ? AND (type < 4 OR \
             (bytes >= ? AND bytes <= ? AND timestamp >= ? AND timestamp < ?))) OR (id & ?) = ?) ORDER BY ",
            $order,
            " LIMIT ?"
        )
    };
    (sqlite: $range:literal, $order:literal) => {
        span!($range, "instr(path, ?) > 0", $order)
    };
    (mysql: $range:literal, $order:literal) => {
        span!($range, "path LIKE ? ESCAPE '|'", $order)
    };
}

const SAME_NAME: Text = Text {
    name: "stobj.search_same_name",
    sqlite: span!(sqlite: "account_id = ? AND path = ? AND id > ?", "account_id, path, id"),
    mysql: span!(mysql: "account_id >= ? AND account_id <= ? AND path >= ? AND path <= ? AND id > ?", "account_id, path, id"),
};

const BEHIND: Text = Text {
    name: "stobj.search_behind",
    sqlite: span!(sqlite: "account_id = ? AND path > ?", "account_id, path, id"),
    mysql: span!(mysql: "account_id >= ? AND account_id <= ? AND path > ?", "account_id, path, id"),
};

const ACCOUNTS: Text = Text {
    name: "stobj.search_accounts",
    sqlite: span!(sqlite: "account_id > ?", "account_id, path, id"),
    mysql: span!(mysql: "account_id > ?", "account_id, path, id"),
};

const SAME_NAME_FALLING: Text = Text {
    name: "stobj.search_same_name_falling",
    sqlite: span!(sqlite: "account_id = ? AND path = ? AND id < ?", "account_id DESC, path DESC, id DESC"),
    mysql: span!(mysql: "account_id >= ? AND account_id <= ? AND path >= ? AND path <= ? AND id < ?", "account_id DESC, path DESC, id DESC"),
};

const BEFORE: Text = Text {
    name: "stobj.search_before",
    sqlite: span!(sqlite: "account_id = ? AND path < ?", "account_id DESC, path DESC, id DESC"),
    mysql: span!(mysql: "account_id >= ? AND account_id <= ? AND path < ?", "account_id DESC, path DESC, id DESC"),
};

/// Up to `limit` rows of `span` in its order that go through `sieve`, or mark the way.
pub(crate) async fn search(
    connection: &mut Connection,
    span: &Span,
    sieve: &Sieve,
    waymarks: Waymarks,
    limit: usize,
) -> Result<Vec<Indexed>, Failure> {
    let literal = match connection.dialect() {
        Dialect::Sqlite => sieve.literal.clone(),
        Dialect::MySql => pattern(&sieve.literal),
    };
    // Where there is no `=` a value is both the least and the greatest.
    let times = match connection.dialect() {
        Dialect::Sqlite => 1,
        Dialect::MySql => 2,
    };
    let mut values: Vec<Value<'_>> = Vec::with_capacity(16);
    let text = match span {
        Span::SameName(account, path, id) | Span::SameNameFalling(account, path, id) => {
            values.extend(repeat_n((*account).into(), times));
            values.extend(repeat_n(path.as_slice().into(), times));
            values.push((*id).into());
            match span {
                Span::SameName(..) => SAME_NAME,
                _ => SAME_NAME_FALLING,
            }
        }
        Span::Behind(account, path) | Span::Before(account, path) => {
            values.extend(repeat_n((*account).into(), times));
            values.push(path.as_slice().into());
            match span {
                Span::Behind(..) => BEHIND,
                _ => BEFORE,
            }
        }
        Span::Accounts(account) => {
            values.push((*account).into());
            ACCOUNTS
        }
    };
    values.push(literal.into());
    let numbers = [
        sieve.kinds.0,
        sieve.kinds.1,
        sieve.bytes.0,
        sieve.bytes.1,
        sieve.timestamps.0,
        sieve.timestamps.1,
        waymarks.mask,
        waymarks.value,
        i64::try_from(limit).unwrap_or(i64::MAX),
    ];
    values.extend(numbers.map(Value::Int));
    let rows = connection.rows(text, &values).await?;
    rows.iter().map(read_indexed).collect()
}

/// What `LIKE` calls a text that holds these bytes.
fn pattern(literal: &[u8]) -> Vec<u8> {
    let mut pattern = vec![b'%'];
    for byte in literal {
        if matches!(byte, b'%' | b'_' | b'|') {
            pattern.push(b'|');
        }
        pattern.push(*byte);
    }
    pattern.push(b'%');
    pattern
}

/// Up to `limit` rows of an account with greater numbers, by number: each with its segment.
pub(crate) async fn names_behind(
    connection: &mut Connection,
    account_id: i64,
    id: i64,
    limit: usize,
) -> Result<Vec<(i64, Vec<u8>)>, Failure> {
    const STATEMENT: Text = Text {
        name: "stobj.names_behind",
        sqlite: "SELECT id, path FROM stobj WHERE account_id = ? AND id > ? ORDER BY id LIMIT ?",
        mysql: "SELECT id, path FROM stobj WHERE account_id >= ? AND account_id <= ? AND id > ? \
                ORDER BY account_id, id LIMIT ?",
    };
    let mut values: Vec<Value<'_>> = vec![account_id.into()];
    if connection.dialect() == Dialect::MySql {
        values.push(account_id.into());
    }
    values.extend([id.into(), i64::try_from(limit).unwrap_or(i64::MAX).into()]);
    let rows = connection.rows(STATEMENT, &values).await?;
    rows.iter()
        .map(|row| Ok((row.int(0)?, row.bytes(1)?.to_vec())))
        .collect()
}

/// All that a search shows of a row, or looks at.
#[derive(Clone, Debug)]
pub(crate) struct Detail {
    pub(crate) place: Place,
    pub(crate) kind: i64,
    pub(crate) is_object: bool,
    pub(crate) explicit: bool,
    pub(crate) timestamp: i64,
    pub(crate) created: i64,
    pub(crate) bytes: i64,
    pub(crate) sub_bytes: i64,
    pub(crate) etag: Option<Etag>,
    pub(crate) content_type: Option<String>,
    /// User metadata; none of what is switched off, which shows no more than a listing does.
    pub(crate) metadata: Properties,
    pub(crate) delete_at: Option<i64>,
}

/// The rows of these numbers, in no order.
pub(crate) async fn details(connection: &mut Connection, ids: &[i64]) -> Result<Vec<Detail>, Failure> {
    const STATEMENT: ManyText = ManyText::both(
        "stobj.details",
        Many {
            head: "SELECT id, parent_id, path, type, is_object, explicit, timestamp, created, bytes, sub_bytes, \
                   etag, content_type, metadata, delete_at, state FROM stobj WHERE id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
    );
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    let rows = connection.rows_many(STATEMENT, &values).await?;
    rows.iter().map(read_detail).collect()
}

fn read_indexed(row: &Row) -> Result<Indexed, Failure> {
    Ok(Indexed {
        account: row.int(0)?,
        path: row.bytes(1)?.to_vec(),
        id: row.int(2)?,
        kind: row.int(3)?,
        bytes: row.int(4)?,
        timestamp: row.int(5)?,
    })
}

fn read_detail(row: &Row) -> Result<Detail, Failure> {
    let metadata = row.optional_bytes(12)?;
    let metadata = metadata.filter(|_| row.int(14).is_ok_and(|state| state == super::state::ENABLED));
    let metadata = metadata.map(serde_json::from_slice).transpose();
    Ok(Detail {
        place: Place {
            id: row.int(0)?,
            parent: row.int(1)?,
            path: row.bytes(2)?.to_vec(),
        },
        kind: row.int(3)?,
        is_object: row.int(4)? != 0,
        explicit: row.int(5)? != 0,
        timestamp: row.int(6)?,
        created: row.int(7)?,
        bytes: row.int(8)?,
        sub_bytes: row.int(9)?,
        etag: row.optional_text(10)?.map(Etag::new),
        content_type: row.optional_text(11)?.map(str::to_owned),
        metadata: metadata
            .map_err(|_| Failure::Inconsistent("stobj.metadata is no JSON of ours"))?
            .unwrap_or_default(),
        delete_at: row.optional_int(13)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_means_itself() {
        assert_eq!(pattern(b""), b"%%");
        assert_eq!(pattern(b"a%b_|"), b"%a|%b|_||%");
    }
}
