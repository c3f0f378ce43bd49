//! What became of a rename that a crash cut short, or that failed halfway.

use common::functional::object::Path;
use rustix::fd::OwnedFd;

use super::confine::{self, Node, Wait};
use super::descriptors::Container;
use super::fresh::SyncSet;
use super::place::Place;
use super::spot::{Spot, identity};
use super::store::Store;
use super::trash::trash_name;
use super::trouble::Trouble;
use crate::engine::EngineError;
use crate::engine::tree::names_directories;
use crate::node::WriteId;

impl Store {
    /// What the file system knows an object by.
    pub(super) fn find_identity(&self, path: &Path) -> Result<Option<u64>, EngineError> {
        let Some(container) = self.container(&path.account, &path.container, Wait::Allowed)? else {
            return Ok(None);
        };
        let file = self.find_file(&container, &Place::of(&path.object))?;
        Ok(file.as_ref().map(identity).transpose()?)
    }

    /// An object's file, plain before escaped.
    pub(super) fn find_file(&self, container: &Container, place: &Place) -> Result<Option<OwnedFd>, Trouble> {
        for path in std::iter::once(place.plain().to_owned()).chain(place.escaped()) {
            if let Node::File(file, _) = confine::node(&container.directory, &path, Wait::Allowed)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Whether what has this identity has its new name; then the rename is finished, else it is taken back.
    pub(super) fn settle_rename(
        &self,
        from: &Path,
        to: &Path,
        known: u64,
        replaced: WriteId,
    ) -> Result<bool, EngineError> {
        let is_directory = names_directories(from, to)?;
        let (Some(from_spot), Some(to_spot)) = (self.spot(from)?, self.spot(to)?) else {
            return Ok(false);
        };
        match is_directory {
            true => self.settle_directory(&from_spot, &to_spot, known, replaced),
            false => self.settle_object(from, to, known),
        }
    }

    fn settle_object(&self, from: &Path, to: &Path, known: u64) -> Result<bool, EngineError> {
        let (from_spot, to_spot) = (self.parent_spot(from)?, self.parent_spot(to)?);
        let (Some(from_spot), Some(to_spot)) = (from_spot, to_spot) else {
            return Ok(false);
        };
        let _changing = (self.kept().changing(from), self.kept().changing(to));
        let is_done = self.find_identity(to)? == Some(known);
        let mut sync = SyncSet::default();
        sync.directory(from_spot.container.below_root(&from_spot.path));
        sync.directory(to_spot.container.below_root(&to_spot.path));
        if is_done {
            let place = Place::of(&to.object);
            if let Some(parent) = to_spot.open()? {
                let present = self.present(&to.object, &parent, &place)?;
                if present.plain.is_file() && present.escaped.is_file() {
                    self.unlink_escaped(&parent, &place, &mut sync)?;
                }
            }
        }
        self.tidy(&from_spot, Some(&Place::of(&from.object)), &mut sync);
        self.tidy(&to_spot, Some(&Place::of(&to.object)), &mut sync);
        sync.finish(self, &to_spot.container.below_root(&to_spot.path))?;
        Ok(is_done)
    }

    /// The directory that holds an object's plain form.
    fn parent_spot(&self, path: &Path) -> Result<Option<Spot>, EngineError> {
        let container = self.container(&path.account, &path.container, Wait::Allowed)?;
        Ok(container.map(|container| Spot {
            container,
            path: Place::of(&path.object).parent().to_owned(),
        }))
    }

    /// Prunes what a rename may have left empty.
    fn tidy(&self, parent: &Spot, place: Option<&Place>, sync: &mut SyncSet) {
        let escaped = place.and_then(Place::escaped);
        let chunk = escaped
            .as_deref()
            .map_or(parent.path.as_str(), |path| super::place::split(path).0);
        self.prune(&parent.container, chunk, sync);
    }

    pub(super) fn settle_directory(
        &self,
        from: &Spot,
        to: &Spot,
        known: u64,
        replaced: WriteId,
    ) -> Result<bool, EngineError> {
        let _moving = self.kept().moving();
        let name = trash_name(replaced);
        self.held().hold(&name);
        let mut sync = SyncSet::default();
        let there = to.open()?;
        let is_done = there.as_ref().map(identity).transpose()? == Some(known);
        match is_done {
            true => self.finish_rename(from, replaced, &name)?,
            false => self.take_back(from, to, known, &name)?,
        }
        sync.open(self.open_trash()?);
        for spot in [from, to] {
            sync.directory(spot.container.below_root(spot.parent()));
            self.prune(&spot.container, spot.parent(), &mut sync);
        }
        sync.finish(self, &to.container.below_root(to.parent()))?;
        self.held().release(&name);
        Ok(is_done)
    }

    /// The directory is where it is to be. What it replaced may stand where it came from.
    fn finish_rename(&self, from: &Spot, replaced: WriteId, trash: &str) -> Result<(), Trouble> {
        let (Some(parent), Some(directory)) = (from.open_parent()?, from.open()?) else {
            return Ok(());
        };
        if self.stored_directory(&directory)?.is_replaced(replaced) {
            self.to_trash(&parent, from.last(), trash)?;
        }
        Ok(())
    }

    /// The directory is not where it was to be: what was taken out of its way returns.
    fn take_back(&self, from: &Spot, to: &Spot, known: u64, trash: &str) -> Result<(), Trouble> {
        let Some(in_trash) = self.identity_in_trash(trash)? else {
            return Ok(());
        };
        // Where a power cut kept the second of two renames and not the first, it may even be the directory itself.
        let spot = if in_trash == known { from } else { to };
        let parent = self.make_directories(&spot.container, spot.parent())?;
        self.rename_new(self.trash(), trash, &parent, spot.last())
    }
}
