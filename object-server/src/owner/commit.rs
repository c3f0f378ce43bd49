//! The moment a change becomes part of its account's order: `seq`, journal, counters and mirror, in one step.

use std::sync::Arc;

use common::Error;
use common::functional::mirror::Node;
use common::functional::object::Path;
use common::functional::{Caller, Context};
use common::name::ContainerName;

use super::{Account, Owner, Reservation};
use crate::engine::EngineError;
use crate::journal::{Action, Entry, Footprint, Kind, Position, Record, Repeat};
use crate::node::{NodePath, ObjectAttributes, WriteId};
use crate::tree::{Operation, no_operation};

/// A change that was announced in the journal and neither committed nor given up.
#[derive(Debug)]
pub(crate) struct Begun {
    owner: Arc<Owner>,
    account_id: u64,
    pub(crate) id: WriteId,
    path: NodePath,
    /// What it replaces, as far as is known.
    pub(crate) old: Option<Footprint>,
    record: Arc<Record>,
    announcement: Arc<Announcement>,
    /// The room that the change holds, where something above it is limited.
    pub(crate) reservation: Option<Arc<Reservation>>,
}

/// The place of an announcement. While it lives, the journal keeps all from there on.
#[derive(Debug)]
pub(crate) struct Announcement {
    owner: Arc<Owner>,
    position: Position,
}

impl Owner {
    /// Announces a change. Nothing is durable yet: sync [`Begun::position`].
    pub(crate) fn begin(
        self: &Arc<Self>,
        account: &Account,
        action: Action,
        path: NodePath,
        old: Option<Footprint>,
        record: Record,
    ) -> Result<Begun, Error> {
        let id = WriteId::random()?;
        let record = Arc::new(record);
        let kind = Kind::Begin {
            id,
            path: path.clone(),
            action,
            old,
            record: Arc::clone(&record),
        };
        let entry = Entry {
            account_id: account.account_id,
            kind,
        };
        let position = self.append_announcement(&entry, action == Action::Delete)?;
        Ok(Begun {
            owner: Arc::clone(self),
            account_id: account.account_id,
            id,
            path,
            old,
            record,
            announcement: Arc::new(Announcement {
                owner: Arc::clone(self),
                position,
            }),
            reservation: None,
        })
    }
}

impl Owner {
    /// Puts an announcement in the journal, which keeps it until it is forgotten. One that frees space may use the
    /// journal's reserve.
    pub(crate) fn append_announcement(&self, entry: &Entry, frees_space: bool) -> Result<Position, Error> {
        self.lease.check()?;
        let mut in_flight = self.in_flight.lock();
        let position = match frees_space {
            true => self.journal.append_reserved(entry)?,
            false => self.journal.append(entry)?,
        };
        in_flight.insert(position);
        Ok(position)
    }

    /// What was announced there was made, or given up.
    pub(crate) fn forget_announcement(&self, position: Position) {
        self.in_flight.lock().remove(&position);
    }

    /// Whether changes are under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.in_flight.lock().is_empty()
    }

    /// Puts a tree operation, which storage has durably, into the account's order. A moved object's `state` may be known.
    /// Answers what to sync before it is acknowledged.
    pub(crate) fn commit_operation(
        &self,
        account: &Account,
        id: WriteId,
        operation: &Operation,
        state: Option<Node>,
        is_counted: bool,
    ) -> Result<Position, Error> {
        let account_id = account.account_id;
        let mut ledger = account.ledger.lock();
        let seq = ledger.last_seq + 1;
        let kind = operation.end(id, seq).ok_or_else(no_operation)?;
        let entry = Entry { account_id, kind };
        let position = self.journal.append_reserved(&entry)?;
        ledger.last_seq = seq + u64::from(operation.rename.is_of_object());
        if is_counted {
            ledger.count_operation(operation);
        }
        ledger.is_dirty = true;
        self.feed
            .note_rename(account_id, seq, position, operation.rename.clone(), state);
        drop(ledger);
        account.note_operation(operation, position);
        if operation.rename.to.is_none() {
            self.reaper.note(position, id);
        }
        self.records.note(position, entry);
        Ok(position)
    }
}

impl Begun {
    /// Where in the journal the announcement is.
    pub(crate) fn position(&self) -> Position {
        self.announcement.position
    }

    /// Has the journal keep the announcement, and the commit behind it, until storage has durably what everybody sees already:
    /// after a power cut it would else be nowhere that it was promised.
    pub(crate) fn announcement(&self) -> Arc<Announcement> {
        Arc::clone(&self.announcement)
    }

    /// Waits until the announcement is durable. When it is not, nothing comes of the change.
    pub(crate) async fn sync(&self) -> Result<(), Error> {
        let synced = self.owner.journal.sync(self.position()).await;
        if synced.is_err() {
            // It may still become durable, when the caller has long given up.
            self.give_up();
        }
        synced
    }

    /// Puts the change, which storage now shows, into the account's order. Called under the locks of the name.
    /// Answers what to sync before the change is acknowledged.
    pub(crate) fn commit(
        self,
        account: &Account,
        old: Option<Footprint>,
        new: Option<Footprint>,
        node: Node,
    ) -> Result<Position, Error> {
        let owner = Arc::clone(&self.owner);
        let mut ledger = account.ledger.lock();
        let seq = ledger.last_seq + 1;
        let kind = Kind::Commit {
            id: self.id,
            seq,
            path: self.path.clone(),
            old,
            new,
            record: Arc::clone(&self.record),
        };
        let entry = Entry {
            account_id: self.account_id,
            kind,
        };
        let position = owner.journal.append_reserved(&entry)?;
        ledger.last_seq = seq;
        ledger.count(&self.path, old, new, self.reservation.as_deref());
        ledger.is_dirty = true;
        owner.feed.note(self.account_id, seq, position, node);
        drop(ledger);
        owner.records.note(position, entry);
        Ok(position)
    }

    /// Says that nothing came of it. Best effort: at replay storage shows the same.
    pub(crate) fn abort(self) {
        self.give_up();
    }

    fn give_up(&self) {
        let entry = Entry {
            account_id: self.account_id,
            kind: Kind::Abort { id: self.id },
        };
        if let Err(error) = self.owner.journal.append_reserved(&entry) {
            tracing::warn!(%error, "a refused change could not be marked in the journal");
        }
    }
}

impl Begun {
    /// Ends a change of an object that the engine failed to make, and gives the failure back. Where the failure does
    /// not say that nothing changed, storage is asked: what it shows is in the account's order, if not acknowledged.
    pub(crate) async fn fail(self, account: &Account, path: &Path, error: EngineError) -> Error {
        let nothing_changed = matches!(
            error,
            EngineError::Refused(_) | EngineError::NoContainer | EngineError::NotEmpty | EngineError::Full
        );
        if !nothing_changed {
            let shown = self.owner.engine.stat(path).await;
            let is_delete = self.record.action == "object/delete";
            let now = match shown {
                Ok(Some(attributes)) if attributes.id == self.id => Some(Some(attributes)),
                Ok(None) if is_delete => Some(None),
                _ => None,
            };
            if let Some(now) = now {
                let (old, new) = (self.old, now.as_ref().map(footprint));
                let row = now.as_ref().map(crate::mirror_feed::object_row);
                let node = Node::Object(path.container.clone(), path.object.clone(), row);
                let is_there = new.is_some();
                let owner = Arc::clone(&self.owner);
                if let Err(error) = self.commit(account, old, new, node) {
                    return error;
                }
                owner
                    .tree_listing
                    .note(&path.account, &path.container, &path.object, is_there);
                return error.into();
            }
        }
        self.abort();
        error.into()
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        self.owner.forget_announcement(self.position);
    }
}

/// What an object adds to the counters. A file that was put there by other means adds nothing before it is adopted; one that
/// was changed by other means is counted as what it was.
pub(crate) fn footprint(attributes: &ObjectAttributes) -> Footprint {
    match attributes.is_adopted() {
        true => Footprint {
            objects: 1,
            bytes: attributes.counted.unwrap_or(attributes.size),
        },
        false => Footprint::default(),
    }
}

/// What an existing container or account adds: itself.
pub(crate) const PRESENT: Footprint = Footprint { objects: 0, bytes: 0 };

/// The record of a change by `context`.
pub(crate) fn record(context: &Context, action: &'static str, result: u16, bytes: u64) -> Record {
    let identity = match context.authority.caller() {
        Caller::User(identity) => Some(identity),
        Caller::Anonymous => None,
    };
    Record {
        id: context.record_id.unwrap_or(0),
        time: context.timestamp,
        user_id: identity.map(|identity| identity.user_id),
        user: identity.map(|identity| identity.name.as_str().into()),
        action: action.into(),
        result,
        bytes,
        address: context.address,
        agent: context.agent.clone(),
        transaction_id: Arc::clone(&context.transaction_id),
        repeat: context.request.map(|request| Repeat {
            request,
            key: context.repeat_key.clone(),
        }),
    }
}

/// The context of a change that the server makes by itself: it has a record of its own.
///
/// # Errors
/// When the system has no random numbers.
pub(crate) fn recorded(context: &Context) -> Result<Context, Error> {
    let mut context = context.clone();
    if context.record_id.is_none() {
        context.record_id = Some((WriteId::random()?.0 >> 1).max(1));
    }
    Ok(context)
}

/// The journal's name of an object.
pub(crate) fn object_node(container: &ContainerName, object: &common::name::ObjectName) -> NodePath {
    NodePath::Object(container.clone(), object.clone())
}
