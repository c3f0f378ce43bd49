//! Whole names of rows, by walking up from them: a statement a level, for all of them together.

use std::collections::{BTreeSet, HashMap};

use common::name::{AccountName, ContainerName, ObjectName};

use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Place, ROOT, TRASH};

/// So many rows are remembered from one time to the next.
const KEPT: usize = 50_000;

/// Rows that others hang on, as one snapshot has them.
#[derive(Debug, Default)]
pub(crate) struct Ancestry {
    known: HashMap<i64, Place>,
}

/// What a row is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WholeName {
    pub(crate) account: AccountName,
    pub(crate) container: Option<ContainerName>,
    pub(crate) object: Option<ObjectName>,
}

impl Ancestry {
    /// Finds all rows from these up to the root.
    pub(crate) async fn learn(
        &mut self,
        connection: &mut Connection,
        parents: impl Iterator<Item = i64>,
    ) -> Result<(), Failure> {
        if self.known.len() > KEPT {
            self.known.clear();
        }
        let mut wanted: BTreeSet<i64> = parents.collect();
        loop {
            wanted.retain(|id| !self.known.contains_key(id) && *id != ROOT && *id != TRASH);
            if wanted.is_empty() {
                return Ok(());
            }
            let ids: Vec<i64> = wanted.iter().copied().collect();
            let found = stobj::places(connection, &ids).await?;
            wanted = found.iter().map(|row| row.parent).collect();
            if found.is_empty() {
                return Err(Failure::Inconsistent("stobj.parent_id names no row"));
            }
            self.known.extend(found.into_iter().map(|row| (row.id, row)));
        }
    }

    /// The rows from the account down to `parent`; `None` when they wait for the reaper.
    pub(crate) fn way(&self, mut parent: i64) -> Result<Option<Vec<&Place>>, Failure> {
        let mut way = Vec::new();
        while parent != ROOT {
            if parent == TRASH {
                return Ok(None);
            }
            let row = self.known.get(&parent);
            let row = row.ok_or(Failure::Inconsistent("stobj.parent_id names no row"))?;
            if way.len() > self.known.len() {
                return Err(Failure::Inconsistent("a row of stobj lies below itself"));
            }
            way.push(row);
            parent = row.parent;
        }
        way.reverse();
        Ok(Some(way))
    }

    /// What the row is called that has this segment below `parent`.
    pub(crate) fn name(&self, parent: i64, segment: &[u8]) -> Result<Option<WholeName>, Failure> {
        let Some(way) = self.way(parent)? else {
            return Ok(None);
        };
        let above = way.iter().map(|row| row.path.as_slice());
        let segments: Vec<&[u8]> = above.chain([segment]).collect();
        WholeName::of(&segments).map(Some)
    }
}

impl WholeName {
    /// Of the segments from the account down.
    fn of(segments: &[&[u8]]) -> Result<Self, Failure> {
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).map_err(|_| Failure::Inconsistent("stobj.path is not UTF-8"))
        };
        let no_name = |_| Failure::Inconsistent("stobj.path is no name of ours");
        let Some((account, below)) = segments.split_first() else {
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
        Ok(Self {
            account: AccountName::new(text(account.to_vec())?).map_err(no_name)?,
            container,
            object,
        })
    }
}
