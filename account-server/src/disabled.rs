//! `firewall/list`: what is switched off, by whole names.

use std::collections::{BTreeSet, HashMap};

use common::functional::firewall::{Disabled, DisabledPage, ListDisabled, MAX_DISABLED};
use common::name::{AccountName, ContainerName, ObjectName};

use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Place, ROOT, TRASH};
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
    let above = ancestors(connection, &rows).await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(names) = names(row, &above)? {
            entries.push(entry(&names)?);
        }
    }
    Ok(DisabledPage { entries, marker })
}

/// All rows above these, by number: one statement a level.
async fn ancestors(connection: &mut Connection, rows: &[Place]) -> Result<HashMap<i64, Place>, Failure> {
    let mut known = HashMap::new();
    let mut wanted: BTreeSet<i64> = rows.iter().map(|row| row.parent).collect();
    loop {
        wanted.retain(|id| !known.contains_key(id) && *id != ROOT && *id != TRASH);
        if wanted.is_empty() {
            return Ok(known);
        }
        let ids: Vec<i64> = wanted.iter().copied().collect();
        let found = stobj::places(connection, &ids).await?;
        wanted = found.iter().map(|row| row.parent).collect();
        if found.is_empty() {
            return Err(Failure::Inconsistent("stobj.parent_id names no row"));
        }
        known.extend(found.into_iter().map(|row| (row.id, row)));
    }
}

/// The segments from the account down; `None` when the row waits for the reaper.
fn names<'a>(row: &'a Place, above: &'a HashMap<i64, Place>) -> Result<Option<Vec<&'a [u8]>>, Failure> {
    let mut names = vec![row.path.as_slice()];
    let mut parent = row.parent;
    while parent != ROOT {
        if parent == TRASH {
            return Ok(None);
        }
        let row = above.get(&parent);
        let row = row.ok_or(Failure::Inconsistent("stobj.parent_id names no row"))?;
        names.push(&row.path);
        parent = row.parent;
    }
    names.reverse();
    Ok(Some(names))
}

fn entry(names: &[&[u8]]) -> Result<Disabled, Failure> {
    let text = |bytes: Vec<u8>| {
        String::from_utf8(bytes).map_err(|_| Failure::Inconsistent("stobj.path is not UTF-8"))
    };
    let no_name = |_| Failure::Inconsistent("stobj.path is no name of ours");
    let Some((account, below)) = names.split_first() else {
        return Err(Failure::Inconsistent("a row of stobj has no name"));
    };
    let (container, object) = match below.split_first() {
        None => (None, None),
        Some((container, segments)) => {
            let container = ContainerName::new(text(container.to_vec())?).map_err(no_name)?;
            let object = match segments {
                [] => None,
                _ => Some(ObjectName::new(text(segments.concat())?).map_err(no_name)?),
            };
            (Some(container), object)
        }
    };
    Ok(Disabled {
        account: AccountName::new(text(account.to_vec())?).map_err(no_name)?,
        container,
        object,
    })
}
