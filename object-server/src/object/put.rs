//! PUT.

use std::sync::Arc;

use common::functional::Context;
use common::functional::object::{Put, Stored};
use common::{Body, Error, Outcome, Timestamp};

use super::body::{Received, receive};
use super::change::{Change, Verb};
use super::{Superseded, check_enabled, is_expired};
use crate::account::uncancelled;
use crate::engine::Decide;
use crate::journal::Action;
use crate::node::{ObjectAttributes, State, WriteId};
use crate::owner::{Owner, footprint, object_node, record};

/// Of a name that has no known ending.
const UNKNOWN_TYPE: &str = "application/octet-stream";

impl Owner {
    pub(crate) async fn put_object(
        self: &Arc<Self>,
        put: Put,
        context: &Context,
        body: Body,
    ) -> Result<Stored, Error> {
        let path = &put.path;
        let (account, container, body) = self.admit(&path.account, &path.container, context, body).await?;
        let present = self.engine.stat(path).await?;
        present.as_ref().map_or(Ok(()), check_enabled)?;
        if put.if_absent
            && present
                .as_ref()
                .is_some_and(|present| !is_expired(present, context.timestamp))
        {
            return Err(Outcome::PreconditionFailed(None).into());
        }
        let limit = self.constraints.max_file_size.0;
        if put.content_length.is_some_and(|length| length > limit) {
            return Err(Outcome::TooLarge.into());
        }
        let mut stage = self
            .engine
            .stage(&path.account, &path.container, put.content_length)
            .await?;
        let received = receive(body, stage.as_mut(), put.content_length, limit).await?;
        if put
            .etag
            .as_ref()
            .is_some_and(|expected| !expected.eq_ignore_ascii_case(received.etag.as_str()))
        {
            return Err(Outcome::Unprocessable.into());
        }
        let begun = self.begin(
            &account,
            Action::Put,
            object_node(&path.container, &path.object),
            present.as_ref().map(footprint),
            record(context, "object/put", 201, received.size),
        )?;
        let attributes = attributes(&put, received, begun.id, context.timestamp);
        // The data and its announcement become durable side by side.
        let (staged, announced) = tokio::join!(stage.finish(attributes), begun.sync());
        let staged = staged?;
        announced?;
        let attributes = staged.attributes();
        let stored = Stored {
            etag: attributes.etag.clone(),
            timestamp: attributes.timestamp,
            content_type: attributes.content_type.clone(),
            is_current: true,
        };
        let superseded = Superseded::default();
        let decide = decide(superseded.clone(), put.if_absent, context.timestamp);
        let change = Change {
            owner: Arc::clone(self),
            account,
            container,
            path: put.path,
            begun,
        };
        match uncancelled(change.carry_out(Verb::Publish(staged, decide))).await {
            Err(_) if superseded.happened() => Ok(Stored {
                is_current: false,
                ..stored
            }),
            Err(error) => Err(error),
            Ok(_) => Ok(stored),
        }
    }
}

fn attributes(put: &Put, received: Received, id: WriteId, timestamp: Timestamp) -> ObjectAttributes {
    let content_type = put.content_type.as_deref().unwrap_or(UNKNOWN_TYPE);
    ObjectAttributes {
        id,
        timestamp,
        created: timestamp,
        size: received.size,
        modified: 0,
        etag: received.etag,
        content_type: content_type.to_owned(),
        delete_at: put.delete_at,
        properties: put.properties.clone(),
        listing: put.listing.clone(),
        // What is switched off is not overwritten, so whatever is replaced has the same state.
        state: State::Enabled,
    }
}

/// The last word before the rename: the switch and the precondition again, and whether a later write was first.
fn decide(superseded: Superseded, if_absent: bool, now: Timestamp) -> Decide {
    Box::new(move |present: Option<&ObjectAttributes>| match present {
        Some(present) if present.state == State::Disabled => Err(Outcome::Disabled.into()),
        Some(present) if if_absent && !is_expired(present, now) => {
            Err(Outcome::PreconditionFailed(None).into())
        }
        // A file that was put there by other means has no write of ours to be later than.
        Some(present) if present.created >= now && present.id != WriteId::default() => {
            Err(superseded.refuse())
        }
        _ => Ok(()),
    })
}
