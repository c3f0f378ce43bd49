//! Containers: a directory with its attributes, complete from the moment it is there.

use std::ffi::CString;
use std::sync::Arc;

use common::name::{AccountName, ContainerName};
use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::attribute::Read;
use super::confine::{self, Wait};
use super::descriptors::container_path;
use super::fresh::SyncSet;
use super::name;
use super::place;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::{EngineError, Unsynced};
use crate::node::{self, ContainerAttributes};

/// How often attributes are read again that are replaced meanwhile.
const RESTARTS: usize = 100;

impl Store {
    /// The containers of an account with their attributes.
    pub(super) fn list_containers(
        &self,
        account: &AccountName,
    ) -> Result<Vec<(ContainerName, ContainerAttributes)>, EngineError> {
        let path = name::component(account.as_str());
        let directory = confine::existing_directory(self.root(), &path, Wait::Allowed)?;
        let Some(directory) = directory else {
            return Ok(Vec::new());
        };
        let mut containers = Vec::new();
        for (container, directory) in self.named_directories(&directory)? {
            let Ok(container) = ContainerName::new(container) else {
                continue;
            };
            // A directory without attributes is somebody's, but no container.
            if let Some(read) = self.container_attributes(&directory)? {
                containers.push((container, read.attributes));
            }
        }
        Ok(containers)
    }

    pub(super) fn container_attributes(
        &self,
        directory: &OwnedFd,
    ) -> Result<Option<Read<ContainerAttributes>>, Trouble> {
        let mut restarts = RESTARTS;
        loop {
            match self.read_attributes(directory, Wait::Allowed) {
                Err(Trouble::Moved) if restarts > 0 => restarts -= 1,
                answer => return answer,
            }
        }
    }

    /// Makes a container or replaces its attributes.
    pub(super) fn write_container(
        self: &Arc<Self>,
        account: &AccountName,
        container: &ContainerName,
        attributes: &ContainerAttributes,
    ) -> Result<Unsynced, EngineError> {
        let account_path = name::component(account.as_str());
        let above = confine::existing_directory(self.root(), &account_path, Wait::Allowed)?;
        let above = above.ok_or(EngineError::NoContainer)?;
        let own = name::component(container.as_str());
        let path = container_path(account, container);
        let _stripe = self.stripes().lock("", &path);
        let encoded = node::encode(attributes);
        let mut sync = SyncSet::default();
        let directory = match confine::existing_directory(&above, &own, Wait::Allowed)? {
            Some(directory) => Some(directory),
            None => {
                let (parents, last) = place::split(&own);
                let parent = self.make_parents(&above, parents)?;
                match self.make_directory(&parent, last, &encoded)? {
                    Some(directory) => {
                        self.descriptors().forget(account, container);
                        sync.open(directory);
                        sync.open(parent);
                        None
                    }
                    None => Some(confine::directory(&parent, last, Wait::Allowed)?),
                }
            }
        };
        if let Some(directory) = directory {
            let old = self.container_attributes(&directory)?;
            self.change("container:before_write")?;
            self.write_attributes(&directory, &encoded)?;
            sync.garbage(old.and_then(|old| old.overflow));
            sync.open(directory);
        }
        Ok(sync.postpone(self, &account_path))
    }

    /// Removes a container in which nothing lies.
    pub(super) fn remove_container(
        self: &Arc<Self>,
        account: &AccountName,
        container: &ContainerName,
    ) -> Result<Unsynced, EngineError> {
        let path = container_path(account, container);
        let (above, last) = place::split(&path);
        let parent = confine::existing_directory(self.root(), above, Wait::Allowed)?;
        let parent = parent.ok_or(EngineError::NoContainer)?;
        let _stripe = self.stripes().lock("", &path);
        let directory = confine::existing_directory(&parent, last, Wait::Allowed)?;
        let directory = directory.ok_or(EngineError::NoContainer)?;
        let old = self
            .container_attributes(&directory)?
            .ok_or(EngineError::NoContainer)?;
        let mut sync = SyncSet::default();
        self.change("container:before_remove")?;
        match remove_directory(&parent, last) {
            Err(EngineError::NotEmpty) => {
                self.remove_empty_directories(&directory)?;
                remove_directory(&parent, last)?;
            }
            answer => answer?,
        }
        self.descriptors().forget(account, container);
        sync.garbage(old.overflow);
        sync.open(parent);
        self.prune_chunks(account, &path, &mut sync);
        Ok(sync.postpone(self, ""))
    }

    /// Removes the directories of ours below a container, or another directory, that a crash left empty, leaves first. It
    /// itself goes in one step behind them, or stays as it was.
    pub(super) fn remove_empty_directories(&self, container: &OwnedFd) -> Result<(), EngineError> {
        let mut path = String::new();
        loop {
            let directory = confine::existing_directory(container, &path, Wait::Allowed)?;
            let directory = directory.ok_or(EngineError::NotEmpty)?;
            if !path.is_empty() && !self.is_implicit(&directory)? {
                return Err(EngineError::NotEmpty);
            }
            match first_entry(&directory)? {
                Some(entry) => {
                    if !path.is_empty() {
                        path.push('/');
                    }
                    path.push_str(entry.to_str().map_err(|_| EngineError::NotEmpty)?);
                }
                None if path.is_empty() => return Ok(()),
                None => {
                    let (above, last) = place::split(&path);
                    let parent = confine::directory(container, above, Wait::Allowed)?;
                    remove_directory(&parent, last)?;
                    path.truncate(above.len());
                }
            }
        }
    }

    /// Removes the chunk directories of a container with a long name.
    pub(super) fn prune_chunks(&self, account: &AccountName, path: &str, sync: &mut SyncSet) {
        let account_path = name::component(account.as_str());
        let (mut path, _) = place::split(path);
        while path.len() > account_path.len() {
            let (above, last) = place::split(path);
            let parent = confine::existing_directory(self.root(), above, Wait::Allowed);
            let Ok(Some(parent)) = parent else { return };
            if rustix::fs::unlinkat(&parent, last, AtFlags::REMOVEDIR).is_err() {
                return;
            }
            sync.open(parent);
            path = above;
        }
    }
}

pub(super) fn remove_directory(parent: &OwnedFd, last: &str) -> Result<(), EngineError> {
    match rustix::fs::unlinkat(parent, last, AtFlags::REMOVEDIR) {
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(EngineError::NotEmpty),
        answer => Ok(answer?),
    }
}

/// Any entry of a directory.
fn first_entry(directory: &OwnedFd) -> Result<Option<CString>, Errno> {
    for entry in rustix::fs::Dir::read_from(directory)? {
        let entry = entry?;
        if entry.file_name() != c"." && entry.file_name() != c".." {
            return Ok(Some(entry.file_name().to_owned()));
        }
    }
    Ok(None)
}
