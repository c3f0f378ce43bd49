//! Giving the copy its place.

use std::sync::Arc;

use common::Error;

use super::super::operation::{Announced, Built, Operation};
use super::super::rename::Rename;
use super::super::totals::briefly;
use super::{Build, Complete, Copying, Ends, Locks};
use crate::jobs::{End, Waiting};
use crate::journal::{Footprint, Position};
use crate::owner::{Container, Renaming, record};
use crate::tree::look;

/// What came of an attempt.
pub(super) enum Attached {
    /// It has its place. The locks under which that was done may still be held.
    Done(Option<Locks>),
    /// It has not, as the copy may have missed a change of the source.
    SourceChanged,
}

impl Copying<'_> {
    /// What fails has changed nothing.
    pub(super) async fn attach(&mut self, build: &Build<'_>) -> Result<Attached, End> {
        let Build { ends, copied, .. } = build;
        // Refusals and the mirror's coming up to date need no locks: others go on meanwhile.
        self.replaced(ends).await?;
        if self.copy.moves {
            self.owner.reach_mirror(&ends.from, &self.context).await?;
        }
        let complete = Complete {
            build: build.id,
            objects: copied.footprint.objects,
            bytes: copied.footprint.bytes,
        };
        self.note(self.copy.mark.clone(), Some(complete));
        self.owner.keep_job(self.handle).await?;
        let locks = self.lock_let_through(ends).await?;
        if self.copy.moves {
            if build.watch.saw_changes() {
                return Ok(Attached::SourceChanged);
            }
            briefly(self.found_source(ends)).await?;
        }
        look::check_enabled(&ends.from, &look::node(&self.copy.source))?;
        let (replaced, replaces) = briefly(self.replaced(ends)).await?;
        build.reservation.hold(copied.footprint.less(replaced))?;
        let position = self.make(build, replaced, replaces).await?;
        match self.owner.journal.sync(position).await {
            Ok(()) => Ok(Attached::Done(Some(locks))),
            Err(error) => {
                drop(locks);
                self.acknowledged(position, error).await?;
                Ok(Attached::Done(None))
            }
        }
    }

    /// It is durable in storage, and waits until the journal says so. Without that the next start finds it out.
    async fn acknowledged(&self, position: Position, mut error: Error) -> Result<(), End> {
        let mut waiting = Waiting::decided(self.owner, self.handle);
        loop {
            if let Err(end) = waiting.after(error).await {
                tracing::error!(
                    ?end,
                    "the journal does not say that a copy was attached; a restart will"
                );
                return Err(End::Stopped);
            }
            match self.owner.journal.sync(position).await {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
    }

    /// The same locks, with the guards' word that what was asked for may be done: nothing they decide by has changed when they are
    /// held.
    async fn lock_let_through(&mut self, ends: &Ends) -> Result<Locks, End> {
        let decided_under = ends.generations();
        let asked = self.owner.ask_last(self.handle).await;
        self.handle.check()?;
        self.context = asked?;
        let locks = self.lock(ends).await?;
        match ends.generations() == decided_under {
            true => Ok(locks),
            false => Err(Error::unavailable("account or container was changed just now", None).into()),
        }
    }

    /// The containers that change, in the order of their names.
    pub(super) async fn lock(&self, ends: &Ends) -> Result<Locks, Error> {
        let mut order: Vec<(&str, &Arc<Container>)> = vec![(ends.to.name.as_str(), &ends.to_container)];
        if self.copy.moves {
            order.push((ends.from.name.as_str(), &ends.from_container));
        }
        order.sort_unstable_by_key(|(account, container)| (*account, container.name.as_str()));
        let mut locks = Locks::new();
        for (_, container) in order {
            locks.extend(look::lock(std::slice::from_ref(container)).await?);
        }
        Ok(locks)
    }

    /// What bears the name, and whether anything does.
    async fn replaced(&self, ends: &Ends) -> Result<(Footprint, bool), Error> {
        let (copy, context) = (&self.copy, &self.context);
        let present = self.owner.look_at_destination(copy, ends, context).await?;
        let Some(present) = present else {
            return Ok((Footprint::default(), false));
        };
        let replaced = match present.footprint() {
            Some(known) => known,
            None => self.owner.totals(&ends.to, &copy.destination, context).await?,
        };
        Ok((replaced, true))
    }

    /// Has the engine do it. Answers what to sync.
    async fn make(&self, build: &Build<'_>, replaced: Footprint, replaces: bool) -> Result<Position, End> {
        let Build { ends, copied, .. } = build;
        let (owner, source, destination) = (self.owner, &self.copy.source, &self.copy.destination);
        let known = owner.engine.built(build.id).await?;
        let identity = known.ok_or_else(nothing_built)?.identity;
        let result = if replaces { 204 } else { 201 };
        let operation = Operation {
            rename: Rename {
                from: None,
                to: Some(look::node(destination)),
            },
            identity,
            moved: copied.footprint,
            replaced,
            built: Some(Built {
                source: format!("{}/{}/{}", source.account, source.container, source.object).into(),
                longest: copied.longest,
            }),
            record: Arc::new(record(&self.context, self.copy.action(), result, 0)),
        };
        let announced = owner.announce_as(build.id, &ends.to, operation).await?;
        let changed = std::slice::from_ref(&ends.to_container);
        let renaming = Renaming::of(changed);
        let made = self.attach_announced(build, announced).await;
        ends.to.note_limited(changed);
        owner
            .tree_listing
            .forget_container(&destination.account, &destination.container);
        drop(renaming);
        made
    }

    async fn attach_announced(&self, build: &Build<'_>, announced: Announced) -> Result<Position, End> {
        let (owner, account) = (self.owner, &build.ends.to);
        let attached = owner
            .engine
            .attach(build.id, &self.copy.destination, announced.id, Box::new(|| ()))
            .await;
        let error = match attached {
            Ok(true) => {
                return announced.commit(account, None).map_err(|error| {
                    tracing::error!(%error, "the journal does not say that a copy was attached; a restart will");
                    End::Stopped
                });
            }
            Ok(false) => {
                announced.abort();
                return Err(nothing_built().into());
            }
            Err(error) => announced.fail(account, None, error).await,
        };
        match owner.engine.built(build.id).await {
            Ok(Some(_)) => Err(error.into()),
            Ok(None) => Ok(owner.journal.position()),
            Err(unknown) => {
                tracing::error!(%unknown, "nobody knows what became of a copy; a restart will");
                Err(End::Stopped)
            }
        }
    }
}

fn nothing_built() -> Error {
    Error::internal("the copy is not there")
}
