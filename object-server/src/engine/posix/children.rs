//! What lies in a directory.

use common::name::{AccountName, ContainerName};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::confine::{self, Wait};
use super::name::{self, Form, OWN_OBJECT};
use super::place;
use super::root::entries;
use super::store::Store;
use crate::engine::{Child, EngineError};

impl Store {
    /// What lies directly in a directory, in byte order.
    pub(super) fn list_children(
        &self,
        account: &AccountName,
        container: &ContainerName,
        directory: &str,
    ) -> Result<Vec<Child>, EngineError> {
        let Some(container) = self.container(account, container, Wait::Allowed)? else {
            return Ok(Vec::new());
        };
        let path = place::directory(directory);
        let base = confine::existing_directory(&container.directory, &path, Wait::Allowed)?;
        base.map_or_else(|| Ok(Vec::new()), |base| self.children_of(&base))
    }

    /// What lies directly in an open directory, in byte order.
    pub(super) fn children_of(&self, base: &OwnedFd) -> Result<Vec<Child>, EngineError> {
        let mut children = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(chunk) = pending.pop() {
            let Some(directory) = confine::existing_directory(base, &chunk, Wait::Allowed)? else {
                continue;
            };
            for (entry, kind) in entries(&directory)? {
                let path = if chunk.is_empty() {
                    entry.clone()
                } else {
                    format!("{chunk}/{entry}")
                };
                match kind {
                    FileType::Directory if name::is_continued(&entry) => pending.push(path),
                    FileType::Directory => {
                        if let Some((segment, Form::Directory)) = name::decode(&path, true) {
                            let is_object = has_own_object(&directory, &entry)?;
                            children.push(Child { segment, is_object });
                        }
                    }
                    FileType::RegularFile => {
                        if let Some((segment, _)) = name::decode(&path, false) {
                            children.push(Child {
                                segment,
                                is_object: true,
                            });
                        }
                    }
                    _ => {}
                }
            }
        }
        children.sort_unstable();
        // A conversion that a crash cut short shows a file under both of its names.
        children.dedup();
        Ok(children)
    }
}

fn has_own_object(parent: &OwnedFd, directory: &str) -> Result<bool, Errno> {
    let path = format!("{directory}/{OWN_OBJECT}");
    match rustix::fs::statat(parent, path, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile),
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(false),
        Err(error) => Err(error),
    }
}
