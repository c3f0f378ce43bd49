//! The mirror: an ordered stream of changes an account, brought into the table `stobj`.
//!
//! Everything here runs in the writer's transactions. What is stored with every one of them is how far the account
//! has come, so that a batch that is sent again, or was cut off in the middle, does no harm: a change is looked at
//! only when its `seq` is above that mark.

use std::collections::BTreeMap;

use common::Error;
use common::functional::mirror::{Apply, Change, Node, Position};

use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Key};
use crate::table::tree_epoch::{self, Epoch};

mod batch;
mod branch;
mod directories;
mod group;
mod mend;
mod trash;
mod tree;

pub(crate) use batch::{Batch, check};
pub(crate) use directories::Directories;
pub(crate) use mend::mend;
pub(crate) use trash::Reaper;

use batch::{GROUP, Load, Progress, TRANSACTION};
use group::Group;

/// How `seq` is cut: the owner's term above, its count below.
const TERM_SHIFT: u32 = 40;

/// One transaction.
#[derive(Debug)]
struct Work<'a> {
    connection: &'a mut Connection,
    directories: &'a mut Directories,
    load: Load,
    has_trash: bool,
}

/// Brings as much of `batches` into the mirror as one transaction bears, in their order. Answers whether something
/// was left for the [`Reaper`]. After a failure the transaction is still open, and nothing of it counts.
pub(crate) async fn advance(
    connection: &mut Connection,
    directories: &mut Directories,
    batches: &mut [Batch],
) -> Result<bool, Failure> {
    connection.begin_write().await?;
    let mut account_ids: Vec<u64> = batches.iter().map(|batch| batch.apply.account_id).collect();
    account_ids.sort_unstable_by_key(|id| id.cast_signed());
    account_ids.dedup();
    let before: BTreeMap<u64, Epoch> = tree_epoch::lock(connection, account_ids.iter().copied())
        .await?
        .into_iter()
        .collect();
    for id in &account_ids {
        directories.expect(*id, before.get(id).map(Epoch::position));
    }
    let mut after = before.clone();
    let mut work = Work {
        connection,
        directories,
        load: Load::default(),
        has_trash: false,
    };
    let mut steps = Vec::with_capacity(batches.len());
    for batch in batches.iter().filter(|batch| !batch.is_done()) {
        // What follows an unfinished batch waits, for it may be of the same account.
        if !work.load.is_within(TRANSACTION) {
            break;
        }
        let epoch = after.get(&batch.apply.account_id).copied();
        let (progress, epoch) = work.bring_in(batch, epoch).await?;
        if let Some(epoch) = epoch {
            after.insert(batch.apply.account_id, epoch);
        }
        steps.push(progress);
    }
    let has_trash = work.has_trash;
    let changed = after.iter().filter(|(id, epoch)| before.get(id) != Some(*epoch));
    tree_epoch::store(connection, changed.map(|(id, epoch)| (*id, *epoch))).await?;
    connection.commit().await?;
    for (id, epoch) in &after {
        directories.left(*id, epoch.position());
    }
    let unfinished = batches.iter_mut().filter(|batch| !batch.is_done());
    for (batch, progress) in unfinished.zip(steps) {
        batch.base = progress.base;
        batch.next = progress.next;
        batch.answer = progress.answer;
    }
    Ok(has_trash)
}

impl Work<'_> {
    /// Brings one batch in, as far as this transaction bears it.
    async fn bring_in(
        &mut self,
        batch: &Batch,
        stored_epoch: Option<Epoch>,
    ) -> Result<(Progress, Option<Epoch>), Failure> {
        let apply = &batch.apply;
        let admitted = match batch.base {
            Some(base) => stored_epoch.map(|epoch| (epoch, base)),
            None => match self.admit(apply, stored_epoch).await? {
                Ok(epoch) => Some((epoch, epoch.seq)),
                Err(answer) => return Ok((Progress::refused(batch, answer), stored_epoch)),
            },
        };
        let Some((mut epoch, base)) = admitted else {
            return Ok((Progress::refused(batch, Ok(Position::default())), None));
        };
        let mut next = batch.next;
        while next < apply.changes.len() && self.load.is_within(TRANSACTION) {
            next = self.store(apply, base, next, &mut epoch).await?;
        }
        let left = &apply.changes[next..];
        let answer = if left.is_empty() {
            epoch.seq = epoch.seq.max(apply.through);
            Some(Ok(epoch.position()))
        } else {
            let first_left = left.iter().map(|change| change.seq).min().unwrap_or(0);
            epoch.seq = epoch.seq.max(first_left.saturating_sub(1));
            None
        };
        let base = Some(base);
        Ok((Progress { base, next, answer }, Some(epoch)))
    }

    /// Whether the batch follows on what is stored, and from where; otherwise what to answer.
    async fn admit(
        &mut self,
        apply: &Apply,
        stored_epoch: Option<Epoch>,
    ) -> Result<Result<Epoch, Result<Position, Error>>, Failure> {
        let position = stored_epoch.map_or(Position::default(), |epoch| epoch.position());
        if apply.through >> TERM_SHIFT < position.seq >> TERM_SHIFT {
            let text = "the mirror of this account is filled by an owner of a higher term";
            return Ok(Err(Err(Error::conflict(text))));
        }
        if let Some(epoch) = stored_epoch
            && epoch.incarnation == apply.incarnation
        {
            let follows = apply.after <= epoch.seq;
            return Ok(if follows { Ok(epoch) } else { Err(Ok(position)) });
        }
        if apply.after > 0 {
            return Ok(Err(Ok(position)));
        }
        self.forget(apply.account.as_str().as_bytes()).await?;
        Ok(Ok(Epoch {
            incarnation: apply.incarnation,
            epoch: stored_epoch.map_or(0, |epoch| epoch.epoch + 1),
            seq: 0,
            node: None,
        }))
    }

    /// Stores the changes from `next` on, up to a change of a whole branch or the size of a group.
    /// Answers the first that is not stored.
    async fn store(
        &mut self,
        apply: &Apply,
        base: u64,
        mut next: usize,
        epoch: &mut Epoch,
    ) -> Result<usize, Failure> {
        let name = apply.account.as_str().as_bytes();
        if let Some(change) = apply.changes.get(next)
            && is_of_branch(change)
        {
            self.load.add(change);
            if change.seq > base {
                self.change_branch(apply, change, epoch).await?;
            }
            return Ok(next + 1);
        }
        let node = self.account(apply, epoch).await?;
        let mut group = Group::new(apply.account_id, node);
        let mut load = Load::default();
        while let Some(change) = apply.changes.get(next)
            && !is_of_branch(change)
            && load.is_within(GROUP)
        {
            if change.seq > base {
                load.add(change);
                self.load.add(change);
                group.add(name, change);
            }
            next += 1;
        }
        group.store(self.connection, self.directories).await?;
        Ok(next)
    }

    /// The account's row, made when it is not there.
    async fn account(&mut self, apply: &Apply, epoch: &mut Epoch) -> Result<i64, Failure> {
        if let Some(node) = epoch.node {
            return Ok(node);
        }
        let key: Key<'_> = (stobj::ROOT, apply.account.as_str().as_bytes());
        let kind = stobj::kind::ACCOUNT;
        stobj::insert_directories(self.connection, apply.account_id, kind, &[key]).await?;
        let row = stobj::find(self.connection, key).await?;
        let row = row.ok_or(Failure::Inconsistent(
            "an account that was just made is not there",
        ))?;
        epoch.node = Some(row.id);
        Ok(row.id)
    }
}

/// Whether the change is one of a whole branch, which no other change can share its statements with.
fn is_of_branch(change: &Change) -> bool {
    matches!(
        change.node,
        Node::Container(_, None) | Node::Account(None) | Node::Moved(_) | Node::Detached(..)
    )
}

/// `mirror/open`.
pub(crate) async fn position(connection: &mut Connection, account_id: u64) -> Result<Position, Failure> {
    let epoch = tree_epoch::lookup(connection, account_id).await?;
    Ok(epoch.map_or(Position::default(), |epoch| epoch.position()))
}
