//! DELETE: of the object of that very name; where there is none, of an empty directory.

use std::sync::Arc;

use common::functional::Context;
use common::functional::object::{Delete, Deleted, Path};
use common::{Body, Error, Outcome, Timestamp};

use super::change::Change;
use super::{check_enabled, is_expired};
use crate::account::uncancelled;
use crate::engine::Decide;
use crate::journal::{Action, Record};
use crate::node::{ObjectAttributes, WriteId};
use crate::owner::{Account, Container, Owner, record};

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
        let present = self.engine.stat(path).await?;
        if present.is_none() && path.object.is_directory() && delete.if_delete_at.is_none() {
            self.remove_empty_directory(account, container, delete.path, context)
                .await?;
            return Ok(Deleted {});
        }
        let present = present.ok_or_else(Error::not_found)?;
        check(&present, delete.if_delete_at, context.timestamp)?;
        let change = Change::new(self, account, container, path.clone(), None);
        let record = record(context, "object/delete", 204, 0);
        change.announce(Action::Delete, Some(&present), record)?;
        let (if_delete_at, now) = (delete.if_delete_at, context.timestamp);
        let decide: Decide = Box::new(move |present: Option<&ObjectAttributes>| {
            check(present.ok_or_else(Error::not_found)?, if_delete_at, now)
        });
        match uncancelled(change.remove(decide)).await? {
            None => Err(Error::not_found()),
            Some(_) => Ok(Deleted {}),
        }
    }
}

impl Owner {
    /// Removes an object if it is still this one.
    pub(crate) async fn remove_object_that_is(
        self: &Arc<Self>,
        account: Arc<Account>,
        container: Arc<Container>,
        path: Path,
        expected: ObjectAttributes,
        record: Record,
    ) -> Result<bool, Error> {
        let change = Change::new(self, account, container, path, None);
        change.announce(Action::Delete, Some(&expected), record)?;
        let expected = (expected.id, expected.size, expected.modified);
        let decide: Decide = Box::new(move |present: Option<&ObjectAttributes>| {
            let present = present.ok_or_else(Error::not_found)?;
            check_enabled(present)?;
            match (present.id, present.size, present.modified) == expected {
                true => Ok(()),
                false => Err(Outcome::Conflict.into()),
            }
        });
        match uncancelled(change.remove(decide)).await {
            Ok(removed) => Ok(removed.is_some()),
            Err(error) if matches!(error.outcome(), Outcome::Conflict | Outcome::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Whether this object may be removed: it is not switched off; it is live, or expires just when the caller thinks it
/// does; and nothing later was written.
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
