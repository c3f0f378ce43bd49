//! Renewing the lease of a storage, on a thread of its own: whatever else waits for the disk does not keep it.

use super::claim::Claim;
use super::leases::{Content, Leases};
use crate::engine::EngineError;
use crate::failure_point::FailurePoints;
use crate::lease::{Lease, Machine, NotHeld, Stage, Terms};

/// The lease of a storage. Dropping it ends the renewal as the end of the process would.
#[derive(Debug)]
pub(super) struct Renewal(Lease);

impl Renewal {
    /// Begins to renew what was taken.
    pub(super) fn start(
        claim: Claim,
        machine: &Machine,
        terms: Terms,
        points: FailurePoints,
    ) -> Result<Self, EngineError> {
        let lease = Lease::new(terms, machine.clock.clone(), claim.begun);
        let renewing = Renewing {
            leases: claim.leases,
            content: claim.content,
            machine: machine.clone(),
            lease: lease.clone(),
            next: None,
            points,
            is_failing: false,
        };
        let thread = std::thread::Builder::new().name("lease".into());
        thread.spawn(move || renewing.run())?;
        Ok(Self(lease))
    }

    pub(super) fn lease(&self) -> &Lease {
        &self.0
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        self.0.advance(Stage::Ended);
    }
}

/// What the thread has.
struct Renewing {
    leases: Leases,
    /// What stands in the lease that is its own.
    content: Content,
    machine: Machine,
    lease: Lease,
    /// The next one, when it was tried to make that: it may have been made all the same.
    next: Option<Content>,
    points: FailurePoints,
    /// It was told that the last renewal failed.
    is_failing: bool,
}

/// What came of a renewal.
enum Renewed {
    Done,
    /// Another server has the storage.
    Lost,
}

impl Renewing {
    fn run(mut self) {
        loop {
            match self.lease.pause() {
                Stage::Renewing => {}
                Stage::GivingBack => break self.give_back(),
                Stage::Ended => return,
            }
            let begun = self.lease.now();
            match self.renew() {
                Ok(Renewed::Done) => {
                    self.is_failing = false;
                    self.lease.renewed(begun);
                }
                Ok(Renewed::Lost) => {
                    tracing::error!(
                        "another server has taken the storage over: this one changes nothing any more"
                    );
                    self.lease.lose();
                    break;
                }
                Err(error) if self.is_failing => {
                    tracing::debug!(%error, "the lease of the storage still cannot be renewed");
                }
                Err(error) => {
                    tracing::warn!(%error, "the lease of the storage could not be renewed; it is tried again");
                    self.is_failing = true;
                }
            }
        }
        self.lease.advance(Stage::Ended);
    }

    fn renew(&mut self) -> Result<Renewed, EngineError> {
        self.points.hit("lease:before_renewal")?;
        // Who is late may have been taken over without that being seen yet: making the next one says it for sure.
        if self.lease.check() == Err(NotHeld::Late) {
            return self.succeed();
        }
        let Some(bytes) = self.leases.read(self.content.number)? else {
            return self.succeed();
        };
        match Content::decode(&bytes) {
            Some(found) if found.token != self.content.token => return Ok(Renewed::Lost),
            _ => {}
        }
        self.content.renew();
        // Written, and only then looked whether it is followed: who follows does it the other way round.
        match self.leases.write(&self.content)? && self.leases.numbers()?.last() == Some(&self.content.number)
        {
            true => Ok(Renewed::Done),
            false => self.succeed(),
        }
    }

    /// Takes the next number, as whoever takes over would: only one can.
    fn succeed(&mut self) -> Result<Renewed, EngineError> {
        let next = match self.next.take() {
            Some(next) => next,
            None => Content {
                follows: self.content.follows,
                ..Content::new(self.content.number + 1, &self.machine, self.lease.terms())?
            },
        };
        let next = &*self.next.insert(next);
        if !self.leases.make(next)? {
            let made = self.leases.latest()?;
            let made = made.and_then(|made| Content::decode(&made.bytes));
            if made.is_none_or(|made| made.token != next.token) {
                return Ok(Renewed::Lost);
            }
        }
        self.content.clone_from(next);
        self.next = None;
        self.leases.remove_before(self.content.number)?;
        Ok(Renewed::Done)
    }

    /// Says that whoever comes next need not wait, if it is still so.
    fn give_back(&mut self) {
        let is_own = self.lease.check().is_ok();
        self.lease.lose();
        if !is_own {
            return;
        }
        self.content.renew();
        self.content.is_over = true;
        if let Err(error) = self.leases.write(&self.content) {
            tracing::warn!(%error, "the lease of the storage could not be given back; who takes over from another machine waits");
        }
    }
}
