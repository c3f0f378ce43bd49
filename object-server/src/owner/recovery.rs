//! What an owner does before it takes requests: reads the journal that the last one left.
//!
//! Of each account the journal still holds everything that the counters' checkpoint or the mirror may not have. The
//! counters are the checkpoint plus the later commits; the mirror gets the later paths. An announcement without an
//! end is looked up in storage: if that shows the write, its commit is made up for; else only the mirror looks again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use common::Error;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName};

use super::{Account, Owner, PRESENT, Parts, footprint};
use crate::checkpoint::{self, Checkpoint, Counters, Loaded};
use crate::journal::{Action, Entry, Footprint, Kind, Position, Record};
use crate::node::{AccountAttributes, NodePath, WriteId};
use crate::walk::Walk;

/// `seq = term · 2^40 + n`.
const TERM_SHIFT: u32 = 40;

/// No more changes than this are between their commit and their acknowledgement.
const MAX_IN_FLIGHT: usize = 4096;

/// The entries found in the journal, by account.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    accounts: HashMap<u64, Found>,
    /// There are accounts but no journal: what it held is lost, and numbers it gave out must not be given again.
    journal_is_lost: bool,
}

#[derive(Debug, Default)]
struct Found {
    commits: Vec<Commit>,
    begun: BTreeMap<Position, Begun>,
}

#[derive(Debug)]
struct Commit {
    id: WriteId,
    seq: u64,
    position: Position,
    path: NodePath,
    old: Option<Footprint>,
    new: Option<Footprint>,
}

#[derive(Debug)]
struct Begun {
    id: WriteId,
    path: NodePath,
    action: Action,
    old: Option<Footprint>,
    record: Arc<Record>,
}

/// Of each path the write that last changed it, and what that led to.
struct LastCommits(HashMap<NodePath, (WriteId, Option<Footprint>)>);

impl LastCommits {
    fn of(commits: &[Commit]) -> Self {
        Self(
            commits
                .iter()
                .map(|commit| (commit.path.clone(), (commit.id, commit.new)))
                .collect(),
        )
    }
}

impl Recovery {
    /// Sorts the entries of the journal.
    pub(crate) fn read(entries: impl IntoIterator<Item = (Position, Entry)>, journal_is_lost: bool) -> Self {
        let mut accounts: HashMap<u64, Found> = HashMap::new();
        for (position, entry) in entries {
            let found = accounts.entry(entry.account_id).or_default();
            match entry.kind {
                Kind::Begin {
                    id,
                    path,
                    action,
                    old,
                    record,
                } => {
                    found.begun.insert(
                        position,
                        Begun {
                            id,
                            path,
                            action,
                            old,
                            record,
                        },
                    );
                }
                Kind::Commit {
                    id,
                    seq,
                    path,
                    old,
                    new,
                    ..
                } => {
                    found.end(id);
                    found.commits.push(Commit {
                        id,
                        seq,
                        position,
                        path,
                        old,
                        new,
                    });
                }
                Kind::Abort { id } => found.end(id),
                // Tree operations are not made yet.
                Kind::Moving { .. } | Kind::Moved { .. } | Kind::Detaching { .. } | Kind::Detached { .. } => {
                }
            }
        }
        Self {
            accounts,
            journal_is_lost,
        }
    }
}

impl Found {
    fn end(&mut self, id: WriteId) {
        self.begun.retain(|_, begun| begun.id != id);
    }
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
        owner.recovery.lock().accounts.clear();
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
        if journal_is_lost {
            attributes.term += 1;
            attributes.incarnation = getrandom::u64().map_err(Error::internal)? >> 1;
            self.engine.put_account(name, attributes.clone()).await?;
        }
        let containers = self.engine.containers(name).await?;
        // Until its first checkpoint the journal holds everything that ever happened to an account.
        let is_whole = !journal_is_lost && is_whole(&found.commits, attributes.term);
        let counters = match &checkpoint {
            Some(checkpoint) => replayed(checkpoint, &found.commits),
            None if is_whole => replayed(&Checkpoint::default(), &found.commits),
            None => {
                self.recount(name, containers.iter().map(|(container, _)| container))
                    .await?
            }
        };
        let newest = containers
            .iter()
            .map(|(_, container)| container.generation)
            .max()
            .unwrap_or(0);
        let last_seq = [
            attributes.term << TERM_SHIFT,
            attributes.generation,
            newest,
            checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.through_seq),
            found.commits.iter().map(|commit| commit.seq).max().unwrap_or(0),
        ];
        let last_seq = last_seq.into_iter().max().unwrap_or(0);
        let account = Arc::new(Account::new(
            name.clone(),
            attributes,
            containers,
            last_seq,
            counters,
        ));
        let floor = match &checkpoint {
            Some(checkpoint) => checkpoint.mirrored_seq,
            None if is_whole => 0,
            // Nobody knows what the mirror has: it is filled anew.
            None => u64::MAX,
        };
        self.feed.register_held(Arc::clone(&account), floor);
        for commit in &found.commits {
            self.feed
                .note_path(account_id, commit.seq, commit.position, commit.path.clone());
        }
        let is_recounted = checkpoint.is_none() && !is_whole;
        let mut last = LastCommits::of(&found.commits);
        for (position, begun) in found.begun {
            self.finish(&account, position, begun, &mut last, is_recounted)
                .await?;
        }
        self.correct(&account, &found.commits, &last, is_recounted)
            .await?;
        self.feed.release(account_id);
        Ok(account)
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

    /// Makes up for the commit of a write that storage shows, or has the mirror look at the path again.
    async fn finish(
        &self,
        account: &Account,
        position: Position,
        begun: Begun,
        last: &mut LastCommits,
        is_recounted: bool,
    ) -> Result<(), Error> {
        let now = self.shown(account, &begun.path).await?;
        let is_there = match begun.action {
            Action::Delete => now.is_none(),
            Action::Put | Action::Post => now.is_some_and(|(id, _)| id == begun.id),
        };
        let mut ledger = account.ledger.lock();
        let seq = ledger.last_seq + 1;
        ledger.last_seq = seq;
        ledger.is_dirty = true;
        let mut position = position;
        if is_there {
            let new = now.map(|(_, footprint)| footprint);
            // What another change of the same name led to, when one came between announcement and crash.
            let old = last
                .0
                .get(&begun.path)
                .map_or(begun.old, |(_, footprint)| *footprint);
            let (id, path, record) = (begun.id, begun.path.clone(), begun.record);
            let kind = Kind::Commit {
                id,
                seq,
                path,
                old,
                new,
                record,
            };
            let entry = Entry {
                account_id: account.account_id,
                kind,
            };
            position = self.journal.append_reserved(&entry)?;
            self.records.note(position, entry);
            if !is_recounted {
                ledger.counters.apply(&begun.path, old, new);
            }
            last.0.insert(begun.path.clone(), (id, new));
        }
        self.feed.note_path(account.account_id, seq, position, begun.path);
        Ok(())
    }

    /// Looks whether storage shows what the last commits say. A power cut can take a change that was committed but
    /// not yet acknowledged: the journal was synced, the name was not.
    async fn correct(
        &self,
        account: &Account,
        commits: &[Commit],
        last: &LastCommits,
        is_recounted: bool,
    ) -> Result<(), Error> {
        let tail = &commits[commits.len().saturating_sub(MAX_IN_FLIGHT)..];
        let paths: HashSet<&NodePath> = tail.iter().map(|commit| &commit.path).collect();
        for path in paths {
            let Some((id, expected)) = last.0.get(path) else {
                continue;
            };
            let shown = self.shown(account, path).await?;
            let is_as_expected = match shown {
                Some((shown, _)) => expected.is_some() && shown == *id,
                None => expected.is_none(),
            };
            if is_as_expected {
                continue;
            }
            let mut ledger = account.ledger.lock();
            ledger.last_seq += 1;
            ledger.is_dirty = true;
            if !is_recounted {
                ledger
                    .counters
                    .apply(path, *expected, shown.map(|(_, footprint)| footprint));
            }
            let (seq, position) = (ledger.last_seq, self.journal.position());
            self.feed
                .note_path(account.account_id, seq, position, path.clone());
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
            // No engine makes one.
            NodePath::Directory(..) => None,
            NodePath::Object(container, object) => {
                if account.container(container).is_none() {
                    return Ok(None);
                }
                let path = Path {
                    account: account.name.clone(),
                    container: container.clone(),
                    object: object.clone(),
                };
                let attributes = self.engine.stat(&path).await?;
                attributes.map(|attributes| (attributes.id, footprint(&attributes)))
            }
        })
    }

    /// Counts what storage holds.
    async fn recount<'a>(
        &self,
        account: &AccountName,
        containers: impl Iterator<Item = &'a ContainerName>,
    ) -> Result<Counters, Error> {
        tracing::info!(%account, "counting what the account holds");
        let mut counters = Counters::default();
        for container in containers {
            counters.apply(&NodePath::Container(container.clone()), None, Some(PRESENT));
            let mut walk = Walk::new(self.engine.as_ref(), account, container);
            while let Some((path, attributes)) = walk.next().await? {
                let node = NodePath::Object(path.container, path.object);
                counters.apply(&node, None, Some(footprint(&attributes)));
            }
        }
        Ok(counters)
    }
}

/// The checkpoint's counters and what came later.
fn replayed(checkpoint: &Checkpoint, commits: &[Commit]) -> Counters {
    let mut counters = Counters::from_checkpoint(checkpoint);
    for commit in commits
        .iter()
        .filter(|commit| commit.seq > checkpoint.through_seq)
    {
        counters.apply(&commit.path, commit.old, commit.new);
    }
    counters
}

/// Whether the commits are all that ever happened to the account.
fn is_whole(commits: &[Commit], term: u64) -> bool {
    commits
        .first()
        .is_some_and(|first| first.seq == (term << TERM_SHIFT) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Timestamp;
    use common::name::ObjectName;
    use proptest::prelude::*;

    fn record() -> Arc<Record> {
        Arc::new(Record {
            id: 0,
            time: Timestamp::default(),
            user_id: None,
            user: None,
            action: "object/put".into(),
            result: 201,
            bytes: 0,
            address: None,
            agent: None,
            transaction_id: "tx".into(),
        })
    }

    fn object(name: u8) -> NodePath {
        let name = ObjectName::new(format!("o{name}")).unwrap();
        NodePath::Object(ContainerName::new("c").unwrap(), name)
    }

    /// What one change says in the journal: how far ahead of its end it was announced, its name, the bytes it leaves
    /// (`None`: it removes), and whether it succeeded.
    type Change = (usize, u8, Option<u64>, bool);

    /// The entries of `changes`, whose announcements are interleaved with the ends of others; and the final state.
    fn journal(changes: &[Change]) -> (Vec<Kind>, BTreeMap<u8, u64>) {
        let mut state = BTreeMap::new();
        let mut seq = (1 << TERM_SHIFT) + 1;
        let container = Kind::Commit {
            id: WriteId(u64::MAX),
            seq,
            path: NodePath::Container(ContainerName::new("c").unwrap()),
            old: None,
            new: Some(PRESENT),
            record: record(),
        };
        let mut entries: Vec<(usize, Kind)> = vec![(0, container)];
        for (at, (ahead, name, bytes, succeeds)) in changes.iter().enumerate() {
            let (id, path) = (WriteId(at as u64), object(*name));
            let some = |bytes: u64| Footprint { objects: 1, bytes };
            let old = state.get(name).copied().map(some);
            let action = if bytes.is_some() {
                Action::Put
            } else {
                Action::Delete
            };
            let begin = Kind::Begin {
                id,
                path: path.clone(),
                action,
                old,
                record: record(),
            };
            entries.push((at.saturating_sub(*ahead) * 2 + 1, begin));
            let end = if *succeeds {
                seq += 1;
                match bytes {
                    Some(bytes) => state.insert(*name, *bytes),
                    None => state.remove(name),
                };
                let new = bytes.map(some);
                Kind::Commit {
                    id,
                    seq,
                    path,
                    old,
                    new,
                    record: record(),
                }
            } else {
                Kind::Abort { id }
            };
            entries.push((at * 2 + 2, end));
        }
        entries.sort_by_key(|(place, _)| *place);
        (entries.into_iter().map(|(_, kind)| kind).collect(), state)
    }

    fn read(entries: Vec<Kind>) -> Found {
        let entries = entries
            .into_iter()
            .map(|kind| (Position::default(), Entry { account_id: 7, kind }));
        Recovery::read(entries, false)
            .accounts
            .remove(&7)
            .unwrap_or_default()
    }

    proptest! {
        /// However announcements and ends of changes lie between one another, replay counts each change once, from
        /// any checkpoint on.
        #[test]
        fn replay_counts_each_change_once(
            changes in prop::collection::vec((0..6_usize, 0..4_u8, prop::option::of(0..9_u64), any::<bool>()), 0..40),
            covered in 0..40_u64,
        ) {
            let (entries, state) = journal(&changes);
            let found = read(entries);
            let base = replayed(&Checkpoint::default(), &found.commits);
            let totals = base.totals();
            prop_assert_eq!((totals.objects, totals.bytes), (state.len() as u64, state.values().sum::<u64>()));

            let through_seq = (1 << TERM_SHIFT) + covered;
            let early: Vec<_> = found.commits.iter().filter(|commit| commit.seq <= through_seq).collect();
            let mut counters = Counters::default();
            for commit in early {
                counters.apply(&commit.path, commit.old, commit.new);
            }
            let containers = counters.containers().clone();
            let checkpoint = Checkpoint { through_seq, containers, ..Checkpoint::default() };
            let totals = replayed(&checkpoint, &found.commits).totals();
            prop_assert_eq!((totals.objects, totals.bytes), (state.len() as u64, state.values().sum::<u64>()));
        }
    }
}
