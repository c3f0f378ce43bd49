//! An account-server in memory, which can be away, forgetful or slow.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use common::functional::listing::Rollup;
use common::functional::mirror::{
    Apply, AtLeast, ListAccount, ListContainer, Node, ObjectRow, Page, Position,
};
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
    pages_served: u64,
}

#[derive(Debug, Default)]
struct Rows {
    position: Position,
    containers: BTreeMap<ContainerName, BTreeMap<ObjectName, ObjectRow>>,
}

impl Mirror {
    pub(crate) fn service(&self) -> FunctionalService {
        let mirror = self.clone();
        FunctionalService::new(tower::service_fn(move |request: Request| {
            let answer = mirror.answer(request.action);
            async move { answer.map(Reply::new) }
        }))
    }

    pub(crate) fn set_away(&self, is_away: bool) {
        self.0.lock().is_away = is_away;
    }

    pub(crate) fn forget_everything(&self) {
        self.0.lock().accounts.clear();
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
                .map(move |(name, row)| (format!("{container}/{name}"), row.bytes))
        })
        .collect()
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
        for change in apply.changes {
            match change.node {
                Node::Account(_) => {}
                Node::Container(name, Some(_)) => {
                    rows.containers.entry(name).or_default();
                }
                Node::Container(name, None) => {
                    rows.containers.remove(&name);
                }
                Node::Object(container, name, row) => {
                    let objects = rows.containers.get_mut(&container);
                    match (objects, row) {
                        (Some(objects), Some(row)) => {
                            objects.insert(name, row);
                        }
                        (Some(objects), None) => {
                            objects.remove(&name);
                        }
                        (None, _) => {}
                    }
                }
                Node::Directory(..) | Node::Moved(_) | Node::Detached(..) => {}
            }
        }
        rows.position.seq = rows.position.seq.max(apply.through);
        rows.position
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
                Page::Entries(
                    objects
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

    fn list_account(&self, list: &ListAccount) -> Page<account::Entry> {
        match self.rows(list.at_least) {
            Err(position) => Page::Behind(position),
            Ok(rows) => {
                let entries = rows
                    .containers
                    .iter()
                    .map(|(name, objects)| account::Entry::Container {
                        name: name.clone(),
                        objects: objects.len() as u64,
                        bytes: objects.values().map(|row| row.bytes).sum(),
                        last_modified: common::Timestamp::default(),
                    });
                Page::Entries(entries.collect())
            }
        }
    }
}
