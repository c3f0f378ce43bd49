//! An account-server in memory, which can be away, forgetful or slow.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use common::functional::fs::{TreeKind, TreeNode};
use common::functional::listing::Rollup;
use common::functional::mirror::{
    self, AccountRow, Apply, AtLeast, Change, DirectoryRow, Inspect, Inspected, Inspection, KeptObject,
    ListAccount, ListContainer, Node, ObjectRow, Page, Position, Total, Totals, Tree, TreePage,
};
use common::functional::record::{Kept, Record};
use common::functional::{Action, Answer, Reply, Request, account, container};
use common::name::{ContainerName, ObjectName};
use common::service::FunctionalService;
use common::{Error, Outcome};
use parking_lot::Mutex;

/// What it holds, and how it behaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mirror(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    accounts: HashMap<u64, Rows>,
    is_away: bool,
    /// What each change and each record takes.
    time_each: Duration,
    pages_served: u64,
    records: Vec<Record>,
    fillings: u64,
    /// Everything is lost when it has taken so many more batches.
    batches_left: Option<u64>,
}

#[derive(Debug, Default)]
struct Rows {
    position: Position,
    account: Option<AccountRow>,
    containers: BTreeMap<ContainerName, BTreeMap<ObjectName, Row>>,
}

/// A row of an object or of an explicit directory, with the `seq` of its last change.
#[derive(Debug)]
pub(crate) enum Row {
    Object(u64, ObjectRow),
    /// The object of a directory's name beside it.
    Directory(u64, DirectoryRow, Option<ObjectRow>),
}

impl Row {
    fn object(&self) -> Option<&ObjectRow> {
        match self {
            Self::Object(_, row) => Some(row),
            Self::Directory(_, _, row) => row.as_ref(),
        }
    }

    pub(crate) fn object_mut(&mut self) -> Option<&mut ObjectRow> {
        match self {
            Self::Object(_, row) => Some(row),
            Self::Directory(_, _, row) => row.as_mut(),
        }
    }

    fn seq(&self) -> u64 {
        match self {
            Self::Object(seq, _) | Self::Directory(seq, ..) => *seq,
        }
    }
}

impl Rows {
    fn take(&mut self, Change { seq, node }: Change) {
        match node {
            Node::Account(row) => self.account = row,
            Node::Container(name, Some(_)) => {
                self.containers.entry(name).or_default();
            }
            Node::Container(name, None) => {
                self.containers.remove(&name);
            }
            Node::Object(container, name, row) => {
                let Some(rows) = self.containers.get_mut(&container) else {
                    return;
                };
                let present = rows.get(&name);
                if present.is_some_and(|present| matches!(present, Row::Object(..)) && present.seq() >= seq) {
                    return;
                }
                match (present, row) {
                    (Some(Row::Directory(seq, made, _)), row) => {
                        let (seq, made) = (*seq, *made);
                        rows.insert(name, Row::Directory(seq, made, row));
                    }
                    (_, Some(row)) => {
                        rows.insert(name, Row::Object(seq, row));
                    }
                    (_, None) => {
                        rows.remove(&name);
                    }
                }
            }
            Node::Directory(container, name, row) => {
                let Some(rows) = self.containers.get_mut(&container) else {
                    return;
                };
                let present = rows.remove(&name);
                let object = present.and_then(|present| match present {
                    Row::Object(_, row) => Some(row),
                    Row::Directory(_, _, row) => row,
                });
                match (row, object) {
                    (Some(made), object) => rows.insert(name, Row::Directory(seq, made, object)),
                    (None, Some(object)) => rows.insert(name, Row::Object(seq, object)),
                    (None, None) => None,
                };
            }
            Node::Moved(moved) => {
                let taken = self.cut(&moved.container, moved.directory.as_str());
                self.cut(&moved.to_container, moved.to_directory.as_str());
                if let Some(rows) = self.containers.get_mut(&moved.to_container) {
                    let named =
                        |rest: &str| ObjectName::new(format!("{}{rest}", moved.to_directory)).unwrap();
                    rows.extend(taken.into_iter().map(|(rest, row)| (named(&rest), row)));
                }
            }
            Node::Detached(container, name) => {
                self.cut(&container, name.as_str());
            }
        }
    }

    /// Takes a directory out; names are relative to it.
    fn cut(&mut self, container: &ContainerName, directory: &str) -> Vec<(String, Row)> {
        let Some(rows) = self.containers.get_mut(container) else {
            return Vec::new();
        };
        let below = |name: &ObjectName| name.as_str().starts_with(directory);
        let names: Vec<_> = rows.keys().filter(|name| below(name)).cloned().collect();
        let cut = |name: ObjectName| {
            let row = rows.remove(&name)?;
            Some((name.as_str()[directory.len()..].to_owned(), row))
        };
        names.into_iter().filter_map(cut).collect()
    }
}

impl Mirror {
    pub(crate) fn service(&self) -> FunctionalService {
        let mirror = self.clone();
        FunctionalService::new(tower::service_fn(move |request: Request| {
            let time = mirror.time_of(&request.action);
            let answer = mirror.answer(request.action);
            async move {
                tokio::time::sleep(time).await;
                answer.map(Reply::new)
            }
        }))
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        self.0.lock().is_away = is_away;
    }

    /// Takes so long from now on for each change and each record.
    pub(crate) fn set_slow(&self, time_each: Duration) {
        self.0.lock().time_each = time_each;
    }

    fn time_of(&self, action: &Action) -> Duration {
        let rows = match action {
            Action::MirrorApply(apply) => apply.changes.len(),
            Action::RecordCommit(commit) => commit.records.len(),
            _ => 0,
        };
        self.0.lock().time_each * u32::try_from(rows).unwrap()
    }

    pub(crate) fn forget_everything(&self) {
        self.0.lock().accounts.clear();
    }

    /// Forgets everything once more, when it has taken so many batches.
    pub(crate) fn forget_after(&self, batches: u64) {
        self.0.lock().batches_left = Some(batches);
    }

    /// Whether that is still to come.
    pub(crate) fn is_to_forget(&self) -> bool {
        self.0.lock().batches_left.is_some()
    }

    /// How often rows were begun anew.
    pub(crate) fn fillings(&self) -> u64 {
        self.0.lock().fillings
    }

    /// Does something to the rows of a container behind everybody's back.
    pub(crate) fn meddle(&self, container: &str, meddle: impl FnOnce(&mut BTreeMap<ObjectName, Row>)) {
        let name = ContainerName::new(container).unwrap();
        let mut state = self.0.lock();
        let mut accounts = state.accounts.values_mut();
        let rows = accounts.find_map(|rows| rows.containers.get_mut(&name));
        meddle(rows.unwrap());
    }

    /// Loses a container with all its rows.
    pub(crate) fn lose_container(&self, container: &str) {
        let name = ContainerName::new(container).unwrap();
        let mut state = self.0.lock();
        assert!(
            state
                .accounts
                .values_mut()
                .any(|rows| rows.containers.remove(&name).is_some())
        );
    }

    pub(crate) fn pages_served(&self) -> u64 {
        self.0.lock().pages_served
    }

    /// All objects of all accounts, as `container/object`.
    pub(crate) fn objects(&self) -> Vec<(String, u64)> {
        let state = self.0.lock();
        let rows = state.accounts.values().flat_map(|rows| &rows.containers);
        rows.flat_map(|(container, objects)| {
            objects
                .iter()
                .filter_map(move |(name, row)| Some((format!("{container}/{name}"), row.object()?.bytes)))
        })
        .collect()
    }

    /// All explicit directories, as `container/directory/`.
    pub(crate) fn directories(&self) -> Vec<String> {
        let state = self.0.lock();
        let rows = state.accounts.values().flat_map(|rows| &rows.containers);
        rows.flat_map(|(container, rows)| {
            let directories = rows.iter().filter(|(_, row)| matches!(row, Row::Directory(..)));
            directories.map(move |(name, _)| format!("{container}/{name}"))
        })
        .collect()
    }

    /// Each record once, as it would be kept: action, path and destination.
    pub(crate) fn records(&self) -> Vec<(String, String, Option<String>)> {
        let state = self.0.lock();
        let records = state.records.iter();
        let kept: BTreeMap<_, _> = records
            .map(|record| {
                let change = record.change.map(|change| change.seq);
                let shown = (
                    record.action.clone(),
                    record.path.clone(),
                    record.destination.clone(),
                );
                ((record.time, record.id, change), shown)
            })
            .collect();
        kept.into_values().collect()
    }

    fn answer(&self, action: Action) -> Result<Answer, Error> {
        let mut state = self.0.lock();
        if state.is_away {
            return Err(Outcome::Unavailable(None).into());
        }
        match action {
            Action::MirrorOpen(open) => {
                let position = state.accounts.get(&open.account_id).map(|rows| rows.position);
                Ok(Answer::MirrorOpen(position.unwrap_or_default()))
            }
            Action::MirrorApply(apply) => Ok(Answer::MirrorApply(state.apply(apply))),
            Action::MirrorListContainer(list) => Ok(Answer::MirrorListContainer(state.list_container(&list))),
            Action::MirrorRows(page) => Ok(Answer::MirrorRows(state.page(&page))),
            Action::MirrorInspect(inspect) => Ok(Answer::MirrorInspect(state.inspect(&inspect))),
            Action::MirrorMend(mend) => {
                let position = state.accounts.get(&mend.account_id).map(|rows| rows.position);
                Ok(Answer::MirrorMend(position.unwrap_or_default()))
            }
            Action::MirrorTotals(totals) => Ok(Answer::MirrorTotals(state.totals(&totals))),
            Action::MirrorTree(tree) => Ok(Answer::MirrorTree(state.tree(&tree))),
            Action::RecordCommit(commit) => {
                state.records.extend(commit.records);
                Ok(Answer::RecordCommit(Kept {}))
            }
            Action::MirrorListAccount(list) => Ok(Answer::MirrorListAccount(state.list_account(&list))),
            _ => Err(Outcome::NotImplemented.into()),
        }
    }
}

impl State {
    fn apply(&mut self, apply: Apply) -> Position {
        let rows = self.accounts.entry(apply.account_id).or_default();
        if rows.position.incarnation != Some(apply.incarnation) {
            if apply.after > 0 {
                return rows.position;
            }
            self.fillings += 1;
            *rows = Rows {
                position: Position {
                    incarnation: Some(apply.incarnation),
                    seq: 0,
                },
                ..Rows::default()
            };
        }
        if apply.after > rows.position.seq {
            return rows.position;
        }
        let base = rows.position.seq;
        for change in apply.changes.into_iter().filter(|change| change.seq > base) {
            rows.take(change);
        }
        rows.position.seq = rows.position.seq.max(apply.through);
        let position = rows.position;
        self.batches_left = self.batches_left.map(|left| left.saturating_sub(1));
        if self.batches_left == Some(0) {
            self.batches_left = None;
            self.accounts.clear();
        }
        position
    }

    fn rows(&self, at_least: AtLeast) -> Result<&Rows, Position> {
        let Some(rows) = self.accounts.get(&at_least.account_id) else {
            return Err(Position::default());
        };
        let is_there =
            rows.position.incarnation == Some(at_least.incarnation) && rows.position.seq >= at_least.seq;
        if is_there { Ok(rows) } else { Err(rows.position) }
    }

    /// Only plain pages: parameters are the account-server's own tests' business.
    fn list_container(&mut self, list: &ListContainer) -> Page<container::Entry> {
        assert_eq!(list.query.rollup, Rollup::None);
        self.pages_served += 1;
        match self.rows(list.at_least) {
            Err(position) => Page::Behind(position),
            Ok(rows) => {
                let objects = rows.containers.get(&list.container).into_iter().flatten();
                let query = &list.query;
                Page::Entries(
                    objects
                        .filter_map(|(name, row)| Some((name, row.object()?)))
                        .filter(|(name, _)| name.as_str() > query.marker.as_str())
                        .filter(|(name, _)| name.as_str().starts_with(&query.prefix))
                        .take(query.limit)
                        .map(|(name, row)| {
                            container::Entry::Object(container::Object {
                                name: name.clone(),
                                bytes: row.bytes,
                                etag: row.etag.clone(),
                                content_type: row.content_type.clone(),
                                last_modified: row.timestamp,
                                listing: None,
                            })
                        })
                        .collect(),
                )
            }
        }
    }

    fn page(&self, page: &mirror::Rows) -> Page<KeptObject> {
        let rows = match self.rows(page.at_least) {
            Err(position) => return Page::Behind(position),
            Ok(rows) => rows.containers.get(&page.container).into_iter().flatten(),
        };
        let query = &page.query;
        let kept = rows
            .filter_map(|(name, row)| Some((name, row.object()?)))
            .filter(|(name, _)| name.as_str() > query.marker.as_str())
            .filter(|(name, _)| name.as_str().starts_with(&query.prefix))
            .take(query.limit)
            .map(|(name, row)| KeptObject {
                name: name.clone(),
                row: row.clone(),
                is_sound: true,
            });
        Page::Entries(kept.collect())
    }

    /// All in one page. What is no tree is the account-server's own tests' business.
    fn inspect(&self, inspect: &Inspect) -> Inspected {
        let rows = match self.rows(inspect.at_least) {
            Err(position) => return Inspected::Behind(position),
            Ok(rows) => rows,
        };
        let directories = rows.containers.iter().flat_map(|(container, rows)| {
            let made = rows.iter().filter_map(|(name, row)| match row {
                Row::Directory(_, made, _) => Some((name.clone(), *made)),
                Row::Object(..) => None,
            });
            made.map(|(name, made)| (container.clone(), name, made))
        });
        Inspected::Rows(Box::new(Inspection {
            account: rows.account.clone(),
            directories: directories.collect(),
            ..Inspection::default()
        }))
    }

    fn totals(&self, totals: &Totals) -> Total {
        match self.rows(totals.at_least) {
            Err(position) => Total::Behind(position),
            Ok(rows) => {
                let (objects, bytes) = held(rows, &totals.container, totals.directory.as_str());
                let row = rows.containers.get(&totals.container);
                let row = row.and_then(|rows| rows.get(&totals.directory));
                let explicit = match row {
                    Some(Row::Directory(_, made, _)) => Some(*made),
                    _ => None,
                };
                Total::Counted {
                    objects,
                    bytes,
                    explicit,
                }
            }
        }
    }

    /// Only the outermost node: trees are the account-server's own tests' business.
    fn tree(&self, tree: &Tree) -> TreePage {
        match self.rows(tree.at_least) {
            Err(position) => TreePage::Behind(position),
            Ok(rows) => {
                let name = tree.directory.as_ref().map_or("", |name| name.as_str());
                let (objects, bytes) = held(rows, &tree.container, name);
                TreePage::Node(Some(TreeNode {
                    name: name.to_owned(),
                    kind: TreeKind::Directory,
                    objects,
                    bytes,
                    quota: None,
                    children: None,
                    next: None,
                }))
            }
        }
    }

    fn list_account(&self, list: &ListAccount) -> Page<account::Entry> {
        match self.rows(list.at_least) {
            Err(position) => Page::Behind(position),
            Ok(rows) => {
                let query = &list.query;
                let entries = rows
                    .containers
                    .iter()
                    .filter(|(name, _)| name.as_str() > query.marker.as_str())
                    .filter(|(name, _)| name.as_str().starts_with(&query.prefix))
                    .take(query.limit)
                    .map(|(name, objects)| account::Entry::Container {
                        name: name.clone(),
                        objects: objects.values().filter_map(Row::object).count() as u64,
                        bytes: objects
                            .values()
                            .filter_map(Row::object)
                            .map(|row| row.bytes)
                            .sum(),
                        last_modified: common::Timestamp::default(),
                    });
                Page::Entries(entries.collect())
            }
        }
    }
}

fn held(rows: &Rows, container: &ContainerName, directory: &str) -> (u64, u64) {
    let rows = rows.containers.get(container).into_iter().flatten();
    let below = rows.filter(|(name, _)| name.as_str().starts_with(directory));
    below
        .filter_map(|(_, row)| row.object())
        .fold((0, 0), |(objects, bytes), row| (objects + 1, bytes + row.bytes))
}
