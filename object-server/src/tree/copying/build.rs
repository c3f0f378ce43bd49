//! Building the copy.

use std::collections::VecDeque;
use std::time::Duration;

use common::functional::object::Path;
use common::name::ObjectName;
use common::{Clock, Error, Outcome, Timestamp};
use tokio::time::Instant;

use super::{ATTEMPTS, Build, Copying, Mark};
use crate::engine::{Child, Placing};
use crate::jobs::End;
use crate::journal::Footprint;
use crate::node::{DirectoryAttributes, ObjectAttributes, State, WriteId};
use crate::object::{Adopted, Pace};
use crate::owner::footprint;

/// So much is made durable at a time, and written down.
const SYNC_OBJECTS: u64 = 1000;
/// Or so many bytes.
const SYNC_BYTES: u64 = 1 << 30;
/// Or what was copied in this time.
const SYNC_TIME: Duration = Duration::from_secs(10);

/// What was copied so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Copied {
    pub(super) footprint: Footprint,
    /// The length of the longest name in the copy.
    pub(super) longest: usize,
    /// What was not made durable yet.
    unsynced: Footprint,
    /// When the last of what is durable was made so.
    synced: Instant,
}

impl Copied {
    pub(super) fn nothing() -> Self {
        Self {
            footprint: Footprint::default(),
            longest: 0,
            unsynced: Footprint::default(),
            synced: Instant::now(),
        }
    }

    fn is_due(&self) -> bool {
        let Footprint { objects, bytes } = self.unsynced;
        objects >= SYNC_OBJECTS || bytes >= SYNC_BYTES || objects > 0 && self.synced.elapsed() >= SYNC_TIME
    }
}

/// A directory of the source.
struct Ahead {
    /// Relative to it; empty: itself.
    name: String,
    /// Whether something of it may have been copied before a restart.
    is_known: bool,
}

impl Copying<'_> {
    /// Copies all that lies in the source, breadth first. Room is held for what is more than `replaced`.
    pub(super) async fn copy_all(&mut self, build: &mut Build<'_>, replaced: Footprint) -> Result<(), End> {
        build.copied.longest = self.copy.destination.object.as_str().len();
        self.hold(build, replaced)?;
        let is_known = build.resumed.is_some();
        let mut ahead = VecDeque::from([Ahead {
            name: String::new(),
            is_known,
        }]);
        self.copy_object(build, "", is_known, replaced).await?;
        while let Some(directory) = ahead.pop_front() {
            self.handle.check()?;
            let children = self.begin_directory(build, &directory).await?;
            let directory = directory.name;
            for child in children {
                let name = format!("{directory}{}", child.segment);
                let is_known = build.is_resumed_behind(&directory, &child.segment);
                self.note_length(build, &name)?;
                if child.is_object {
                    self.handle.check()?;
                    self.copy_object(build, &name, is_known, replaced).await?;
                }
                if child.segment.ends_with('/') {
                    ahead.push_back(Ahead { name, is_known });
                }
                if !is_known && build.copied.is_due() {
                    self.make_mark(build, &directory, &child.segment).await?;
                }
            }
        }
        let copied = build.copied.footprint;
        self.handle.count(copied.objects, copied.bytes);
        Ok(())
    }

    /// What lies in a directory of the source, when the copy of it is as it should be before that is copied.
    async fn begin_directory(&self, build: &mut Build<'_>, directory: &Ahead) -> Result<Vec<Child>, End> {
        let engine = &self.owner.engine;
        let path = self.source(&directory.name)?;
        let is_explicit = self.copy_directory_itself(build, &path, &directory.name).await?;
        let children = engine
            .children(&path.account, &path.container, path.object.as_str())
            .await?;
        if directory.is_known {
            self.trim(build, &directory.name, &children, is_explicit).await?;
        }
        Ok(children)
    }

    /// Makes durable what was copied so far, and then writes that down.
    async fn make_mark(&mut self, build: &mut Build<'_>, directory: &str, segment: &str) -> Result<(), End> {
        self.sync(build).await?;
        let mark = Mark::at(build.id, directory, segment, build.copied.footprint);
        self.note(Some(mark), None);
        let (owner, handle) = (self.owner, self.handle);
        owner.insist(handle, || owner.keep_job(handle)).await?;
        (build.copied.unsynced, build.copied.synced) = (Footprint::default(), Instant::now());
        Ok(())
    }

    /// Holds room for what was copied, and, as long as there is enough, for what was before a restart.
    fn hold(&self, build: &Build<'_>, replaced: Footprint) -> Result<(), Error> {
        let copied = build.copied.footprint;
        let before = build.resumed.as_ref().map(Mark::footprint).unwrap_or_default();
        let wish = Footprint {
            objects: copied.objects.max(before.objects),
            bytes: copied.bytes.max(before.bytes),
        };
        let (wish, need) = (wish.less(replaced), copied.less(replaced));
        build.reservation.hold_up_to(wish, need).map(drop)
    }

    pub(super) fn source(&self, name: &str) -> Result<Path, Error> {
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

    /// Makes a directory explicit if it is so in the source, and answers that. Limits are not copied: they are of the place.
    async fn copy_directory_itself(
        &self,
        build: &mut Build<'_>,
        source: &Path,
        name: &str,
    ) -> Result<bool, End> {
        let found = self.owner.engine.directory(source).await?;
        if found.is_none_or(|found| found.explicit.is_none()) {
            return Ok(false);
        }
        let attributes = DirectoryAttributes {
            id: WriteId::random()?,
            created: self.context.timestamp,
            ..DirectoryAttributes::default()
        };
        let engine = &self.owner.engine;
        self.owner
            .insist(self.handle, || engine.build_directory(build.id, name, attributes))
            .await?;
        build.copied.unsynced.objects += 1;
        Ok(true)
    }

    /// `is_known`: the copy may be there from before a restart.
    async fn copy_object(
        &self,
        build: &mut Build<'_>,
        name: &str,
        is_known: bool,
        replaced: Footprint,
    ) -> Result<(), End> {
        let copied = match is_known {
            true => self.renew(build, name).await,
            false => self.copy_whole(build, name, Placing::Unsettled).await,
        };
        let copied = match copied {
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
        if !is_known {
            build.copied.unsynced = build.copied.unsynced.plus(more);
        }
        self.hold(build, replaced)?;
        let copied = build.copied.footprint;
        self.handle.reach(copied.objects, copied.bytes);
        Ok(())
    }

    /// `None`: it is not there any more, or its time has run out.
    pub(super) async fn copy_whole(
        &self,
        build: &Build<'_>,
        name: &str,
        placing: Placing,
    ) -> Result<Option<ObjectAttributes>, End> {
        let source = self.source(name)?;
        for _ in 0..ATTEMPTS {
            let copied = self
                .owner
                .insist(self.handle, || self.copy_once(build, &source, name, placing))
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
        placing: Placing,
    ) -> Result<Option<ObjectAttributes>, Error> {
        let revise = Box::new(revise(WriteId::random()?, self.context.timestamp));
        let (engine, go_on) = (&self.owner.engine, self.handle.go_on());
        let copied = engine.copy_object(source, build.id, name, revise, placing, go_on);
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
pub(super) fn revise(
    id: WriteId,
    now: Timestamp,
) -> impl FnOnce(&ObjectAttributes) -> Result<ObjectAttributes, Error> {
    move |source| {
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
    }
}
