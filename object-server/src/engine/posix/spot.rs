//! Where a directory stands, or would.

use std::sync::Arc;

use common::functional::object::Path;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::confine::{self, Wait};
use super::descriptors::Container;
use super::place;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::Directory;

/// So many remains of implicit directories are looked through for something that lies in them.
const REMAINS: usize = 1_000;

/// The place of a directory.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) container: Arc<Container>,
    /// Below the container.
    pub(super) path: String,
}

impl Spot {
    /// The path of what holds it, below the container.
    pub(super) fn parent(&self) -> &str {
        let (parent, _) = place::split(&self.path);
        parent
    }

    /// Its last component.
    pub(super) fn last(&self) -> &str {
        let (_, last) = place::split(&self.path);
        last
    }

    /// What holds it, if that is there.
    pub(super) fn open_parent(&self) -> Result<Option<OwnedFd>, Errno> {
        confine::existing_directory(&self.container.directory, self.parent(), Wait::Allowed)
    }

    /// Itself, if it is there.
    pub(super) fn open(&self) -> Result<Option<OwnedFd>, Errno> {
        confine::existing_directory(&self.container.directory, &self.path, Wait::Allowed)
    }
}

/// What the file system knows a node by.
pub(super) fn identity(node: &OwnedFd) -> Result<u64, Errno> {
    Ok(rustix::fs::fstat(node)?.st_ino)
}

impl Store {
    /// Where the directory of this name stands; `None`: there is no such container.
    pub(super) fn spot(&self, path: &Path) -> Result<Option<Spot>, Errno> {
        let container = self.container(&path.account, &path.container, Wait::Allowed)?;
        Ok(container.map(|container| Spot {
            container,
            path: place::directory(path.object.as_str()),
        }))
    }

    /// What a directory is; `None`: the remains of an implicit one.
    pub(super) fn describe(&self, directory: &OwnedFd) -> Result<Option<Directory>, Trouble> {
        let explicit = self.stored_directory(directory)?.explicit();
        let is_empty = self.is_hollow(directory)?;
        if explicit.is_none() && is_empty {
            return Ok(None);
        }
        Ok(Some(Directory {
            identity: identity(directory)?,
            explicit,
            is_empty,
        }))
    }

    /// Whether there is nothing in a directory but implicit directories of which the same is true: a crash left them.
    fn is_hollow(&self, directory: &OwnedFd) -> Result<bool, Trouble> {
        let mut pending = vec![String::new()];
        let mut seen = 0;
        while let Some(path) = pending.pop() {
            let inner = confine::existing_directory(directory, &path, Wait::Allowed)?;
            let Some(inner) = inner else { continue };
            if !path.is_empty() && !self.is_implicit(&inner)? {
                return Ok(false);
            }
            for entry in rustix::fs::Dir::read_from(&inner)? {
                let entry = entry?;
                let name = entry.file_name();
                if name == c"." || name == c".." {
                    continue;
                }
                seen += 1;
                let is_directory = match entry.file_type() {
                    FileType::Unknown => {
                        let stat = rustix::fs::statat(&inner, name, AtFlags::SYMLINK_NOFOLLOW)?;
                        FileType::from_raw_mode(stat.st_mode) == FileType::Directory
                    }
                    kind => kind == FileType::Directory,
                };
                let Ok(name) = name.to_str() else { return Ok(false) };
                if !is_directory || seen > REMAINS {
                    return Ok(false);
                }
                pending.push(if path.is_empty() {
                    name.to_owned()
                } else {
                    format!("{path}/{name}")
                });
            }
        }
        Ok(true)
    }
}
