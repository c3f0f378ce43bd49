//! A group of changes that can be stored together: any but those of whole branches.

use std::collections::HashMap;

use common::functional::firewall::State;
use common::functional::mirror::{AccountRow, Change, ContainerRow, DirectoryRow, Node, ObjectRow};

use super::directories::Directories;
use super::tree::{ACCOUNT, Tree};
use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Key, NewRow, Totals, kind};
use crate::table::stored;

/// Changes, merged to one a node.
#[derive(Debug)]
pub(super) struct Group<'a> {
    tree: Tree<'a>,
    account_id: u64,
    account: Option<(Key<'a>, i64, &'a AccountRow)>,
    containers: HashMap<usize, (i64, &'a ContainerRow)>,
    objects: HashMap<(usize, &'a [u8]), Object<'a>>,
    /// Directories that are explicit from now on, or no more.
    explicit: HashMap<usize, Option<&'a DirectoryRow>>,
}

/// An object and what becomes of it.
#[derive(Clone, Copy, Debug)]
struct Object<'a> {
    /// The node that carries it, when it is a directory.
    directory: Option<usize>,
    seq: i64,
    row: Option<&'a ObjectRow>,
}

/// What the stored rows make of the changes.
#[derive(Debug, Default)]
struct Outcome<'a> {
    upserts: Vec<NewRow<'a>>,
    removals: Vec<i64>,
}

impl<'a> Group<'a> {
    /// An empty group for the account of this name, whose row is `id`.
    pub(super) fn new(account_id: u64, id: i64) -> Self {
        Self {
            tree: Tree::new(account_id, id),
            account_id,
            account: None,
            containers: HashMap::new(),
            objects: HashMap::new(),
            explicit: HashMap::new(),
        }
    }

    /// Adds a change of the account named `account`. Of two changes of one node the later one counts.
    pub(super) fn add(&mut self, account: &'a [u8], change: &'a Change) {
        let seq = stored(change.seq);
        match &change.node {
            Node::Account(row) => {
                if let Some(row) = row {
                    self.account = Some(((stobj::ROOT, account), seq, row));
                }
            }
            Node::Container(name, row) => {
                if let Some(row) = row {
                    let node = self.tree.node(ACCOUNT, name.as_str().as_bytes());
                    self.containers.insert(node, (seq, row));
                }
            }
            Node::Object(container, name, row) => {
                let (parent, last, directory) = self.tree.place(container, name);
                let row = row.as_ref();
                self.objects
                    .insert((parent, last), Object { directory, seq, row });
            }
            Node::Directory(container, name, row) => {
                if let (_, _, Some(node)) = self.tree.place(container, name) {
                    self.explicit.insert(node, row.as_ref());
                }
            }
            // Changes of whole branches are stored alone.
            Node::Moved(_) | Node::Detached(..) => {}
        }
    }

    /// Stores the group in the transaction that `connection` is in.
    pub(super) async fn store(
        mut self,
        connection: &mut Connection,
        directories: &mut Directories,
    ) -> Result<(), Failure> {
        self.mark_wanted();
        self.tree.resolve(connection, directories).await?;
        let mut outcome = self.compare(connection).await?;
        outcome.upserts.extend(self.container_rows());
        outcome.upserts.extend(self.account.map(account_row));
        outcome.upserts.sort_unstable_by_key(|row| row.key);
        outcome.removals.sort_unstable();
        stobj::upsert(connection, self.account_id, outcome.upserts).await?;
        stobj::remove(connection, &outcome.removals).await?;
        self.mark_explicit(connection).await?;
        self.tree.store_totals(connection).await?;
        self.tree.prune(connection, directories).await
    }

    /// Says which branches must be there. Only now, as a later change may have taken back an earlier one.
    fn mark_wanted(&mut self) {
        for node in self.containers.keys() {
            self.tree.want(*node);
        }
        for (node, row) in &self.explicit {
            if row.is_some() {
                self.tree.want(*node);
            }
        }
        for ((parent, _), object) in &self.objects {
            if object.row.is_some() {
                self.tree.want(object.directory.unwrap_or(*parent));
            }
        }
    }

    /// Says which directories stay when they are empty, and which do no more.
    async fn mark_explicit(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        let mut marks = Vec::with_capacity(self.explicit.len());
        for (node, row) in &self.explicit {
            let Some(id) = self.tree.id(*node) else { continue };
            let made = row.map(|row| stored(row.created.units()));
            marks.push((id, made));
            if made.is_none() {
                self.tree.shrink(*node);
            }
        }
        marks.sort_unstable();
        stobj::mark_explicit(connection, &marks).await
    }

    /// Reads the rows that the changes meet, and decides.
    async fn compare(&mut self, connection: &mut Connection) -> Result<Outcome<'a>, Failure> {
        let mut keys: Vec<Key<'a>> = self
            .objects
            .iter()
            .filter(|((parent, _), _)| !self.tree.is_new(*parent))
            .filter_map(|((parent, path), _)| Some((self.tree.id(*parent)?, *path)))
            .collect();
        keys.sort_unstable();
        let rows = stobj::lookup(connection, &keys).await?;
        let rows: HashMap<Key<'_>, &stobj::Stored> = rows
            .iter()
            .map(|row| ((row.parent, row.path.as_slice()), row))
            .collect();
        let mut outcome = Outcome::default();
        for (&(parent, path), object) in &self.objects {
            // Without a row above there is none below.
            let Some(parent_id) = self.tree.id(parent) else {
                continue;
            };
            let key = (parent_id, path);
            let old = rows.get(&key).copied();
            if old.is_some_and(|old| old.seq >= object.seq) {
                continue;
            }
            let mut change = -old.map_or(Totals::default(), |old| old.own);
            match (object.row, old) {
                (Some(row), _) => {
                    let row = object_row(key, object, row);
                    change += Totals {
                        objects: 1,
                        bytes: row.bytes,
                        expiring: i64::from(row.delete_at.is_some()),
                    };
                    outcome.upserts.push(row);
                }
                (None, Some(old)) if object.directory.is_none() => outcome.removals.push(old.id),
                (None, Some(old)) if old.own.objects > 0 => {
                    outcome.upserts.push(bare_row(key, kind::DIRECTORY, object.seq));
                }
                (None, _) => {}
            }
            self.tree.count(object.directory.unwrap_or(parent), change);
        }
        Ok(outcome)
    }

    fn container_rows(&self) -> impl Iterator<Item = NewRow<'a>> {
        self.containers.iter().filter_map(|(node, (seq, row))| {
            let mut new = bare_row(self.tree.key(*node)?, kind::CONTAINER, *seq);
            new.timestamp = stored(row.timestamp.units());
            new.created = stored(row.created.units());
            Some(new)
        })
    }
}

fn account_row<'a>((key, seq, row): (Key<'a>, i64, &'a AccountRow)) -> NewRow<'a> {
    let mut new = bare_row(key, kind::ACCOUNT, seq);
    new.state = column(row.state);
    new.timestamp = stored(row.timestamp.units());
    new.created = stored(row.created.units());
    new
}

fn object_row<'a>(key: Key<'a>, object: &Object<'_>, row: &'a ObjectRow) -> NewRow<'a> {
    let kind = match object.directory {
        Some(_) => kind::DIRECTORY,
        None => kind::FILE,
    };
    let timestamp = stored(row.timestamp.units());
    NewRow {
        is_object: true,
        state: column(row.state),
        timestamp,
        created: timestamp,
        bytes: stored(row.bytes),
        etag: Some(row.etag.as_str()),
        content_type: Some(&row.content_type),
        listing: row.listing.as_deref(),
        // A map of texts always has a JSON form.
        metadata: (!row.metadata.is_empty())
            .then(|| serde_json::to_vec(&row.metadata).ok())
            .flatten(),
        delete_at: row.delete_at.map(|at| stored(at.units())),
        ..bare_row(key, kind, object.seq)
    }
}

/// Column `state`.
fn column(state: State) -> i64 {
    match state {
        State::Enable => stobj::state::ENABLED,
        State::Disable => stobj::state::DISABLED,
    }
}

/// A row that carries no object.
fn bare_row(key: Key<'_>, kind: i64, seq: i64) -> NewRow<'_> {
    NewRow {
        key,
        kind,
        is_object: false,
        state: column(State::Enable),
        seq,
        timestamp: 0,
        created: 0,
        bytes: 0,
        etag: None,
        content_type: None,
        listing: None,
        metadata: None,
        delete_at: None,
    }
}
