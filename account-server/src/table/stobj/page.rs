//! The statements that read pages of `stobj`.

use common::Etag;

use crate::sql::{Connection, Failure, Many, ManyText, Row, Text, Value};

/// A row as listings need it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) parent: i64,
    pub(crate) path: Vec<u8>,
    pub(crate) id: i64,
    pub(crate) kind: i64,
    pub(crate) is_object: bool,
    pub(crate) timestamp: i64,
    pub(crate) bytes: i64,
    pub(crate) etag: Option<Etag>,
    pub(crate) content_type: Option<String>,
    pub(crate) listing: Option<String>,
    pub(crate) delete_at: Option<i64>,
    pub(crate) sub_objects: i64,
    pub(crate) sub_bytes: i64,
    pub(crate) sub_expiring: i64,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT parent_id, path, id, type, is_object, timestamp, bytes, etag, content_type, listing, \
             delete_at, sub_objects, sub_bytes, sub_expiring FROM stobj ",
            $rest
        )
    };
}

/// Up to `limit` children of one row whose segment is at least `from` and below `to`, in byte order or against it.
pub(crate) async fn page(
    connection: &mut Connection,
    parent: i64,
    (from, to): (&[u8], &[u8]),
    reverse: bool,
    limit: usize,
) -> Result<Vec<Node>, Failure> {
    const FORWARD: Text = Text::both(
        "stobj.page",
        select!("WHERE parent_id = ? AND path >= ? AND path < ? ORDER BY path LIMIT ?"),
    );
    const REVERSE: Text = Text::both(
        "stobj.page_reverse",
        select!("WHERE parent_id = ? AND path >= ? AND path < ? ORDER BY path DESC LIMIT ?"),
    );
    let values = [parent.into(), from.into(), to.into(), limit_of(limit).into()];
    let rows = connection
        .rows(if reverse { REVERSE } else { FORWARD }, &values)
        .await?;
    rows.iter().map(read).collect()
}

/// Up to `limit` children of several rows, by the parent's number and segment, both rising or both falling.
pub(crate) async fn children(
    connection: &mut Connection,
    parents: &[i64],
    reverse: bool,
    limit: usize,
) -> Result<Vec<Node>, Failure> {
    const FORWARD: ManyText = ManyText::both(
        "stobj.children",
        Many {
            head: select!("WHERE parent_id IN ("),
            row: "?",
            separator: ", ",
            tail: ") ORDER BY parent_id, path LIMIT ?",
        },
    );
    const REVERSE: ManyText = ManyText::both(
        "stobj.children_reverse",
        Many {
            head: select!("WHERE parent_id IN ("),
            row: "?",
            separator: ", ",
            tail: ") ORDER BY parent_id DESC, path DESC LIMIT ?",
        },
    );
    let values: Vec<Value<'_>> = parents.iter().map(|id| (*id).into()).collect();
    let statement = if reverse { REVERSE } else { FORWARD };
    let rows = connection
        .rows_limited(statement, &values, limit_of(limit))
        .await?;
    rows.iter().map(read).collect()
}

/// Whether any object at all has run out by `now`.
pub(crate) async fn first_expired(connection: &mut Connection, now: i64) -> Result<bool, Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.first_expired",
        "SELECT id FROM stobj WHERE delete_at <= ? LIMIT 1",
    );
    Ok(connection.first(STATEMENT, &[now.into()]).await?.is_some())
}

fn limit_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn read(row: &Row) -> Result<Node, Failure> {
    Ok(Node {
        parent: row.int(0)?,
        path: row.bytes(1)?.to_vec(),
        id: row.int(2)?,
        kind: row.int(3)?,
        is_object: row.int(4)? != 0,
        timestamp: row.int(5)?,
        bytes: row.int(6)?,
        etag: row.optional_text(7)?.map(Etag::new),
        content_type: row.optional_text(8)?.map(str::to_owned),
        listing: row.optional_text(9)?.map(str::to_owned),
        delete_at: row.optional_int(10)?,
        sub_objects: row.int(11)?,
        sub_bytes: row.int(12)?,
        sub_expiring: row.int(13)?,
    })
}
