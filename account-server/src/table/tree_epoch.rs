//! `tree_epoch`: how far the mirror of each account has come.

use common::functional::mirror::Position;

use super::{counted, stored};
use crate::sql::{Connection, Failure, Many, ManyText, Row, Text, Value};

/// A row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// Which filling of the database this is.
    pub(crate) incarnation: u64,
    /// Raised whenever a subtree left its place.
    pub(crate) epoch: i64,
    /// All changes up to this one are in.
    pub(crate) seq: u64,
    /// The account's row in `stobj`; `None` while the account is gone.
    pub(crate) node: Option<i64>,
}

impl Epoch {
    /// As the owner is told.
    pub(crate) fn position(&self) -> Position {
        Position {
            incarnation: Some(self.incarnation),
            seq: self.seq,
        }
    }
}

const LOOKUP: Text = Text::both(
    "tree_epoch.lookup",
    "SELECT account_id, incarnation, epoch, seq, node_id FROM tree_epoch WHERE account_id = ?",
);

const LOCK: ManyText = ManyText {
    name: "tree_epoch.lock",
    sqlite: Many {
        head: "SELECT account_id, incarnation, epoch, seq, node_id FROM tree_epoch WHERE account_id IN (",
        row: "?",
        separator: ", ",
        tail: ")",
    },
    mysql: Many {
        head: "SELECT account_id, incarnation, epoch, seq, node_id FROM tree_epoch WHERE account_id IN (",
        row: "?",
        separator: ", ",
        tail: ") ORDER BY account_id FOR UPDATE",
    },
};

const STORE: ManyText = ManyText {
    name: "tree_epoch.store",
    sqlite: Many {
        head: "INSERT INTO tree_epoch (account_id, incarnation, epoch, seq, node_id) VALUES ",
        row: "(?, ?, ?, ?, ?)",
        separator: ", ",
        tail: " ON CONFLICT (account_id) DO UPDATE SET incarnation = excluded.incarnation, \
               epoch = excluded.epoch, seq = excluded.seq, node_id = excluded.node_id",
    },
    mysql: Many {
        head: "INSERT INTO tree_epoch (account_id, incarnation, epoch, seq, node_id) VALUES ",
        row: "(?, ?, ?, ?, ?)",
        separator: ", ",
        tail: " ON DUPLICATE KEY UPDATE incarnation = VALUES(incarnation), epoch = VALUES(epoch), \
               seq = VALUES(seq), node_id = VALUES(node_id)",
    },
};

const FORGET_NODE: Text = Text::both(
    "tree_epoch.forget_node",
    "DELETE FROM tree_epoch WHERE node_id = ?",
);

/// The row of one account.
pub(crate) async fn lookup(connection: &mut Connection, account_id: u64) -> Result<Option<Epoch>, Failure> {
    let values = [account_id.cast_signed().into()];
    let row = connection.first(LOOKUP, &values).await?;
    row.map(|row| read(&row).map(|(_, epoch)| epoch)).transpose()
}

/// Locks the rows of these accounts, in the order of their numbers, and answers those there are.
pub(crate) async fn lock(
    connection: &mut Connection,
    account_ids: impl Iterator<Item = u64>,
) -> Result<Vec<(u64, Epoch)>, Failure> {
    let values: Vec<Value<'_>> = account_ids.map(|id| id.cast_signed().into()).collect();
    let rows = connection.rows_many(LOCK, &values).await?;
    rows.iter().map(read).collect()
}

/// Stores the rows of these accounts.
pub(crate) async fn store(
    connection: &mut Connection,
    epochs: impl Iterator<Item = (u64, Epoch)>,
) -> Result<(), Failure> {
    let mut values: Vec<Value<'_>> = Vec::new();
    for (account_id, epoch) in epochs {
        values.extend([
            account_id.cast_signed().into(),
            epoch.incarnation.cast_signed().into(),
            epoch.epoch.into(),
            stored(epoch.seq).into(),
            epoch.node.into(),
        ]);
    }
    connection.execute_many(STORE, &values).await
}

/// Forgets whichever account this node was of.
pub(crate) async fn forget_node(connection: &mut Connection, node: i64) -> Result<(), Failure> {
    connection.execute(FORGET_NODE, &[node.into()]).await.map(|_| ())
}

/// Up to `limit` accounts with greater numbers that are in the tree, by number: each with the objects in it.
pub(crate) async fn accounts(
    connection: &mut Connection,
    after: i64,
    limit: i64,
) -> Result<Vec<(i64, u64)>, Failure> {
    const STATEMENT: Text = Text::both(
        "tree_epoch.accounts",
        "SELECT tree_epoch.account_id, sub_objects FROM tree_epoch JOIN stobj ON stobj.id = node_id \
         WHERE tree_epoch.account_id > ? ORDER BY tree_epoch.account_id LIMIT ?",
    );
    let rows = connection.rows(STATEMENT, &[after.into(), limit.into()]).await?;
    rows.iter()
        .map(|row| Ok((row.int(0)?, counted(row.int(1)?))))
        .collect()
}

fn read(row: &Row) -> Result<(u64, Epoch), Failure> {
    let epoch = Epoch {
        incarnation: row.int(1)?.cast_unsigned(),
        epoch: row.int(2)?,
        seq: counted(row.int(3)?),
        node: row.optional_int(4)?,
    };
    Ok((row.int(0)?.cast_unsigned(), epoch))
}
