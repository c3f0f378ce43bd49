//! An object in memory: being written, written, being read.

use bytes::{Bytes, BytesMut};
use common::Body;
use common::functional::object::Path;
use common::range::ByteRange;

use super::Memory;
use super::container::next_identity;
use crate::engine::{Changed, EngineError, EngineFuture, Publication, Reader, Stage};
use crate::node::ObjectAttributes;

#[derive(Clone, Debug)]
pub(super) struct Object {
    /// Of the data, whatever name it has.
    pub(super) identity: u64,
    pub(super) attributes: ObjectAttributes,
    pub(super) data: Bytes,
}

pub(super) struct MemoryStage {
    pub(super) memory: Memory,
    pub(super) data: BytesMut,
}

pub(super) struct MemoryReader(pub(super) Bytes);

impl Stage for MemoryStage {
    fn write(&mut self, bytes: Bytes) -> EngineFuture<'_, ()> {
        self.data.extend_from_slice(&bytes);
        Box::pin(async { Ok(()) })
    }

    fn publish(
        self: Box<Self>,
        path: Path,
        mut publication: Box<dyn Publication>,
    ) -> EngineFuture<'static, Changed> {
        Box::pin(async move {
            let present = self.memory.object(&path).map(|object| object.attributes);
            let mut attributes = publication.attributes(present.as_ref())?;
            attributes.size = self.data.len() as u64;
            attributes.modified = 0;
            if !publication.is_ready()? {
                publication.ready().await?;
            }
            let object = Object {
                identity: next_identity(),
                attributes,
                data: self.data.freeze(),
            };
            let published = self.memory.within(&path, |container| {
                let old = container.objects.get(path.object.as_str());
                let old = old.map(|old| old.attributes.clone());
                publication.decide(old.as_ref())?;
                let new = Some(object.attributes.clone());
                container.objects.insert(path.object.as_str().into(), object);
                let changed = Changed { old, new };
                publication.committed(&changed);
                Ok(changed)
            });
            published.ok_or(EngineError::NoContainer)?
        })
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
