//! What becomes of the source of a move, once its copy has its place.

use common::functional::object::Path;
use common::name::ObjectName;
use common::{Clock, Error};

use super::super::totals::briefly;
use super::{Copying, Ends, Locks, RETRIES, RETRY, is_temporary};
use crate::engine::EngineError;
use crate::jobs::{End, Waiting};
use crate::journal::{Footprint, Record};
use crate::node::ObjectAttributes;
use crate::owner::record;
use crate::tree::look;
use crate::walk::{Met, Walk};

impl Copying<'_> {
    /// What storage knows the source by, and what it holds.
    pub(super) async fn found_source(&self, ends: &Ends) -> Result<(u64, Footprint), Error> {
        let present = self.owner.look_at_source(&self.copy, ends, &self.context).await?;
        let removed = match present.footprint() {
            Some(known) => known,
            None => {
                let totals = self.owner.totals(&ends.from, &self.copy.source, &self.context);
                totals.await?
            }
        };
        Ok((present.identity(), removed))
    }

    /// Takes the source out of the tree: under the locks under which its copy was attached, or, when these are not held any more,
    /// only if it is as its copy is. Nobody can take that back.
    pub(super) async fn remove_source(&self, ends: &Ends, mut locks: Option<Locks>) -> Result<(), End> {
        let mut waiting = Waiting::decided(self.owner, self.handle);
        for _ in 0..RETRIES {
            let held = match locks.take() {
                Some(held) => held,
                None => match self.locked_unchanged_source(ends).await? {
                    Some(held) => held,
                    None => return Ok(()),
                },
            };
            let removed = self.detach_source(ends).await;
            // Nobody else is kept waiting meanwhile.
            drop(held);
            let Err(error) = removed else {
                return Ok(());
            };
            match waiting.after(error).await {
                Ok(()) => {}
                Err(End::Failed(error)) if is_temporary(&error) => {
                    self.handle.unless_stopped(tokio::time::sleep(RETRY)).await?;
                }
                Err(End::Failed(error)) => return Err(kept(&error.to_string()).into()),
                Err(end) => return Err(end),
            }
        }
        Err(kept("it could not be removed for too long").into())
    }

    /// The caller holds the lock of its container.
    async fn detach_source(&self, ends: &Ends) -> Result<(), Error> {
        let found = briefly(self.found_source(ends)).await?;
        // The copy has the record of the move.
        let record = Record {
            id: 0,
            ..record(&self.context, self.copy.action(), 204, 0)
        };
        let position = self
            .owner
            .detach_locked(&ends.from, &ends.from_container, &self.copy.source, found, record)
            .await?;
        self.owner.journal.sync(position).await
    }

    /// The locks under which the source, which is as its copy is, can be removed; `None`: it was.
    async fn locked_unchanged_source(&self, ends: &Ends) -> Result<Option<Locks>, End> {
        let watch = ends.from.watch(look::node(&self.copy.source));
        ends.from_container.renames().await;
        if self.owner.present(&self.copy.source).await?.is_none() {
            return Ok(None);
        }
        let is_same = self.is_copied(ends).await?;
        let locks = self.lock(ends).await?;
        match is_same && !watch.saw_changes() {
            true => Ok(Some(locks)),
            false => Err(kept("it, or its copy, was changed since").into()),
        }
    }

    /// Whether all that lies in the source lies in the copy, as it was copied.
    async fn is_copied(&self, ends: &Ends) -> Result<bool, End> {
        let engine = self.owner.engine.as_ref();
        let (account, container) = (&ends.from.name, &ends.from_container.name);
        let mut walk = Walk::within(engine, account, container, &self.copy.source.object);
        while let Some(met) = walk.next().await? {
            self.handle.check_stopped()?;
            let is_same = match met {
                Met::Directory(path, _) => {
                    let copy = engine.directory(&self.copy_of(&path)?).await;
                    or_nothing(copy)?.is_some_and(|copy| copy.explicit.is_some())
                }
                Met::Object(_, source) if source.delete_at.is_some_and(|at| at <= Clock::now()) => true,
                Met::Object(path, source) => {
                    let copy = engine.stat(&self.copy_of(&path)?).await;
                    or_nothing(copy)?.is_some_and(|copy| self.is_copy(&copy, &source))
                }
            };
            if !is_same {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_copy(&self, copy: &ObjectAttributes, source: &ObjectAttributes) -> bool {
        let said = |of: &ObjectAttributes| {
            (
                of.size,
                of.etag.clone(),
                of.content_type.clone(),
                of.delete_at,
                of.properties.clone(),
                of.listing.clone(),
            )
        };
        copy.timestamp == self.context.timestamp && !source.is_unhashed() && said(copy) == said(source)
    }

    /// What bears this name in the copy.
    fn copy_of(&self, path: &Path) -> Result<Path, Error> {
        let rest = path
            .object
            .as_str()
            .strip_prefix(self.copy.source.object.as_str());
        let name = format!("{}{}", self.copy.destination.object, rest.unwrap_or_default());
        Ok(Path {
            object: ObjectName::new(name).map_err(|error| Error::bad_request(error.to_string()))?,
            ..self.copy.destination.clone()
        })
    }
}

fn or_nothing<T>(found: Result<Option<T>, EngineError>) -> Result<Option<T>, EngineError> {
    match found {
        Err(EngineError::NoContainer) => Ok(None),
        found => found,
    }
}

/// What is told when the source stays although its copy is there.
fn kept(why: &str) -> Error {
    let text = format!("The copy is complete, but the source was kept: {why}.");
    Error::conflict(text)
}
