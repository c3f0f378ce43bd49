//! POST: other properties, the same bytes.

use std::sync::Arc;

use common::Error;
use common::functional::Context;
use common::functional::object::{Post, Posted};
use common::{Body, Timestamp};

use super::change::Change;
use super::{Superseded, check_enabled, is_expired};
use crate::account::uncancelled;
use crate::engine::Revise;
use crate::journal::Action;
use crate::node::{ObjectAttributes, WriteId};
use crate::owner::{Owner, record};

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
        present.as_ref().map_or(Ok(()), check_enabled)?;
        let live = present.filter(|present| post.open_expired || !is_expired(present, context.timestamp));
        let present = live.ok_or_else(Error::not_found)?;
        let change = Change::new(self, account, container, path.clone(), None);
        let record = record(context, "object/post", 202, 0);
        let id = change.announce(Action::Post, Some(&present), record)?;
        let superseded = Superseded::default();
        let revise = revise(post, id, superseded.clone(), context.timestamp);
        match uncancelled(change.revise(revise)).await {
            Err(_) if superseded.happened() => Ok(Posted {}),
            Err(error) => Err(error),
            Ok(None) => Err(Error::not_found()),
            Ok(Some(_)) => Ok(Posted {}),
        }
    }
}

fn revise(post: Post, id: WriteId, superseded: Superseded, now: Timestamp) -> Revise {
    Box::new(move |present: &ObjectAttributes| {
        check_enabled(present)?;
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
