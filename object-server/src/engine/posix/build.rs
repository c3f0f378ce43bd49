//! Directories that are built in `.stobj/build/<id>/t`, where nobody sees them.
//!
//! What holds such a directory is treated as a container is, so that all that is known of names holds there too.

use std::collections::HashMap;
use std::sync::Arc;

use common::Error;
use common::functional::object::Path;
use common::name::ObjectName;
use parking_lot::Mutex;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;

use super::attribute::StoredDirectory;
use super::confine::{self, Wait};
use super::descriptors::Container;
use super::fresh::SyncSet;
use super::place::{self, Place};
use super::root::{PRIVATE, entries};
use super::spot::{Spot, identity};
use super::store::Store;
use super::temporary::Temporary;
use super::trouble::Trouble;
use crate::engine::{Directory, EngineError, GoOn, Placing, Revise, TreeCommitted};
use crate::node::{self, DirectoryAttributes, ObjectAttributes, WriteId};

/// The directory that is built, in the one that bears the id.
pub(super) const TOP: &str = "t";

/// Counts the changes of what is being built, and those that are durable. What is not here is not durable.
#[derive(Debug, Default)]
pub(super) struct Builds(Mutex<HashMap<WriteId, Counts>>);

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    made: u64,
    durable: u64,
}

impl Builds {
    /// So many changes were made.
    fn made(&self, build: WriteId) -> u64 {
        self.0.lock().get(&build).map_or(0, |counts| counts.made)
    }

    pub(super) fn note(&self, build: WriteId) {
        self.0.lock().entry(build).or_default().made += 1;
    }

    fn are_durable(&self, build: WriteId, changes: u64) {
        self.0.lock().entry(build).or_default().durable = changes;
    }

    fn is_durable(&self, build: WriteId) -> bool {
        let builds = self.0.lock();
        builds
            .get(&build)
            .is_some_and(|counts| counts.made == counts.durable)
    }

    fn forget(&self, build: WriteId) {
        self.0.lock().remove(&build);
    }
}

fn build_name(build: WriteId) -> String {
    format!("{:016x}", build.0)
}

pub(super) fn no_build() -> EngineError {
    Error::not_found().into()
}

/// The name of an object in what holds the directory.
pub(super) fn within(name: &str) -> Result<ObjectName, EngineError> {
    ObjectName::new(format!("{TOP}/{name}")).map_err(|error| Error::bad_request(error.to_string()).into())
}

impl Store {
    /// Begins a directory, or goes on with one.
    pub(super) fn begin_build(&self, build: WriteId) -> Result<(), EngineError> {
        let name = build_name(build);
        self.may_change()?;
        match rustix::fs::mkdirat(self.build(), name.as_str(), Mode::from(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let holder = self.holder(build)?.ok_or_else(no_build)?;
        let encoded = node::encode(&StoredDirectory::implicit());
        self.make_directory(&holder.directory, TOP, &encoded)?;
        Ok(())
    }

    pub(super) fn list_builds(&self) -> Result<Vec<WriteId>, EngineError> {
        let mut builds = Vec::new();
        for (name, _) in entries(self.build())? {
            let Ok(id) = u64::from_str_radix(&name, 16) else {
                continue;
            };
            if build_name(WriteId(id)) == name && self.find_build(WriteId(id))?.is_some() {
                builds.push(WriteId(id));
            }
        }
        Ok(builds)
    }

    /// The directory that is being built.
    pub(super) fn find_build(&self, build: WriteId) -> Result<Option<Directory>, EngineError> {
        let Some(spot) = self.build_spot(build)? else {
            return Ok(None);
        };
        let Some(directory) = spot.open()? else {
            return Ok(None);
        };
        let described = self.describe(&directory)?;
        // Here an empty one is one.
        Ok(Some(described.unwrap_or(Directory {
            identity: identity(&directory)?,
            explicit: None,
            is_empty: true,
        })))
    }

    /// What holds the directory.
    pub(super) fn holder(&self, build: WriteId) -> Result<Option<Arc<Container>>, Errno> {
        let name = build_name(build);
        let directory = confine::existing_directory(self.build(), &name, Wait::Allowed)?;
        Ok(directory.map(|directory| {
            Arc::new(Container {
                directory,
                path: format!("{PRIVATE}/build/{name}"),
            })
        }))
    }

    fn build_spot(&self, build: WriteId) -> Result<Option<Spot>, Errno> {
        Ok(self.holder(build)?.map(|container| Spot {
            container,
            path: TOP.to_owned(),
        }))
    }

    /// Makes a directory in it explicit.
    pub(super) fn build_directory(
        &self,
        build: WriteId,
        directory: &str,
        attributes: DirectoryAttributes,
    ) -> Result<(), EngineError> {
        let spot = Spot {
            container: self.holder(build)?.ok_or_else(no_build)?,
            path: place::directory(&format!("{TOP}/{directory}")),
        };
        self.make_or_mark(&spot, attributes, &mut SyncSet::default())?;
        self.builds().note(build);
        Ok(())
    }

    /// Copies an object into it.
    pub(super) fn copy_object(
        self: &Arc<Self>,
        from: &Path,
        build: WriteId,
        name: &str,
        revise: Revise,
        placing: Placing,
        go_on: &GoOn,
    ) -> Result<Option<ObjectAttributes>, EngineError> {
        let holder = self.holder(build)?.ok_or_else(no_build)?;
        let object = within(name)?;
        let Some(source) = self.container(&from.account, &from.container, Wait::Allowed)? else {
            return Ok(None);
        };
        let Some((mut copy, source)) = self.copy_data(from, &source, go_on)? else {
            return Ok(None);
        };
        let mut attributes = revise(&source)?;
        match placing {
            Placing::Unsettled => self.give_attributes(&mut copy, &mut attributes)?,
            Placing::Settled => self.seal(&mut copy, &mut attributes)?,
        }
        self.pass("build:before_place")?;
        self.place_copy(&object, &holder, copy, placing)?;
        self.builds().note(build);
        Ok(Some(attributes))
    }

    fn place_copy(
        &self,
        name: &ObjectName,
        holder: &Container,
        mut copy: Temporary,
        placing: Placing,
    ) -> Result<(), Trouble> {
        let place = Place::of(name);
        let parent = self.make_directories(holder, place.parent())?;
        let mut sync = SyncSet::default();
        {
            let _stripe = self.stripes().lock(&holder.path, place.stripe());
            let present = self.present(name, &parent, &place)?;
            let target = self.target(holder, &place, &parent, &present)?;
            let directory: &OwnedFd = target.directory.as_ref().unwrap_or(&parent);
            copy.place(directory, &target.last, target.replaces)?;
            self.took_its_place(&parent, &place, &present, target, &mut sync)?;
        }
        match placing {
            Placing::Unsettled => {
                sync.only_garbage(self);
                Ok(())
            }
            Placing::Settled => {
                sync.open(parent);
                sync.finish(self, &holder.below_root(place.parent()))
            }
        }
    }

    /// Makes durable all that was built.
    pub(super) fn sync_build(&self, build: WriteId) -> Result<(), EngineError> {
        let holder = self.holder(build)?.ok_or_else(no_build)?;
        let made = self.builds().made(build);
        if self.is_durable() {
            self.pass("build:before_sync")?;
            // One call for all, instead of two for each file.
            rustix::fs::syncfs(self.root())?;
            self.pass("build:after_sync")?;
        }
        self.fresh().remove_below(&holder.path);
        self.builds().are_durable(build, made);
        Ok(())
    }

    /// Gives it its place in the tree.
    pub(super) fn attach(
        &self,
        build: WriteId,
        to: &Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> Result<bool, EngineError> {
        let to = self.spot(to)?.ok_or(EngineError::NoContainer)?;
        let Some(from) = self.build_spot(build)? else {
            return Ok(false);
        };
        if !self.builds().is_durable(build) {
            self.sync_build(build)?;
        }
        let is_attached = self.rename_directory(&from, &to, replaced, committed)?;
        if is_attached {
            self.forget_build(build);
        }
        Ok(is_attached)
    }

    /// After a crash: whether that was done; then to its end.
    pub(super) fn settle_attach(
        &self,
        build: WriteId,
        to: &Path,
        identity: u64,
        replaced: WriteId,
    ) -> Result<bool, EngineError> {
        let Some(to) = self.spot(to)? else {
            return Ok(false);
        };
        let name = build_name(build);
        match rustix::fs::mkdirat(self.build(), name.as_str(), Mode::from(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let from = self.build_spot(build)?.ok_or_else(no_build)?;
        let is_attached = self.settle_directory(&from, &to, identity, replaced)?;
        if is_attached {
            self.forget_build(build);
        }
        Ok(is_attached)
    }

    /// It has left the directory that bears its id, which goes now, or at the next start.
    fn forget_build(&self, build: WriteId) {
        self.builds().forget(build);
        let name = build_name(build);
        if let Err(error) = rustix::fs::unlinkat(self.build(), name.as_str(), AtFlags::REMOVEDIR) {
            tracing::warn!(name, %error, "What held a directory while it was built could not be removed");
        }
    }

    /// Gives it up.
    pub(super) fn drop_build(&self, build: WriteId) -> Result<(), EngineError> {
        let (name, trash) = (build_name(build), self.unused_name());
        self.may_change()?;
        self.fresh().remove_below(&format!("{PRIVATE}/build/{name}"));
        self.builds().forget(build);
        match self.rename_new(self.build(), &name, self.trash(), &trash) {
            Ok(()) | Err(Trouble::Errno(Errno::NOENT)) => Ok(()),
            Err(trouble) => Err(trouble.into()),
        }
    }
}
