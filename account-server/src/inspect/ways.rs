//! The way from a row up to the root, also where rows hang on nothing or on each other.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Inspected, ROOT, TRASH};

/// Rows that others hang on, as one snapshot has them.
#[derive(Debug, Default)]
pub(super) struct Ways {
    known: HashMap<i64, Inspected>,
    missing: HashSet<i64>,
}

/// Where a way up leads.
#[derive(Debug)]
pub(super) enum Way {
    /// To the root: what the rows are from the account down, and their segments.
    Root((Vec<i64>, Vec<String>)),
    Trash,
    /// To a row that is not there.
    Lost,
    /// Back to where it was.
    Round,
}

impl Ways {
    /// Reads all rows from these up, as far as there are any.
    pub(super) async fn learn(
        &mut self,
        connection: &mut Connection,
        parents: impl Iterator<Item = i64>,
    ) -> Result<(), Failure> {
        let mut wanted: BTreeSet<i64> = parents.collect();
        loop {
            wanted.retain(|id| {
                ![ROOT, TRASH].contains(id) && !self.known.contains_key(id) && !self.missing.contains(id)
            });
            if wanted.is_empty() {
                return Ok(());
            }
            let ids: Vec<i64> = wanted.iter().copied().collect();
            let found = stobj::inspected(connection, &ids).await?;
            self.missing.extend(ids);
            wanted = found.iter().map(|row| row.parent).collect();
            for row in found {
                self.missing.remove(&row.id);
                self.known.insert(row.id, row);
            }
        }
    }

    /// The way up from a row, itself the first of it.
    pub(super) fn way(&self, from: i64) -> Way {
        let (mut kinds, mut names) = (Vec::new(), Vec::new());
        let mut next = from;
        while next != ROOT {
            if next == TRASH {
                return Way::Trash;
            }
            let Some(row) = self.known.get(&next) else {
                return Way::Lost;
            };
            if kinds.len() > self.known.len() {
                return Way::Round;
            }
            kinds.push(row.kind);
            names.push(String::from_utf8_lossy(&row.path).into_owned());
            next = row.parent;
        }
        kinds.reverse();
        names.reverse();
        Way::Root((kinds, names))
    }
}
