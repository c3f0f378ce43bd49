//! `search_block`: the names of accounts in blocks, for searches.

use crate::sql::{Connection, Failure, Row, Text};

/// What a block is, without its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) number: i64,
    /// All rows up to this one are in this block or those of lower numbers.
    pub(crate) through: i64,
    pub(crate) entries: i64,
}

/// A block.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) number: i64,
    pub(crate) through: i64,
    row: Row,
}

impl Block {
    /// The names, as [`crate::search::block`] packs them.
    pub(crate) fn body(&self) -> Result<&[u8], Failure> {
        self.row.bytes(2)
    }
}

/// Up to `limit` blocks of an account behind `after`, in their order.
pub(crate) async fn page(
    connection: &mut Connection,
    account_id: i64,
    after: i64,
    limit: i64,
) -> Result<Vec<Block>, Failure> {
    const STATEMENT: Text = Text::both(
        "search_block.page",
        "SELECT number, through, body FROM search_block WHERE account_id = ? AND number > ? \
         ORDER BY number LIMIT ?",
    );
    let values = [account_id.into(), after.into(), limit.into()];
    let rows = connection.rows(STATEMENT, &values).await?;
    let block = |row: Row| {
        Ok(Block {
            number: row.int(0)?,
            through: row.int(1)?,
            row,
        })
    };
    rows.into_iter().map(block).collect()
}

/// Up to `limit` blocks of an account before the number `before`, the last one first.
pub(crate) async fn sizes(
    connection: &mut Connection,
    account_id: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<Size>, Failure> {
    const STATEMENT: Text = Text::both(
        "search_block.sizes",
        "SELECT number, through, entries FROM search_block WHERE account_id = ? AND number < ? \
         ORDER BY number DESC LIMIT ?",
    );
    let values = [account_id.into(), before.into(), limit.into()];
    let rows = connection.rows(STATEMENT, &values).await?;
    let size = |row: &Row| {
        Ok(Size {
            number: row.int(0)?,
            through: row.int(1)?,
            entries: row.int(2)?,
        })
    };
    rows.iter().map(size).collect()
}

/// The last block of an account.
pub(crate) async fn last(connection: &mut Connection, account_id: i64) -> Result<Option<Size>, Failure> {
    let sizes = sizes(connection, account_id, i64::MAX, 1).await?;
    Ok(sizes.into_iter().next())
}

/// The first account with a greater number that has blocks.
pub(crate) async fn next_account(connection: &mut Connection, after: i64) -> Result<Option<i64>, Failure> {
    const STATEMENT: Text = Text::both(
        "search_block.next_account",
        "SELECT account_id FROM search_block WHERE account_id > ? ORDER BY account_id, number LIMIT 1",
    );
    let row = connection.first(STATEMENT, &[after.into()]).await?;
    row.map(|row| row.int(0)).transpose()
}

/// Adds a block.
pub(crate) async fn add(
    connection: &mut Connection,
    account_id: i64,
    size: Size,
    body: Vec<u8>,
) -> Result<(), Failure> {
    const STATEMENT: Text = Text::both(
        "search_block.add",
        "INSERT INTO search_block (account_id, number, through, entries, body) VALUES (?, ?, ?, ?, ?)",
    );
    let values = [
        account_id.into(),
        size.number.into(),
        size.through.into(),
        size.entries.into(),
        body.into(),
    ];
    connection.execute(STATEMENT, &values).await.map(|_| ())
}

/// Gives a block another body.
pub(crate) async fn replace(
    connection: &mut Connection,
    account_id: i64,
    number: i64,
    entries: i64,
    body: Vec<u8>,
) -> Result<(), Failure> {
    const STATEMENT: Text = Text::both(
        "search_block.replace",
        "UPDATE search_block SET entries = ?, body = ? WHERE account_id = ? AND number = ?",
    );
    let values = [entries.into(), body.into(), account_id.into(), number.into()];
    connection.execute(STATEMENT, &values).await.map(|_| ())
}

/// Removes the blocks of an account from one number to before another.
pub(crate) async fn remove(
    connection: &mut Connection,
    account_id: i64,
    from: i64,
    before: i64,
) -> Result<(), Failure> {
    const STATEMENT: Text = Text::both(
        "search_block.remove",
        "DELETE FROM search_block WHERE account_id = ? AND number >= ? AND number < ?",
    );
    let values = [account_id.into(), from.into(), before.into()];
    connection.execute(STATEMENT, &values).await.map(|_| ())
}
