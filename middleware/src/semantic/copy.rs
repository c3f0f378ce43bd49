//! `copy`: takes `object/copy` apart into a GET of the source and a PUT of the destination, body streamed between.
//!
//! Follows Swift's "Server Side Copy" middleware. Both halves are the caller's own requests and pass the guards, so a
//! copy needs the right to read there and to write here. Conditions and ranges of the request are the source's.
//!
//! The copy has the source's metadata, stored headers and expiry, overridden one by one by what the request says,
//! unless `X-Fresh-Metadata` leaves them behind; the content type is the source's when the request names none.

use std::sync::Arc;

use common::config::Config;
use common::constraints::Constraints;
use common::functional::{Action, Reply, Request, ask, object};
use common::range::ByteRange;
use common::service::FunctionalService;
use common::{Body, Error, Outcome, Properties, Timestamp};

use crate::filter::{FunctionalFilter, functional};
use crate::registry::Context;

/// Headers that say what the source's bytes mean; the copy is plain bytes.
const NOT_CARRIED: [&str; 2] = ["x-object-manifest", "x-static-large-object"];

/// Builds the filter around `inner`; nothing about it can be set.
pub fn build(_config: &mut Config, context: &mut Context, inner: FunctionalService) -> FunctionalService {
    let constraints = Arc::clone(&context.constraints);
    functional(Copy { constraints, inner })
}

struct Copy {
    constraints: Arc<Constraints>,
    inner: FunctionalService,
}

impl FunctionalFilter for Copy {
    fn inner(&self) -> &FunctionalService {
        &self.inner
    }

    fn concerns(&self, request: &Request) -> bool {
        matches!(request.action, Action::ObjectCopy(_))
    }

    async fn handle(&self, request: Request) -> Result<Reply, Error> {
        match request.action {
            Action::ObjectCopy(copy) => self.copy(copy, request.context).await,
            action => self.inner.handle(Request { action, ..request }).await,
        }
    }
}

impl Copy {
    async fn copy(&self, copy: object::Copy, context: common::functional::Context) -> Result<Reply, Error> {
        let object::Copy {
            source,
            destination,
            fresh_metadata,
        } = copy;
        let path = source.path.clone();
        let mut reading = context.clone();
        reading.is_inner = true;
        let (got, body) = ask(&self.inner, source, reading, Body::empty()).await?;
        let length = length_of(&got);
        if length > self.constraints.max_file_size.0 {
            return Err(Outcome::TooLarge.into());
        }
        let put = self.put_of(&got, length, destination, fresh_metadata, context.timestamp)?;
        let (properties, delete_at) = (put.properties.clone(), put.delete_at);
        let (stored, _) = ask(&self.inner, put, context, body).await?;
        Ok(Reply::new(common::functional::Answer::ObjectCopy(
            object::Copied {
                stored,
                source: path,
                source_info: got.info,
                properties,
                delete_at,
            },
        )))
    }

    fn put_of(
        &self,
        got: &object::Got,
        length: u64,
        destination: object::Put,
        fresh_metadata: bool,
        now: Timestamp,
    ) -> Result<object::Put, Error> {
        let source = &got.info;
        let mut put = destination;
        put.content_length = Some(length);
        put.content_type = put
            .content_type
            .filter(|named| !named.is_empty())
            .or_else(|| Some(source.content_type.clone()));
        if got.ranges.is_none() && is_plain(&source.properties) && !source.etag.is_unknown() {
            put.etag = Some(source.etag.to_string());
        }
        if !fresh_metadata {
            put.properties = merged(&source.properties, &put.properties);
            put.delete_at = put.delete_at.or(source.delete_at);
            self.constraints
                .check_metadata(&put.properties, "x-object-meta-")?;
        }
        if put.delete_at.is_some_and(|delete_at| delete_at <= now) {
            return Err(Error::bad_request("X-Delete-At in past"));
        }
        Ok(put)
    }
}

fn length_of(got: &object::Got) -> u64 {
    match &got.ranges {
        Some(ranges) => ranges.iter().fold(0, |sum: u64, range: &ByteRange| {
            sum.saturating_add(range.length())
        }),
        None => got.info.size,
    }
}

/// Whether the etag is the MD5 of the bytes that a GET answers.
fn is_plain(properties: &Properties) -> bool {
    NOT_CARRIED.iter().all(|name| properties.value(name).is_none())
}

fn merged(source: &Properties, request: &Properties) -> Properties {
    let mut together = source.clone();
    for name in NOT_CARRIED {
        together.remove(name);
    }
    for (name, value) in request {
        together.insert(name, value.clone());
    }
    together
}

#[cfg(test)]
mod tests;
