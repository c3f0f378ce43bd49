//! Building the copy.

use std::collections::VecDeque;

use common::functional::object::Path;
use common::name::ObjectName;
use common::{Clock, Error, Outcome, Timestamp};

use super::{ATTEMPTS, Build, Copying};
use crate::engine::{Placing, Revise};
use crate::jobs::End;
use crate::journal::Footprint;
use crate::node::{DirectoryAttributes, ObjectAttributes, State, WriteId};
use crate::object::{Adopted, Pace};
use crate::owner::footprint;

/// So much is made durable at a time.
const SYNC_OBJECTS: u64 = 4096;
/// Or so many bytes.
const SYNC_BYTES: u64 = 1 << 30;

/// What was copied so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Copied {
    pub(super) footprint: Footprint,
    /// The length of the longest name in the copy.
    pub(super) longest: usize,
    /// What was not made durable yet.
    unsynced: Footprint,
}

impl Copying<'_> {
    /// Copies all that lies in the source, breadth first. Room is held for what is more than `replaced`.
    pub(super) async fn copy_all(&self, build: &mut Build<'_>, replaced: Footprint) -> Result<(), End> {
        build.copied.longest = self.copy.destination.object.as_str().len();
        // The names of directories in it, relative to it.
        let mut ahead = VecDeque::from([String::new()]);
        self.copy_object(build, "", replaced).await?;
        while let Some(directory) = ahead.pop_front() {
            self.handle.check()?;
            self.copy_directory_itself(build, &directory).await?;
            let path = self.source(&directory)?;
            let children = self
                .owner
                .engine
                .children(&path.account, &path.container, path.object.as_str());
            for child in children.await? {
                let name = format!("{directory}{}", child.segment);
                self.note_length(build, &name)?;
                if child.is_object {
                    self.handle.check()?;
                    self.copy_object(build, &name, replaced).await?;
                }
                if child.segment.ends_with('/') {
                    ahead.push_back(name);
                }
            }
        }
        Ok(())
    }

    fn source(&self, name: &str) -> Result<Path, Error> {
        let name = format!("{}{name}", self.copy.source.object);
        let object = ObjectName::new(name).map_err(|error| Error::bad_request(error.to_string()))?;
        Ok(Path {
            object,
            ..self.copy.source.clone()
        })
    }

    /// Refuses a name that would be too long.
    fn note_length(&self, build: &mut Build<'_>, name: &str) -> Result<(), Error> {
        let length = self.copy.destination.object.as_str().len() + name.len();
        let most = self.owner.constraints.max_object_name_length;
        if length > most.min(ObjectName::MAX_BYTES) {
            return Err(Error::bad_request("A name below it would become too long."));
        }
        build.copied.longest = build.copied.longest.max(length);
        Ok(())
    }

    /// Makes a directory explicit that is so in the source. Limits are not copied: they are of the place.
    async fn copy_directory_itself(&self, build: &Build<'_>, name: &str) -> Result<(), End> {
        let found = self.owner.engine.directory(&self.source(name)?).await?;
        if found.is_none_or(|found| found.explicit.is_none()) {
            return Ok(());
        }
        let attributes = DirectoryAttributes {
            id: WriteId::random()?,
            created: self.context.timestamp,
            ..DirectoryAttributes::default()
        };
        let engine = &self.owner.engine;
        self.owner
            .insist(self.handle, || engine.build_directory(build.id, name, attributes))
            .await
    }

    async fn copy_object(&self, build: &mut Build<'_>, name: &str, replaced: Footprint) -> Result<(), End> {
        let copied = match self.copy_whole(build, name).await {
            Ok(copied) => copied,
            Err(End::Failed(error)) => {
                // That the job is to end is no failure of an object.
                self.handle.check()?;
                self.handle.note_failure(|| format!("{name}: {error}"));
                return Err(End::Failed(error));
            }
            Err(end) => return Err(end),
        };
        let Some(attributes) = copied else {
            return Ok(());
        };
        let more = footprint(&attributes);
        build.copied.footprint = build.copied.footprint.plus(more);
        build.copied.unsynced = build.copied.unsynced.plus(more);
        build.reservation.hold(build.copied.footprint.less(replaced))?;
        self.handle.advance(more.objects, more.bytes);
        let unsynced = build.copied.unsynced;
        if unsynced.objects >= SYNC_OBJECTS || unsynced.bytes >= SYNC_BYTES {
            self.sync(build).await?;
            build.copied.unsynced = Footprint::default();
        }
        Ok(())
    }

    /// `None`: it is not there any more, or its time has run out.
    async fn copy_whole(&self, build: &Build<'_>, name: &str) -> Result<Option<ObjectAttributes>, End> {
        let source = self.source(name)?;
        for _ in 0..ATTEMPTS {
            let copied = self
                .owner
                .insist(self.handle, || self.copy_once(build, &source, name))
                .await;
            match copied {
                Err(End::Failed(error)) => match error.outcome() {
                    Outcome::NotFound => return Ok(None),
                    Outcome::Conflict => self.adopt(build, &source).await?,
                    _ => return Err(error.into()),
                },
                copied => return copied,
            }
        }
        Err(Error::conflict("It is being changed by other means.").into())
    }

    async fn copy_once(
        &self,
        build: &Build<'_>,
        source: &Path,
        name: &str,
    ) -> Result<Option<ObjectAttributes>, Error> {
        let revise = revise(WriteId::random()?, self.context.timestamp);
        let (engine, go_on) = (&self.owner.engine, self.handle.go_on());
        let copied = engine.copy_object(source, build.id, name, revise, Placing::Unsettled, go_on);
        Ok(copied.await?)
    }

    /// Takes a file in that was put there by other means: nobody knows yet what its data should be.
    async fn adopt(&self, build: &Build<'_>, source: &Path) -> Result<(), End> {
        let context = common::functional::Context {
            timestamp: Clock::now(),
            record_id: None,
            ..self.context.clone()
        };
        let (account, container, pace) = (&build.ends.from, &build.ends.from_container, Pace::new(0));
        let adopting = self.owner.insist(self.handle, || {
            self.owner
                .adopt_object(account, container, source, &context, &pace)
        });
        match self.handle.unless_ended(adopting).await?? {
            Adopted::Done | Adopted::NotNeeded | Adopted::Changing => Ok(()),
        }
    }
}

/// The attributes of a copy, which is made at `now`.
fn revise(id: WriteId, now: Timestamp) -> Revise {
    Box::new(move |source| {
        if source.state == State::Disabled {
            return Err(Outcome::Disabled.into());
        }
        if source
            .delete_at
            .is_some_and(|delete_at| delete_at <= Clock::now())
        {
            return Err(Error::not_found());
        }
        if source.is_unhashed() {
            return Err(Error::conflict("Nobody knows what its data should be."));
        }
        Ok(ObjectAttributes {
            id,
            timestamp: now,
            created: now,
            counted: None,
            ..source.clone()
        })
    })
}
