//! The trash: directories that left the tree, each under the number of the write that took it out, until they are reaped.

use std::collections::BTreeSet;

use common::functional::object::Path;
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::confine::{self, Wait};
use super::fresh::SyncSet;
use super::spot::identity;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::{EngineError, TreeCommitted};
use crate::node::WriteId;

/// What is in the trash and not to be reaped: because it is not yet durable that it left the tree, because somebody may still ask
/// what became of it, or because it cannot be.
#[derive(Debug, Default)]
pub(super) struct Held(Mutex<BTreeSet<String>>);

impl Held {
    pub(super) fn hold(&self, name: &str) {
        self.0.lock().insert(name.to_owned());
    }

    pub(super) fn release(&self, name: &str) {
        self.0.lock().remove(name);
    }

    pub(super) fn holds(&self, name: &str) -> bool {
        self.0.lock().contains(name)
    }
}

/// The name in the trash of what a write took out of the tree.
pub(super) fn trash_name(id: WriteId) -> String {
    format!("{:016x}", id.0)
}

impl Store {
    /// Takes a directory out of the tree.
    pub(super) fn detach(
        &self,
        path: &Path,
        id: WriteId,
        committed: TreeCommitted,
    ) -> Result<bool, EngineError> {
        let Some(spot) = self.spot(path)? else {
            return Ok(false);
        };
        let (Some(parent), Some(directory)) = (spot.open_parent()?, spot.open()?) else {
            return Ok(false);
        };
        if self.describe(&directory)?.is_none() {
            return Ok(false);
        }
        let name = trash_name(id);
        self.held().hold(&name);
        let moving = self.kept().moving();
        self.change("detach:before")?;
        self.to_trash(&parent, spot.last(), &name)?;
        self.fresh().remove_below(&spot.container.below_root(&spot.path));
        self.pass("detach:after")?;
        drop(moving);
        let mut sync = SyncSet::default();
        sync.open(parent);
        sync.open(self.open_trash()?);
        self.prune(&spot.container, spot.parent(), &mut sync);
        committed();
        sync.finish(self, &spot.container.path)?;
        Ok(true)
    }

    /// Whatever was detached under this id may be reaped.
    pub(super) fn release(&self, id: WriteId) {
        self.held().release(&trash_name(id));
    }

    /// After a crash: whether that was done; then to its end.
    pub(super) fn settle_detach(&self, path: &Path, identity: u64, id: WriteId) -> Result<bool, EngineError> {
        let name = trash_name(id);
        let is_done = self.identity_in_trash(&name)? == Some(identity);
        if is_done {
            self.held().hold(&name);
            let _moving = self.kept().moving();
            let mut sync = SyncSet::default();
            sync.open(self.open_trash()?);
            if let Some(spot) = self.spot(path)? {
                self.fresh().remove_below(&spot.container.below_root(&spot.path));
                sync.directory(spot.container.below_root(spot.parent()));
                self.prune(&spot.container, spot.parent(), &mut sync);
            }
            sync.finish(self, "")?;
        } else {
            self.held().release(&name);
        }
        Ok(is_done)
    }

    /// Gives a directory its name in the trash.
    pub(super) fn to_trash(&self, parent: &OwnedFd, last: &str, name: &str) -> Result<(), Trouble> {
        self.rename_new(parent, last, self.trash(), name)
    }

    /// Gives a node a name that nothing bears.
    pub(super) fn rename_new(
        &self,
        from: &OwnedFd,
        from_last: &str,
        to: &OwnedFd,
        to_last: &str,
    ) -> Result<(), Trouble> {
        if self.abilities().rename_noreplace {
            rustix::fs::renameat_with(from, from_last, to, to_last, RenameFlags::NOREPLACE)?;
            return Ok(());
        }
        match rustix::fs::statat(to, to_last, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(rustix::fs::renameat(from, from_last, to, to_last)?),
            Ok(_) => Err(Errno::EXIST.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// What a directory in the trash is known by.
    pub(super) fn identity_in_trash(&self, name: &str) -> Result<Option<u64>, Errno> {
        let directory = confine::existing_directory(self.trash(), name, Wait::Allowed)?;
        directory.as_ref().map(identity).transpose()
    }

    /// The trash, to be synced.
    pub(super) fn open_trash(&self) -> Result<OwnedFd, Errno> {
        confine::directory(self.trash(), "", Wait::Allowed)
    }
}
