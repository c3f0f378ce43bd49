//! The statements that find what is switched off, and its way up to the root.

use crate::sql::{Connection, Failure, Many, ManyText, Row, Text, Value};

/// A row and where it hangs.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) id: i64,
    pub(crate) parent: i64,
    pub(crate) path: Vec<u8>,
}

/// Up to `limit` rows that are switched off, behind the number `after`, by number: of one account, or of all.
pub(crate) async fn disabled(
    connection: &mut Connection,
    account_id: Option<i64>,
    after: i64,
    limit: usize,
) -> Result<Vec<Place>, Failure> {
    const ALL: Text = Text::both(
        "stobj.disabled",
        "SELECT id, parent_id, path FROM stobj WHERE state = 1 AND id > ? ORDER BY id LIMIT ?",
    );
    // In SQLite `+` keeps it from the index by accounts, which has all rows of one.
    const OF_ACCOUNT: Text = Text {
        name: "stobj.disabled_of_account",
        sqlite: "SELECT id, parent_id, path FROM stobj WHERE state = 1 AND +account_id = ? AND id > ? \
                 ORDER BY id LIMIT ?",
        mysql: "SELECT id, parent_id, path FROM stobj WHERE state = 1 AND account_id = ? AND id > ? \
                ORDER BY id LIMIT ?",
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = match account_id {
        Some(account) => {
            let values = [account.into(), after.into(), limit.into()];
            connection.rows(OF_ACCOUNT, &values).await?
        }
        None => connection.rows(ALL, &[after.into(), limit.into()]).await?,
    };
    rows.iter().map(read).collect()
}

/// The number of the account whose row has this name below the root.
pub(crate) async fn account_id(connection: &mut Connection, name: &[u8]) -> Result<Option<i64>, Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.account_id",
        "SELECT account_id FROM stobj WHERE parent_id = 1 AND path = ?",
    );
    let row = connection.first(STATEMENT, &[name.into()]).await?;
    row.map(|row| row.int(0)).transpose()
}

/// The rows of these numbers.
pub(crate) async fn places(connection: &mut Connection, ids: &[i64]) -> Result<Vec<Place>, Failure> {
    const STATEMENT: ManyText = ManyText::both(
        "stobj.places",
        Many {
            head: "SELECT id, parent_id, path FROM stobj WHERE id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
    );
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    let rows = connection.rows_many(STATEMENT, &values).await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Place, Failure> {
    Ok(Place {
        id: row.int(0)?,
        parent: row.int(1)?,
        path: row.bytes(2)?.to_vec(),
    })
}
