//! PUT.

use std::pin::Pin;
use std::sync::Arc;

use common::functional::Context;
use common::functional::object::{Put, Stored};
use common::{Body, Error, Outcome, Timestamp};

use super::body::{Received, receive};
use super::change::Change;
use super::room::Allowance;
use super::{Superseded, check_enabled, is_expired};
use crate::account::uncancelled;
use crate::engine::{Changed, Publication};
use crate::journal::{Action, Record};
use crate::node::{ObjectAttributes, State, WriteId};
use crate::owner::{Owner, record};

/// A body of more bytes is not asked for in vain.
const LONG: u64 = 1 << 20;
/// Of a name that has no known ending.
const UNKNOWN_TYPE: &str = "application/octet-stream";

impl Owner {
    pub(crate) async fn put_object(
        self: &Arc<Self>,
        put: Put,
        context: &Context,
        body: Body,
    ) -> Result<Stored, Error> {
        let recorded = |bytes| record(context, "object/put", 201, bytes);
        self.store_object(put, context, body, recorded).await
    }

    /// The same, of so many bytes, with a record of its own.
    pub(crate) async fn store_object(
        self: &Arc<Self>,
        put: Put,
        context: &Context,
        body: Body,
        recorded: impl FnOnce(u64) -> Record + Send,
    ) -> Result<Stored, Error> {
        let path = &put.path;
        // Before its body is read in vain.
        self.lease.check()?;
        let (account, container, body) = self.admit(&path.account, &path.container, context, body).await?;
        let limit = self.constraints.max_file_size.0;
        if put.content_length.is_some_and(|length| length > limit) {
            return Err(Outcome::TooLarge.into());
        }
        let mut allowance = Allowance::new(limit, &account, &container, &path.object);
        // Whoever publishes looks at what is there in any case; before a long body a look is cheap, and may spare it.
        let is_long = put.content_length.is_none_or(|length| length > LONG);
        if put.if_absent || is_long || allowance.is_limited() {
            let present = self.engine.stat(path).await?;
            may_replace(present.as_ref(), put.if_absent, context.timestamp)?;
            allowance.reserve(present.as_ref(), put.content_length)?;
        }
        let mut stage = self
            .engine
            .stage(&path.account, &path.container, put.content_length)
            .await?;
        let received = receive(body, stage.as_mut(), put.content_length, &mut allowance).await?;
        if put
            .etag
            .as_ref()
            .is_some_and(|expected| !expected.eq_ignore_ascii_case(received.etag.as_str()))
        {
            return Err(Outcome::Unprocessable.into());
        }
        let stored = Stored {
            etag: received.etag.clone(),
            timestamp: context.timestamp,
            content_type: put
                .content_type
                .clone()
                .unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
            is_current: true,
        };
        let reservation = allowance.into_reservation();
        let change = Change::new(self, account, container, put.path.clone(), reservation);
        let superseded = Superseded::default();
        let path = put.path.clone();
        let publication = Box::new(Publishing {
            change: change.clone(),
            put,
            record: recorded(received.size),
            received,
            superseded: superseded.clone(),
            now: context.timestamp,
        });
        let published = uncancelled(async move {
            let changed = stage.publish(path, publication).await;
            change.finish(changed.map(Some)).await
        });
        match published.await {
            Err(_) if superseded.happened() => Ok(Stored {
                is_current: false,
                ..stored
            }),
            Err(error) => Err(error),
            Ok(_) => Ok(stored),
        }
    }
}

/// What the engine asks while it makes a file of what has arrived.
struct Publishing {
    change: Change,
    put: Put,
    received: Received,
    record: Record,
    superseded: Superseded,
    now: Timestamp,
}

impl Publication for Publishing {
    fn attributes(&mut self, present: Option<&ObjectAttributes>) -> Result<ObjectAttributes, Error> {
        present.map_or(Ok(()), check_enabled)?;
        let id = self.change.announce(Action::Put, present, self.record.clone())?;
        let content_type = self.put.content_type.as_deref().unwrap_or(UNKNOWN_TYPE);
        Ok(ObjectAttributes {
            id,
            timestamp: self.now,
            created: self.now,
            size: self.received.size,
            modified: 0,
            etag: self.received.etag.clone(),
            content_type: content_type.to_owned(),
            delete_at: self.put.delete_at,
            properties: std::mem::take(&mut self.put.properties),
            listing: self.put.listing.take(),
            // What is switched off is not overwritten, so whatever is replaced has the same state.
            state: State::Enabled,
            counted: None,
        })
    }

    fn is_ready(&mut self) -> Result<bool, Error> {
        self.change.try_lock()
    }

    fn ready(&mut self) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send + '_>> {
        Box::pin(self.change.lock())
    }

    /// The switch and the precondition again, whether a later write was first, and whether there is room for what this
    /// one adds to what it really replaces.
    fn decide(&mut self, present: Option<&ObjectAttributes>) -> Result<(), Error> {
        may_replace(present, self.put.if_absent, self.now)?;
        // A file that was put there by other means has no write of ours to be later than.
        if present.is_some_and(|present| present.created >= self.now && present.id != WriteId::default()) {
            return Err(self.superseded.refuse());
        }
        self.change.found(present);
        self.change.hold_room(present, self.received.size)
    }

    fn committed(&mut self, changed: &Changed) {
        self.change.commit(changed);
    }
}

/// Whether the switch and the precondition allow it.
fn may_replace(present: Option<&ObjectAttributes>, if_absent: bool, now: Timestamp) -> Result<(), Error> {
    let Some(present) = present else {
        return Ok(());
    };
    check_enabled(present)?;
    match if_absent && !is_expired(present, now) {
        true => Err(Outcome::PreconditionFailed(None).into()),
        false => Ok(()),
    }
}
