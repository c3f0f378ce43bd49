//! Packs the names of accounts into blocks, which searches go through.
//!
//! What holds after each transaction: of every row of an account in the tree whose number is not above `through` of the
//! account's last block there is an entry in one of its blocks, with the segment that it bears now. There may be others, of
//! rows that are gone or bore another name; whoever searches looks at the rows. So new rows need nothing, they have greater
//! numbers; a row that is renamed gets one more entry, in the same transaction; one that is removed needs nothing either.
//! Rows of an account are only added by who holds its row of `tree_epoch`, so nobody adds one below a number that was read
//! under that lock.

use std::collections::{BTreeSet, HashMap};

use common::functional::mirror::{Apply, Node};

use crate::rest::Rest;
use crate::search::block::{self, Entry};
use crate::sql::{Connection, Failure};
use crate::table::search_block::{self, Size};
use crate::table::{stobj, stored, tree_epoch};

/// The most names a block may be set to hold.
const MOST_NAMES: usize = 16_384;

/// After so many moves of directories of an account the blocks of their new names become one.
const MOVES: usize = 64;

/// The most blocks that are looked at, or become one, in one step.
const BLOCKS: i64 = 256;

/// The most accounts of which is remembered how much is not packed yet. With more, all are looked at again.
const ACCOUNTS: usize = 65_536;

/// Accounts that are looked at in one step.
const LOOKED_AT: i64 = 256;

/// What is to be packed. It may be forgotten at any time, except by who does not care for the speed of searches.
#[derive(Debug)]
pub(crate) struct Packer {
    /// Names a block; 0: none is made.
    names: usize,
    accounts: HashMap<i64, Todo>,
    /// Accounts of which there is enough for a block.
    due: BTreeSet<i64>,
    /// The accounts behind this one are still to be looked at.
    look: Option<i64>,
    /// Rows that were removed, as far as nothing was swept for them.
    removed: usize,
    /// In which account, and before which block, sweeping goes on.
    sweep: (i64, i64),
    rest: Rest,
}

/// Of an account what may have to be packed.
#[derive(Clone, Copy, Debug, Default)]
struct Todo {
    rows: usize,
    moves: usize,
}

/// A row got another name: notes the new one, in the transaction that `connection` is in.
pub(crate) async fn note_renamed(
    connection: &mut Connection,
    account_id: u64,
    id: i64,
    name: &[u8],
) -> Result<(), Failure> {
    let account_id = account_id.cast_signed();
    // Without blocks nothing is found in them.
    let Some(last) = search_block::last(connection, account_id).await? else {
        return Ok(());
    };
    let size = Size {
        number: last.number + 1,
        entries: 1,
        ..last
    };
    let body = block::pack(vec![(id, name.to_vec())]);
    search_block::add(connection, account_id, size, body).await
}

impl Packer {
    /// One that makes blocks of so many names, and begins with what earlier processes left.
    pub(crate) fn new(names: usize) -> Self {
        Self {
            names: names.min(MOST_NAMES),
            accounts: HashMap::new(),
            due: BTreeSet::new(),
            look: (names > 0).then_some(i64::MIN),
            removed: 0,
            sweep: (i64::MIN, 0),
            rest: Rest::default(),
        }
    }

    /// These changes are being stored.
    pub(crate) fn note(&mut self, apply: &Apply) {
        if self.names == 0 {
            return;
        }
        let account_id = apply.account_id.cast_signed();
        if self.accounts.len() >= ACCOUNTS && !self.accounts.contains_key(&account_id) {
            self.accounts.clear();
            self.look = Some(i64::MIN);
        }
        let todo = self.accounts.entry(account_id).or_default();
        for change in &apply.changes {
            match &change.node {
                Node::Object(_, _, Some(_)) | Node::Directory(_, _, Some(_)) => todo.rows += 1,
                Node::Object(_, _, None) => self.removed += 1,
                Node::Moved(_) => todo.moves += 1,
                Node::Account(_) | Node::Container(..) | Node::Directory(..) | Node::Detached(..) => {}
            }
        }
        if todo.rows >= self.names || todo.moves >= MOVES {
            self.due.insert(account_id);
        }
    }

    /// So many rows were removed.
    pub(crate) fn note_removed(&mut self, rows: u64) {
        self.removed = self
            .removed
            .saturating_add(usize::try_from(rows).unwrap_or(usize::MAX));
    }

    /// Whether there is something to do while nobody waits.
    pub(crate) fn has_work(&self) -> bool {
        self.names > 0
            && self.rest.is_over()
            && (!self.due.is_empty() || self.look.is_some() || self.is_sweeping())
    }

    /// Whether so much is to be packed that it is done although somebody waits.
    pub(crate) fn is_pressed(&self) -> bool {
        let is_much = |id| {
            self.accounts
                .get(id)
                .is_some_and(|todo| todo.rows >= 2 * self.names)
        };
        self.rest.is_over() && self.due.iter().any(is_much)
    }

    /// Two rows are swept for each that was removed, so that blocks of what is gone do not become many.
    fn is_sweeping(&self) -> bool {
        self.removed > self.names / 2
    }

    /// A step failed: nothing is done for a while. What only met somebody else is tried again then; what cannot be done is
    /// passed over until there are further changes, so that it does not keep other accounts from their turn.
    pub(crate) fn rest(&mut self, failure: &Failure) {
        self.rest.begin();
        if !failure.is_contended() && self.due.pop_first().is_none() {
            self.look = None;
            self.removed = 0;
        }
    }

    /// Waits for the end of that while.
    pub(crate) async fn rested(&mut self) {
        self.rest.over().await;
    }

    /// Does one step, in a transaction of its own. After a failure that is still open.
    pub(crate) async fn step(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        connection.begin_write().await?;
        if let Some(account_id) = self.due.first().copied() {
            let todo = self.accounts.get(&account_id).copied().unwrap_or_default();
            let left = self.advance(connection, account_id, todo).await?;
            connection.commit().await?;
            if left.rows < self.names && left.moves < MOVES {
                self.due.remove(&account_id);
            }
            self.accounts.insert(account_id, left);
            return Ok(());
        }
        if self.is_sweeping() {
            self.sweep(connection).await?;
            self.removed = self.removed.saturating_sub(self.names / 2 + 1);
        } else if let Some(after) = self.look {
            self.look_at(connection, after).await?;
        }
        connection.commit().await
    }

    /// Looks which accounts behind `after` may have much that is not packed.
    async fn look_at(&mut self, connection: &mut Connection, after: i64) -> Result<(), Failure> {
        let found = tree_epoch::accounts(connection, after, LOOKED_AT).await?;
        self.look = found.last().map(|(account_id, _)| *account_id);
        for (account_id, objects) in found {
            if stored(objects) >= i64::try_from(self.names).unwrap_or(i64::MAX) {
                self.accounts.entry(account_id).or_default().rows = self.names;
                self.due.insert(account_id);
            }
        }
        Ok(())
    }

    /// Makes one block of an account, and answers what is left to do.
    async fn advance(
        &self,
        connection: &mut Connection,
        account_id: i64,
        todo: Todo,
    ) -> Result<Todo, Failure> {
        if !is_there(connection, account_id).await? {
            return Ok(Todo::default());
        }
        if todo.moves >= MOVES {
            let sizes = search_block::sizes(connection, account_id, i64::MAX, BLOCKS).await?;
            let beginnings = (0..sizes.len()).map(|begin| self.together(&sizes[begin..]));
            if let Some(some) = beginnings.into_iter().find(|some| some.len() > 1) {
                repack(connection, account_id, some).await?;
            }
            return Ok(Todo { moves: 0, ..todo });
        }
        let last = search_block::last(connection, account_id).await?;
        let (number, through) = last.map_or((0, 0), |last| (last.number, last.through));
        let mut entries = stobj::names_behind(connection, account_id, through, self.names).await?;
        if entries.len() < self.names {
            return Ok(Todo {
                rows: entries.len(),
                ..todo
            });
        }
        entries.truncate(block::fitting(&entries, self.names));
        let size = Size {
            number: number + 1,
            through: entries.last().map_or(through, |(id, _)| *id),
            entries: counted(&entries),
        };
        let rows = todo.rows.saturating_sub(entries.len()).max(self.names);
        search_block::add(connection, account_id, size, block::pack(entries)).await?;
        Ok(Todo { rows, ..todo })
    }

    /// Looks at some blocks, and takes out of them what is gone.
    async fn sweep(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let (account_id, before) = self.sweep;
        // Nothing is read before the lock is held, as it may have changed when it is.
        let is_there = is_there(connection, account_id).await?;
        let sizes = search_block::sizes(connection, account_id, before, BLOCKS).await?;
        let Some(lowest) = sizes.last() else {
            // The accounts come one after the other, and the first follows on the last.
            let next = match search_block::next_account(connection, account_id).await? {
                None => search_block::next_account(connection, i64::MIN).await?,
                next => next,
            };
            self.sweep = next.map_or((i64::MIN, 0), |next| (next, i64::MAX));
            return Ok(());
        };
        if !is_there {
            return search_block::remove(connection, account_id, lowest.number, before).await;
        }
        let some = self.together(&sizes);
        self.sweep.1 = some.last().map_or(lowest.number, |size| size.number);
        repack(connection, account_id, some).await
    }

    /// Those of these blocks, the first and some that follow on it, that are no more than one together.
    fn together<'s>(&self, sizes: &'s [Size]) -> &'s [Size] {
        let most = i64::try_from(self.names).unwrap_or(i64::MAX);
        let mut entries = 0_i64;
        let fits = |size: &&Size| {
            entries = entries.saturating_add(size.entries);
            entries <= most
        };
        let some = sizes.iter().take_while(fits).count().max(1);
        &sizes[..some.min(sizes.len())]
    }
}

/// Whether the account is in the tree; its row of `tree_epoch` is locked then.
async fn is_there(connection: &mut Connection, account_id: i64) -> Result<bool, Failure> {
    let accounts = std::iter::once(account_id.cast_unsigned());
    let locked = tree_epoch::lock(connection, accounts).await?;
    Ok(locked.iter().any(|(_, epoch)| epoch.node.is_some()))
}

/// Makes one block of these, which follow on each other, the last one first, without what is gone. A single one of which most
/// is there stays as it is.
async fn repack(connection: &mut Connection, account_id: i64, some: &[Size]) -> Result<(), Failure> {
    let Some(first) = some.last().map(|size| size.number) else {
        return Ok(());
    };
    let limit = i64::try_from(some.len()).unwrap_or(i64::MAX);
    let blocks = search_block::page(connection, account_id, first - 1, limit).await?;
    let (mut entries, mut count, mut bytes, mut merged) = (BTreeSet::new(), 0, 0, 0);
    let mut target = first;
    for block in &blocks {
        let body = block.body()?;
        bytes += body.len();
        if merged > 0 && bytes > block::MOST_BYTES {
            break;
        }
        let unpacked =
            block::unpack(body).ok_or(Failure::Inconsistent("search_block.body is none of ours"))?;
        count += unpacked.len();
        entries.extend(unpacked);
        target = block.number;
        merged += 1;
    }
    let ids: BTreeSet<i64> = entries.iter().map(|(id, _): &Entry| *id).collect();
    let ids: Vec<i64> = ids.into_iter().collect();
    let rows = stobj::places(connection, &ids).await?;
    // Of what bears another name by now there is another entry.
    let rows: BTreeSet<Entry> = rows.into_iter().map(|row| (row.id, row.path)).collect();
    let alive: Vec<Entry> = entries.intersection(&rows).cloned().collect();
    let is_last = search_block::last(connection, account_id)
        .await?
        .is_some_and(|last| last.number == target);
    if alive.is_empty() && !is_last {
        return search_block::remove(connection, account_id, first, target + 1).await;
    }
    if merged > 1 || 2 * alive.len() < count {
        search_block::remove(connection, account_id, first, target).await?;
        let entries = counted(&alive);
        search_block::replace(connection, account_id, target, entries, block::pack(alive)).await?;
    }
    Ok(())
}

fn counted(entries: &[Entry]) -> i64 {
    i64::try_from(entries.len()).unwrap_or(i64::MAX)
}
