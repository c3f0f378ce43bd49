//! Room under limits, held by changes that are under way.
//!
//! A change that makes something larger holds the room it needs, from before its body is read until it is committed:
//! what is there and what is on its way never exceed a limit together. What is held stands beside the counters under
//! the same lock, the ledger's, and a commit turns the one into the other in one step. Dropping a reservation gives
//! back what it still holds.
//!
//! What a change frees is held, too, until the change is durable: what stands in its place must not come on top of it
//! when a power cut brings it back.
//!
//! A reservation holds room in each limited node above an object: now account and container. Where none of them has a
//! limit there is no reservation.

use std::sync::Arc;

use common::quota::Limits;
use common::{Error, Outcome};
use parking_lot::Mutex;

use super::account::{Account, Container, Ledger};
use crate::journal::Footprint;

const EXCEEDED: &str = "Upload exceeds quota.";

/// The limits of one node, and what changes under way hold of its room. Looked at and changed under the ledger's lock
/// only.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) limits: Limits,
    held: Footprint,
}

impl Room {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            held: Footprint::default(),
        }
    }

    /// Whether `growth` may be held instead of `held`, where `used` is there. What does not grow always may, however
    /// much there is.
    fn takes(&self, growth: Footprint, held: Footprint, used: Footprint) -> bool {
        let takes = |limit: Option<u64>, growth: u64, others: u64, used: u64| {
            growth == 0
                || limit.is_none_or(|limit| used.saturating_add(others).saturating_add(growth) <= limit)
        };
        let others = self.held.less(held);
        takes(self.limits.bytes, growth.bytes, others.bytes, used.bytes)
            && takes(self.limits.objects, growth.objects, others.objects, used.objects)
    }

    fn exchange(&mut self, old: Footprint, new: Footprint) {
        self.held = self.held.less(old).plus(new);
    }
}

/// The room that one change holds.
#[derive(Debug)]
pub(crate) struct Reservation {
    account: Arc<Account>,
    container: Arc<Container>,
    /// Whether what comes into the container comes into the account, too.
    in_account: bool,
    held: Mutex<Footprint>,
}

impl Reservation {
    /// Holds nothing yet.
    pub(crate) fn new(account: &Arc<Account>, container: &Arc<Container>) -> Arc<Self> {
        Self::of(account, container, true)
    }

    /// The same for what is moved there from another container of the account.
    pub(crate) fn in_container(account: &Arc<Account>, container: &Arc<Container>) -> Arc<Self> {
        Self::of(account, container, false)
    }

    fn of(account: &Arc<Account>, container: &Arc<Container>, in_account: bool) -> Arc<Self> {
        Arc::new(Self {
            account: Arc::clone(account),
            container: Arc::clone(container),
            in_account,
            held: Mutex::default(),
        })
    }

    /// Holds just this from now on.
    ///
    /// # Errors
    /// 413 when there is no room for it; then what was held still is.
    pub(crate) fn hold(&self, growth: Footprint) -> Result<(), Error> {
        self.hold_up_to(growth, growth).map(|_| ())
    }

    /// Holds `wish` from now on, or only `need` when there is no room for more; answers which.
    ///
    /// # Errors
    /// As of [`hold`](Self::hold).
    pub(crate) fn hold_up_to(&self, wish: Footprint, need: Footprint) -> Result<Footprint, Error> {
        let ledger = &mut *self.account.ledger.lock();
        let mut held = self.held.lock();
        let mut room = self.container.room.lock();
        let (totals, used) = (
            ledger.counters.totals(),
            ledger.counters.container(&self.container.name),
        );
        let totals = Footprint {
            objects: totals.objects,
            bytes: totals.bytes,
        };
        let used = Footprint {
            objects: used.objects,
            bytes: used.bytes,
        };
        let growth = [wish, need].into_iter().find(|&growth| {
            let takes_account = !self.in_account || ledger.room.takes(growth, *held, totals);
            takes_account && room.takes(growth, *held, used)
        });
        let Some(growth) = growth else {
            return Err(Error::new(Outcome::TooLarge).with_text(EXCEEDED));
        };
        if self.in_account {
            ledger.room.exchange(*held, growth);
        }
        room.exchange(*held, growth);
        *held = growth;
        Ok(growth)
    }

    /// The change is counted: what it brought stands in the counters, and what it freed is held until the change is
    /// durable and this value gone.
    pub(super) fn settle(&self, ledger: &mut Ledger, old: Option<Footprint>, new: Option<Footprint>) {
        let freed = old.unwrap_or_default().less(new.unwrap_or_default());
        self.exchange(ledger, freed);
    }

    /// Gives back what is held.
    pub(crate) fn release(&self) {
        self.exchange(&mut self.account.ledger.lock(), Footprint::default());
    }

    fn exchange(&self, ledger: &mut Ledger, new: Footprint) {
        let mut held = self.held.lock();
        if self.in_account {
            ledger.room.exchange(*held, new);
        }
        self.container.room.lock().exchange(*held, new);
        *held = new;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if *self.held.get_mut() != Footprint::default() {
            self.release();
        }
    }
}

#[cfg(test)]
mod tests;
