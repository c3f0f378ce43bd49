//! POST: other properties, the same bytes.

use std::sync::Arc;

use common::Error;
use common::functional::Context;
use common::functional::mirror::Node;
use common::functional::object::{Post, Posted};
use common::{Body, Timestamp};

use super::{Superseded, is_expired};
use crate::account::uncancelled;
use crate::engine::{EngineError, Revise};
use crate::journal::Action;
use crate::mirror_feed::object_row;
use crate::node::{ObjectAttributes, WriteId};
use crate::owner::{Account, Begun, Container, Owner, footprint, object_node, record};

/// Properties of filters, which a POST leaves alone.
const SYSTEM: &str = "x-object-sysmeta-";

impl Owner {
    pub(crate) async fn post_object(
        self: &Arc<Self>,
        post: Post,
        context: &Context,
    ) -> Result<Posted, Error> {
        let path = &post.path;
        let (account, container, _) = self
            .admit(&path.account, &path.container, context, Body::empty())
            .await?;
        let present = self.engine.stat(path).await?;
        let live = present.filter(|present| post.open_expired || !is_expired(present, context.timestamp));
        let present = live.ok_or_else(Error::not_found)?;
        let begun = self.begin(
            &account,
            Action::Post,
            object_node(&path.container, &path.object),
            Some(footprint(&present)),
            record(context, "object/post", 202, 0),
        )?;
        begun.sync().await?;
        let (owner, now) = (Arc::clone(self), context.timestamp);
        uncancelled(publish(owner, account, container, begun, post, now)).await
    }
}

async fn publish(
    owner: Arc<Owner>,
    account: Arc<Account>,
    container: Arc<Container>,
    begun: Begun,
    post: Post,
    now: Timestamp,
) -> Result<Posted, Error> {
    let shared = container.lock.shared().await;
    let stripe = owner.stripes.lock(&post.path).await;
    if container.is_removed() {
        begun.abort();
        return Err(Error::not_found());
    }
    let path = post.path.clone();
    let superseded = Superseded::default();
    let revise = revise(post, begun.id, superseded.clone(), now);
    let changed = match owner.engine.revise(&path, revise).await {
        Ok(Some(changed)) => changed,
        Ok(None) => {
            begun.abort();
            return Err(Error::not_found());
        }
        Err(EngineError::Refused(_)) if superseded.happened() => {
            begun.abort();
            return Ok(Posted {});
        }
        Err(error) => return Err(begun.fail(&account, &path, error).await),
    };
    let row = changed.new.as_ref().map(object_row);
    let node = Node::Object(path.container.clone(), path.object.clone(), row);
    let (old, new) = (
        changed.old.as_ref().map(footprint),
        changed.new.as_ref().map(footprint),
    );
    let position = begun.commit(&account, old, new, node)?;
    drop((stripe, shared));
    let (storage, journal) = tokio::join!(changed.unsynced.sync(), owner.journal.sync(position));
    storage?;
    journal?;
    Ok(Posted {})
}

fn revise(post: Post, id: WriteId, superseded: Superseded, now: Timestamp) -> Revise {
    Box::new(move |present: &ObjectAttributes| {
        if !post.open_expired && is_expired(present, now) {
            return Err(Error::not_found());
        }
        if present.timestamp >= now && present.id != WriteId::default() {
            return Err(superseded.refuse());
        }
        let mut revised = present.clone();
        revised.id = id;
        revised.timestamp = now;
        revised.delete_at = post.delete_at;
        revised.properties.retain(|name, _| name.starts_with(SYSTEM));
        for (name, value) in &post.properties {
            revised.properties.insert(name, value.clone());
        }
        if let Some(content_type) = &post.content_type {
            revised.content_type.clone_from(content_type);
        }
        Ok(revised)
    })
}
