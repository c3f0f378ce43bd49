//! What every change of an object does once it is announced: locks, engine, the account's order, durable.

use std::sync::Arc;

use common::Error;
use common::functional::mirror::Node;
use common::functional::object::Path;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};

use crate::engine::{Changed, Committed, Decide, EngineError, Revise, Staged};
use crate::journal::Position;
use crate::mirror_feed::object_row;
use crate::owner::{Account, Begun, Container, Owner, footprint};

/// A change that is announced.
pub(super) struct Change {
    pub(super) owner: Arc<Owner>,
    pub(super) account: Arc<Account>,
    pub(super) container: Arc<Container>,
    pub(super) path: Path,
    pub(super) begun: Begun,
}

/// What the engine is to do.
pub(super) enum Verb {
    Publish(Box<dyn Staged>, Decide),
    Revise(Revise),
    Remove(Decide),
}

/// What keeps others off the name.
type Locks = (OwnedRwLockReadGuard<()>, OwnedMutexGuard<()>);

/// How far the change has come while the engine has it.
enum Progress {
    /// As far as the engine has said, nobody sees it.
    Announced(Box<Begun>, Locks),
    /// Everybody sees it: it has its place in the account's order, unless the journal did not take it.
    Visible(Result<Position, Error>),
}

/// Shared with the closure that the engine calls.
type Shared = Arc<Mutex<Option<Progress>>>;

impl Change {
    /// Has the engine make the change. `None`: there was nothing to change. Not to be cancelled.
    ///
    /// # Errors
    /// 404 when the container was removed meanwhile, 403 when the account was switched off; what the owner's closure says; what the engine or the journal
    /// fails with, and then the change must not be acknowledged.
    pub(super) async fn carry_out(self, verb: Verb) -> Result<Option<Changed>, Error> {
        let Self {
            owner,
            account,
            container,
            path,
            begun,
        } = self;
        let locks = (container.lock.shared().await, owner.stripes.lock(&path).await);
        if container.is_removed() {
            begun.abort();
            return Err(Error::not_found());
        }
        if let Err(error) = account.check_enabled() {
            begun.abort();
            return Err(error);
        }
        let progress: Shared = Arc::new(Mutex::new(Some(Progress::Announced(Box::new(begun), locks))));
        let committed = committed(&owner, &account, &path, &progress);
        let changed = match verb {
            Verb::Publish(staged, decide) => {
                let published = owner.engine.publish(&path, staged, decide, committed);
                published.await.map(Some)
            }
            Verb::Revise(revise) => owner.engine.revise(&path, revise, committed).await,
            Verb::Remove(decide) => owner.engine.remove(&path, decide, committed).await,
        };
        let progress = progress.lock().take();
        match (changed, progress) {
            (Ok(changed), Some(Progress::Visible(position))) => {
                owner.journal.sync(position?).await?;
                Ok(changed)
            }
            (Err(error), Some(Progress::Announced(begun, _locks))) => {
                Err(begun.fail(&account, &path, error).await)
            }
            (Ok(_), Some(Progress::Announced(begun, _locks))) => {
                begun.abort();
                Ok(None)
            }
            (Err(error), _) => Err(error.into()),
            (Ok(_), None) => Err(Error::internal(EngineError::NoContainer)),
        }
    }
}

/// What is done at the moment when everybody sees the change: it gets its place in the order, and its locks go. The
/// journal begins to make it durable while the engine does.
fn committed(owner: &Arc<Owner>, account: &Arc<Account>, path: &Path, progress: &Shared) -> Committed {
    let (owner, account, path) = (Arc::clone(owner), Arc::clone(account), path.clone());
    let progress = Arc::clone(progress);
    Box::new(move |changed| {
        let mut progress = progress.lock();
        let Some(Progress::Announced(begun, locks)) = progress.take() else {
            return;
        };
        let (old, new) = (changed.old.as_ref(), changed.new.as_ref());
        let node = Node::Object(path.container.clone(), path.object.clone(), new.map(object_row));
        let position = begun.commit(&account, old.map(footprint), new.map(footprint), node);
        owner
            .tree_listing
            .note(&path.account, &path.container, &path.object, new.is_some());
        drop(locks);
        if let Ok(position) = position {
            owner.journal.request(position);
        }
        *progress = Some(Progress::Visible(position));
    })
}
