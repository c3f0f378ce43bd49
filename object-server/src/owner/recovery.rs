//! What an owner does before it takes requests: reads the journal that the last one left.
//!
//! Of each account the journal still holds everything that the counters' checkpoint or the mirror may not have. The
//! counters are the checkpoint plus the later commits; the mirror gets the later paths. An announcement without an
//! end is looked up in storage: if that shows the write, its commit is made up for; else it is ended, and only the mirror looks
//! again. Whatever is found out is in the journal before anything else is, so that the next start need not find it out of a storage
//! that has changed since. Commits speak of names as they were: tree operations that came later are taken into account.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use common::Error;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};

use self::found::{Begun, Change, Found, Made};
use self::history::History;
use super::limited::LimitedDirectories;
use super::{Account, Owner, PRESENT, Parts, footprint};
use crate::checkpoint::{self, Checkpoint, Counters, Loaded, Names};
use crate::engine::EngineError;
use crate::journal::{Entry, Footprint, Kind, Position};
use crate::node::{AccountAttributes, NodePath, State, WriteId};
use crate::walk::{Met, Walk};

mod found;
mod history;
mod settle;

#[cfg(test)]
mod tests;

/// `seq = term · 2^40 + n`.
const TERM_SHIFT: u32 = 40;

/// The entries found in the journal, by account.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    accounts: HashMap<u64, Found>,
    /// There are accounts but no journal: what it held is lost, and numbers it gave out must not be given again.
    journal_is_lost: bool,
    /// Writes that were committed, and that storage does not show.
    lost: HashSet<WriteId>,
}

impl Recovery {
    /// Sorts the entries of the journal.
    pub(crate) fn read(entries: impl IntoIterator<Item = (Position, Entry)>, journal_is_lost: bool) -> Self {
        let mut accounts: HashMap<u64, Found> = HashMap::new();
        let mut lost = HashSet::new();
        for (position, entry) in entries {
            let found = accounts.entry(entry.account_id).or_default();
            if let Kind::Commit { path, record, .. } = &entry.kind
                && record.action == settle::LOST
            {
                lost.extend(found.last_write(path));
            }
            found.add(position, entry.kind);
        }
        Self {
            accounts,
            journal_is_lost,
            lost,
        }
    }
}

/// Whether whoever asks for it again is to be answered the same.
fn is_repeatable(kind: &Kind) -> bool {
    let record = kind.made().map(|(_, _, record)| record);
    record.is_some_and(|record| record.repeat.is_some())
}

impl Owner {
    /// Makes the owner and recovers every account that the journal speaks of.
    pub(crate) async fn open(
        parts: Parts,
        entries: Vec<(Position, Entry)>,
        journal_is_new: bool,
    ) -> Result<Arc<Self>, Error> {
        let names = parts.engine.accounts().await?;
        let journal_is_lost = journal_is_new && !names.is_empty();
        let repeatable = entries.iter().filter(|(_, entry)| is_repeatable(&entry.kind));
        let repeatable: Vec<_> = repeatable.cloned().collect();
        let recovery = Recovery::read(entries, journal_is_lost);
        let pending: HashSet<u64> = recovery.accounts.keys().copied().collect();
        let owner = Arc::new(Self::new(parts, recovery));
        if !pending.is_empty() {
            for name in names {
                let attributes = owner.engine.account(&name).await?;
                if attributes.is_some_and(|attributes| pending.contains(&attributes.account_id)) {
                    owner.account(&name).await?;
                }
            }
        }
        // What is left belongs to accounts that are gone.
        let mut recovery = owner.recovery.lock();
        recovery.accounts.clear();
        let lost = std::mem::take(&mut recovery.lost);
        drop(recovery);
        for (position, entry) in repeatable {
            if !matches!(entry.kind, Kind::Commit { id, .. } if lost.contains(&id)) {
                owner.repeats.remember(position, &entry.kind);
            }
        }
        Ok(owner)
    }

    /// Reads an account from storage and brings it up to the journal.
    pub(super) async fn recover_account(
        &self,
        name: &AccountName,
        mut attributes: AccountAttributes,
    ) -> Result<Arc<Account>, Error> {
        let account_id = attributes.account_id;
        let (found, journal_is_lost) = {
            let mut recovery = self.recovery.lock();
            (
                recovery.accounts.remove(&account_id).unwrap_or_default(),
                recovery.journal_is_lost,
            )
        };
        let checkpoint = self
            .checkpoint_of(name, account_id)
            .await?
            .filter(|_| !journal_is_lost);
        self.begin_term(name, &mut attributes, journal_is_lost).await?;
        let containers = self.engine.containers(name).await?;
        // Until its first checkpoint the journal holds everything that ever happened to an account.
        let is_whole = !journal_is_lost && is_whole(&found.changes);
        let known = match &checkpoint {
            Some(checkpoint) => Names::from_checkpoint(checkpoint).map(|names| (checkpoint.clone(), names)),
            None => is_whole.then(Default::default),
        };
        let known = known.filter(|_| !found.is_ambiguous());
        let is_recounted = known.is_none();
        let counted = match known {
            Some((checkpoint, names)) => replayed(&checkpoint, names, &found.changes),
            None => {
                // What an operation that was cut off replaces is still there until it is settled.
                self.settle_all(name, &found).await?;
                self.recount(name, containers.iter().map(|(container, _)| container))
                    .await?
            }
        };
        let (counters, names, limited) = counted;
        let generations = containers.iter().map(|(_, container)| container.generation);
        let last_seq = [
            // A new term has a number of its own, for the mirror to hear of it before anything changes.
            (attributes.term << TERM_SHIFT) + u64::from(journal_is_lost || self.takes_over),
            attributes.generation,
            checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.through_seq),
        ];
        let changes = found.changes.iter().map(Change::last_seq);
        let last_seq = last_seq.into_iter().chain(generations).chain(changes);
        let last_seq = last_seq.max().unwrap_or(0);
        let account = Arc::new(Account::new(
            name.clone(),
            attributes,
            containers,
            last_seq,
            (counters, names),
        ));
        account.ledger.lock().limited = limited;
        // So that it need not be done at every start until something changes.
        account.ledger.lock().is_dirty = is_recounted || self.takes_over;
        let floor = match &checkpoint {
            Some(checkpoint) => checkpoint.mirrored_seq,
            None if is_whole => 0,
            // Nobody knows what the mirror has: it is filled anew.
            None => u64::MAX,
        };
        if is_recounted && !found.begun.is_empty() {
            self.count_again(&account, checkpoint.as_ref(), floor).await?;
        }
        self.feed.register_held(Arc::clone(&account), floor);
        for change in &found.changes {
            self.tell_again(account_id, change);
        }
        self.catch_up(&account, found, is_recounted).await?;
        self.feed.release(account_id);
        if self.takes_over {
            self.feed.suspect(account_id);
        }
        Ok(account)
    }

    /// Until counters are written down, each start counts what storage holds. What is put into the journal from here on is counted
    /// already, and says no more of how doubtful it was.
    async fn count_again(
        &self,
        account: &Account,
        known: Option<&Checkpoint>,
        mirrored_seq: u64,
    ) -> Result<(), Error> {
        let unknown = Checkpoint {
            account_id: account.account_id,
            term: account.attributes().term,
            through_seq: known.map_or(0, |known| known.through_seq),
            mirrored_seq,
            disabled: None,
            ..Checkpoint::default()
        };
        checkpoint::save(&self.state_directory, &self.lease, unknown).await
    }

    /// Raises the term, durably, where somebody else may have given numbers in it.
    async fn begin_term(
        &self,
        name: &AccountName,
        attributes: &mut AccountAttributes,
        journal_is_lost: bool,
    ) -> Result<(), Error> {
        if journal_is_lost {
            attributes.incarnation = getrandom::u64().map_err(Error::internal)? >> 1;
        }
        if journal_is_lost || self.takes_over {
            attributes.term += 1;
            self.engine.put_account(name, attributes.clone()).await?;
        }
        Ok(())
    }

    /// The mirror may not have this change.
    fn tell_again(&self, account_id: u64, change: &Change) {
        let (seq, position) = (change.seq, change.position);
        match &change.made {
            Made::Node { path, .. } => self.feed.note_path(account_id, seq, position, path.clone()),
            Made::Operation(operation) => {
                let rename = operation.rename.clone();
                self.feed.note_rename(account_id, seq, position, rename, None);
            }
        }
    }

    /// Brings the account from what the journal says to what storage shows.
    async fn catch_up(&self, account: &Account, found: Found, is_recounted: bool) -> Result<(), Error> {
        let mut history = History::of(&found.changes);
        let switched = found.switched();
        let limited = found.directories();
        // Tree operations first: they had the locks of their containers until they were in the order, so what was announced
        // beside one was made after it.
        let mut operations = Vec::new();
        for begun in found.begun.values() {
            if let Begun::Operation(id, operation) = begun
                && self
                    .finish_operation(account, *id, operation, &mut history, is_recounted)
                    .await?
            {
                operations.push(operation);
            }
        }
        // What the first of several announcements of a name found there is what was counted. A later one may have found what an
        // earlier one led to, which was never counted.
        let mut counted = HashMap::new();
        for (position, begun) in &found.begun {
            let Begun::Node { path, old, .. } = begun else {
                continue;
            };
            let is_given_away = found.is_given_away(path, *position)
                || operations
                    .iter()
                    .any(|operation| found::is_place(path, operation));
            let old = old.filter(|_| !is_given_away);
            let old = *counted.entry(path.clone()).or_insert(old);
            self.finish(account, begun, old, &mut history, is_recounted)
                .await?;
        }
        self.correct(account, &found.changes, &history, is_recounted)
            .await?;
        self.limit_again(account, limited, &history).await?;
        for (container, object) in switched {
            let path = path(&account.name, &container, &object);
            let is_disabled = match self.engine.stat(&path).await {
                Err(EngineError::NoContainer) => false,
                shown => shown?.is_some_and(|attributes| attributes.state == State::Disabled),
            };
            account.note_state(&container, &object, is_disabled);
        }
        Ok(())
    }

    async fn checkpoint_of(&self, name: &AccountName, account_id: u64) -> Result<Option<Checkpoint>, Error> {
        Ok(match checkpoint::load(&self.state_directory, account_id).await? {
            Loaded::Good(checkpoint) => Some(checkpoint),
            Loaded::Missing => None,
            Loaded::Bad(reason) => {
                tracing::warn!(account = %name, reason, "the counters' checkpoint is damaged; they are recounted");
                None
            }
        })
    }

    /// Brings the limits of directories into force again, of those that were limited when that was written down and of those
    /// that changed since. What is in one that is new is counted.
    async fn limit_again(
        &self,
        account: &Account,
        changed: Vec<(u64, NodePath)>,
        history: &History,
    ) -> Result<(), Error> {
        let known = account.ledger.lock().limited.used();
        let known = known.iter().flat_map(|(container, used)| {
            let names = used.keys();
            names.map(|name| (container.clone(), name.clone()))
        });
        let changed = changed
            .iter()
            .filter_map(|(seq, path)| match history.now_called(path, *seq)? {
                NodePath::Directory(container, name) => Some((container, name)),
                _ => None,
            });
        let all: HashSet<(ContainerName, ObjectName)> = known.chain(changed).collect();
        for (in_container, name) in all {
            let Some(container) = account.container(&in_container) else {
                continue;
            };
            let found = self
                .engine
                .directory(&path(&account.name, &in_container, &name))
                .await?;
            let limits = found.and_then(|found| found.explicit).unwrap_or_default().limits;
            let is_known = account.directory_limits(&in_container, &name).is_some();
            let used = match limits.are_set() && !is_known {
                true => Some(self.count_directory(&account.name, &in_container, &name).await?),
                false => None,
            };
            account.limit_directory(&container, &name, limits, used);
        }
        Ok(())
    }

    /// What storage holds in a directory, in which nobody may change anything.
    pub(crate) async fn count_directory(
        &self,
        account: &AccountName,
        container: &ContainerName,
        name: &ObjectName,
    ) -> Result<Footprint, Error> {
        let mut counted = Footprint::default();
        let mut walk = Walk::within(self.engine.as_ref(), account, container, name);
        while let Some(met) = walk.next().await? {
            if let Met::Object(_, attributes) = met {
                counted = counted.plus(footprint(&attributes));
            }
        }
        Ok(counted)
    }

    /// Counts what storage holds.
    async fn recount<'a>(
        &self,
        account: &AccountName,
        containers: impl Iterator<Item = &'a ContainerName>,
    ) -> Result<(Counters, Names, LimitedDirectories), Error> {
        tracing::info!(%account, "counting what the account holds");
        let (mut counters, mut names) = (Counters::default(), Names::default());
        let mut limited = BTreeMap::<_, BTreeMap<_, _>>::new();
        for container in containers {
            let mut add = |node: &NodePath, footprint: Footprint| {
                counters.apply(node, None, Some(footprint));
                names.apply(node, None, Some(footprint));
            };
            add(&NodePath::Container(container.clone()), PRESENT);
            let mut disabled = Vec::new();
            let mut walk = Walk::new(self.engine.as_ref(), account, container);
            while let Some(met) = walk.next().await? {
                match met {
                    Met::Object(path, attributes) => {
                        if attributes.state == State::Disabled {
                            disabled.push(path.object.clone());
                        }
                        add(
                            &NodePath::Object(path.container, path.object),
                            footprint(&attributes),
                        );
                    }
                    Met::Directory(path, attributes) => {
                        if attributes.limits.are_set() {
                            let of_container = limited.entry(container.clone()).or_default();
                            of_container.insert(path.object.clone(), Footprint::default());
                        }
                        add(&NodePath::Directory(path.container, path.object), PRESENT);
                    }
                }
            }
            for object in disabled {
                names.set_disabled(container, &object, true);
            }
        }
        for (container, directories) in &mut limited {
            for (name, used) in directories {
                *used = self.count_directory(account, container, name).await?;
            }
        }
        Ok((counters, names, LimitedDirectories::with_used(limited)))
    }
}

/// The checkpoint's counters and what came later.
fn replayed(
    checkpoint: &Checkpoint,
    mut names: Names,
    changes: &[Change],
) -> (Counters, Names, LimitedDirectories) {
    let mut counters = Counters::from_checkpoint(checkpoint);
    let mut limited = LimitedDirectories::with_used(checkpoint.limited.clone());
    for change in changes
        .iter()
        .filter(|change| change.seq > checkpoint.through_seq)
    {
        match &change.made {
            Made::Node { path, old, new, .. } => {
                counters.apply(path, *old, *new);
                names.apply(path, *old, *new);
                limited.count(path, *old, *new);
            }
            Made::Operation(operation) => {
                for (path, old, new) in operation.counted() {
                    counters.apply(path, old, new);
                }
                names.rename(&operation.rename, operation.longest());
                limited.count_operation(operation);
            }
        }
    }
    (counters, names, limited)
}

/// Whether the changes are all that ever happened to the account: the first made it.
fn is_whole(changes: &[Change]) -> bool {
    changes.first().is_some_and(|first| {
        let is_first_of_term = first.seq == (first.seq >> TERM_SHIFT << TERM_SHIFT) + 1;
        let path = NodePath::Account;
        is_first_of_term && matches!(&first.made, Made::Node { path: of, old: None, .. } if *of == path)
    })
}

fn path(account: &AccountName, container: &ContainerName, name: &ObjectName) -> Path {
    Path {
        account: account.clone(),
        container: container.clone(),
        object: name.clone(),
    }
}
