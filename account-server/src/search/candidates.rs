//! What blocks of names and the rows behind them say that may match, while that is little.

use std::collections::BTreeSet;
use std::time::Duration;

use common::functional::search::Found;
use memchr::memmem::Finder;
use tokio::time::Instant;

use super::block::{self, Entry};
use super::cursor::{self, Key};
use super::{Best, Search, TOGETHER};
use crate::sql::Failure;
use crate::table::search_block::{self, Block};
use crate::table::stobj;

/// With more of them the index has a page sooner.
const MOST: usize = 4096;

/// So many blocks are read with the first statement, which finds out whether there are many matches.
const FIRST: i64 = 4;

/// And with each of the others.
const BLOCKS: i64 = 32;

/// Rows that are in no block yet: so many are read with one statement, and so many statements there are at most.
const ROWS: usize = 4096;
const STATEMENTS: usize = 16;

/// After that the index is tried.
const TIME: Duration = Duration::from_millis(400);

impl Search<'_> {
    /// All rows of the account whose names are looked for, and some others; `None` when they are many, or cannot be known without
    /// the index.
    pub(super) async fn candidates(&mut self) -> Result<Option<BTreeSet<Entry>>, Failure> {
        let literal = self.criteria.sieve().literal;
        let Some(account_id) = self.account.filter(|_| !literal.is_empty()) else {
            return Ok(None);
        };
        let end = Instant::now() + TIME;
        let literal = Finder::new(&literal).into_owned();
        let mut found = BTreeSet::new();
        let (mut number, mut through, mut limit) = (0, 0, FIRST);
        loop {
            let blocks = search_block::page(self.connection, account_id, number, limit).await?;
            let is_last = i64::try_from(blocks.len()).is_ok_and(|length| length < limit);
            if let Some(last) = blocks.last() {
                (number, through) = (last.number, last.through);
            }
            found.extend(self.looked_through(blocks, literal.clone()).await?);
            if number == 0 || found.len() > MOST || Instant::now() >= end {
                return Ok(None);
            }
            if is_last {
                break;
            }
            limit = BLOCKS;
        }
        for _ in 0..STATEMENTS {
            let rows = stobj::names_behind(self.connection, account_id, through, ROWS).await?;
            let is_last = rows.len() < ROWS;
            through = rows.last().map_or(through, |(id, _)| *id);
            found.extend(rows.into_iter().filter(|(_, name)| self.criteria.has_name(name)));
            if found.len() > MOST {
                return Ok(None);
            }
            if is_last {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Of these blocks what is looked for. They are megabytes, so that is no work for a thread that others wait for.
    async fn looked_through(
        &self,
        blocks: Vec<Block>,
        literal: Finder<'static>,
    ) -> Result<Vec<Entry>, Failure> {
        let criteria = self.criteria.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let mut found = Vec::new();
            for block in blocks {
                let looked = block::find(block.body()?, &literal, &mut found);
                looked.ok_or(Failure::Inconsistent("search_block.body is none of ours"))?;
            }
            found.retain(|(_, name)| criteria.has_name(name));
            Ok(found)
        });
        looking.await.map_err(|_| Failure::ThreadEnded)?
    }

    /// A page by name out of these.
    pub(super) async fn in_order_of(&mut self, candidates: BTreeSet<Entry>) -> Result<Found, Failure> {
        let cursor = self.query.cursor.as_ref();
        let is_falling = cursor::is_falling(self.query.find.sort);
        let is_behind =
            |key: &Key| cursor.is_none_or(|cursor| if is_falling { key < cursor } else { key > cursor });
        let keys = candidates
            .into_iter()
            .map(|(id, path)| Key { number: 0, path, id });
        let mut keys: Vec<Key> = keys.filter(is_behind).collect();
        keys.sort_unstable();
        if is_falling {
            keys.reverse();
        }
        let mut hits = Vec::new();
        let mut next = None;
        'page: for some in keys.chunks(self.query.limit.clamp(16, TOGETHER)) {
            let ids: Vec<i64> = some.iter().map(|key| key.id).collect();
            let mut taken = self.take(&ids).await?;
            for key in some {
                // Under another name it stands elsewhere in the order, and there is another entry for that.
                if taken
                    .get(&key.id)
                    .is_some_and(|hit| hit.detail.place.path == key.path)
                {
                    hits.extend(taken.remove(&key.id));
                }
                if hits.len() == self.query.limit {
                    next = Some(key);
                    break 'page;
                }
            }
        }
        self.page(hits, next).await
    }

    /// A page in any order out of these.
    pub(super) async fn best_of(&mut self, candidates: BTreeSet<Entry>) -> Result<Found, Failure> {
        let mut best = Best::of(self.query);
        let ids: BTreeSet<i64> = candidates.into_iter().map(|(id, _)| id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        for some in ids.chunks(TOGETHER) {
            for (_, hit) in self.take(some).await? {
                best.put(hit);
            }
        }
        let (hits, next) = best.into_page();
        self.page(hits, next.as_ref()).await
    }
}
