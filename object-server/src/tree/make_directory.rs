//! Explicit directories: made, and removed when they are empty.

use std::sync::Arc;

use common::functional::Context;
use common::functional::fs::{MadeDirectory, MakeDirectory};
use common::functional::mirror::Node;
use common::functional::object::Path;
use common::{Error, Outcome};

use super::look;
use crate::account::uncancelled;
use crate::engine::EngineError;
use crate::journal::{Action, Position};
use crate::mirror_feed::directory_row;
use crate::node::{DirectoryAttributes, NodePath, WriteId};
use crate::owner::{Account, Begun, Container, Owner, PRESENT, record};

impl Owner {
    pub(crate) async fn make_directory(
        self: &Arc<Self>,
        call: MakeDirectory,
        context: &Context,
    ) -> Result<MadeDirectory, Error> {
        let path = &call.path;
        let (account, container) = self.admit_directory(path, context).await?;
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move {
            owner.make_explicit(&account, &container, call, &context).await?;
            Ok(MadeDirectory {})
        })
        .await
    }

    async fn make_explicit(
        self: &Arc<Self>,
        account: &Account,
        container: &Arc<Container>,
        call: MakeDirectory,
        context: &Context,
    ) -> Result<(), Error> {
        let path = &call.path;
        let locks = look::lock(std::slice::from_ref(container)).await?;
        account.check_enabled()?;
        if self.engine.directory(path).await?.is_some() {
            let methods = ["DELETE", "GET", "HEAD", "MOVE", "POST", "PUT"];
            let methods = methods.into_iter().map(str::to_owned).collect();
            return Err(Outcome::MethodNotAllowed(methods).into());
        }
        if let Some(parent) = look::parent(path).filter(|_| !call.create_parents)
            && self.engine.directory(&parent).await?.is_none()
        {
            return Err(Error::conflict("There is no directory to make it in."));
        }
        let record = record(context, "fs/make_directory", 201, 0);
        let begun = self.begin(account, Action::Put, look::node(path), None, record)?;
        begun.sync().await?;
        let attributes = DirectoryAttributes {
            id: begun.id,
            created: context.timestamp,
            ..DirectoryAttributes::default()
        };
        let made = self
            .engine
            .make_directory(path, attributes, Box::new(|| ()))
            .await;
        let position = self
            .end(account, path, begun, made.map(|()| true), Some(attributes))
            .await?;
        drop(locks);
        self.journal.sync(position).await
    }

    /// DELETE of a name that ends in a slash and is no object's: an explicit directory goes, if nothing lies in it.
    ///
    /// # Errors
    /// 404 when there is no such directory, 409 when something lies in it.
    pub(crate) async fn remove_empty_directory(
        self: &Arc<Self>,
        account: Arc<Account>,
        container: Arc<Container>,
        path: Path,
        context: &Context,
    ) -> Result<(), Error> {
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move { owner.remove_explicit(&account, &container, &path, &context).await }).await
    }

    async fn remove_explicit(
        self: &Arc<Self>,
        account: &Account,
        container: &Arc<Container>,
        path: &Path,
        context: &Context,
    ) -> Result<(), Error> {
        let locks = look::lock(std::slice::from_ref(container)).await?;
        account.check_enabled()?;
        let found = self.engine.directory(path).await?.ok_or_else(Error::not_found)?;
        if !found.is_empty {
            return Err(Error::conflict("The directory is not empty."));
        }
        look::check_limits(account, &look::node(path), context)?;
        let record = record(context, "object/delete", 204, 0);
        let begun = self.begin(account, Action::Delete, look::node(path), Some(PRESENT), record)?;
        begun.sync().await?;
        let removed = self.engine.remove_directory(path, Box::new(|| ())).await;
        let position = self.end(account, path, begun, removed, None).await?;
        drop(locks);
        self.journal.sync(position).await
    }

    /// Ends a change of a directory by what the engine answered; `now` is what it is if it was changed. Answers what to sync.
    pub(super) async fn end(
        &self,
        account: &Account,
        path: &Path,
        begun: Begun,
        answer: Result<bool, EngineError>,
        now: Option<DirectoryAttributes>,
    ) -> Result<Position, Error> {
        let failure = match answer {
            Ok(true) => None,
            Ok(false) => {
                begun.abort();
                return Err(Error::not_found());
            }
            Err(error) => Some(error),
        };
        if let Some(error) = failure {
            let shown = self.engine.directory(path).await;
            let id = |attributes: DirectoryAttributes| attributes.id;
            let shown: Option<Option<WriteId>> = shown
                .ok()
                .map(|found| found.and_then(|found| found.explicit).map(id));
            if shown != Some(now.map(id)) {
                begun.abort();
            } else {
                commit(account, path, begun, now)?;
            }
            return Err(error.into());
        }
        commit(account, path, begun, now)
    }
}

fn commit(
    account: &Account,
    path: &Path,
    begun: Begun,
    now: Option<DirectoryAttributes>,
) -> Result<Position, Error> {
    let (old, new) = match now {
        Some(_) => (None, Some(PRESENT)),
        None => (Some(PRESENT), None),
    };
    let NodePath::Directory(container, directory) = look::node(path) else {
        return Err(Error::internal("a directory was given an object's name"));
    };
    let row = now.as_ref().map(directory_row);
    begun.commit(account, old, new, Node::Directory(container, directory, row))
}
