//! What the end of a process left undecided: announcements that have no end, and commits that a power cut may have taken back.
//! Storage is asked what there is.

use std::collections::HashSet;
use std::sync::Arc;

use common::functional::Context;
use common::name::AccountName;
use common::{Clock, Error};

use super::super::account::Ledger;
use super::super::{Account, Owner, PRESENT, footprint, record};
use super::found::{Begun, Change, Found, Made};
use super::history::History;
use super::path;
use crate::engine::EngineError;
use crate::journal::{Action, Entry, Footprint, Kind, Position, Record};
use crate::node::{NodePath, WriteId};
use crate::tree::Operation;

/// What the journal says of a node whose last write a power cut took back, and of one that an announced write left alone, in the
/// place of what a client asked for. Nobody is sent a record of it.
pub(super) const LOST: &str = "recovery/lost";
const NOT_MADE: &str = "recovery/not_made";

/// No more changes than this are between their commit and their acknowledgement.
const MAX_IN_FLIGHT: usize = 4096;

impl Owner {
    /// Finds out what became of a tree operation that was cut short, and says so in the journal; whether it was made.
    pub(super) async fn finish_operation(
        &self,
        account: &Account,
        id: WriteId,
        operation: &Operation,
        history: &mut History,
        is_recounted: bool,
    ) -> Result<bool, Error> {
        if self.settle(&account.name, id, operation).await? {
            let position = self.commit_operation(account, id, operation, None, !is_recounted)?;
            if let Some(made) = operation.end(id, account.last_seq()) {
                self.repeats.remember(position, &made);
            }
            history.add_operation(account.last_seq(), operation.rename.clone());
            return Ok(true);
        }
        // What is done later to the same node must not be taken for this.
        self.journal.append_reserved(&Entry {
            account_id: account.account_id,
            kind: Kind::Abort { id },
        })?;
        Ok(false)
    }

    /// Settles all tree operations that were cut short.
    pub(super) async fn settle_all(&self, account: &AccountName, found: &Found) -> Result<(), Error> {
        for begun in found.begun.values() {
            if let Begun::Operation(id, operation) = begun {
                self.settle(account, *id, operation).await?;
            }
        }
        Ok(())
    }

    /// Whether a tree operation that was announced has been made. If so it is durable when this is answered.
    ///
    /// # Errors
    /// When storage does not say.
    pub(crate) async fn settle(
        &self,
        account: &AccountName,
        id: WriteId,
        operation: &Operation,
    ) -> Result<bool, EngineError> {
        let place = |node: &NodePath| match node {
            NodePath::Object(container, name) | NodePath::Directory(container, name) => {
                Some(path(account, container, name))
            }
            NodePath::Account | NodePath::Container(_) => None,
        };
        let identity = operation.identity;
        let from = operation.rename.from.as_ref().and_then(place);
        let to = operation.rename.to.as_ref().and_then(place);
        let settled = match (from, to) {
            (Some(from), Some(to)) => self.engine.settle_rename(&from, &to, identity, id).await,
            (Some(from), None) => self.engine.settle_detach(&from, identity, id).await,
            (None, Some(to)) => self.engine.settle_attach(id, &to, identity, id).await,
            (None, None) => Ok(false),
        };
        match settled {
            Err(EngineError::NoContainer) => Ok(false),
            settled => settled,
        }
    }

    /// Makes up for the commit of a write that storage shows, or ends it and has the mirror look at the path again. `counted` is
    /// what the counters know of the name, unless the journal says more of it.
    pub(super) async fn finish(
        &self,
        account: &Account,
        begun: &Begun,
        counted: Option<Footprint>,
        history: &mut History,
        is_recounted: bool,
    ) -> Result<(), Error> {
        let Begun::Node {
            id,
            path,
            action,
            record,
            ..
        } = begun
        else {
            return Ok(());
        };
        let now = self.shown(account, path).await?;
        // What another change of the same name led to, when one came between announcement and crash.
        let counted = history.last(path).map_or(counted, |(_, footprint)| footprint);
        let is_there = match action {
            // What another one removed before is not gone because of this one.
            Action::Delete => now.is_none() && counted.is_some(),
            Action::Put | Action::Post => now.is_some_and(|(shown, _)| shown == *id),
        };
        let mut ledger = account.ledger.lock();
        if is_there {
            let new = now.map(|(_, footprint)| footprint);
            let found = (*id, counted, new);
            let (entry, position) = self.put_in_order(account, &mut ledger, path, found, record)?;
            self.repeats.remember(position, &entry.kind);
            self.records.note(position, entry);
            if !is_recounted {
                ledger.count(path, counted, new, None);
            }
            history.add_node(path.clone(), ledger.last_seq, *id, new);
        } else {
            // What is done later to the same node must not be taken for this.
            self.journal.append_reserved(&Entry {
                account_id: account.account_id,
                kind: Kind::Abort { id: *id },
            })?;
            let counted = match is_recounted {
                true => now.map(|(_, footprint)| footprint),
                false => counted,
            };
            let same = now.filter(|(_, footprint)| Some(*footprint) == counted);
            let shown = same.map_or(WriteId::default(), |(shown, _)| shown);
            let record = of_recovery(NOT_MADE);
            self.put_in_order(account, &mut ledger, path, (shown, counted, counted), &record)?;
        }
        Ok(())
    }

    /// Gives what was found out about a node the next number, in the journal, too, so that no later change gets it after a
    /// crash: which write it shows, what was counted, and what is to be. The mirror looks at it again.
    fn put_in_order(
        &self,
        account: &Account,
        ledger: &mut Ledger,
        path: &NodePath,
        (id, old, new): (WriteId, Option<Footprint>, Option<Footprint>),
        record: &Arc<Record>,
    ) -> Result<(Entry, Position), Error> {
        let (account_id, seq) = (account.account_id, ledger.last_seq + 1);
        let kind = Kind::Commit {
            id,
            seq,
            path: path.clone(),
            old,
            new,
            record: Arc::clone(record),
        };
        let entry = Entry { account_id, kind };
        let position = self.journal.append_reserved(&entry)?;
        ledger.last_seq = seq;
        ledger.is_dirty = true;
        self.feed.note_path(account_id, seq, position, path.clone());
        Ok((entry, position))
    }

    /// Looks whether storage shows what the last commits say. A power cut can take a change that was committed but
    /// not yet acknowledged: the journal was synced, the name was not.
    pub(super) async fn correct(
        &self,
        account: &Account,
        changes: &[Change],
        history: &History,
        is_recounted: bool,
    ) -> Result<(), Error> {
        let tail = &changes[changes.len().saturating_sub(MAX_IN_FLIGHT)..];
        let paths = tail.iter().filter_map(|change| match &change.made {
            Made::Node { path, .. } => history.now_called(path, change.seq),
            Made::Operation(_) => None,
        });
        let paths: HashSet<NodePath> = paths.collect();
        for path in paths {
            let Some((id, expected)) = history.last(&path) else {
                continue;
            };
            let shown = self.shown(account, &path).await?;
            let is_as_expected = match shown {
                Some((shown, _)) => expected.is_some() && shown == id,
                None => expected.is_none(),
            };
            if is_as_expected {
                continue;
            }
            self.recovery.lock().lost.insert(id);
            let mut ledger = account.ledger.lock();
            let shown_id = shown.map_or(WriteId::default(), |(shown, _)| shown);
            let shown = shown.map(|(_, footprint)| footprint);
            // From now on this is what is expected: it must be counted once, not at each start that still finds that commit.
            let record = of_recovery(LOST);
            self.put_in_order(account, &mut ledger, &path, (shown_id, expected, shown), &record)?;
            if !is_recounted {
                ledger.count(&path, expected, shown, None);
            }
        }
        Ok(())
    }

    /// Which write storage shows under a path.
    async fn shown(&self, account: &Account, path: &NodePath) -> Result<Option<(WriteId, Footprint)>, Error> {
        Ok(match path {
            NodePath::Account => Some((account.attributes().id, PRESENT)),
            NodePath::Container(name) => account
                .container(name)
                .map(|container| (container.attributes().id, PRESENT)),
            NodePath::Object(container, object) => {
                if account.container(container).is_none() {
                    return Ok(None);
                }
                let attributes = self
                    .engine
                    .stat(&self::path(&account.name, container, object))
                    .await?;
                attributes.map(|attributes| (attributes.id, footprint(&attributes)))
            }
            NodePath::Directory(container, name) => {
                if account.container(container).is_none() {
                    return Ok(None);
                }
                let directory = self
                    .engine
                    .directory(&self::path(&account.name, container, name))
                    .await?;
                let explicit = directory.and_then(|directory| directory.explicit);
                explicit.map(|explicit| (explicit.id, PRESENT))
            }
        })
    }
}

/// Stands in an entry for who asked for the change: nobody did.
fn of_recovery(action: &'static str) -> Arc<Record> {
    let context = Context::internal("recovery", Clock::now());
    Arc::new(record(&context, action, 200, 0))
}
