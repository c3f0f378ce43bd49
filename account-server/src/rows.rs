//! `mirror/rows`: a container's objects with all that their rows say.

use std::collections::HashMap;

use common::Etag;
use common::Timestamp;
use common::functional::firewall::State;
use common::functional::mirror::{KeptObject, ObjectRow, Page, Rows};
use common::name::ObjectName;

use crate::listing::{self, Below};
use crate::sql::{Connection, Failure};
use crate::table::counted;
use crate::table::stobj::{self, Kept, Node, kind};

/// The most objects of a page.
const PAGE: usize = 1000;

/// A page.
pub(crate) async fn page(connection: &mut Connection, rows: &Rows) -> Result<Page<KeptObject>, Failure> {
    let mut query = rows.query.clone();
    query.limit = query.limit.min(PAGE);
    let below = match listing::objects(connection, rows.at_least, &rows.container, &query).await? {
        Below::Behind(position) => return Ok(Page::Behind(position)),
        Below::Objects(below) => below,
    };
    let ids: Vec<i64> = below.iter().map(|(_, node)| node.id).collect();
    let kept = stobj::kept(connection, &ids).await?;
    let mut kept: HashMap<i64, Kept> = kept.into_iter().map(|row| (row.id, row)).collect();
    let account_id = rows.at_least.account_id.cast_signed();
    let mut objects = Vec::with_capacity(below.len());
    for (name, node) in below {
        if let Some(kept) = kept.remove(&node.id) {
            objects.push(object(name, *node, kept, account_id));
        }
    }
    Ok(Page::Entries(objects))
}

fn object(name: ObjectName, node: Node, kept: Kept, account_id: i64) -> KeptObject {
    let is_of_kind = match name.is_directory() {
        true => kept.kind == kind::DIRECTORY,
        // A directory's `created` is of the directory.
        false => kept.kind >= kind::FILE && kept.created == kept.timestamp,
    };
    let is_sound = is_of_kind && kept.account_id == account_id && kept.metadata.is_some();
    let time = |units| Timestamp::from_units(counted(units));
    KeptObject {
        name,
        row: ObjectRow {
            timestamp: time(node.timestamp),
            bytes: counted(node.bytes),
            etag: node.etag.unwrap_or_else(|| Etag::new("")),
            content_type: node.content_type.unwrap_or_default(),
            delete_at: node.delete_at.map(time),
            listing: node.listing,
            metadata: kept.metadata.unwrap_or_default(),
            state: match kept.is_disabled {
                true => State::Disable,
                false => State::Enable,
            },
        },
        is_sound,
    }
}
