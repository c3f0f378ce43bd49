//! Files and directories that have no name yet.

use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::attribute::{self, OverflowId};
use super::probe;
use super::store::Store;
use super::trouble::Trouble;

/// A file being written. Dropped before it has its place, it is gone.
pub(super) struct Temporary {
    store: Arc<Store>,
    file: Option<OwnedFd>,
    /// In the temporary directory; `None`: it has no name at all, or its final one.
    name: Option<String>,
    overflow: Option<OverflowId>,
}

impl Temporary {
    pub(super) fn create(store: &Arc<Store>) -> Result<Self, Trouble> {
        let (file, name) = if store.abilities().unnamed_files {
            (probe::create_unnamed(store.temporary())?, None)
        } else {
            let name = store.unused_name();
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = rustix::fs::openat(store.temporary(), name.as_str(), flags, Mode::from(0o644))?;
            (file, Some(name))
        };
        Ok(Self {
            store: Arc::clone(store),
            file: Some(file),
            name,
            overflow: None,
        })
    }

    /// The file, as long as it has not been given its place.
    pub(super) fn file(&self) -> Result<&OwnedFd, Trouble> {
        self.file.as_ref().ok_or(Trouble::Errno(Errno::BADF))
    }

    /// Puts its attributes on it.
    pub(super) fn write_attributes(&mut self, encoded: &[u8]) -> Result<(), Trouble> {
        self.overflow = self.store.write_attributes(self.file()?, encoded)?;
        Ok(())
    }

    /// Gives it its final name, in the place of a file of that name.
    pub(super) fn place(&mut self, directory: &OwnedFd, last: &str, replaces: bool) -> Result<(), Trouble> {
        let name = match &self.name {
            Some(name) => name,
            None => {
                if !replaces {
                    self.store.may_change()?;
                    match probe::link_unnamed(self.file()?, directory, last) {
                        Ok(()) => return self.placed(),
                        Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                // A link replaces nothing: it takes a name, so that a rename can.
                let name = self.store.unused_name();
                probe::link_unnamed(self.file()?, self.store.temporary(), &name)?;
                self.name.insert(name)
            }
        };
        self.store.change("publish:before_rename")?;
        rustix::fs::renameat(self.store.temporary(), name.as_str(), directory, last)?;
        self.name = None;
        self.placed()
    }

    fn placed(&mut self) -> Result<(), Trouble> {
        self.overflow = None;
        self.file = None;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let (file, name, overflow) = (self.file.take(), self.name.take(), self.overflow.take());
        if file.is_none() && name.is_none() && overflow.is_none() {
            return;
        }
        let store = Arc::clone(&self.store);
        // Also the mere closing of a large file without a name takes its time.
        super::in_background(move || {
            if let Some(name) = name {
                let removed = rustix::fs::unlinkat(store.temporary(), name.as_str(), AtFlags::empty());
                if let Err(error) = removed {
                    tracing::warn!(name, %error, "A temporary file could not be removed before the next start");
                }
            }
            if let Some(overflow) = overflow {
                store.remove_overflow(overflow);
            }
            drop(file);
        });
    }
}

impl Store {
    /// Makes a directory complete with its attributes, so that nobody ever sees it without. `None`: one is there.
    pub(super) fn make_directory(
        &self,
        parent: &OwnedFd,
        last: &str,
        encoded: &[u8],
    ) -> Result<Option<OwnedFd>, Trouble> {
        let name = self.unused_name();
        rustix::fs::mkdirat(self.temporary(), name.as_str(), Mode::from(0o755))?;
        let made = self.fill_and_place(&name, parent, last, encoded);
        if !matches!(made, Ok(Some(_))) {
            let _ = rustix::fs::unlinkat(self.temporary(), name.as_str(), AtFlags::REMOVEDIR);
        }
        made
    }

    fn fill_and_place(
        &self,
        name: &str,
        parent: &OwnedFd,
        last: &str,
        encoded: &[u8],
    ) -> Result<Option<OwnedFd>, Trouble> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(self.temporary(), name, flags, Mode::empty())?;
        let overflow = self.write_attributes(&directory, encoded)?;
        let renamed = self.change("directory:before_rename").and_then(|()| {
            if self.abilities().rename_noreplace {
                let flags = RenameFlags::NOREPLACE;
                rustix::fs::renameat_with(self.temporary(), name, parent, last, flags)?;
            } else {
                // Only an empty directory could be replaced, and only by one that is made at the same moment.
                rustix::fs::renameat(self.temporary(), name, parent, last)?;
            }
            Ok(())
        });
        let Err(trouble) = renamed else {
            return Ok(Some(directory));
        };
        overflow
            .into_iter()
            .for_each(|overflow| self.remove_overflow(overflow));
        match trouble {
            Trouble::Errno(Errno::EXIST | Errno::NOTEMPTY) => Ok(None),
            trouble => Err(trouble),
        }
    }

    /// Ends the writing of a file: its attributes go on it, and all of it goes to the disk.
    pub(super) fn seal(
        &self,
        temporary: &mut Temporary,
        attributes: &mut crate::node::ObjectAttributes,
    ) -> Result<(), Trouble> {
        self.give_attributes(temporary, attributes)?;
        self.pass("stage:before_sync")?;
        if self.is_durable() {
            rustix::fs::fsync(temporary.file()?)?;
        }
        Ok(())
    }

    /// The same, but it goes to the disk later.
    pub(super) fn give_attributes(
        &self,
        temporary: &mut Temporary,
        attributes: &mut crate::node::ObjectAttributes,
    ) -> Result<(), Trouble> {
        if !self.abilities().steady_times {
            // The time that counts is the one after the data has gone.
            rustix::fs::fsync(temporary.file()?)?;
        }
        let stat = rustix::fs::fstat(temporary.file()?)?;
        attributes.size = attribute::size(&stat);
        attributes.modified = attribute::modified(&stat);
        temporary.write_attributes(&crate::node::encode(attributes))
    }
}
