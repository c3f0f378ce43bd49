//! What is common to all changes of an object: they are announced, take the locks of the name, become visible in the
//! engine and get their place in the account's order, let the locks go, and are durable before they are answered.

use std::sync::Arc;

use common::Error;
use common::functional::mirror::Node;
use common::functional::object::Path;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};

use super::check_enabled;
use super::room::growth;
use crate::engine::{Changed, Committed, Decide, EngineError, Revise};
use crate::journal::{Action, Footprint, Position, Record};
use crate::mirror_feed::object_row;
use crate::node::{ObjectAttributes, State, WriteId};
use crate::owner::{Account, Announcement, Begun, Container, Owner, Reservation, footprint, object_node};

/// A change, shared between the request and the engine that carries it out.
#[derive(Clone)]
pub(super) struct Change(Arc<Inner>);

struct Inner {
    owner: Arc<Owner>,
    account: Arc<Account>,
    container: Arc<Container>,
    path: Path,
    /// What an upload holds since before its body was read.
    reservation: Option<Arc<Reservation>>,
    progress: Mutex<Progress>,
}

/// How far it has come.
#[derive(Default)]
struct Progress {
    /// Announced, and as far as the engine has said, nobody sees it.
    begun: Option<Begun>,
    /// Kept by the journal until what was made is durable.
    announcement: Option<Arc<Announcement>>,
    /// What keeps others off the name.
    locks: Option<Locks>,
    /// Everybody sees it: it has its place in the account's order, unless the journal did not take it.
    committed: Option<Result<Position, Error>>,
    /// What it holds of room under limits, until it is durable or has failed.
    reservation: Option<Arc<Reservation>>,
}

/// Gives the room back when a change ends: whoever is answered may count on it, also when the engine has not let go of the
/// change yet.
struct Released(Option<Arc<Reservation>>);

impl Drop for Released {
    fn drop(&mut self) {
        if let Some(reservation) = &self.0 {
            reservation.release();
        }
    }
}

type Locks = (OwnedRwLockReadGuard<()>, OwnedMutexGuard<()>);

impl Change {
    /// Of an upload with the room that it holds already; of anything else with none.
    pub(super) fn new(
        owner: &Arc<Owner>,
        account: Arc<Account>,
        container: Arc<Container>,
        path: Path,
        reservation: Option<Arc<Reservation>>,
    ) -> Self {
        Self(Arc::new(Inner {
            owner: Arc::clone(owner),
            account,
            container,
            path,
            reservation,
            progress: Mutex::default(),
        }))
    }

    /// Announces it, in memory at first; the journal begins to make the announcement durable.
    pub(super) fn announce(
        &self,
        action: Action,
        present: Option<&ObjectAttributes>,
        record: Record,
    ) -> Result<WriteId, Error> {
        let Inner {
            owner, account, path, ..
        } = self.0.as_ref();
        let node = object_node(&path.container, &path.object);
        let begun = owner.begin(account, action, node, present.map(footprint), record)?;
        owner.journal.request(begun.position());
        let id = begun.id;
        let mut progress = self.0.progress.lock();
        progress.announcement = Some(begun.announcement());
        progress.begun = Some(begun);
        Ok(id)
    }

    /// What it is about to change, for one who has the locks: the announcement may know another one.
    pub(super) fn found(&self, present: Option<&ObjectAttributes>) {
        if let Some(begun) = &mut self.0.progress.lock().begun {
            begun.old = present.map(footprint);
        }
    }

    /// Takes the locks, if the announcement is durable already, nobody is in the way, and no tree operation in the container came
    /// after it.
    ///
    /// # Errors
    /// 404 when the container was removed meanwhile, 403 when the account was switched off.
    pub(super) fn try_lock(&self) -> Result<bool, Error> {
        let Inner {
            owner,
            container,
            path,
            progress,
            ..
        } = self.0.as_ref();
        let mut progress = progress.lock();
        let announced = progress.begun.as_ref().map(Begun::position);
        let Some(announced) = announced.filter(|&announced| owner.journal.is_durable(announced)) else {
            return Ok(false);
        };
        let (Some(shared), Some(stripe)) = (container.lock.try_shared(), owner.stripes.try_lock(path)) else {
            return Ok(false);
        };
        if container.last_operation() > announced {
            return Ok(false);
        }
        progress.locks = Some((shared, stripe));
        drop(progress);
        self.check_place().map(|()| true)
    }

    /// Waits until the announcement is durable, for the locks, and until the last tree operation in the container is durable.
    ///
    /// # Errors
    /// As for [`try_lock`](Self::try_lock); 503 when the journal failed.
    pub(super) async fn lock(&self) -> Result<(), Error> {
        let Inner {
            owner,
            container,
            path,
            progress,
            ..
        } = self.0.as_ref();
        let position = progress.lock().begun.as_ref().map(Begun::position);
        if let Some(position) = position {
            owner.journal.sync(position).await?;
        }
        let locks = (container.lock.shared().await, owner.stripes.lock(path).await);
        // What a tree operation made stays as it is until the journal durably says that it was made.
        owner.journal.sync(container.last_operation()).await?;
        progress.lock().locks = Some(locks);
        self.check_place()
    }

    /// Whether things may still change there, for one who has the locks.
    fn check_place(&self) -> Result<(), Error> {
        if self.0.container.is_removed() {
            return Err(Error::not_found());
        }
        self.0.account.check_enabled()
    }

    /// Holds room for `size` bytes in the place of `present`, where something is limited by now. For one who has the
    /// locks: what is held here is counted in the commit.
    ///
    /// # Errors
    /// 413 when there is none.
    pub(super) fn hold_room(&self, present: Option<&ObjectAttributes>, size: u64) -> Result<(), Error> {
        match self.0.container.standing().is_limited() {
            true => self.hold(growth(present, size)),
            false => Ok(()),
        }
    }

    /// The same for what brings nothing: what it frees is held until it is durable.
    fn watch_room(&self) -> Result<(), Error> {
        match self.0.container.standing().is_limited() {
            true => self.hold(Footprint::default()),
            false => Ok(()),
        }
    }

    fn hold(&self, growth: Footprint) -> Result<(), Error> {
        let Inner {
            account,
            container,
            path,
            reservation,
            progress,
            ..
        } = self.0.as_ref();
        let reservation = match reservation {
            Some(reservation) => Arc::clone(reservation),
            None => Reservation::new(account, container, &path.object),
        };
        reservation.hold(growth)?;
        let mut progress = progress.lock();
        if let Some(begun) = &mut progress.begun {
            begun.reservation = Some(Arc::clone(&reservation));
        }
        progress.reservation = Some(reservation);
        Ok(())
    }

    /// Everybody sees it: it gets its place in the order, and its locks go. The journal begins to make that durable while
    /// the engine does its part.
    pub(super) fn commit(&self, changed: &Changed) {
        let Inner {
            owner, account, path, ..
        } = self.0.as_ref();
        let mut progress = self.0.progress.lock();
        let Some(begun) = progress.begun.take() else {
            return;
        };
        let (old, new) = (changed.old.as_ref(), changed.new.as_ref());
        // Before it is in the order: whoever writes down what is switched off must not miss one that he has counted.
        let is_disabled = |attributes: &ObjectAttributes| attributes.state == State::Disabled;
        if old.is_some_and(is_disabled) != new.is_some_and(is_disabled) {
            account.note_state(&path.container, &path.object, new.is_some_and(is_disabled));
        }
        let node = Node::Object(path.container.clone(), path.object.clone(), new.map(object_row));
        let committed = begun.commit(account, old.map(footprint), new.map(footprint), node);
        owner
            .tree_listing
            .note(&path.account, &path.container, &path.object, new.is_some());
        progress.locks = None;
        if let Ok(position) = committed {
            owner.journal.request(position);
        }
        progress.committed = Some(committed);
    }

    /// The same as the engine's verbs want it.
    fn committed(&self) -> Committed {
        let change = self.clone();
        Box::new(move |changed| change.commit(changed))
    }

    /// The same revision, which holds room besides: of a file that was put there or changed by other means it has counted what
    /// nobody has asked room for. For all other objects there is nothing to hold.
    fn with_room(&self, revise: Revise) -> Revise {
        let change = self.clone();
        Box::new(move |present: &ObjectAttributes| {
            let revised = revise(present)?;
            change.found(Some(present));
            change.hold_room(Some(present), present.size)?;
            Ok(revised)
        })
    }

    /// Waits for the locks, has the engine revise the object, and ends.
    ///
    /// # Errors
    /// As for [`lock`](Self::lock) and [`finish`](Self::finish); 413 when it has something counted that there is no room for.
    pub(super) async fn revise(self, revise: Revise) -> Result<Option<Changed>, Error> {
        let Inner { owner, path, .. } = self.0.as_ref();
        let revise = self.with_room(revise);
        let changed = match self.lock().await {
            Ok(()) => owner.engine.revise(path, revise, self.committed()).await,
            Err(error) => Err(error.into()),
        };
        self.finish(changed).await
    }

    /// The same, only if it is still the one of this identity.
    ///
    /// # Errors
    /// The same.
    pub(super) async fn adopt(self, identity: u64, revise: Revise) -> Result<Option<Changed>, Error> {
        let Inner { owner, path, .. } = self.0.as_ref();
        let revise = self.with_room(revise);
        let changed = match self.lock().await {
            Ok(()) => {
                let adopting = owner.engine.adopt(path, identity, revise, self.committed());
                adopting.await
            }
            Err(error) => Err(error.into()),
        };
        self.finish(changed).await
    }

    /// The same for keeping it aside under an id.
    ///
    /// # Errors
    /// The same; 403 when it is switched off.
    pub(super) async fn quarantine(self, identity: u64, id: WriteId) -> Result<Option<Changed>, Error> {
        let Inner { owner, path, .. } = self.0.as_ref();
        let may_leave = async {
            self.lock().await?;
            // Nobody can switch it now.
            let present = owner.engine.stat(path).await?;
            present.as_ref().map_or(Ok(()), check_enabled)?;
            self.found(present.as_ref());
            self.watch_room()
        };
        let changed = match may_leave.await {
            Ok(()) => {
                let quarantining = owner.engine.quarantine(path, identity, id, self.committed());
                quarantining.await
            }
            Err(error) => Err(error.into()),
        };
        self.finish(changed).await
    }

    /// The same for removing it.
    ///
    /// # Errors
    /// The same.
    pub(super) async fn remove(self, decide: Decide) -> Result<Option<Changed>, Error> {
        let Inner { owner, path, .. } = self.0.as_ref();
        let change = self.clone();
        let decide: Decide = Box::new(move |present| {
            decide(present)?;
            change.found(present);
            Ok(())
        });
        let changed = match self.lock().await.and_then(|()| self.watch_room()) {
            Ok(()) => owner.engine.remove(path, decide, self.committed()).await,
            Err(error) => Err(error.into()),
        };
        self.finish(changed).await
    }

    /// Ends it by what the engine answered; what is changed is durable then. `None`: there was nothing to change.
    ///
    /// # Errors
    /// What the owner refused it with; what the engine or the journal failed with, and then it must not be acknowledged.
    pub(super) async fn finish(
        &self,
        answer: Result<Option<Changed>, EngineError>,
    ) -> Result<Option<Changed>, Error> {
        let Inner {
            owner,
            account,
            path,
            reservation: early,
            ..
        } = self.0.as_ref();
        let Progress {
            begun,
            announcement: _announcement,
            locks: _locks,
            committed,
            reservation,
        } = std::mem::take(&mut *self.0.progress.lock());
        let _room = Released(reservation.or_else(|| early.clone()));
        match (answer, begun, committed) {
            (Ok(changed), _, Some(committed)) => {
                owner.journal.sync(committed?).await?;
                Ok(changed)
            }
            (Ok(_), Some(begun), None) => {
                begun.abort();
                Ok(None)
            }
            (Ok(_), None, None) => Ok(None),
            (Err(error), Some(begun), _) => Err(begun.fail(account, path, error).await),
            (Err(error), None, _) => Err(error.into()),
        }
    }
}
