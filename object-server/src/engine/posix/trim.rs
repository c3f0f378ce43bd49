//! What is taken out of a directory that is being built: whoever goes on with it keeps only what is durable, and still to be copied.

use common::name::ObjectName;
use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;

use super::attribute::StoredDirectory;
use super::build::{TOP, no_build, within};
use super::confine::{self, Wait};
use super::descriptors::Container;
use super::fresh::SyncSet;
use super::place::{self, Place};
use super::spot::Spot;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::{Child, EngineError};
use crate::node::{self, ObjectAttributes, WriteId};

/// What was taken out, and is to be made durable.
#[derive(Debug, Default)]
struct Taken {
    sync: SyncSet,
    /// What in the trash nobody may reap before that.
    held: Vec<String>,
    is_anything: bool,
}

impl Store {
    /// An object in a directory that is being built.
    pub(super) fn find_built(
        &self,
        build: WriteId,
        name: &str,
    ) -> Result<Option<ObjectAttributes>, EngineError> {
        let Some(holder) = self.holder(build)? else {
            return Ok(None);
        };
        let name = within(name)?;
        let place = Place::of(&name);
        let parent = confine::existing_directory(&holder.directory, place.parent(), Wait::Allowed)?;
        let Some(parent) = parent else { return Ok(None) };
        let present = self.present(&name, &parent, &place)?;
        Ok(present.attributes().cloned())
    }

    /// Takes an object out of it.
    pub(super) fn remove_built(&self, build: WriteId, name: &str) -> Result<(), EngineError> {
        let holder = self.holder(build)?.ok_or_else(no_build)?;
        let mut taken = Taken::default();
        self.take_object(&holder, &within(name)?, &mut taken)?;
        self.settle_taken(build, &holder, taken)
    }

    /// Leaves in a directory of it only these children, and makes it implicit where it is not to be explicit.
    pub(super) fn trim_build(
        &self,
        build: WriteId,
        directory: &str,
        kept: &[Child],
        is_explicit: bool,
    ) -> Result<(), EngineError> {
        let spot = Spot {
            container: self.holder(build)?.ok_or_else(no_build)?,
            path: place::directory(&format!("{TOP}/{directory}")),
        };
        let Some(base) = spot.open()? else { return Ok(()) };
        let mut taken = Taken::default();
        let trimmed = self.take_all_but(kept, directory, &spot, &base, is_explicit, &mut taken);
        // Also what was taken out before the rest failed.
        self.settle_taken(build, &spot.container, taken)?;
        trimmed
    }

    fn take_all_but(
        &self,
        kept: &[Child],
        directory: &str,
        spot: &Spot,
        base: &OwnedFd,
        is_explicit: bool,
        taken: &mut Taken,
    ) -> Result<(), EngineError> {
        if !is_explicit {
            self.make_implicit(spot, taken)?;
        }
        for child in self.children_of(base)? {
            let found = kept.binary_search_by(|kept| kept.segment.cmp(&child.segment));
            let kept = found.ok().and_then(|at| kept.get(at));
            let name = format!("{TOP}/{directory}{}", child.segment);
            if kept.is_none() && name.ends_with('/') {
                self.take_directory(&spot.container, &name, taken)?;
            } else if child.is_object && !kept.is_some_and(|kept| kept.is_object) {
                let name = within(&format!("{directory}{}", child.segment))?;
                self.take_object(&spot.container, &name, taken)?;
            }
        }
        if taken.is_anything {
            self.prune(&spot.container, &spot.path, &mut taken.sync);
        }
        Ok(())
    }

    fn make_implicit(&self, spot: &Spot, taken: &mut Taken) -> Result<(), Trouble> {
        let Some(directory) = spot.open()? else {
            return Ok(());
        };
        if self.is_implicit(&directory)? {
            return Ok(());
        }
        let old = self.read_attributes::<StoredDirectory>(&directory, Wait::Allowed)?;
        self.change("build:before_trim")?;
        self.write_attributes(&directory, &node::encode(&StoredDirectory::implicit()))?;
        taken.sync.garbage(old.and_then(|old| old.overflow));
        taken.sync.open(directory);
        taken.is_anything = true;
        Ok(())
    }

    fn take_directory(&self, holder: &Container, name: &str, taken: &mut Taken) -> Result<(), Trouble> {
        let path = place::directory(name);
        let (above, last) = place::split(&path);
        let Some(parent) = confine::existing_directory(&holder.directory, above, Wait::Allowed)? else {
            return Ok(());
        };
        let trash = self.unused_name();
        self.held().hold(&trash);
        taken.held.push(trash.clone());
        self.change("build:before_trim")?;
        self.to_trash(&parent, last, &trash)?;
        self.fresh().remove_below(&holder.below_root(&path));
        taken.sync.open(parent);
        taken.is_anything = true;
        Ok(())
    }

    fn take_object(&self, holder: &Container, name: &ObjectName, taken: &mut Taken) -> Result<(), Trouble> {
        let place = Place::of(name);
        let parent = confine::existing_directory(&holder.directory, place.parent(), Wait::Allowed)?;
        let Some(parent) = parent else { return Ok(()) };
        let mut emptied = place.parent().to_owned();
        {
            let _stripe = self.stripes().lock(&holder.path, place.stripe());
            let present = self.present(name, &parent, &place)?;
            if present.attributes().is_none() {
                return Ok(());
            }
            self.change("build:before_trim")?;
            // The one that counts goes last.
            if present.escaped.is_file() {
                self.unlink_escaped(&parent, &place, &mut taken.sync)?;
                if let Some(escaped) = place.escaped() {
                    place::split(&escaped).0.clone_into(&mut emptied);
                }
            }
            if present.plain.is_file() {
                rustix::fs::unlinkat(&parent, place.last(), AtFlags::empty())?;
            }
            present.garbage(&mut taken.sync);
        }
        taken.sync.open(parent);
        taken.is_anything = true;
        self.prune(holder, &emptied, &mut taken.sync);
        Ok(())
    }

    fn settle_taken(&self, build: WriteId, holder: &Container, mut taken: Taken) -> Result<(), EngineError> {
        if taken.is_anything {
            self.builds().note(build);
            if !taken.held.is_empty() {
                taken.sync.open(self.open_trash()?);
            }
            taken.sync.finish(self, &holder.path)?;
        }
        taken.held.iter().for_each(|name| self.held().release(name));
        Ok(())
    }
}
