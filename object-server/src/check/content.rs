//! The data of an object: whether somebody else put or changed it, and, in a deep check, whether it is what was stored.

use std::sync::Arc;

use common::functional::Context;
use common::functional::check::Kind;
use common::functional::object::Path;
use common::{Clock, Error, Outcome};

use super::compare::Comparison;
use crate::jobs::{End, Waiting};
use crate::node::ObjectAttributes;
use crate::object::{Adopted, Pace, digest, room_for};
use crate::owner::{Container, Owner};

/// Why a file stays as it was put there.
pub(super) const NO_ROOM: &str = "it does not fit under a limit of its account, container or directory";

/// Why damaged data stays where it is.
const SWITCHED_OFF: &str = "it is switched off: nobody is served its bytes, and its name stays taken";

/// How the data of an object is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Data {
    /// As it was stored; or it is gone, or was replaced meanwhile.
    Good,
    /// It is not what was stored.
    Damaged(Damage),
    /// It cannot be read.
    Unreadable(String),
}

/// Data that is not what was stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The `ETag` that it should have.
    pub(crate) stored: String,
    /// The one it has.
    pub(crate) found: String,
    /// What storage knows the object by.
    pub(crate) identity: u64,
}

impl Owner {
    /// Reads all data of an object and compares it with its `ETag`.
    ///
    /// # Errors
    /// When the storage as a whole cannot be used.
    pub(crate) async fn examine(&self, path: &Path, pace: &Pace) -> Result<Data, Error> {
        let Some(identity) = self.engine.identity(path).await? else {
            return Ok(Data::Good);
        };
        let (attributes, reader) = match self.engine.open(path).await {
            Ok(Some(opened)) => opened,
            Ok(None) => return Ok(Data::Good),
            Err(error) => return Ok(Data::Unreadable(error.to_string())),
        };
        if attributes.is_unhashed() {
            return Ok(Data::Good);
        }
        let failure = match digest(reader, pace).await {
            Ok((size, etag)) if (size, &etag) == (attributes.size, &attributes.etag) => {
                return Ok(Data::Good);
            }
            Ok((_, etag)) => Data::Damaged(Damage {
                stored: attributes.etag.to_string(),
                found: etag.to_string(),
                identity,
            }),
            Err(error) => Data::Unreadable(error.to_string()),
        };
        // Who changes a file by other means does so while it is read, too; that is another matter.
        let now = self.engine.stat(path).await?;
        let is_the_same = now.is_some_and(|now| {
            (now.id, now.size, now.modified) == (attributes.id, attributes.size, attributes.modified)
                && now.etag == attributes.etag
        });
        Ok(if is_the_same { failure } else { Data::Good })
    }
}

impl Comparison<'_> {
    /// Looks at an object by itself.
    pub(super) async fn examine(
        &mut self,
        container: &Arc<Container>,
        path: &Path,
        attributes: &ObjectAttributes,
    ) -> Result<(), End> {
        if attributes.is_unhashed() {
            return self.adopt(container, path, attributes).await;
        }
        if !self.deep {
            return Ok(());
        }
        let pace = Pace::new(0);
        let examined = self.owner.examine(path, &pace);
        match self.handle.unless_ended(examined).await?? {
            Data::Good => {}
            Data::Damaged(damage) => self.damaged(container, path, damage).await?,
            Data::Unreadable(error) => self.note(Kind::Unreadable, path, Some(error), None, false),
        }
        Ok(())
    }

    /// Keeps an object aside, with `repair`, whose data is not what was stored.
    async fn damaged(&mut self, container: &Arc<Container>, path: &Path, damage: Damage) -> Result<(), End> {
        let Damage {
            stored,
            found,
            identity,
        } = damage;
        let kept_aside = match self.repair {
            true => self.keep_aside(container, path, identity).await,
            // Whether it could be.
            false => {
                let may_be = self.owner.may_quarantine(path).await;
                may_be.map(|()| false).map_err(End::from)
            }
        };
        match kept_aside {
            Ok(is_kept_aside) => self.note(Kind::Damaged, path, Some(found), Some(stored), is_kept_aside),
            Err(End::Failed(error)) if matches!(error.outcome(), Outcome::Disabled) => {
                let place = format!("{}/{}", path.container, path.object);
                self.findings
                    .note_refused(Kind::Damaged, place, Some(found), SWITCHED_OFF);
            }
            Err(End::Failed(error)) => {
                self.handle.note_failure(|| format!("{}: {error}", path.object));
                self.note(Kind::Damaged, path, Some(found), Some(stored), false);
            }
            Err(end) => return Err(end),
        }
        Ok(())
    }

    async fn keep_aside(&self, container: &Arc<Container>, path: &Path, identity: u64) -> Result<bool, End> {
        let mut waiting = Waiting::new(self.owner, self.handle);
        loop {
            let quarantining = self
                .owner
                .quarantine_object(self.account, container, path, identity);
            match quarantining.await {
                // Also an attempt that failed may have kept it aside.
                Ok(is_aside) => return Ok(is_aside || waiting.has_begun()),
                Err(error) => waiting.after(error).await?,
            }
        }
    }

    async fn adopt(
        &mut self,
        container: &Arc<Container>,
        path: &Path,
        attributes: &ObjectAttributes,
    ) -> Result<(), End> {
        let kind = match attributes.is_adopted() {
            true => Kind::ChangedFile,
            false => Kind::ForeignFile,
        };
        let storage = Some(format!("{} bytes", attributes.size));
        let adopted = match self.repair {
            true => {
                let context = Context::internal("check", Clock::now());
                let pace = Pace::new(0);
                let adopting = self.owner.insist(self.handle, || {
                    self.owner
                        .adopt_object(self.account, container, path, &context, &pace)
                });
                self.handle.unless_ended(adopting).await?
            }
            // Whether it could be.
            false => {
                let room = room_for(self.account, container, path, attributes);
                room.map(|()| Adopted::Changing).map_err(End::from)
            }
        };
        match adopted {
            Ok(Adopted::NotNeeded) => {}
            Ok(adopted) => self.note(kind, path, storage, None, adopted == Adopted::Done),
            Err(End::Failed(error)) if matches!(error.outcome(), Outcome::TooLarge) => {
                let place = format!("{}/{}", path.container, path.object);
                self.findings.note_refused(kind, place, storage, NO_ROOM);
            }
            Err(End::Failed(error)) => {
                self.handle.note_failure(|| format!("{}: {error}", path.object));
                self.note(kind, path, storage, None, false);
            }
            Err(end) => return Err(end),
        }
        Ok(())
    }
}
