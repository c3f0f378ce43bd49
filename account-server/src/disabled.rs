//! `firewall/list`: what is switched off, by whole names.

use common::functional::firewall::{Disabled, DisabledPage, ListDisabled, MAX_DISABLED};

use crate::ancestry::Ancestry;
use crate::sql::{Connection, Failure};
use crate::table::stobj;
use crate::table::{counted, stored};

/// A page. Pages go by the numbers of rows, so what is switched off meanwhile is on a later page, if it is a new row, or
/// on none of this round.
pub(crate) async fn page(connection: &mut Connection, list: &ListDisabled) -> Result<DisabledPage, Failure> {
    let nothing = DisabledPage {
        entries: Vec::new(),
        marker: None,
    };
    let account_id = match &list.account {
        None => None,
        Some(name) => match stobj::account_id(connection, name.as_str().as_bytes()).await? {
            Some(id) => Some(id),
            None => return Ok(nothing),
        },
    };
    let limit = list.limit.unwrap_or(MAX_DISABLED).clamp(1, MAX_DISABLED);
    let rows = stobj::disabled(connection, account_id, stored(list.marker), limit).await?;
    let Some(last) = rows.last() else {
        return Ok(nothing);
    };
    let marker = (rows.len() == limit).then_some(counted(last.id));
    let mut above = Ancestry::default();
    above.learn(connection, rows.iter().map(|row| row.parent)).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(name) = above.name(row.parent, &row.path)? {
            entries.push(Disabled {
                account: name.account,
                container: name.container,
                object: name.object,
            });
        }
    }
    Ok(DisabledPage { entries, marker })
}
