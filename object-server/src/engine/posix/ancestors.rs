//! The directories above an object: made when they are missing, pruned when they are empty, and the files that stand
//! aside for them.

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use super::attribute::StoredDirectory;
use super::confine::{self, Wait};
use super::descriptors::Container;
use super::fresh::SyncSet;
use super::name;
use super::place;
use super::store::Store;
use super::trouble::{Trouble, in_the_way};
use crate::node;

/// What became of a directory that may be empty.
enum Pruned {
    /// And this is where it was.
    Removed(OwnedFd),
    /// Somebody else was there first.
    Gone,
    /// Something lies in it, or it is not ours to remove.
    Kept,
}

impl Store {
    /// The directory at `path` below a container, made with all above it where they are missing.
    ///
    /// `ENOENT` says that somebody pruned meanwhile, and is to be tried again.
    pub(super) fn make_directories(&self, container: &Container, path: &str) -> Result<OwnedFd, Trouble> {
        if let Some(directory) = confine::existing_directory(&container.directory, path, Wait::Allowed)? {
            return Ok(directory);
        }
        let mut current = confine::directory(&container.directory, "", Wait::Allowed)?;
        let mut end = 0;
        for component in path.split('/') {
            end += component.len() + usize::from(end > 0);
            current = self.enter(container, &current, component, &path[..end])?;
        }
        Ok(current)
    }

    fn enter(
        &self,
        container: &Container,
        parent: &OwnedFd,
        component: &str,
        path: &str,
    ) -> Result<OwnedFd, Trouble> {
        match confine::directory(parent, component, Wait::Allowed) {
            Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(Errno::LOOP) => return Err(in_the_way()),
            directory => return Ok(directory?),
        }
        let _stripe = self.stripes().lock(&container.path, path);
        self.make_way(container, parent, component, path)?;
        self.open_or_make(container, parent, component, path)
    }

    /// Has a file stand aside that bears the name of a directory. Whether such a directory is there; for one who holds the
    /// stripe.
    pub(super) fn make_way(
        &self,
        container: &Container,
        parent: &OwnedFd,
        component: &str,
        path: &str,
    ) -> Result<bool, Trouble> {
        let stat = match rustix::fs::statat(parent, component, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            stat => stat?,
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(true),
            FileType::RegularFile => {
                self.stand_aside(container, parent, component, path)?;
                Ok(false)
            }
            _ => Err(in_the_way()),
        }
    }

    /// Opens a directory or makes it. Needs no stripe: when two make it at once, one finds the other's.
    pub(super) fn open_or_make(
        &self,
        container: &Container,
        parent: &OwnedFd,
        component: &str,
        path: &str,
    ) -> Result<OwnedFd, Trouble> {
        match confine::directory(parent, component, Wait::Allowed) {
            Err(Errno::NOENT) => {}
            directory => return Ok(directory?),
        }
        let encoded = node::encode(&StoredDirectory::implicit());
        match self.make_directory(parent, component, &encoded)? {
            Some(directory) => {
                if self.is_durable() {
                    self.fresh().add(container.below_root(path));
                }
                Ok(directory)
            }
            None => Ok(confine::directory(parent, component, Wait::Allowed)?),
        }
    }

    /// Moves a file whose plain name a directory needs to its escaped name. At every moment, and after a power cut
    /// at any, it is there under at least one of them; and the plain one is the one that counts.
    fn stand_aside(
        &self,
        container: &Container,
        parent: &OwnedFd,
        component: &str,
        path: &str,
    ) -> Result<(), Trouble> {
        if !name::is_plain(component) {
            return Err(in_the_way());
        }
        let escaped = name::escaped_of(component);
        let (chunk, last) = place::split(&escaped);
        let made;
        let directory = if chunk.is_empty() {
            parent
        } else {
            let (above, _) = place::split(path);
            let chunk_path = if above.is_empty() {
                chunk.to_owned()
            } else {
                format!("{above}/{chunk}")
            };
            made = self.open_or_make(container, parent, chunk, &chunk_path)?;
            &made
        };
        self.may_change()?;
        match rustix::fs::linkat(parent, component, directory, last, AtFlags::empty()) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                // Left over from a conversion that a crash cut short: the plain one counts.
                rustix::fs::unlinkat(directory, last, AtFlags::empty())?;
                rustix::fs::linkat(parent, component, directory, last, AtFlags::empty())?;
            }
            // A file system without links: readers look for plain first, and so miss neither.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::MLINK) => {
                return Ok(rustix::fs::renameat(parent, component, directory, last)?);
            }
            Err(error) => return Err(error.into()),
        }
        self.pass("convert:after_link")?;
        if self.is_durable() {
            rustix::fs::fsync(directory)?;
            if !chunk.is_empty() {
                rustix::fs::fsync(parent)?;
            }
        }
        self.change("convert:before_unlink")?;
        rustix::fs::unlinkat(parent, component, AtFlags::empty())?;
        self.pass("convert:after_unlink")?;
        Ok(())
    }

    /// Removes the directory at `path` and those above it that were only made for what lay in them, as far as they
    /// are empty. What cannot be removed stays: it is no failure of the change that left them empty.
    pub(super) fn prune(&self, container: &Container, path: &str, sync: &mut SyncSet) {
        let mut path = path;
        let mut emptied = None;
        while !path.is_empty() {
            let (above, last) = place::split(path);
            match self.prune_one(container, path, above, last) {
                Ok(Pruned::Removed(parent)) => {
                    self.fresh().remove(&container.below_root(path));
                    emptied = Some(parent);
                }
                Ok(Pruned::Gone) => {}
                Ok(Pruned::Kept) => break,
                Err(error) => {
                    tracing::warn!(container = container.path, path, %error, "A directory could not be pruned");
                    break;
                }
            }
            path = above;
        }
        // Open, as by the time of the sync it may bear another name; those that lay in it are gone.
        emptied.into_iter().for_each(|directory| sync.open(directory));
    }

    fn prune_one(
        &self,
        container: &Container,
        path: &str,
        above: &str,
        last: &str,
    ) -> Result<Pruned, crate::engine::EngineError> {
        let parent = confine::existing_directory(&container.directory, above, Wait::Allowed)?;
        let Some(parent) = parent else {
            return Ok(Pruned::Gone);
        };
        let _stripe = self.stripes().lock(&container.path, path);
        match confine::existing_directory(&parent, last, Wait::Allowed)? {
            None => return Ok(Pruned::Gone),
            Some(directory) if !self.is_implicit(&directory)? => return Ok(Pruned::Kept),
            Some(_) => {}
        }
        self.may_change()?;
        match rustix::fs::unlinkat(&parent, last, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(Pruned::Removed(parent)),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Pruned::Kept),
            Err(Errno::NOENT) => Ok(Pruned::Gone),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a directory was made by us, only for what lies in it.
    pub(super) fn is_implicit(&self, directory: &OwnedFd) -> Result<bool, Trouble> {
        Ok(self.stored_directory(directory)?.explicit().is_none())
    }

    /// What a directory carries, or would if we had made it.
    pub(super) fn stored_directory(&self, directory: &OwnedFd) -> Result<StoredDirectory, Trouble> {
        let read = self.read_attributes::<StoredDirectory>(directory, Wait::Allowed)?;
        Ok(read.map(|read| read.attributes).unwrap_or_default())
    }
}
