//! Going on with what an earlier process had built.
//!
//! What its mark reaches is durable and whole, but it is a copy of the source as it was then. So it is not taken on trust: the walk
//! goes over the source from its beginning, a directory of the build loses what is not in the source any more and what lies
//! behind the mark, and of an object it is asked whether its copy is as one that is made now would be. If so that is not made again.
//! What a move or a removal did meanwhile is thus seen as by a copying that begins now, although nobody watched.
//!
//! The mark stays true on the way: what is changed before it is durable at once, and at every moment whole.

use super::build::revise;
use super::{Build, Copying, Mark};
use crate::engine::{Child, EngineError, Placing};
use crate::jobs::End;
use crate::node::ObjectAttributes;

impl Build<'_> {
    /// Whether this child of a directory was copied before a restart, if it was there.
    pub(super) fn is_resumed_behind(&self, directory: &str, segment: &str) -> bool {
        let reaches = |mark: &Mark| mark.reaches(directory, segment);
        self.resumed.as_ref().is_some_and(reaches)
    }
}

impl Copying<'_> {
    /// Leaves in a directory that was begun before a restart only what is durable and still in the source.
    pub(super) async fn trim(
        &self,
        build: &Build<'_>,
        directory: &str,
        children: &[Child],
        is_explicit: bool,
    ) -> Result<(), End> {
        let reached = |mark: &Mark| mark.reached(directory, children);
        let kept = build.resumed.as_ref().map(reached).unwrap_or_default();
        let engine = &self.owner.engine;
        self.owner
            .insist(self.handle, || {
                engine.trim_build(build.id, directory, kept.clone(), is_explicit)
            })
            .await
    }

    /// The copy of an object that may have been made before a restart, made again when it is not as it would be now.
    pub(super) async fn renew(&self, build: &Build<'_>, name: &str) -> Result<Option<ObjectAttributes>, End> {
        if let Some(kept) = self.kept(build, name).await? {
            return Ok(Some(kept));
        }
        let copied = self.copy_whole(build, name, Placing::Settled).await?;
        if copied.is_none() {
            let engine = &self.owner.engine;
            self.owner
                .insist(self.handle, || engine.remove_built_object(build.id, name))
                .await?;
        }
        Ok(copied)
    }

    /// The copy of an object, when it is there as it should be.
    async fn kept(&self, build: &Build<'_>, name: &str) -> Result<Option<ObjectAttributes>, End> {
        let engine = &self.owner.engine;
        let Some(copy) = engine.built_object(build.id, name).await? else {
            return Ok(None);
        };
        let source = match engine.stat(&self.source(name)?).await {
            Ok(Some(source)) => source,
            Ok(None) | Err(EngineError::NoContainer) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Whoever copies it is told what stands against that.
        let expected = revise(copy.id, self.context.timestamp)(&source);
        Ok(expected
            .ok()
            .filter(|expected| is_same(expected, &copy))
            .map(|_| copy))
    }
}

/// Whether one is a copy as the other says; when its data was written is the storage's own business.
fn is_same(expected: &ObjectAttributes, copy: &ObjectAttributes) -> bool {
    let expected = ObjectAttributes {
        modified: copy.modified,
        ..expected.clone()
    };
    expected == *copy
}
