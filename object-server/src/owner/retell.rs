//! Tells the mirror again what storage shows, where the two differ though nothing is under way.
//!
//! It is a change of its own in the account's order, so that its row wins, and in the journal, so that no later change gets
//! its number after a crash. Nothing is counted by it.

use std::sync::Arc;

use common::Clock;
use common::Error;
use common::functional::Context;
use common::functional::mirror::Node;
use common::functional::object::Path;
use tokio::sync::{OwnedMutexGuard, OwnedRwLockReadGuard};

use super::{Account, Container, Owner, PRESENT, footprint, record};
use crate::engine::EngineError;
use crate::journal::{Action, Footprint};
use crate::mirror_feed::{account_row, container_row, directory_row, node_path, object_row};
use crate::node::{DirectoryAttributes, ObjectAttributes};

/// What keeps others off a name.
pub(crate) type NameLocks = (OwnedRwLockReadGuard<()>, OwnedMutexGuard<()>);

impl Owner {
    /// Keeps others from changing an object until the locks are dropped.
    pub(crate) async fn lock_name(&self, container: &Container, path: &Path) -> NameLocks {
        (container.lock.shared().await, self.stripes.lock(path).await)
    }

    /// Tells of an object. The caller keeps others off its name.
    pub(crate) async fn retell_object(
        self: &Arc<Self>,
        account: &Account,
        path: &Path,
        _locks: &NameLocks,
    ) -> Result<(), Error> {
        let attributes = match self.engine.stat(path).await {
            Err(EngineError::NoContainer) => None,
            attributes => attributes?,
        };
        let attributes = attributes.filter(ObjectAttributes::is_adopted);
        let node = Node::Object(
            path.container.clone(),
            path.object.clone(),
            attributes.as_ref().map(object_row),
        );
        self.retell(account, node, attributes.as_ref().map(footprint))
    }

    /// Tells of a container, there or not. The caller holds `structure`.
    pub(crate) fn retell_container(
        self: &Arc<Self>,
        account: &Account,
        name: &common::name::ContainerName,
    ) -> Result<(), Error> {
        let row = account
            .container(name)
            .map(|container| container_row(&container.attributes()));
        let is_there = row.is_some().then_some(PRESENT);
        self.retell(account, Node::Container(name.clone(), row), is_there)
    }

    /// Tells of the account itself. The caller holds `structure`.
    pub(crate) fn retell_account(self: &Arc<Self>, account: &Account) -> Result<(), Error> {
        let row = account_row(&account.attributes());
        self.retell(account, Node::Account(Some(row)), Some(PRESENT))
    }

    /// Tells of a directory, explicit or not. The caller holds the container's lock exclusively.
    pub(crate) fn retell_directory(
        self: &Arc<Self>,
        account: &Account,
        path: &Path,
        attributes: Option<DirectoryAttributes>,
    ) -> Result<(), Error> {
        let row = attributes.as_ref().map(directory_row);
        let is_there = row.is_some().then_some(PRESENT);
        let node = Node::Directory(path.container.clone(), path.object.clone(), row);
        self.retell(account, node, is_there)
    }

    fn retell(
        self: &Arc<Self>,
        account: &Account,
        node: Node,
        footprint: Option<Footprint>,
    ) -> Result<(), Error> {
        let context = Context::internal("check", Clock::now());
        let record = record(&context, "check/run", 200, 0);
        let path = node_path(&node).ok_or_else(|| Error::internal("only a node can be told of again"))?;
        let begun = self.begin(account, Action::Post, path, footprint, record)?;
        begun.commit(account, footprint, footprint, node).map(drop)
    }
}
