//! DELETE.

use std::sync::Arc;

use common::functional::Context;
use common::functional::mirror::Node;
use common::functional::object::{Delete, Deleted};
use common::{Body, Error, Timestamp};

use super::is_expired;
use crate::account::uncancelled;
use crate::engine::Decide;
use crate::journal::Action;
use crate::node::{ObjectAttributes, WriteId};
use crate::owner::{Account, Begun, Container, Owner, footprint, object_node, record};

impl Owner {
    pub(crate) async fn delete_object(
        self: &Arc<Self>,
        delete: Delete,
        context: &Context,
    ) -> Result<Deleted, Error> {
        let path = &delete.path;
        let (account, container, _) = self
            .admit(&path.account, &path.container, context, Body::empty())
            .await?;
        let present = self.engine.stat(path).await?.ok_or_else(Error::not_found)?;
        check(&present, delete.if_delete_at, context.timestamp)?;
        let begun = self.begin(
            &account,
            Action::Delete,
            object_node(&path.container, &path.object),
            Some(footprint(&present)),
            record(context, "object/delete", 204, 0),
        )?;
        begun.sync().await?;
        let (owner, now) = (Arc::clone(self), context.timestamp);
        uncancelled(publish(owner, account, container, begun, delete, now)).await
    }
}

async fn publish(
    owner: Arc<Owner>,
    account: Arc<Account>,
    container: Arc<Container>,
    begun: Begun,
    delete: Delete,
    now: Timestamp,
) -> Result<Deleted, Error> {
    let shared = container.lock.shared().await;
    let stripe = owner.stripes.lock(&delete.path).await;
    let decide: Decide = Box::new(move |present: Option<&ObjectAttributes>| {
        check(present.ok_or_else(Error::not_found)?, delete.if_delete_at, now)
    });
    let path = delete.path;
    let changed = match owner.engine.remove(&path, decide).await {
        Ok(Some(changed)) => changed,
        Ok(None) => {
            begun.abort();
            return Err(Error::not_found());
        }
        Err(error) => return Err(begun.fail(&account, &path, error).await),
    };
    let node = Node::Object(path.container.clone(), path.object.clone(), None);
    let position = begun.commit(&account, changed.old.as_ref().map(footprint), None, node)?;
    owner
        .tree_listing
        .note(&path.account, &path.container, &path.object, false);
    drop((stripe, shared));
    let (storage, journal) = tokio::join!(changed.unsynced.sync(), owner.journal.sync(position));
    storage?;
    journal?;
    Ok(Deleted {})
}

/// Whether this object may be removed: it is live, or expires just when the caller thinks it does; and nothing later
/// was written.
fn check(present: &ObjectAttributes, if_delete_at: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    match if_delete_at {
        Some(expected) if present.delete_at != Some(expected) => {
            return Err(Error::precondition_failed(
                "X-If-Delete-At does not match the object's X-Delete-At.",
            ));
        }
        None if is_expired(present, now) => return Err(Error::not_found()),
        _ => {}
    }
    if present.timestamp > now && present.id != WriteId::default() {
        return Err(Error::conflict("A newer version of the object exists."));
    }
    Ok(())
}
