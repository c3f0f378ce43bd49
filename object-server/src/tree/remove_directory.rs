//! A directory is removed with all that lies in it: it leaves the tree at once, and its space comes back later.

use std::sync::Arc;

use common::Error;
use common::functional::Context;
use common::functional::fs::{RemoveDirectory, RemovedDirectory};
use common::functional::object::Path;

use super::look;
use super::operation::Operation;
use super::rename::Rename;
use super::totals::briefly;
use crate::account::uncancelled;
use crate::journal::{Footprint, Position, Record};
use crate::owner::{Account, Container, Owner, Renaming, record};

impl Owner {
    pub(crate) async fn remove_directory(
        self: &Arc<Self>,
        call: RemoveDirectory,
        context: &Context,
    ) -> Result<RemovedDirectory, Error> {
        let path = call.path;
        let (account, container) = self.admit_directory(&path, context).await?;
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move {
            let removed = owner.detach(&account, &container, &path, &context).await?;
            Ok(RemovedDirectory {
                objects: removed.objects,
                bytes: removed.bytes,
            })
        })
        .await
    }

    async fn detach(
        self: &Arc<Self>,
        account: &Account,
        container: &Arc<Container>,
        path: &Path,
        context: &Context,
    ) -> Result<Footprint, Error> {
        self.look_at_all(account, path, context).await?;
        let locks = look::lock(std::slice::from_ref(container)).await?;
        let (identity, removed) = briefly(self.look_at_all(account, path, context)).await?;
        let record = record(context, "fs/remove_directory", 204, 0);
        let position = self
            .detach_locked(account, container, path, (identity, removed), record)
            .await;
        drop(locks);
        self.journal.sync(position?).await?;
        Ok(removed)
    }

    /// Takes a directory, which has this identity and holds so much, out of the tree. The caller holds the container's lock
    /// exclusively. Answers what to sync.
    pub(super) async fn detach_locked(
        self: &Arc<Self>,
        account: &Account,
        container: &Arc<Container>,
        path: &Path,
        (identity, removed): (u64, Footprint),
        record: Record,
    ) -> Result<Position, Error> {
        let operation = Operation {
            rename: Rename {
                from: Some(look::node(path)),
                to: None,
            },
            identity,
            moved: removed,
            replaced: Footprint::default(),
            built: None,
            record: Arc::new(record),
        };
        let announced = self.announce(account, operation).await?;
        let renaming = Renaming::of(std::slice::from_ref(container));
        let detached = self.engine.detach(path, announced.id, Box::new(|| ())).await;
        let made = match detached {
            Ok(true) => announced.commit(account, None),
            Ok(false) => {
                announced.abort();
                Err(Error::not_found())
            }
            Err(error) => Err(announced.fail(account, None, error).await),
        };
        account.note_limited(std::slice::from_ref(container));
        self.tree_listing.forget_container(&account.name, &container.name);
        drop(renaming);
        made
    }

    /// What storage knows the directory by, and what it holds.
    async fn look_at_all(
        &self,
        account: &Account,
        path: &Path,
        context: &Context,
    ) -> Result<(u64, Footprint), Error> {
        let present = self.present(path).await?.ok_or_else(Error::not_found)?;
        look::check_enabled(account, &look::node(path))?;
        look::check_limits(account, &look::node(path), context)?;
        let footprint = match present.footprint() {
            Some(footprint) => footprint,
            None => self.totals(account, path, context).await?,
        };
        Ok((present.identity(), footprint))
    }
}
