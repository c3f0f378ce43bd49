//! The end of an account: its containers go to the trash, then what is left of its directory, then its control file.

use std::sync::Arc;

use common::name::{AccountName, ContainerName};
use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::account::{CONTROL, NEW_CONTROL, control_directory};
use super::attribute::AccountDirectory;
use super::confine::{self, Wait};
use super::descriptors::container_path;
use super::fresh::SyncSet;
use super::name;
use super::place;
use super::store::Store;
use super::trash::trash_name;
use super::{Posix, trouble::Trouble};
use crate::engine::{EngineError, EngineFuture, RemovalEngine};
use crate::node::WriteId;

impl RemovalEngine for Posix {
    fn detach_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        id: WriteId,
    ) -> EngineFuture<'a, bool> {
        let (account, container) = (account.clone(), container.clone());
        Box::pin(self.job(move |store| store.detach_container(&account, &container, id)))
    }

    fn is_in_trash(&self, id: WriteId) -> EngineFuture<'_, bool> {
        Box::pin(self.job(move |store| store.is_in_trash(id)))
    }

    fn remove_account<'a>(
        &'a self,
        account: &'a AccountName,
        account_id: u64,
        id: WriteId,
    ) -> EngineFuture<'a, ()> {
        let account = account.clone();
        Box::pin(self.job(move |store| store.remove_account(&account, account_id, id)))
    }
}

impl Store {
    fn detach_container(
        self: &Arc<Self>,
        account: &AccountName,
        container: &ContainerName,
        id: WriteId,
    ) -> Result<bool, EngineError> {
        let path = container_path(account, container);
        let (above, last) = place::split(&path);
        let Some(parent) = confine::existing_directory(self.root(), above, Wait::Allowed)? else {
            return Ok(false);
        };
        let _stripe = self.stripes().lock("", &path);
        let Some(directory) = confine::existing_directory(&parent, last, Wait::Allowed)? else {
            return Ok(false);
        };
        // A directory without attributes is somebody's, but no container.
        let Some(read) = self.container_attributes(&directory)? else {
            return Ok(false);
        };
        let mut sync = SyncSet::default();
        // As the reaper knows of none that a directory points to.
        sync.garbage(read.overflow);
        self.put_aside(&parent, &path, id, &mut sync)?;
        self.descriptors().forget(account, container);
        self.prune_chunks(account, &path, &mut sync);
        sync.finish(self, "")?;
        self.held().release(&trash_name(id));
        Ok(true)
    }

    /// Gives what is at `path` below the root its name in the trash, where nobody reaps it before that is durable.
    fn put_aside(
        &self,
        parent: &OwnedFd,
        path: &str,
        id: WriteId,
        sync: &mut SyncSet,
    ) -> Result<(), EngineError> {
        let (_, last) = place::split(path);
        let name = trash_name(id);
        self.held().hold(&name);
        let moving = self.kept().moving();
        self.change("account:before_detach")?;
        self.to_trash(parent, last, &name)?;
        self.fresh().remove_below(path);
        drop(moving);
        self.pass("account:after_detach")?;
        sync.open(confine::directory(parent, "", Wait::Allowed)?);
        sync.open(self.open_trash()?);
        Ok(())
    }

    fn is_in_trash(&self, id: WriteId) -> Result<bool, EngineError> {
        let name = trash_name(id);
        Ok(!self.held().holds(&name) && self.identity_in_trash(&name)?.is_some())
    }

    fn remove_account(
        self: &Arc<Self>,
        account: &AccountName,
        account_id: u64,
        id: WriteId,
    ) -> Result<(), EngineError> {
        let path = name::component(account.as_str());
        let _stripe = self.stripes().lock("", &path);
        if self.is_account_at(&path, account_id)? {
            let (above, _) = place::split(&path);
            let parent = confine::directory(self.root(), above, Wait::Allowed)?;
            let containers = self.list_containers(account)?;
            let mut sync = SyncSet::default();
            self.put_aside(&parent, &path, id, &mut sync)?;
            for (container, _) in &containers {
                self.descriptors().forget(account, container);
            }
            self.prune_account_chunks(above, &mut sync)?;
            sync.finish(self, "")?;
            self.held().release(&trash_name(id));
        }
        Ok(self.remove_control(account_id)?)
    }

    /// Whether the directory at `path` is that of the account of this number.
    fn is_account_at(&self, path: &str, account_id: u64) -> Result<bool, EngineError> {
        let Some(directory) = confine::existing_directory(self.root(), path, Wait::Allowed)? else {
            return Ok(false);
        };
        let read = self.read_attributes::<AccountDirectory>(&directory, Wait::Allowed)?;
        Ok(read.is_some_and(|read| read.attributes.account_id == account_id))
    }

    /// Removes the chunk directories of an account with a long name, as far as nothing lies in them.
    fn prune_account_chunks(&self, chunks: &str, sync: &mut SyncSet) -> Result<(), Errno> {
        let mut path = chunks;
        while !path.is_empty() {
            let (above, last) = place::split(path);
            let parent = confine::directory(self.root(), above, Wait::Allowed)?;
            match rustix::fs::unlinkat(&parent, last, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => sync.open(parent),
                Err(Errno::NOTEMPTY | Errno::EXIST) => return Ok(()),
                Err(error) => return Err(error),
            }
            path = above;
        }
        Ok(())
    }

    fn remove_control(&self, account_id: u64) -> Result<(), Trouble> {
        let name = control_directory(account_id);
        self.change("account:before_end")?;
        if let Some(directory) = confine::existing_directory(self.accounts(), &name, Wait::Allowed)? {
            for file in [NEW_CONTROL, CONTROL] {
                match rustix::fs::unlinkat(&directory, file, AtFlags::empty()) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.pass("account:after_control_removed")?;
            rustix::fs::unlinkat(self.accounts(), name.as_str(), AtFlags::REMOVEDIR)?;
        }
        if self.is_durable() {
            rustix::fs::fsync(self.accounts())?;
        }
        self.pass("account:end")
    }
}
