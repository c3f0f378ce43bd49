//! Directories made and removed by themselves.

use common::functional::object::Path;
use rustix::fd::OwnedFd;

use super::attribute::StoredDirectory;
use super::confine::{self, Wait};
use super::container::remove_directory;
use super::fresh::SyncSet;
use super::spot::Spot;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::{Directory, EngineError, TreeCommitted};
use crate::node::{self, DirectoryAttributes};

impl Store {
    /// A directory.
    pub(super) fn find_directory(&self, path: &Path) -> Result<Option<Directory>, EngineError> {
        let Some(spot) = self.spot(path)? else {
            return Ok(None);
        };
        match spot.open()? {
            Some(directory) => Ok(self.describe(&directory)?),
            None => Ok(None),
        }
    }

    /// Makes an explicit directory, or an implicit one explicit.
    pub(super) fn make_explicit(
        &self,
        path: &Path,
        attributes: DirectoryAttributes,
        committed: TreeCommitted,
    ) -> Result<(), EngineError> {
        let spot = self.spot(path)?.ok_or(EngineError::NoContainer)?;
        let mut sync = SyncSet::default();
        if let Err(trouble) = self.make_or_mark(&spot, attributes, &mut sync) {
            self.prune(&spot.container, spot.parent(), &mut SyncSet::default());
            return Err(trouble.into());
        }
        self.pass("directory:after")?;
        committed();
        Ok(sync.finish(self, &spot.container.below_root(&spot.path))?)
    }

    /// Makes a directory explicit, whatever bears its name.
    pub(super) fn make_or_mark(
        &self,
        spot: &Spot,
        attributes: DirectoryAttributes,
        sync: &mut SyncSet,
    ) -> Result<(), Trouble> {
        let encoded = node::encode(&StoredDirectory::from(attributes));
        let parent = self.make_directories(&spot.container, spot.parent())?;
        let directory = {
            let _stripe = self.stripes().lock(&spot.container.path, &spot.path);
            let is_there = self.make_way(&spot.container, &parent, spot.last(), &spot.path)?;
            let made = match is_there {
                true => None,
                false => self.make_directory(&parent, spot.last(), &encoded)?,
            };
            match made {
                Some(directory) => {
                    if self.is_durable() {
                        self.fresh().add(spot.container.below_root(&spot.path));
                    }
                    directory
                }
                None => self.mark(&parent, spot, &encoded, sync)?,
            }
        };
        sync.open(directory);
        sync.open(parent);
        Ok(())
    }

    /// Makes a directory explicit that is there.
    fn mark(
        &self,
        parent: &OwnedFd,
        spot: &Spot,
        encoded: &[u8],
        sync: &mut SyncSet,
    ) -> Result<OwnedFd, Trouble> {
        let directory = confine::directory(parent, spot.last(), Wait::Allowed)?;
        let old = self.read_attributes::<StoredDirectory>(&directory, Wait::Allowed)?;
        self.change("directory:before_write")?;
        self.write_attributes(&directory, encoded)?;
        sync.garbage(old.and_then(|old| old.overflow));
        Ok(directory)
    }

    /// Takes an explicit directory away in which nothing lies.
    pub(super) fn remove_explicit(&self, path: &Path, committed: TreeCommitted) -> Result<bool, EngineError> {
        let Some(spot) = self.spot(path)? else {
            return Ok(false);
        };
        let (Some(parent), Some(directory)) = (spot.open_parent()?, spot.open()?) else {
            return Ok(false);
        };
        let found = self.describe(&directory)?;
        if found.is_none_or(|found| found.explicit.is_none() || !found.is_empty) {
            return Ok(false);
        }
        self.change("directory:before_remove")?;
        let removed = self
            .remove_empty_directories(&directory)
            .and_then(|()| remove_directory(&parent, spot.last()));
        match removed {
            // Somebody put something there by other means.
            Err(EngineError::NotEmpty) => return Ok(false),
            removed => removed?,
        }
        self.fresh().remove(&spot.container.below_root(&spot.path));
        self.pass("directory:before_prune")?;
        let mut sync = SyncSet::default();
        sync.open(parent);
        self.prune(&spot.container, spot.parent(), &mut sync);
        committed();
        sync.finish(self, &spot.container.path)?;
        Ok(true)
    }
}
