//! The changes of one object, each one blocking job: publish, remove, revise.

use std::sync::Arc;

use common::functional::object::Path;
use rustix::fd::OwnedFd;
use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::attribute;
use super::confine::{self, Node, Wait};
use super::descriptors::Container;
use super::fresh::SyncSet;
use super::place::{self, Place};
use super::present::{Present, Slot};
use super::store::Store;
use super::temporary::Temporary;
use super::trouble::{Trouble, in_the_way};
use crate::engine::{Changed, Committed, Decide, EngineError, Publication, Revise};
use crate::node::{self, ObjectAttributes};

/// How often a change is tried again when others prune or convert what it was about to use.
const ATTEMPTS: usize = 100;

/// Where a file is to go.
pub(super) struct Target {
    /// `None`: the directory that holds the plain form.
    pub(super) directory: Option<OwnedFd>,
    pub(super) last: String,
    /// Whether a file is there already.
    pub(super) replaces: bool,
    is_escaped: bool,
}

impl Store {
    /// Gives a staged file its name.
    pub(super) fn publish(
        self: &Arc<Self>,
        path: &Path,
        mut staged: Temporary,
        new: ObjectAttributes,
        publication: &mut dyn Publication,
    ) -> Result<Changed, EngineError> {
        let container = self.container(&path.account, &path.container, Wait::Allowed)?;
        let container = container.ok_or(EngineError::NoContainer)?;
        let _changing = self.kept().changing(path);
        let place = Place::of(&path.object);
        let mut old = None;
        let mut sync = SyncSet::default();
        let mut last = Trouble::Errno(Errno::NOENT);
        for _ in 0..ATTEMPTS {
            match self.publish_once(
                path,
                &container,
                &place,
                &mut staged,
                publication,
                &mut old,
                &mut sync,
            ) {
                Ok(()) => {
                    self.pass("publish:after")?;
                    let changed = Changed {
                        old: old.flatten(),
                        new: Some(new),
                    };
                    publication.committed(&changed);
                    sync.finish(self, &container.below_root(place.parent()))?;
                    return Ok(changed);
                }
                // Pruned or converted meanwhile; or the container is another one now.
                Err(Trouble::Errno(
                    error @ (Errno::NOENT | Errno::NOTDIR | Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY),
                )) => {
                    last = error.into();
                    if self.is_gone(&container)? {
                        self.descriptors().forget(&path.account, &path.container);
                        last = EngineError::NoContainer.into();
                        break;
                    }
                }
                Err(trouble) => {
                    last = trouble;
                    break;
                }
            }
        }
        self.prune(&container, place.parent(), &mut SyncSet::default());
        Err(last.into())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one turn of a loop over its own variables"
    )]
    fn publish_once(
        &self,
        path: &Path,
        container: &Container,
        place: &Place,
        staged: &mut Temporary,
        publication: &mut dyn Publication,
        old: &mut Option<Option<ObjectAttributes>>,
        sync: &mut SyncSet,
    ) -> Result<(), Trouble> {
        let parent = self.make_directories(container, place.parent())?;
        self.pass("publish:before_lock")?;
        let _stripe = self.stripes().lock(&container.path, place.stripe());
        let present = self.present(&path.object, &parent, place)?;
        // Asked once: what a later turn finds is what the earlier one left.
        if old.is_none() {
            publication
                .decide(present.attributes())
                .map_err(EngineError::Refused)?;
            *old = Some(present.attributes().cloned());
        }
        let target = self.target(container, place, &parent, &present)?;
        let directory = target.directory.as_ref().unwrap_or(&parent);
        staged.place(directory, &target.last, target.replaces)?;
        self.took_its_place(&parent, place, &present, target, sync)?;
        sync.open(parent);
        Ok(())
    }

    /// Under which of its two names an object is stored, given what stands there.
    pub(super) fn target(
        &self,
        container: &Container,
        place: &Place,
        parent: &OwnedFd,
        present: &Present,
    ) -> Result<Target, Trouble> {
        let is_escaped = match (&present.plain, &present.escaped) {
            (Slot::Other, _) => true,
            (Slot::Absent, escaped) => escaped.is_file(),
            (Slot::File(_), _) => false,
        };
        if !is_escaped {
            return Ok(Target {
                directory: None,
                last: place.last().to_owned(),
                replaces: present.plain.is_file(),
                is_escaped,
            });
        }
        let escaped = place.escaped_last().ok_or_else(in_the_way)?;
        if matches!(present.escaped, Slot::Other) {
            return Err(in_the_way());
        }
        let (chunk, last) = place::split(&escaped);
        Ok(Target {
            directory: self.escaped_directory(container, place, parent, chunk)?,
            last: last.to_owned(),
            replaces: present.escaped.is_file(),
            is_escaped,
        })
    }

    /// An object took the place of what was there: what is left of that goes. `parent` itself is synced by the caller.
    pub(super) fn took_its_place(
        &self,
        parent: &OwnedFd,
        place: &Place,
        present: &Present,
        target: Target,
        sync: &mut SyncSet,
    ) -> Result<(), Trouble> {
        target
            .directory
            .into_iter()
            .for_each(|directory| sync.open(directory));
        if target.is_escaped {
            sync.garbage(present.escaped.overflow());
            return Ok(());
        }
        present.garbage(sync);
        if present.escaped.is_file() {
            self.go_on("publish:before_unlink")?;
            self.unlink_escaped(parent, place, sync)?;
        }
        Ok(())
    }

    fn escaped_directory(
        &self,
        container: &Container,
        place: &Place,
        parent: &OwnedFd,
        chunk: &str,
    ) -> Result<Option<OwnedFd>, Trouble> {
        if chunk.is_empty() {
            return Ok(None);
        }
        let path = match place.parent() {
            "" => chunk.to_owned(),
            parent => format!("{parent}/{chunk}"),
        };
        self.open_or_make(container, parent, chunk, &path).map(Some)
    }

    /// Removes the escaped form; `parent` itself is synced by the caller.
    pub(super) fn unlink_escaped(
        &self,
        parent: &OwnedFd,
        place: &Place,
        sync: &mut SyncSet,
    ) -> Result<(), Trouble> {
        let Some(escaped) = place.escaped_last() else {
            return Ok(());
        };
        let (chunk, last) = place::split(&escaped);
        if chunk.is_empty() {
            return Ok(rustix::fs::unlinkat(parent, last, AtFlags::empty())?);
        }
        let directory = confine::directory(parent, chunk, Wait::Allowed)?;
        rustix::fs::unlinkat(&directory, last, AtFlags::empty())?;
        sync.open(directory);
        Ok(())
    }

    fn is_gone(&self, container: &Container) -> Result<bool, Errno> {
        let now = confine::existing_directory(self.root(), &container.path, Wait::Allowed)?;
        let Some(now) = now else { return Ok(true) };
        let (now, then) = (rustix::fs::fstat(now)?, rustix::fs::fstat(&container.directory)?);
        Ok((now.st_dev, now.st_ino) != (then.st_dev, then.st_ino))
    }

    /// Removes an object and what was only there for it.
    pub(super) fn remove(
        self: &Arc<Self>,
        path: &Path,
        decide: Decide,
        committed: Committed,
    ) -> Result<Option<Changed>, EngineError> {
        let Some(container) = self.container(&path.account, &path.container, Wait::Allowed)? else {
            return Ok(None);
        };
        let place = Place::of(&path.object);
        let parent = confine::existing_directory(&container.directory, place.parent(), Wait::Allowed)?;
        let Some(parent) = parent else { return Ok(None) };
        let _changing = self.kept().changing(path);
        let mut sync = SyncSet::default();
        let mut chunk_path = None;
        let old = {
            let _stripe = self.stripes().lock(&container.path, place.stripe());
            let present = self.present(&path.object, &parent, &place)?;
            let Some(old) = present.attributes().cloned() else {
                return Ok(None);
            };
            decide(Some(&old))?;
            self.change("remove:before_unlink")?;
            // The one that counts goes last.
            if present.escaped.is_file() {
                self.unlink_escaped(&parent, &place, &mut sync)?;
                let escaped = place.escaped();
                chunk_path = escaped.map(|escaped| place::split(&escaped).0.to_owned());
            }
            if present.plain.is_file() {
                self.go_on("remove:before_unlink_plain")?;
                rustix::fs::unlinkat(&parent, place.last(), AtFlags::empty())?;
            }
            present.garbage(&mut sync);
            old
        };
        self.pass("remove:before_prune")?;
        sync.open(parent);
        self.prune(
            &container,
            chunk_path.as_deref().unwrap_or(place.parent()),
            &mut sync,
        );
        let changed = Changed {
            old: Some(old),
            new: None,
        };
        committed(&changed);
        sync.finish(self, &container.path)?;
        Ok(Some(changed))
    }

    /// Replaces an object's attributes; where an identity is given, only if that is its own.
    pub(super) fn revise(
        self: &Arc<Self>,
        path: &Path,
        identity: Option<u64>,
        revise: Revise,
        committed: Committed,
    ) -> Result<Option<Changed>, EngineError> {
        let Some(container) = self.container(&path.account, &path.container, Wait::Allowed)? else {
            return Ok(None);
        };
        let _changing = self.kept().changing(path);
        let place = Place::of(&path.object);
        let stripe = self.stripes().lock(&container.path, place.stripe());
        let mut node = confine::node(&container.directory, place.plain(), Wait::Allowed)?;
        if !matches!(node, Node::File(..))
            && let Some(escaped) = place.escaped()
        {
            node = confine::node(&container.directory, &escaped, Wait::Allowed)?;
        }
        let Node::File(file, stat) = node else {
            return Ok(None);
        };
        if identity.is_some_and(|identity| identity != stat.st_ino) {
            return Ok(None);
        }
        let present = self.read_object(&path.object, &file, &stat, Wait::Allowed)?;
        let mut new = revise(&present.attributes)?;
        new.size = attribute::size(&stat);
        new.modified = attribute::modified(&stat);
        new.counted = None;
        self.change("revise:before_write")?;
        self.write_attributes(&file, &node::encode(&new))?;
        self.pass("revise:after_write")?;
        let mut sync = SyncSet::default();
        sync.garbage(present.overflow);
        sync.open(file);
        let changed = Changed {
            old: Some(present.attributes),
            new: Some(new),
        };
        committed(&changed);
        drop(stripe);
        sync.finish(self, &container.path)?;
        Ok(Some(changed))
    }
}
