//! Other names for objects and directories.
//!
//! Nobody but reads meets a rename: the owner has the locks of both containers.

use common::functional::object::Path;
use rustix::fd::OwnedFd;
use rustix::fs::RenameFlags;

use super::confine::{self, Wait};
use super::container::remove_directory;
use super::descriptors::Container;
use super::fresh::SyncSet;
use super::place::{self, Place};
use super::publish::Target;
use super::spot::Spot;
use super::store::Store;
use super::trash::trash_name;
use super::trouble::Trouble;
use crate::engine::tree::names_directories;
use crate::engine::{EngineError, TreeCommitted};
use crate::node::{self, WriteId};

impl Store {
    /// Gives an object or a directory another name.
    pub(super) fn rename(
        &self,
        from: &Path,
        to: &Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> Result<bool, EngineError> {
        if !names_directories(from, to)? {
            return self.rename_object(from, to, committed);
        }
        let to = self.spot(to)?.ok_or(EngineError::NoContainer)?;
        let Some(from) = self.spot(from)? else {
            return Ok(false);
        };
        self.rename_directory(&from, &to, replaced, committed)
    }

    /// Gives a directory its new name, in the place of what bears it.
    pub(super) fn rename_directory(
        &self,
        from: &Spot,
        to: &Spot,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> Result<bool, EngineError> {
        let (Some(parent), Some(directory)) = (from.open_parent()?, from.open()?) else {
            return Ok(false);
        };
        if self.describe(&directory)?.is_none() {
            return Ok(false);
        }
        let name = trash_name(replaced);
        self.held().hold(&name);
        let moving = self.kept().moving();
        let mut sync = SyncSet::default();
        if let Err(trouble) = self.move_directory(from, &parent, to, replaced, &mut sync) {
            self.prune(&to.container, to.parent(), &mut SyncSet::default());
            return Err(trouble.into());
        }
        drop(moving);
        self.pass("rename:before_prune")?;
        sync.open(parent);
        self.prune(&from.container, from.parent(), &mut sync);
        committed();
        sync.finish(self, &to.container.below_root(to.parent()))?;
        self.held().release(&name);
        Ok(true)
    }

    fn move_directory(
        &self,
        from: &Spot,
        from_parent: &OwnedFd,
        to: &Spot,
        replaced: WriteId,
        sync: &mut SyncSet,
    ) -> Result<(), Trouble> {
        let to_parent = self.make_directories(&to.container, to.parent())?;
        let is_there = {
            let _stripe = self.stripes().lock(&to.container.path, &to.path);
            self.make_way(&to.container, &to_parent, to.last(), &to.path)?
        };
        let present = match is_there {
            true => Some(confine::directory(&to_parent, to.last(), Wait::Allowed)?),
            false => None,
        };
        SyncSet::before_rename(
            self,
            &from.container.below_root(&from.path),
            &to.container.below_root(&to.path),
            true,
        )?;
        self.change("rename:before")?;
        let trash = &trash_name(replaced);
        match present {
            Some(directory) if self.describe(&directory)?.is_none() => {
                self.remove_empty_directories(&directory)?;
                remove_directory(&to_parent, to.last())?;
                self.rename_new(from_parent, from.last(), &to_parent, to.last())?;
            }
            Some(directory) if self.abilities().rename_exchange => {
                self.mark_replaced(&directory, replaced)?;
                self.exchange(from, from_parent, to, &to_parent, trash)?;
                sync.open(self.open_trash()?);
            }
            Some(_) => {
                self.replace_in_two_steps(from, from_parent, to, &to_parent, trash)?;
                sync.open(self.open_trash()?);
            }
            None => self.rename_new(from_parent, from.last(), &to_parent, to.last())?,
        }
        sync.open(to_parent);
        self.pass("rename:after")
    }

    /// Notes on a directory that is about to be replaced where it is to go, so that a crash leaves no doubt what it is.
    fn mark_replaced(&self, directory: &OwnedFd, id: WriteId) -> Result<(), Trouble> {
        let stored = self.stored_directory(directory)?.replaced(id);
        self.write_attributes(directory, &node::encode(&stored))?;
        if self.is_durable() {
            // No power cut may keep the exchange and not this.
            rustix::fs::fsync(directory)?;
        }
        Ok(())
    }

    /// Two directories exchange their names, and then the one that was replaced leaves the tree.
    fn exchange(
        &self,
        from: &Spot,
        from_parent: &OwnedFd,
        to: &Spot,
        to_parent: &OwnedFd,
        trash: &str,
    ) -> Result<(), Trouble> {
        let exchange = || {
            rustix::fs::renameat_with(
                from_parent,
                from.last(),
                to_parent,
                to.last(),
                RenameFlags::EXCHANGE,
            )
        };
        exchange()?;
        let gone = self
            .go_on("rename:before_trash")
            .and_then(|()| self.to_trash(from_parent, from.last(), trash));
        if gone.is_err() {
            self.may_change()?;
            exchange()?;
        }
        gone
    }

    /// Where names cannot be exchanged: the one that is replaced leaves the tree, and then the other takes its name.
    fn replace_in_two_steps(
        &self,
        from: &Spot,
        from_parent: &OwnedFd,
        to: &Spot,
        to_parent: &OwnedFd,
        trash: &str,
    ) -> Result<(), Trouble> {
        self.to_trash(to_parent, to.last(), trash)?;
        let renamed = self
            .go_on("rename:before_trash")
            .and_then(|()| self.rename_new(from_parent, from.last(), to_parent, to.last()));
        if renamed.is_err() {
            self.may_change()?;
            self.rename_new(self.trash(), trash, to_parent, to.last())?;
        }
        renamed
    }

    fn rename_object(&self, from: &Path, to: &Path, committed: TreeCommitted) -> Result<bool, EngineError> {
        let to_container = self.container(&to.account, &to.container, Wait::Allowed)?;
        let to_container = to_container.ok_or(EngineError::NoContainer)?;
        let Some(from_container) = self.container(&from.account, &from.container, Wait::Allowed)? else {
            return Ok(false);
        };
        let (from_place, to_place) = (Place::of(&from.object), Place::of(&to.object));
        // Asked before anything is made for it.
        if self.find_file(&from_container, &from_place)?.is_none() {
            return Ok(false);
        }
        let changing = (self.kept().changing(from), self.kept().changing(to));
        let mut sync = SyncSet::default();
        let moved = Moved {
            from,
            from_container: &from_container,
            from_place: &from_place,
            to,
            to_container: &to_container,
            to_place: &to_place,
        };
        let emptied = match self.move_object(&moved, &mut sync) {
            Ok(emptied) => emptied,
            Err(trouble) => {
                self.prune(&to_container, to_place.parent(), &mut SyncSet::default());
                return Err(trouble.into());
            }
        };
        drop(changing);
        self.pass("rename:before_prune")?;
        self.prune(&from_container, &emptied, &mut sync);
        committed();
        sync.finish(self, &to_container.below_root(to_place.parent()))?;
        Ok(true)
    }

    /// Gives an object's file its new name. Answers the directory that may be empty now.
    fn move_object(&self, moved: &Moved<'_>, sync: &mut SyncSet) -> Result<String, Trouble> {
        let Moved {
            from,
            from_container,
            from_place,
            to,
            to_container,
            to_place,
        } = *moved;
        let to_parent = self.make_directories(to_container, to_place.parent())?;
        let from_parent = confine::directory(&from_container.directory, from_place.parent(), Wait::Allowed)?;
        // Only now, as it may have stood in the way of a parent of its new name.
        let source = self.present(&from.object, &from_parent, from_place)?;
        let present = self.present(&to.object, &to_parent, to_place)?;
        let target = self.target(to_container, to_place, &to_parent, &present)?;
        SyncSet::before_rename(
            self,
            &from_container.below_root(from_place.parent()),
            &to_container.below_root(to_place.parent()),
            false,
        )?;
        self.change("rename:before")?;
        let mut emptied = from_place.parent().to_owned();
        if source.plain.is_file() {
            // The one that counts goes last.
            if source.escaped.is_file() {
                self.unlink_escaped(&from_parent, from_place, sync)?;
            }
            self.rename_file(&from_parent, from_place.last(), &to_parent, &target)?;
        } else {
            let escaped = from_place.escaped_last().unwrap_or_default();
            let (chunk, last) = place::split(&escaped);
            let directory = confine::directory(&from_parent, chunk, Wait::Allowed)?;
            self.rename_file(&directory, last, &to_parent, &target)?;
            sync.open(directory);
        }
        if source.escaped.is_file()
            && let Some(escaped) = from_place.escaped()
        {
            let (chunk, _) = place::split(&escaped);
            chunk.clone_into(&mut emptied);
        }
        self.pass("rename:after")?;
        self.took_its_place(&to_parent, to_place, &present, target, sync)?;
        sync.open(from_parent);
        sync.open(to_parent);
        Ok(emptied)
    }

    fn rename_file(
        &self,
        from: &OwnedFd,
        last: &str,
        to_parent: &OwnedFd,
        target: &Target,
    ) -> Result<(), Trouble> {
        let to = target.directory.as_ref().unwrap_or(to_parent);
        if !target.replaces {
            return self.rename_new(from, last, to, &target.last);
        }
        rustix::fs::renameat(from, last, to, target.last.as_str())?;
        // Two links to one file are not renamed over each other, but both stay.
        match rustix::fs::unlinkat(from, last, rustix::fs::AtFlags::empty()) {
            Err(rustix::io::Errno::NOENT) => Ok(()),
            unlinked => Ok(unlinked?),
        }
    }
}

/// An object on its way.
#[derive(Clone, Copy)]
struct Moved<'a> {
    from: &'a Path,
    from_container: &'a Container,
    from_place: &'a Place,
    to: &'a Path,
    to_container: &'a Container,
    to_place: &'a Place,
}
