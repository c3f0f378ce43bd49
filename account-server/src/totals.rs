//! `mirror/totals`: what a directory holds, as its row says.

use common::Timestamp;
use common::functional::mirror::{DirectoryRow, Total, Totals};

use crate::listing;
use crate::sql::{Connection, Failure};
use crate::table::{counted, stobj};

/// What the directory holds: one statement a level of its name.
pub(crate) async fn of_directory(connection: &mut Connection, totals: &Totals) -> Result<Total, Failure> {
    let account = match listing::account_node(connection, totals.at_least).await? {
        Ok(account) => account,
        Err(behind) => return Ok(Total::Behind(behind)),
    };
    let mut found = None;
    if let Some(mut parent) = account {
        let container = totals.container.as_str();
        for segment in std::iter::once(container).chain(totals.directory.segments()) {
            found = stobj::find(connection, (parent, segment.as_bytes())).await?;
            match &found {
                Some(row) => parent = row.id,
                None => break,
            }
        }
    }
    let subtree = found.as_ref().map_or(stobj::Totals::default(), |row| row.subtree);
    let made = found.and_then(|row| row.explicit);
    Ok(Total::Counted {
        objects: counted(subtree.objects),
        bytes: counted(subtree.bytes),
        explicit: made.map(|made| DirectoryRow {
            created: Timestamp::from_units(counted(made)),
        }),
    })
}
