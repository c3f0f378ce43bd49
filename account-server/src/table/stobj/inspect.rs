//! The statements of checks: rows as they are, and what lies below them, counted.

use common::Properties;

use super::{Totals, state};
use crate::sql::{Connection, Failure, Many, ManyText, Row, Text, Value};

/// So many children are counted with one statement.
const SOME: usize = 20_000;

/// What a listing does not tell of an object's row.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) id: i64,
    pub(crate) account_id: i64,
    pub(crate) kind: i64,
    pub(crate) is_disabled: bool,
    pub(crate) timestamp: i64,
    pub(crate) created: i64,
    /// `None`: it cannot be read.
    pub(crate) metadata: Option<Properties>,
}

/// A row as an inspection looks at it.
#[derive(Clone, Debug)]
pub(crate) struct Inspected {
    pub(crate) id: i64,
    pub(crate) parent: i64,
    pub(crate) path: Vec<u8>,
    pub(crate) kind: i64,
    pub(crate) is_object: bool,
    pub(crate) explicit: bool,
    pub(crate) is_disabled: bool,
    pub(crate) seq: i64,
    pub(crate) timestamp: i64,
    pub(crate) created: i64,
    /// What the object of this very name counts.
    pub(crate) own: Totals,
    pub(crate) subtree: Totals,
}

/// What lies right below a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) parent: i64,
    pub(crate) children: i64,
    pub(crate) totals: Totals,
    /// The least and the greatest number of an account among them.
    pub(crate) accounts: Option<(i64, i64)>,
}

/// What listings do not tell of these rows, in no order.
pub(crate) async fn kept(connection: &mut Connection, ids: &[i64]) -> Result<Vec<Kept>, Failure> {
    const STATEMENT: ManyText = ManyText::both(
        "stobj.kept",
        Many {
            head: "SELECT id, account_id, type, state, timestamp, created, metadata FROM stobj WHERE id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
    );
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    let rows = connection.rows_many(STATEMENT, &values).await?;
    let read = |row: &Row| {
        let metadata = match row.optional_bytes(6)? {
            None => Some(Properties::new()),
            Some(json) => serde_json::from_slice(json).ok(),
        };
        Ok(Kept {
            id: row.int(0)?,
            account_id: row.int(1)?,
            kind: row.int(2)?,
            is_disabled: row.int(3)? == state::DISABLED,
            timestamp: row.int(4)?,
            created: row.int(5)?,
            metadata,
        })
    };
    rows.iter().map(read).collect()
}

/// The rows of these numbers, in no order.
pub(crate) async fn inspected(connection: &mut Connection, ids: &[i64]) -> Result<Vec<Inspected>, Failure> {
    const STATEMENT: ManyText = ManyText::both(
        "stobj.inspected",
        Many {
            head: "SELECT id, parent_id, path, type, is_object, explicit, state, seq, timestamp, created, bytes, \
                   delete_at, sub_objects, sub_bytes, sub_expiring FROM stobj WHERE id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
    );
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    let rows = connection.rows_many(STATEMENT, &values).await?;
    rows.iter().map(read).collect()
}

/// Up to 1000 rows of an account whose segment is empty, or no bytes: an index in byte order has none of them behind `''`.
pub(crate) async fn nameless(connection: &mut Connection, account_id: i64) -> Result<Vec<i64>, Failure> {
    const STATEMENT: Text = Text {
        name: "stobj.nameless",
        sqlite: "SELECT id FROM stobj WHERE account_id = ? AND path <= X'' LIMIT 1000",
        mysql: "SELECT id FROM stobj WHERE account_id = ? AND path <= '' LIMIT 1000",
    };
    let rows = connection.rows(STATEMENT, &[account_id.into()]).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

/// Up to 1000 children of a row that say that they are of another account.
pub(crate) async fn strangers(
    connection: &mut Connection,
    parent: i64,
    account_id: i64,
) -> Result<Vec<i64>, Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.strangers",
        "SELECT id FROM stobj WHERE parent_id = ? AND account_id <> ? LIMIT 1000",
    );
    let values = [parent.into(), account_id.into()];
    let rows = connection.rows(STATEMENT, &values).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

macro_rules! sums {
    () => {
        "COUNT(*), \
         CAST(COALESCE(SUM(CASE WHEN type < 4 THEN sub_objects ELSE is_object END), 0) AS SIGNED), \
         CAST(COALESCE(SUM(CASE WHEN type < 4 THEN sub_bytes ELSE bytes END), 0) AS SIGNED), \
         CAST(COALESCE(SUM(CASE WHEN type < 4 THEN sub_expiring WHEN delete_at IS NULL THEN 0 ELSE 1 END), 0) AS SIGNED), \
         MIN(account_id), MAX(account_id)"
    };
}

/// What lies right below these rows; those with nothing below are left out. For rows that have few children each.
pub(crate) async fn some_sums(connection: &mut Connection, ids: &[i64]) -> Result<Vec<Sums>, Failure> {
    const STATEMENT: ManyText = ManyText::both(
        "stobj.some_sums",
        Many {
            head: concat!("SELECT parent_id, ", sums!(), " FROM stobj WHERE parent_id IN ("),
            row: "?",
            separator: ", ",
            tail: ") GROUP BY parent_id",
        },
    );
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    let rows = connection.rows_many(STATEMENT, &values).await?;
    rows.iter().map(|row| read_sums(row, row.int(0)?)).collect()
}

/// What lies right below a row, however much that is.
pub(crate) async fn sums(connection: &mut Connection, parent: i64) -> Result<Sums, Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.sums",
        concat!(
            "SELECT MAX(path), ",
            sums!(),
            " FROM (SELECT path, type, is_object, bytes, delete_at, sub_objects, sub_bytes, sub_expiring, \
             account_id FROM stobj WHERE parent_id = ? AND path > ? ORDER BY path LIMIT ?) AS some"
        ),
    );
    let mut all = Sums {
        parent,
        ..Sums::default()
    };
    let mut last: Vec<u8> = Vec::new();
    loop {
        let limit = i64::try_from(SOME).unwrap_or(i64::MAX);
        let values = [parent.into(), last.as_slice().into(), limit.into()];
        let Some(row) = connection.first(STATEMENT, &values).await? else {
            return Ok(all);
        };
        let some = read_sums(&row, parent)?;
        all.children += some.children;
        all.totals += some.totals;
        all.accounts = match (all.accounts, some.accounts) {
            (Some(all), Some(some)) => Some((all.0.min(some.0), all.1.max(some.1))),
            (all, some) => all.or(some),
        };
        match row.optional_bytes(0)? {
            Some(path) if some.children == limit => last = path.to_vec(),
            _ => return Ok(all),
        }
    }
}

/// Has a row say that this lies below it.
pub(crate) async fn set_totals(connection: &mut Connection, id: i64, totals: Totals) -> Result<(), Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.set_totals",
        "UPDATE stobj SET sub_objects = ?, sub_bytes = ?, sub_expiring = ? WHERE id = ?",
    );
    let Totals {
        objects,
        bytes,
        expiring,
    } = totals;
    let values = [objects.into(), bytes.into(), expiring.into(), id.into()];
    connection.execute(STATEMENT, &values).await.map(|_| ())
}

fn read(row: &Row) -> Result<Inspected, Failure> {
    let is_object = row.int(4)? != 0;
    let own = Totals {
        objects: i64::from(is_object),
        bytes: if is_object { row.int(10)? } else { 0 },
        expiring: i64::from(is_object && row.optional_int(11)?.is_some()),
    };
    Ok(Inspected {
        id: row.int(0)?,
        parent: row.int(1)?,
        path: row.bytes(2)?.to_vec(),
        kind: row.int(3)?,
        is_object,
        explicit: row.int(5)? != 0,
        is_disabled: row.int(6)? == state::DISABLED,
        seq: row.int(7)?,
        timestamp: row.int(8)?,
        created: row.int(9)?,
        own,
        subtree: Totals {
            objects: row.int(12)?,
            bytes: row.int(13)?,
            expiring: row.int(14)?,
        },
    })
}

fn read_sums(row: &Row, parent: i64) -> Result<Sums, Failure> {
    Ok(Sums {
        parent,
        children: row.int(1)?,
        totals: Totals {
            objects: row.int(2)?,
            bytes: row.int(3)?,
            expiring: row.int(4)?,
        },
        accounts: row.optional_int(5)?.zip(row.optional_int(6)?),
    })
}
