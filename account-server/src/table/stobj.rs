//! `stobj`: the nodes of the tree.

use std::ops::{AddAssign, Neg};

use crate::sql::{Connection, Failure, Many, ManyText, Row, Text, Value};

mod disabled;
mod inspect;
mod page;
mod search;
mod write;

pub(crate) use disabled::{Place, account_id, disabled, places};
pub(crate) use inspect::{
    Inspected, Kept, Sums, inspected, kept, nameless, set_totals, some_sums, strangers, sums,
};
pub(crate) use page::{Node, children, first_expired, page};
pub(crate) use search::{Detail, Indexed, Sieve, Span, Waymarks, details, names_behind, search};
pub(crate) use write::{
    NewRow, add_totals, insert_directories, mark_explicit, relocate, remove, remove_childless, upsert,
};

/// The row that is its own parent.
pub(crate) const ROOT: i64 = 1;
/// The row under which forgotten subtrees wait for the reaper.
pub(crate) const TRASH: i64 = 2;

/// What a row is (column `type`).
pub(crate) mod kind {
    pub(crate) const ACCOUNT: i64 = 1;
    pub(crate) const CONTAINER: i64 = 2;
    pub(crate) const DIRECTORY: i64 = 3;
    pub(crate) const FILE: i64 = 4;
    pub(crate) const LINK: i64 = 5;
}

/// Whether a node may be used (column `state`).
pub(crate) mod state {
    pub(crate) const ENABLED: i64 = 0;
    pub(crate) const DISABLED: i64 = 1;
}

/// A place in the tree: the parent's row and one segment.
pub(crate) type Key<'a> = (i64, &'a [u8]);

/// What is counted in a subtree, or by how much that changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) objects: i64,
    pub(crate) bytes: i64,
    /// Objects that have a time of expiry.
    pub(crate) expiring: i64,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.objects += other.objects;
        self.bytes += other.bytes;
        self.expiring += other.expiring;
    }
}

impl Neg for Totals {
    type Output = Self;
    fn neg(self) -> Self {
        Self {
            objects: -self.objects,
            bytes: -self.bytes,
            expiring: -self.expiring,
        }
    }
}

/// What a change needs to know of the row it meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) id: i64,
    pub(crate) parent: i64,
    pub(crate) path: Vec<u8>,
    pub(crate) seq: i64,
    /// What the object of this very name counts; nothing when there is none.
    pub(crate) own: Totals,
    /// What the subtree counts.
    pub(crate) subtree: Totals,
    /// When it was made, of an explicit directory.
    pub(crate) explicit: Option<i64>,
}

/// The rows at these places; those without a row are left out.
pub(crate) async fn lookup(connection: &mut Connection, keys: &[Key<'_>]) -> Result<Vec<Stored>, Failure> {
    const STATEMENT: ManyText = ManyText {
        name: "stobj.lookup",
        sqlite: Many {
            head: "WITH wanted (parent_id, path) AS (VALUES ",
            row: "(?, ?)",
            separator: ", ",
            tail: ") SELECT id, parent_id, path, seq, is_object, bytes, delete_at, \
                   sub_objects, sub_bytes, sub_expiring, explicit, created FROM wanted CROSS JOIN stobj USING (parent_id, path)",
        },
        mysql: Many {
            head: "SELECT id, parent_id, path, seq, is_object, bytes, delete_at, \
                   sub_objects, sub_bytes, sub_expiring, explicit, created FROM stobj WHERE ",
            row: "(parent_id = ? AND path = ?)",
            separator: " OR ",
            tail: "",
        },
    };
    let values: Vec<Value<'_>> = keys
        .iter()
        .flat_map(|(parent, path)| [(*parent).into(), (*path).into()])
        .collect();
    let rows = connection.rows_many(STATEMENT, &values).await?;
    rows.iter().map(read).collect()
}

/// The row at one place.
pub(crate) async fn find(connection: &mut Connection, key: Key<'_>) -> Result<Option<Stored>, Failure> {
    Ok(lookup(connection, &[key]).await?.into_iter().next())
}

/// Of these directories, those that hold nothing and were made by nobody but the objects in them.
pub(crate) async fn emptied(connection: &mut Connection, ids: &[i64]) -> Result<Vec<i64>, Failure> {
    const STATEMENT: ManyText = ManyText::both(
        "stobj.emptied",
        Many {
            head: "SELECT id FROM stobj WHERE type = 3 AND sub_objects = 0 AND is_object = 0 AND explicit = 0 \
               AND id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
    );
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    let rows = connection.rows_many(STATEMENT, &values).await?;
    rows.iter().map(|row| row.int(0)).collect()
}

/// Whether a row has a child.
pub(crate) async fn has_child(connection: &mut Connection, id: i64) -> Result<bool, Failure> {
    Ok(first_child(connection, id).await?.is_some())
}

/// Any child of a row: its number.
pub(crate) async fn first_child(connection: &mut Connection, id: i64) -> Result<Option<i64>, Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.first_child",
        "SELECT id FROM stobj WHERE parent_id = ? ORDER BY path LIMIT 1",
    );
    let row = connection.first(STATEMENT, &[id.into()]).await?;
    row.map(|row| row.int(0)).transpose()
}

/// Moves a row and all below it into the trash.
pub(crate) async fn detach(connection: &mut Connection, id: i64) -> Result<(), Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.detach",
        "UPDATE stobj SET parent_id = 2, path = ?, phase = 1 WHERE id = ?",
    );
    let path = format!("{id}/").into_bytes();
    connection
        .execute(STATEMENT, &[path.into(), id.into()])
        .await
        .map(|_| ())
}

/// Removes up to 2000 files right below a row; how many.
pub(crate) async fn remove_files(connection: &mut Connection, parent: i64) -> Result<u64, Failure> {
    const STATEMENT: Text = Text {
        name: "stobj.remove_files",
        sqlite: "DELETE FROM stobj WHERE id IN \
                 (SELECT id FROM stobj WHERE parent_id = ? AND type >= 4 LIMIT 2000)",
        mysql: "DELETE FROM stobj WHERE parent_id = ? AND type >= 4 LIMIT 2000",
    };
    connection.execute(STATEMENT, &[parent.into()]).await
}

fn read(row: &Row) -> Result<Stored, Failure> {
    let own = if row.int(4)? == 0 {
        Totals::default()
    } else {
        Totals {
            objects: 1,
            bytes: row.int(5)?,
            expiring: i64::from(row.optional_int(6)?.is_some()),
        }
    };
    Ok(Stored {
        id: row.int(0)?,
        parent: row.int(1)?,
        path: row.bytes(2)?.to_vec(),
        seq: row.int(3)?,
        own,
        subtree: Totals {
            objects: row.int(7)?,
            bytes: row.int(8)?,
            expiring: row.int(9)?,
        },
        explicit: match row.int(10)? {
            0 => None,
            _ => Some(row.int(11)?),
        },
    })
}
