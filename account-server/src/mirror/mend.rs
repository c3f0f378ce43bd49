//! `mirror/mend`: takes rows out of the tree, and counts again what lies below others. One transaction of the writer's, so nobody
//! changes what is counted.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use common::functional::mirror::{Mend, Position};

use super::directories::Directories;
use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, ROOT, TRASH, kind};
use crate::table::tree_epoch;

/// No way up is longer: an account, a container, and a name of 1024 slashes. What lies below itself ends here, too.
const LEVELS: usize = 1100;

/// Mends. Answers the position, and whether something is left for the reaper. After a failure the transaction is still open, and
/// nothing of it counts.
pub(crate) async fn mend(
    connection: &mut Connection,
    directories: &mut Directories,
    mend: &Mend,
) -> Result<(Position, bool), Failure> {
    connection.begin_write().await?;
    let locked = tree_epoch::lock(connection, [mend.account_id].into_iter()).await?;
    let epoch = locked.into_iter().next().map(|(_, epoch)| epoch);
    let Some(mut epoch) = epoch.filter(|epoch| epoch.incarnation == mend.incarnation) else {
        connection.rollback().await?;
        return Ok((Position::default(), false));
    };
    let mut count: BTreeSet<i64> = mend.count.iter().copied().collect();
    let mut has_trash = false;
    for row in stobj::inspected(connection, &mend.detach).await? {
        let is_apart = [ROOT, TRASH].contains(&row.id) || row.parent == TRASH || Some(row.id) == epoch.node;
        if is_apart {
            continue;
        }
        count.insert(row.parent);
        stobj::detach(connection, row.id).await?;
        has_trash = true;
    }
    // Who remembers rows must not find those that left.
    directories.clear();
    epoch.epoch += i64::from(has_trash);
    count_again(connection, count).await?;
    tree_epoch::store(connection, [(mend.account_id, epoch)].into_iter()).await?;
    connection.commit().await?;
    Ok((epoch.position(), has_trash))
}

/// Has rows say what lies below them, and all above them: the lowest first, each once.
async fn count_again(connection: &mut Connection, ids: BTreeSet<i64>) -> Result<(), Failure> {
    let mut parents: HashMap<i64, Option<i64>> = HashMap::new();
    let mut levels: BTreeMap<usize, BTreeSet<i64>> = BTreeMap::new();
    for id in ids {
        let mut way = Vec::new();
        let mut next = Some(id);
        while let Some(id) = next.filter(|id| ![ROOT, TRASH].contains(id) && way.len() < LEVELS) {
            next = match parents.entry(id) {
                Entry::Occupied(parent) => *parent.get(),
                Entry::Vacant(unknown) => {
                    let found = stobj::places(connection, &[id]).await?;
                    *unknown.insert(found.first().map(|row| row.parent))
                }
            };
            way.push(id);
        }
        for (level, id) in way.into_iter().rev().enumerate() {
            levels.entry(level).or_default().insert(id);
        }
    }
    for ids in levels.values().rev() {
        for id in ids {
            count_row(connection, *id).await?;
        }
    }
    Ok(())
}

async fn count_row(connection: &mut Connection, id: i64) -> Result<(), Failure> {
    let found = stobj::inspected(connection, &[id]).await?;
    let Some(row) = found.into_iter().next().filter(|row| row.kind <= kind::DIRECTORY) else {
        return Ok(());
    };
    let mut totals = stobj::sums(connection, id).await?.totals;
    if row.kind == kind::DIRECTORY {
        totals += row.own;
    }
    match totals == row.subtree {
        true => Ok(()),
        false => stobj::set_totals(connection, id, totals).await,
    }
}
