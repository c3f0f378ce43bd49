//! PUT.

use std::sync::Arc;

use common::functional::Context;
use common::functional::mirror::Node;
use common::functional::object::{Put, Stored};
use common::{Body, Error, Outcome, Timestamp};

use super::body::receive;
use super::{Superseded, is_expired};
use crate::account::uncancelled;
use crate::engine::{Decide, EngineError, Staged};
use crate::journal::Action;
use crate::mirror_feed::object_row;
use crate::node::{ObjectAttributes, State, WriteId};
use crate::owner::{Account, Begun, Container, Owner, footprint, object_node, record};

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
        let attributes = ObjectAttributes {
            id: begun.id,
            timestamp: context.timestamp,
            created: context.timestamp,
            size: received.size,
            modified: 0,
            etag: received.etag,
            content_type: put
                .content_type
                .clone()
                .unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
            delete_at: put.delete_at,
            properties: put.properties.clone(),
            listing: put.listing.clone(),
            state: present.map_or(State::Enabled, |present| present.state),
        };
        // The data and its announcement become durable side by side.
        let (staged, announced) = tokio::join!(stage.finish(attributes), begun.sync());
        let staged = staged?;
        announced?;
        let publish = Publish {
            owner: Arc::clone(self),
            account,
            container,
            begun,
            put,
            now: context.timestamp,
        };
        uncancelled(publish.run(staged)).await
    }
}

/// The second half of a PUT: from here on it is not given up half-way.
struct Publish {
    owner: Arc<Owner>,
    account: Arc<Account>,
    container: Arc<Container>,
    begun: Begun,
    put: Put,
    now: Timestamp,
}

impl Publish {
    async fn run(self, staged: Box<dyn Staged>) -> Result<Stored, Error> {
        let Self {
            owner,
            account,
            container,
            begun,
            put,
            now,
        } = self;
        let shared = container.lock.shared().await;
        let stripe = owner.stripes.lock(&put.path).await;
        if container.is_removed() {
            begun.abort();
            return Err(Error::not_found());
        }
        let attributes = staged.attributes().clone();
        let stored = |is_current| Stored {
            etag: attributes.etag.clone(),
            timestamp: attributes.timestamp,
            content_type: attributes.content_type.clone(),
            is_current,
        };
        let superseded = Superseded::default();
        let decide = decide(superseded.clone(), put.if_absent, now);
        let changed = match owner.engine.publish(&put.path, staged, decide).await {
            Ok(changed) => changed,
            Err(EngineError::Refused(_)) if superseded.happened() => {
                begun.abort();
                return Ok(stored(false));
            }
            Err(error) => return Err(begun.fail(&account, &put.path, error).await),
        };
        let new = changed.new.as_ref().unwrap_or(&attributes);
        let (name, object) = (put.path.container.clone(), put.path.object.clone());
        let node = Node::Object(name, object, Some(object_row(new)));
        let position = begun.commit(
            &account,
            changed.old.as_ref().map(footprint),
            Some(footprint(new)),
            node,
        )?;
        owner
            .tree_listing
            .note(&put.path.account, &put.path.container, &put.path.object, true);
        drop((stripe, shared));
        let (storage, journal) = tokio::join!(changed.unsynced.sync(), owner.journal.sync(position));
        storage?;
        journal?;
        Ok(stored(true))
    }
}

/// The last word before the rename: the precondition again, and whether a later write was first.
fn decide(superseded: Superseded, if_absent: bool, now: Timestamp) -> Decide {
    Box::new(move |present: Option<&ObjectAttributes>| match present {
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
