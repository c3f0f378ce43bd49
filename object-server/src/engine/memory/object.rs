//! An object in memory: being written, written, being read.

use bytes::{Bytes, BytesMut};
use common::Body;
use common::range::ByteRange;

use crate::engine::{EngineFuture, Reader, Stage, Staged};
use crate::node::ObjectAttributes;

#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) attributes: ObjectAttributes,
    pub(super) data: Bytes,
}

#[derive(Default)]
pub(super) struct MemoryStage(BytesMut);

pub(super) struct StagedObject(pub(super) Object);

pub(super) struct MemoryReader(pub(super) Bytes);

impl Stage for MemoryStage {
    fn write(&mut self, bytes: Bytes) -> EngineFuture<'_, ()> {
        self.0.extend_from_slice(&bytes);
        Box::pin(async { Ok(()) })
    }

    fn finish(self: Box<Self>, mut attributes: ObjectAttributes) -> EngineFuture<'static, Box<dyn Staged>> {
        attributes.size = self.0.len() as u64;
        attributes.modified = 0;
        let object = Object {
            attributes,
            data: self.0.freeze(),
        };
        Box::pin(async { Ok(Box::new(StagedObject(object)) as Box<dyn Staged>) })
    }
}

impl Staged for StagedObject {
    fn attributes(&self) -> &ObjectAttributes {
        &self.0.attributes
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
}

impl Reader for MemoryReader {
    fn into_body(self: Box<Self>, ranges: Option<Vec<ByteRange>>) -> Body {
        let Some(ranges) = ranges else {
            return Body::full(self.0);
        };
        let part = |range: ByteRange| -> Option<&[u8]> {
            let (first, last) = (
                usize::try_from(range.first).ok()?,
                usize::try_from(range.last).ok()?,
            );
            self.0.get(first..=last)
        };
        let parts: Vec<u8> = ranges.into_iter().filter_map(part).flatten().copied().collect();
        Body::full(parts)
    }
}
