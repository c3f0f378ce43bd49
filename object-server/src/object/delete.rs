//! DELETE.

use std::sync::Arc;

use common::functional::Context;
use common::functional::object::{Delete, Deleted};
use common::{Body, Error, Timestamp};

use super::change::{Change, Verb};
use super::{check_enabled, is_expired};
use crate::account::uncancelled;
use crate::engine::Decide;
use crate::journal::Action;
use crate::node::{ObjectAttributes, WriteId};
use crate::owner::{Owner, footprint, object_node, record};

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
        let (if_delete_at, now) = (delete.if_delete_at, context.timestamp);
        let decide: Decide = Box::new(move |present: Option<&ObjectAttributes>| {
            check(present.ok_or_else(Error::not_found)?, if_delete_at, now)
        });
        let change = Change {
            owner: Arc::clone(self),
            account,
            container,
            path: delete.path,
            begun,
        };
        match uncancelled(change.carry_out(Verb::Remove(decide))).await? {
            None => Err(Error::not_found()),
            Some(_) => Ok(Deleted {}),
        }
    }
}

/// Whether this object may be removed: it is not switched off; it is live, or expires just when the caller thinks it does; and nothing later
/// was written.
fn check(present: &ObjectAttributes, if_delete_at: Option<Timestamp>, now: Timestamp) -> Result<(), Error> {
    check_enabled(present)?;
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
