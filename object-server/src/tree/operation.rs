//! The order of a tree operation: announced durably, made by the engine, then part of its account's order.
//!
//! It gets its `seq` only when storage has it durably, so the journal never says of one that it was made that a power cut can
//! take back. Between the two nobody else changes anything in its containers, and no listing of them begins.

use std::sync::Arc;

use common::Error;
use common::functional::mirror::Node;

use crate::engine::EngineError;
use crate::journal::{Attachment, Detachment, Entry, Footprint, Kind, Move, Position, Record};
use crate::node::{NodePath, WriteId};
use crate::owner::{Account, Owner};
use crate::tree::Rename;

/// What is done, as the journal has it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) rename: Rename,
    /// What storage knows the node by.
    pub(crate) identity: u64,
    /// What it takes along from its container; nothing, when it stays there.
    pub(crate) moved: Footprint,
    /// What it replaces.
    pub(crate) replaced: Footprint,
    /// Of a directory that was built, and had no name before.
    pub(crate) built: Option<Built>,
    pub(crate) record: Arc<Record>,
}

/// What must be known of a directory that was built.
#[derive(Clone, Debug)]
pub(crate) struct Built {
    /// What it is a copy of, as the record names that.
    pub(crate) source: Arc<str>,
    /// No name in it is longer, in bytes.
    pub(crate) longest: usize,
}

/// The same, as an entry tells it.
enum Told {
    Move(Move),
    Detachment(Detachment),
    Attachment(Attachment),
}

/// An operation that was announced and neither made nor given up. While it lives, the journal keeps the announcement.
#[derive(Debug)]
pub(crate) struct Announced {
    owner: Arc<Owner>,
    account_id: u64,
    pub(crate) id: WriteId,
    operation: Operation,
    position: Position,
    /// Nobody knows what became of it: the journal keeps the announcement for the next start.
    is_unsettled: bool,
}

impl Operation {
    /// What an entry announces, or says that it was made.
    pub(crate) fn of(kind: Kind) -> Option<Self> {
        match kind {
            Kind::Moving { what, .. } | Kind::Moved { what, .. } => Some(what.into()),
            Kind::Detaching { what, .. } | Kind::Detached { what, .. } => Some(what.into()),
            Kind::Attaching { what, .. } | Kind::Attached { what, .. } => Some(what.into()),
            Kind::Begin { .. } | Kind::Commit { .. } | Kind::Abort { .. } => None,
        }
    }

    /// The entry that announces it; `None`: it is no operation.
    fn announcement(&self, id: WriteId) -> Option<Kind> {
        Some(match self.clone().told()? {
            Told::Move(what) => Kind::Moving { id, what },
            Told::Detachment(what) => Kind::Detaching { id, what },
            Told::Attachment(what) => Kind::Attaching { id, what },
        })
    }

    /// The entry that says that it was made; `None`: it is no operation.
    pub(crate) fn end(&self, id: WriteId, seq: u64) -> Option<Kind> {
        Some(match self.clone().told()? {
            Told::Move(what) => Kind::Moved { id, seq, what },
            Told::Detachment(what) => Kind::Detached { id, seq, what },
            Told::Attachment(what) => Kind::Attached { id, seq, what },
        })
    }

    fn told(self) -> Option<Told> {
        let Self {
            rename,
            identity,
            moved,
            replaced,
            built,
            record,
        } = self;
        match (rename.from, rename.to, built) {
            (Some(from), Some(to), _) => Some(Told::Move(Move {
                from,
                to,
                identity,
                moved,
                replaced,
                record,
            })),
            (Some(path), None, _) => Some(Told::Detachment(Detachment {
                path,
                identity,
                removed: moved,
                record,
            })),
            (None, Some(to), Some(Built { source, longest })) => Some(Told::Attachment(Attachment {
                source,
                to,
                identity,
                added: moved,
                replaced,
                longest,
                record,
            })),
            (None, ..) => None,
        }
    }

    /// No name in a directory that was built is longer.
    pub(crate) fn longest(&self) -> Option<usize> {
        self.built.as_ref().map(|built| built.longest)
    }

    /// What it does to counters: of each path what was there and what is.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (&NodePath, Option<Footprint>, Option<Footprint>)> {
        let left = self.rename.from.iter();
        let taken = self.rename.to.iter();
        left.map(|from| (from, Some(self.moved), None))
            .chain(taken.map(|to| (to, Some(self.replaced), Some(self.moved))))
    }
}

impl From<Move> for Operation {
    fn from(told: Move) -> Self {
        Self {
            rename: Rename {
                from: Some(told.from),
                to: Some(told.to),
            },
            identity: told.identity,
            moved: told.moved,
            replaced: told.replaced,
            built: None,
            record: told.record,
        }
    }
}

impl From<Detachment> for Operation {
    fn from(told: Detachment) -> Self {
        Self {
            rename: Rename {
                from: Some(told.path),
                to: None,
            },
            identity: told.identity,
            moved: told.removed,
            replaced: Footprint::default(),
            built: None,
            record: told.record,
        }
    }
}

impl From<Attachment> for Operation {
    fn from(told: Attachment) -> Self {
        Self {
            rename: Rename {
                from: None,
                to: Some(told.to),
            },
            identity: told.identity,
            moved: told.added,
            replaced: told.replaced,
            built: Some(Built {
                source: told.source,
                longest: told.longest,
            }),
            record: told.record,
        }
    }
}

impl Owner {
    /// Announces an operation and waits until that is durable.
    pub(super) async fn announce(
        self: &Arc<Self>,
        account: &Account,
        operation: Operation,
    ) -> Result<Announced, Error> {
        self.announce_as(WriteId::random()?, account, operation).await
    }

    /// The same under this number.
    pub(super) async fn announce_as(
        self: &Arc<Self>,
        id: WriteId,
        account: &Account,
        operation: Operation,
    ) -> Result<Announced, Error> {
        let entry = Entry {
            account_id: account.account_id,
            kind: operation.announcement(id).ok_or_else(no_operation)?,
        };
        let frees_space = operation.rename.to.is_none();
        let position = self.append_announcement(&entry, frees_space)?;
        let announced = Announced {
            owner: Arc::clone(self),
            account_id: account.account_id,
            id,
            operation,
            position,
            is_unsettled: false,
        };
        if let Err(error) = self.journal.sync(position).await {
            announced.abort();
            return Err(error);
        }
        Ok(announced)
    }
}

/// What has neither a name before nor one after.
pub(crate) fn no_operation() -> Error {
    Error::internal("this is no tree operation")
}

impl Announced {
    /// Storage shows it, durably: it gets its place in the order. `state` is that of a moved object.
    pub(super) fn commit(self, account: &Account, state: Option<Node>) -> Result<Position, Error> {
        self.owner
            .commit_operation(account, self.id, &self.operation, state, true)
    }

    /// Says that nothing came of it.
    pub(super) fn abort(self) {
        let kind = Kind::Abort { id: self.id };
        let account_id = self.account_id;
        // Without it a restart would take what somebody else does later for this.
        if let Err(error) = self.owner.journal.append_reserved(&Entry { account_id, kind }) {
            tracing::warn!(%error, "an operation that failed could not be marked in the journal");
        }
    }

    /// Ends an operation that the engine failed to make, and gives the failure back: storage is asked what became of it.
    pub(super) async fn fail(mut self, account: &Account, state: Option<Node>, error: EngineError) -> Error {
        match self.owner.settle(&account.name, self.id, &self.operation).await {
            Ok(true) => match self.commit(account, state) {
                Ok(_) => error.into(),
                Err(error) => error,
            },
            Ok(false) => {
                self.abort();
                error.into()
            }
            Err(unsettled) => {
                tracing::error!(%unsettled, "nobody knows what became of a tree operation; a restart will");
                self.is_unsettled = true;
                error.into()
            }
        }
    }
}

impl Drop for Announced {
    fn drop(&mut self) {
        if !self.is_unsettled {
            self.owner.forget_announcement(self.position);
        }
    }
}
