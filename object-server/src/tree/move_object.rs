//! The job that moves an object to another account: it is stored there as by a PUT, and then removed here, if it is still the same.

use std::sync::Arc;

use common::functional::fs::{Move, Moved};
use common::functional::object::{Path, Put};
use common::functional::{Action, Context, Generations};
use common::{Body, Clock, Error, Timestamp};
use serde::{Deserialize, Serialize};

use super::copy_directory::shown;
use super::copying::Ends;
use super::look::{self, Present};
use crate::jobs::{End, Handle, Waiting, Wanted, Work};
use crate::journal::Record;
use crate::node::{ObjectAttributes, WriteId};
use crate::owner::{Owner, record};

/// So often it is stored again because it changed.
const ATTEMPTS: usize = 5;

/// An object that is moved to another account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ObjectMove {
    source: Path,
    destination: Path,
    overwrite: bool,
    /// What is about to be stored there, or was.
    #[serde(default)]
    stored: Option<Stored>,
}

/// Which state of the source was stored, and when.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stored {
    source: WriteId,
    size: u64,
    modified: i64,
    timestamp: Timestamp,
}

impl Stored {
    fn is_of(&self, source: &ObjectAttributes) -> bool {
        (self.source, self.size, self.modified) == (source.id, source.size, source.modified)
    }
}

impl ObjectMove {
    /// What was asked for.
    pub(crate) fn request(&self) -> Action {
        Move {
            source: self.source.clone(),
            destination: self.destination.clone(),
            overwrite: self.overwrite,
        }
        .into()
    }
}

impl Owner {
    /// Moves an object to another account. What can be refused at once is.
    pub(super) async fn move_object_between(
        self: &Arc<Self>,
        call: Move,
        context: &Context,
    ) -> Result<Moved, Error> {
        if call.destination.object.is_directory() {
            return Err(Error::bad_request(
                "A directory, whose name ends in a slash, can only be given the name of a directory.",
            ));
        }
        let source = &call.source;
        let (account, _, _) = self
            .admit(&source.account, &source.container, context, Body::empty())
            .await?;
        let ends = Ends::of(self, source, &call.destination).await?;
        let now = context.timestamp;
        let is_there = |present: Option<Present>| present.is_some_and(|present| !present.is_expired(now));
        if !is_there(self.present(source).await?) {
            return Err(Error::not_found());
        }
        look::check_enabled(&ends.from, &look::node(source))?;
        look::check_enabled(&ends.to, &look::node(&call.destination))?;
        if !call.overwrite && is_there(self.present(&call.destination).await?) {
            return Err(Error::precondition_failed("Something has the new name already."));
        }
        let wanted = Wanted {
            source: Some(shown(source, source)),
            destination: Some(shown(&call.destination, source)),
            work: Work::MoveObject(ObjectMove {
                source: call.source,
                destination: call.destination,
                overwrite: call.overwrite,
                stored: None,
            }),
        };
        let job = self.submit(&account, wanted, context).await?;
        Ok(Moved::Job(Box::new(job)))
    }
}

/// Moves an object, as a job.
pub(crate) async fn run(
    owner: &Arc<Owner>,
    moving: ObjectMove,
    context: &Context,
    handle: &Handle,
) -> Result<(), End> {
    let mut moving = Moving {
        owner,
        moving,
        context,
        handle,
    };
    handle.expect(1);
    let mut is_stored = moving.was_stored().await?;
    if !is_stored {
        owner.ask_first(handle).await?;
    }
    for _ in 0..ATTEMPTS {
        let Some(stored) = moving.moving.stored.filter(|_| is_stored) else {
            handle.check()?;
            moving.insist_on_storing().await?;
            is_stored = true;
            continue;
        };
        // Whoever ends it now comes too late: it is there.
        let removing = Waiting::decided(owner, handle).insist(|| moving.remove(stored));
        if removing.await? {
            return Ok(());
        }
        is_stored = false;
    }
    let text = "The object was changed again and again while it was moved; it is there under both names.";
    Err(Error::conflict(text).into())
}

struct Moving<'a> {
    owner: &'a Arc<Owner>,
    moving: ObjectMove,
    context: &'a Context,
    handle: &'a Handle,
}

impl Moving<'_> {
    /// Whether an earlier process stored it.
    async fn was_stored(&self) -> Result<bool, End> {
        let Some(stored) = self.moving.stored else {
            return Ok(false);
        };
        let there = self.owner.engine.stat(&self.moving.destination).await?;
        Ok(there.is_some_and(|there| there.created == stored.timestamp))
    }

    async fn insist_on_storing(&mut self) -> Result<(), End> {
        let mut waiting = Waiting::new(self.owner, self.handle);
        loop {
            match self.store().await {
                Ok(()) => return Ok(()),
                Err(end) => waiting.after(end).await?,
            }
        }
    }

    async fn store(&mut self) -> Result<(), End> {
        let opened = self.owner.engine.open(&self.moving.source).await?;
        let (source, reader) = opened.ok_or_else(Error::not_found)?;
        if source
            .delete_at
            .is_some_and(|delete_at| delete_at <= Clock::now())
        {
            return Err(Error::not_found().into());
        }
        let ends = Ends::of(self.owner, &self.moving.source, &self.moving.destination).await?;
        look::check_enabled(&ends.from, &look::node(&self.moving.source))?;
        let is_ours = self.was_stored().await?;
        let context = Context {
            timestamp: Clock::now(),
            decided_under: Generations::default(),
            ..self.context.clone()
        };
        let put = put(&self.moving, &source, !self.moving.overwrite && !is_ours);
        self.moving.stored = Some(Stored {
            source: source.id,
            size: source.size,
            modified: source.modified,
            timestamp: context.timestamp,
        });
        self.handle.set_work(Work::MoveObject(self.moving.clone()));
        self.owner.keep_job(self.handle).await?;
        let recorded = record(self.context, "fs/move", 201, 0);
        let body = self.let_through(reader.into_body(None));
        let stored = self
            .owner
            .store_object(put, &context, body, |bytes| Record { bytes, ..recorded });
        let stored = stored.await;
        if stored.is_err() {
            // Who was refused or cancelled broke the body off.
            self.handle.check()?;
        }
        if !stored?.is_current {
            return Err(Error::conflict("A newer version of the destination exists.").into());
        }
        Ok(())
    }

    /// The same bytes as long as the job is to go on, and an end only when the guards let it through once more: what has no end is
    /// not stored.
    fn let_through(&self, body: Body) -> Body {
        let (owner, handle) = (Arc::clone(self.owner), self.handle.clone());
        Body::from_stream(futures::stream::try_unfold(
            (body, owner, handle),
            async |(mut body, owner, handle)| {
                handle.check().map_err(broken_off)?;
                if let Some(bytes) = body.chunk().await {
                    let bytes = bytes.map_err(Error::internal)?;
                    return Ok::<_, Error>(Some((bytes, (body, owner, handle))));
                }
                owner.ask_first(&handle).await.map_err(broken_off)?;
                Ok(None)
            },
        ))
    }

    /// `false`: the source is not what was stored.
    async fn remove(&self, stored: Stored) -> Result<bool, End> {
        let present = self.owner.engine.stat(&self.moving.source).await?;
        let Some(present) = present else {
            self.handle.advance(1, 0);
            return Ok(true);
        };
        if !stored.is_of(&present) {
            return Ok(false);
        }
        let ends = Ends::of(self.owner, &self.moving.source, &self.moving.destination).await?;
        // The copy has the record of the move.
        let record = Record {
            id: 0,
            ..record(self.context, "fs/move", 204, 0)
        };
        let (source, size) = (self.moving.source.clone(), present.size);
        let is_removed = self
            .owner
            .remove_object_that_is(ends.from, ends.from_container, source, present, record)
            .await?;
        if is_removed {
            self.handle.advance(1, size);
        }
        Ok(is_removed)
    }
}

/// What is in the way of a body whose job is to end.
fn broken_off(end: End) -> Error {
    match end {
        End::Failed(error) => error,
        End::Cancelled | End::Stopped => Error::unavailable("the job is to end", None),
    }
}

/// What the object is stored by.
fn put(moving: &ObjectMove, source: &ObjectAttributes, if_absent: bool) -> Put {
    Put {
        path: moving.destination.clone(),
        content_type: Some(source.content_type.clone()),
        content_length: Some(source.size),
        etag: (!source.is_unhashed()).then(|| source.etag.as_str().into()),
        if_absent,
        delete_at: source.delete_at,
        properties: source.properties.clone(),
        listing: source.listing.clone(),
    }
}
