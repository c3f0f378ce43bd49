//! Limits on what lies in a directory.

use std::sync::Arc;

use common::Error;
use common::functional::Context;
use common::functional::object::Path;
use common::functional::quota::Quota;
use common::quota::Limits;

use super::look;
use super::totals::briefly;
use crate::account::uncancelled;
use crate::engine::Directory;
use crate::journal::{Action, Footprint};
use crate::node::{DirectoryAttributes, WriteId};
use crate::owner::{Account, Container, Owner, PRESENT, record};

/// Of bytes and objects: whether the limit changes, and to what.
type Changes = (Option<Option<u64>>, Option<Option<u64>>);

impl Owner {
    /// Changes the limits of a directory, which becomes explicit. When this is answered, no change is under way that was let
    /// through under the former ones.
    pub(crate) async fn limit_directory(
        self: &Arc<Self>,
        path: Path,
        changes: Changes,
        context: &Context,
    ) -> Result<Quota, Error> {
        let (account, container) = self.admit_directory(&path, context).await?;
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move {
            owner
                .set_limits(&account, &container, &path, changes, &context)
                .await?;
            owner.directory_quota(&account, path, &context).await
        })
        .await
    }

    async fn set_limits(
        self: &Arc<Self>,
        account: &Account,
        container: &Arc<Container>,
        path: &Path,
        changes: Changes,
        context: &Context,
    ) -> Result<(), Error> {
        self.found_with_use(account, path, context).await?;
        let locks = look::lock(std::slice::from_ref(container)).await?;
        account.check_enabled()?;
        let (found, used) = briefly(self.found_with_use(account, path, context)).await?;
        let old = found.explicit.unwrap_or_default();
        let attributes = DirectoryAttributes {
            id: WriteId::default(),
            created: match found.explicit {
                Some(explicit) => explicit.created,
                None => context.timestamp,
            },
            limits: Limits {
                bytes: changes.0.unwrap_or(old.limits.bytes),
                objects: changes.1.unwrap_or(old.limits.objects),
            },
        };
        let record = record(context, "quota/set", 204, 0);
        let present = found.explicit.map(|_| PRESENT);
        let begun = self.begin(account, Action::Post, look::node(path), present, record)?;
        begun.sync().await?;
        let attributes = DirectoryAttributes {
            id: begun.id,
            ..attributes
        };
        let made = self
            .engine
            .make_directory(path, attributes, Box::new(|| ()))
            .await;
        // Before it is in the order: whoever writes down what is limited must not miss one that he has counted.
        if made.is_ok() {
            account.limit_directory(container, &path.object, attributes.limits, Some(used));
        }
        let ended = self.end(account, path, begun, made.map(|()| true), Some(attributes));
        let position = ended.await?;
        drop(locks);
        self.journal.sync(position).await
    }

    /// The limits of a directory, and what is in it.
    pub(crate) async fn directory_quota(
        &self,
        account: &Account,
        path: Path,
        context: &Context,
    ) -> Result<Quota, Error> {
        let (used, limits) = match account.directory_limits(&path.container, &path.object) {
            Some(limited) => limited,
            None => {
                let (_, used) = self.found_with_use(account, &path, context).await?;
                (used, Limits::default())
            }
        };
        let used = (used.bytes, used.objects);
        Ok(Quota {
            directory: Some(path.object),
            ..Quota::new(path.account, Some(path.container), used, limits)
        })
    }

    /// A directory that is there, and what is in it.
    async fn found_with_use(
        &self,
        account: &Account,
        path: &Path,
        context: &Context,
    ) -> Result<(Directory, Footprint), Error> {
        let found = self.engine.directory(path).await?.ok_or_else(Error::not_found)?;
        let known = account.directory_limits(&path.container, &path.object);
        let used = match known {
            Some((used, _)) => used,
            None if found.is_empty => Footprint::default(),
            None => self.totals(account, path, context).await?,
        };
        Ok((found, used))
    }
}
