//! How much a body may still bring.

use std::sync::Arc;

use common::name::ObjectName;
use common::{Error, Outcome};

use crate::journal::Footprint;
use crate::node::ObjectAttributes;
use crate::owner::{Account, Container, Reservation, footprint};

/// An upload without a length holds room in steps of so many bytes.
const STEP: u64 = 1 << 20;

/// What an upload may bring: as much as an object may be large, and as much as there is room for.
#[derive(Debug)]
pub(super) struct Allowance {
    /// The body may grow to so much without another question.
    granted: u64,
    /// The largest object.
    limit: u64,
    reservation: Option<Arc<Reservation>>,
    /// What the object replaces, as it was when the upload began.
    replaced: Footprint,
}

impl Allowance {
    pub(super) fn new(
        limit: u64,
        account: &Arc<Account>,
        container: &Arc<Container>,
        name: &ObjectName,
    ) -> Self {
        let is_limited = container.standing().is_limited();
        Self {
            granted: limit,
            limit,
            reservation: is_limited.then(|| Reservation::new(account, container, name)),
            replaced: Footprint::default(),
        }
    }

    /// Whether there is a limit to be asked for.
    pub(super) fn is_limited(&self) -> bool {
        self.reservation.is_some()
    }

    /// Holds the room that is known to be needed before the body is read: for all of it, when its length is known.
    ///
    /// # Errors
    /// 413 when there is none.
    pub(super) fn reserve(
        &mut self,
        present: Option<&ObjectAttributes>,
        length: Option<u64>,
    ) -> Result<(), Error> {
        let Some(reservation) = &self.reservation else {
            return Ok(());
        };
        self.replaced = counted(present);
        reservation.hold(self.growth(length.unwrap_or(0)))?;
        if length.is_none() {
            self.granted = self.replaced.bytes.min(self.limit);
        }
        Ok(())
    }

    /// The body is `size` bytes by now.
    ///
    /// # Errors
    /// 413 when that is too much.
    pub(super) fn admit(&mut self, size: u64) -> Result<(), Error> {
        match size <= self.granted {
            true => Ok(()),
            false => self.extend(size),
        }
    }

    fn extend(&mut self, size: u64) -> Result<(), Error> {
        if size > self.limit {
            return Err(Outcome::TooLarge.into());
        }
        if let Some(reservation) = &self.reservation {
            let wish = size.saturating_add(STEP - 1).min(self.limit);
            let growth = reservation.hold_up_to(self.growth(wish), self.growth(size))?;
            self.granted = self.replaced.bytes.saturating_add(growth.bytes).min(self.limit);
        }
        Ok(())
    }

    /// The body ended at `size` bytes: what was held beyond goes back.
    ///
    /// # Errors
    /// 413 when a limit was lowered meanwhile.
    pub(super) fn end(&self, size: u64) -> Result<(), Error> {
        match &self.reservation {
            Some(reservation) => reservation.hold(self.growth(size)),
            None => Ok(()),
        }
    }

    pub(super) fn into_reservation(self) -> Option<Arc<Reservation>> {
        self.reservation
    }

    fn growth(&self, size: u64) -> Footprint {
        Footprint {
            objects: 1,
            bytes: size,
        }
        .less(self.replaced)
    }
}

/// What an object of `size` bytes adds in the place of `present`.
pub(super) fn growth(present: Option<&ObjectAttributes>, size: u64) -> Footprint {
    Footprint {
        objects: 1,
        bytes: size,
    }
    .less(counted(present))
}

/// What the counters know of.
fn counted(present: Option<&ObjectAttributes>) -> Footprint {
    present.map(footprint).unwrap_or_default()
}
