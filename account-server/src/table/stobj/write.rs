//! The statements that change `stobj`, each over many rows.

use super::{Key, Totals};
use crate::sql::{Connection, Failure, Many, ManyText, Text, Value};

/// A row as it shall be.
#[derive(Clone, Debug)]
pub(crate) struct NewRow<'a> {
    pub(crate) key: Key<'a>,
    pub(crate) kind: i64,
    pub(crate) is_object: bool,
    pub(crate) state: i64,
    pub(crate) seq: i64,
    pub(crate) timestamp: i64,
    pub(crate) created: i64,
    pub(crate) bytes: i64,
    pub(crate) etag: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) listing: Option<&'a str>,
    pub(crate) metadata: Option<Vec<u8>>,
    pub(crate) delete_at: Option<i64>,
}

/// Brings rows to their new state where that is newer than the stored one. `seq` decides, nothing else.
pub(crate) async fn upsert(
    connection: &mut Connection,
    account_id: u64,
    rows: Vec<NewRow<'_>>,
) -> Result<(), Failure> {
    const HEAD: &str = "INSERT INTO stobj (parent_id, path, account_id, type, is_object, state, seq, timestamp, \
                        created, bytes, etag, content_type, listing, metadata, delete_at) VALUES ";
    const STATEMENT: ManyText = ManyText {
        name: "stobj.upsert",
        sqlite: Many {
            head: HEAD,
            row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            separator: ", ",
            tail: " ON CONFLICT (parent_id, path) DO UPDATE SET is_object = excluded.is_object, \
                   state = excluded.state, \
                   timestamp = excluded.timestamp, \
                   created = CASE WHEN stobj.explicit = 0 THEN excluded.created ELSE stobj.created END, \
                   bytes = excluded.bytes, \
                   etag = excluded.etag, content_type = excluded.content_type, listing = excluded.listing, \
                   metadata = excluded.metadata, delete_at = excluded.delete_at, seq = excluded.seq \
                   WHERE excluded.seq > stobj.seq",
        },
        // Assignments run from left to right, so seq comes last.
        mysql: Many {
            head: HEAD,
            row: "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            separator: ", ",
            tail: " ON DUPLICATE KEY UPDATE \
                   is_object = IF(VALUES(seq) > seq, VALUES(is_object), is_object), \
                   state = IF(VALUES(seq) > seq, VALUES(state), state), \
                   timestamp = IF(VALUES(seq) > seq, VALUES(timestamp), timestamp), \
                   created = IF(VALUES(seq) > seq AND explicit = 0, VALUES(created), created), \
                   bytes = IF(VALUES(seq) > seq, VALUES(bytes), bytes), \
                   etag = IF(VALUES(seq) > seq, VALUES(etag), etag), \
                   content_type = IF(VALUES(seq) > seq, VALUES(content_type), content_type), \
                   listing = IF(VALUES(seq) > seq, VALUES(listing), listing), \
                   metadata = IF(VALUES(seq) > seq, VALUES(metadata), metadata), \
                   delete_at = IF(VALUES(seq) > seq, VALUES(delete_at), delete_at), \
                   seq = GREATEST(seq, VALUES(seq))",
        },
    };
    let mut values: Vec<Value<'_>> = Vec::with_capacity(rows.len() * 15);
    for row in rows {
        values.extend([
            row.key.0.into(),
            row.key.1.into(),
            account_id.cast_signed().into(),
            row.kind.into(),
            row.is_object.into(),
            row.state.into(),
            row.seq.into(),
            row.timestamp.into(),
            row.created.into(),
            row.bytes.into(),
            row.etag.into(),
            row.content_type.into(),
            row.listing.into(),
            row.metadata.into(),
            row.delete_at.into(),
        ]);
    }
    connection.execute_many(STATEMENT, &values).await
}

/// Makes rows that carry nothing yet; those that are there stay as they are.
pub(crate) async fn insert_directories(
    connection: &mut Connection,
    account_id: u64,
    kind: i64,
    keys: &[Key<'_>],
) -> Result<(), Failure> {
    const HEAD: &str = "INSERT INTO stobj (parent_id, path, account_id, type) VALUES ";
    // INSERT IGNORE would also swallow a parent that is not there.
    const STATEMENT: ManyText = ManyText {
        name: "stobj.insert_directories",
        sqlite: Many {
            head: HEAD,
            row: "(?, ?, ?, ?)",
            separator: ", ",
            tail: " ON CONFLICT (parent_id, path) DO NOTHING",
        },
        mysql: Many {
            head: HEAD,
            row: "(?, ?, ?, ?)",
            separator: ", ",
            tail: " ON DUPLICATE KEY UPDATE type = type",
        },
    };
    let values: Vec<Value<'_>> = keys
        .iter()
        .flat_map(|(parent, path)| {
            [
                (*parent).into(),
                (*path).into(),
                account_id.cast_signed().into(),
                kind.into(),
            ]
        })
        .collect();
    connection.execute_many(STATEMENT, &values).await
}

/// Makes directories explicit, with the time when they were made, or implicit. Each is named once.
pub(crate) async fn mark_explicit(
    connection: &mut Connection,
    marks: &[(i64, Option<i64>)],
) -> Result<(), Failure> {
    const STATEMENT: ManyText = ManyText {
        name: "stobj.mark_explicit",
        sqlite: Many {
            head: "WITH mark (id, explicit, created) AS (VALUES ",
            row: "(?, ?, ?)",
            separator: ", ",
            tail: ") UPDATE stobj SET explicit = mark.explicit, \
                   created = CASE WHEN mark.explicit = 1 THEN mark.created ELSE stobj.created END \
                   FROM mark WHERE stobj.id = mark.id",
        },
        mysql: Many {
            head: "UPDATE stobj JOIN (",
            row: "SELECT CAST(? AS SIGNED) AS id, CAST(? AS SIGNED) AS explicit, CAST(? AS SIGNED) AS created",
            separator: " UNION ALL ",
            tail: ") AS mark ON stobj.id = mark.id SET \
                   stobj.created = IF(mark.explicit = 1, mark.created, stobj.created), \
                   stobj.explicit = mark.explicit",
        },
    };
    let values: Vec<Value<'_>> = marks
        .iter()
        .flat_map(|(id, made)| [(*id).into(), made.is_some().into(), made.unwrap_or(0).into()])
        .collect();
    connection.execute_many(STATEMENT, &values).await
}

/// Gives a row another place, with all below it.
pub(crate) async fn relocate(connection: &mut Connection, id: i64, place: Key<'_>) -> Result<(), Failure> {
    const STATEMENT: Text = Text::both(
        "stobj.relocate",
        "UPDATE stobj SET parent_id = ?, path = ? WHERE id = ?",
    );
    let values = [place.0.into(), place.1.into(), id.into()];
    connection.execute(STATEMENT, &values).await.map(|_| ())
}

/// Removes rows that have no children: files, or what the caller knows to be empty.
pub(crate) async fn remove(connection: &mut Connection, ids: &[i64]) -> Result<(), Failure> {
    const STATEMENT: ManyText = ManyText::both(
        "stobj.remove",
        Many {
            head: "DELETE FROM stobj WHERE id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
    );
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    connection.execute_many(STATEMENT, &values).await
}

/// Removes those of these rows that have no child, so that no cascade ever runs.
pub(crate) async fn remove_childless(connection: &mut Connection, ids: &[i64]) -> Result<(), Failure> {
    const STATEMENT: ManyText = ManyText {
        name: "stobj.remove_childless",
        sqlite: Many {
            head: "DELETE FROM stobj WHERE \
                   NOT EXISTS (SELECT 1 FROM stobj AS child WHERE child.parent_id = stobj.id) AND id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
        mysql: Many {
            head: "DELETE node FROM stobj AS node LEFT JOIN stobj AS child ON child.parent_id = node.id \
                   WHERE child.parent_id IS NULL AND node.id IN (",
            row: "?",
            separator: ", ",
            tail: ")",
        },
    };
    let values: Vec<Value<'_>> = ids.iter().map(|id| (*id).into()).collect();
    connection.execute_many(STATEMENT, &values).await
}

/// Adds to the totals of rows, each named once.
pub(crate) async fn add_totals(
    connection: &mut Connection,
    changes: &[(i64, Totals)],
) -> Result<(), Failure> {
    // A row that is matched by its padding too is still changed once, in both databases.
    const STATEMENT: ManyText = ManyText {
        name: "stobj.add_totals",
        sqlite: Many {
            head: "WITH delta (id, objects, bytes, expiring) AS (VALUES ",
            row: "(?, ?, ?, ?)",
            separator: ", ",
            tail: ") UPDATE stobj SET sub_objects = sub_objects + delta.objects, \
                   sub_bytes = sub_bytes + delta.bytes, sub_expiring = sub_expiring + delta.expiring \
                   FROM delta WHERE stobj.id = delta.id",
        },
        mysql: Many {
            head: "UPDATE stobj JOIN (",
            row: "SELECT CAST(? AS SIGNED) AS id, CAST(? AS SIGNED) AS objects, CAST(? AS SIGNED) AS bytes, \
                  CAST(? AS SIGNED) AS expiring",
            separator: " UNION ALL ",
            tail: ") AS delta ON stobj.id = delta.id SET stobj.sub_objects = stobj.sub_objects + delta.objects, \
                   stobj.sub_bytes = stobj.sub_bytes + delta.bytes, \
                   stobj.sub_expiring = stobj.sub_expiring + delta.expiring",
        },
    };
    let values: Vec<Value<'_>> = changes
        .iter()
        .flat_map(|(id, totals)| {
            [
                (*id).into(),
                totals.objects.into(),
                totals.bytes.into(),
                totals.expiring.into(),
            ]
        })
        .collect();
    connection.execute_many(STATEMENT, &values).await
}
