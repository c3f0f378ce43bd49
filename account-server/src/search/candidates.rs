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
use crate::table::{stobj, tree_epoch};

/// With more of them the index has a page sooner.
const MOST: usize = 4096;

/// So many blocks are read with the first statement, which finds out whether there are many matches.
const FIRST: i64 = 4;

/// And with each of the others.
const BLOCKS: i64 = 32;

/// Rows that are in no block yet: so many are read with one statement, and so many statements there are at most.
const ROWS: usize = 4096;
const STATEMENTS: usize = 16;

/// So many accounts are asked for at once.
const ACCOUNTS: i64 = 256;

/// After that the index is tried.
const TIME: Duration = Duration::from_millis(400);

/// What is looked for, and what was found of it so far.
struct Looking {
    literal: Finder<'static>,
    found: BTreeSet<Entry>,
    /// Statements left for rows that are in no block.
    statements: usize,
    end: Instant,
}

impl Search<'_> {
    /// All rows whose names are looked for, and some others, of the account, or of all accounts one behind the other; `None` when
    /// they are many, or cannot be known without the index.
    pub(super) async fn candidates(&mut self) -> Result<Option<BTreeSet<Entry>>, Failure> {
        let literal = self.criteria.sieve().literal;
        if literal.is_empty() {
            return Ok(None);
        }
        let mut looking = Looking {
            literal: Finder::new(&literal).into_owned(),
            found: BTreeSet::new(),
            statements: STATEMENTS,
            end: Instant::now() + TIME,
        };
        let is_known = match (&self.query.find.account, self.account) {
            (None, _) => self.in_all_accounts(&mut looking).await?,
            (Some(_), Some(account)) => self.in_account(account, &mut looking, true).await?,
            (Some(_), None) => false,
        };
        Ok(is_known.then_some(looking.found))
    }

    /// In the order of their numbers. Of small ones, which have no blocks, all rows are read.
    async fn in_all_accounts(&mut self, looking: &mut Looking) -> Result<bool, Failure> {
        let mut after = 0;
        loop {
            let accounts = tree_epoch::accounts(self.connection, after, ACCOUNTS).await?;
            let is_last = i64::try_from(accounts.len()).is_ok_and(|length| length < ACCOUNTS);
            for (account, _) in accounts {
                looking.statements = STATEMENTS;
                if !self.in_account(account, looking, false).await? {
                    return Ok(false);
                }
                after = account;
            }
            if is_last {
                return Ok(true);
            }
        }
    }

    /// `false`: there is too much, or the account has no blocks although it `must_have` some.
    async fn in_account(
        &mut self,
        account_id: i64,
        looking: &mut Looking,
        must_have: bool,
    ) -> Result<bool, Failure> {
        let (mut number, mut through, mut limit) = (0, 0, FIRST);
        loop {
            let blocks = search_block::page(self.connection, account_id, number, limit).await?;
            let is_last = i64::try_from(blocks.len()).is_ok_and(|length| length < limit);
            if let Some(last) = blocks.last() {
                (number, through) = (last.number, last.through);
            }
            looking
                .found
                .extend(self.looked_through(blocks, looking.literal.clone()).await?);
            let has_none = must_have && number == 0;
            if has_none || looking.found.len() > MOST || Instant::now() >= looking.end {
                return Ok(false);
            }
            if is_last {
                break;
            }
            limit = BLOCKS;
        }
        while looking.statements > 0 {
            looking.statements -= 1;
            let rows = stobj::names_behind(self.connection, account_id, through, ROWS).await?;
            let is_last = rows.len() < ROWS;
            through = rows.last().map_or(through, |(id, _)| *id);
            let named = rows.into_iter().filter(|(_, name)| self.criteria.has_name(name));
            looking.found.extend(named);
            if looking.found.len() > MOST {
                return Ok(false);
            }
            if is_last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Of these blocks what is looked for. They are megabytes, so that is no work for a thread that others wait for.
    async fn looked_through(
        &self,
        blocks: Vec<Block>,
        literal: Finder<'static>,
    ) -> Result<Vec<Entry>, Failure> {
        if blocks.is_empty() {
            return Ok(Vec::new());
        }
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
