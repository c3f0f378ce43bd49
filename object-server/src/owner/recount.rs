//! Counting what a container, and each limited directory in it, really holds, while it changes.
//!
//! A walk passes the objects in byte order of their names. What changes at a name that it has passed is added to its sum as
//! the commit says; a name ahead of it that changes is remembered, for the walk may have read that directory before. A name
//! is passed under its stripe, so no change of it is halfway; and each step is one under the ledger's lock. So at its end
//! the sum is exactly what the counters must say at that moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use common::name::{ContainerName, ObjectName};

use super::Limited;
use super::account::{Account, Ledger};
use crate::checkpoint::Count;
use crate::journal::Footprint;
use crate::node::NodePath;

/// More names ahead than this are not remembered; the counting then has to begin anew.
const MAX_AHEAD: usize = 100_000;

/// A counting under way, in the ledger of its account.
#[derive(Debug)]
pub(super) struct Counting {
    number: u64,
    container: ContainerName,
    /// The last name that was passed.
    passed: Option<ObjectName>,
    sum: Count,
    /// The directories that had limits when this began, with what was counted in each.
    limited: BTreeMap<ObjectName, (Arc<Limited>, Footprint)>,
    /// Names that changed ahead.
    ahead: BTreeSet<ObjectName>,
    /// What was counted is not all: a directory moved, or too much changed.
    is_broken: bool,
}

/// The hand of who counts; dropping it ends the counting.
#[derive(Debug)]
pub(crate) struct Recount {
    account: Arc<Account>,
    number: u64,
}

/// What a step of the walk comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is counted.
    Passed,
    /// This name is to be passed first: it changed after its directory was read.
    First(ObjectName),
}

/// What was counted, beside what the counters said at the same moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// What is there.
    pub(crate) there: Count,
    /// What the counters said.
    pub(crate) counters: Count,
    /// The limited directories in which something else is than was said, with both.
    pub(crate) limited: Vec<(ObjectName, Footprint, Footprint)>,
}

impl Counting {
    fn change(&mut self, path: &NodePath, old: Option<Footprint>, new: Option<Footprint>) {
        let NodePath::Object(container, object) = path else {
            return;
        };
        if *container != self.container {
            return;
        }
        if self.passed.as_ref().is_some_and(|passed| object <= passed) {
            self.add(object, old.unwrap_or_default(), new.unwrap_or_default());
        } else if self.ahead.len() < MAX_AHEAD {
            self.ahead.insert(object.clone());
        } else {
            self.is_broken = true;
        }
    }

    fn add(&mut self, object: &ObjectName, old: Footprint, new: Footprint) {
        let Count { objects, bytes } = &mut self.sum;
        *objects = objects.saturating_add(new.objects).saturating_sub(old.objects);
        *bytes = bytes.saturating_add(new.bytes).saturating_sub(old.bytes);
        if self.limited.is_empty() {
            return;
        }
        let name = object.as_str();
        for (slash, _) in name.match_indices('/') {
            if let Some((_, sum)) = self.limited.get_mut(&name[..=slash]) {
                *sum = sum.plus(new).less(old);
            }
        }
    }
}

impl Ledger {
    /// Tells whoever counts of a change.
    pub(super) fn tell_countings(&mut self, path: &NodePath, old: Option<Footprint>, new: Option<Footprint>) {
        for counting in &mut self.countings {
            counting.change(path, old, new);
        }
    }

    /// A directory of this container came, went or moved: what a walk passes there is not all there is.
    pub(super) fn break_countings(&mut self, container: &ContainerName) {
        for counting in &mut self.countings {
            counting.is_broken |= counting.container == *container;
        }
    }
}

impl Account {
    /// Begins to count what a container holds.
    pub(crate) fn recount(self: &Arc<Self>, container: &ContainerName) -> Recount {
        let mut ledger = self.ledger.lock();
        let number = ledger.countings.iter().map(|of| of.number + 1).max().unwrap_or(0);
        let limited = ledger.limited.of(container).into_iter();
        let limited = limited.map(|(name, limited)| (name, (limited, Footprint::default())));
        let limited = limited.collect();
        ledger.countings.push(Counting {
            number,
            container: container.clone(),
            passed: None,
            sum: Count::default(),
            limited,
            ahead: BTreeSet::new(),
            is_broken: false,
        });
        drop(ledger);
        Recount {
            account: Arc::clone(self),
            number,
        }
    }
}

impl Recount {
    /// Passes a name, which holds this. The caller holds its stripe since before it looked.
    pub(crate) fn pass(&self, name: &ObjectName, holds: Footprint) -> Step {
        let step = self.with(|counting, _| {
            if let Some(first) = counting.ahead.first()
                && first < name
            {
                return Step::First(first.clone());
            }
            counting.ahead.remove(name);
            // Passed before, when it was found to have changed; its changes since then are in.
            if counting.passed.as_ref().is_none_or(|passed| name > passed) {
                counting.add(name, Footprint::default(), holds);
                counting.passed = Some(name.clone());
            }
            Step::Passed
        });
        step.unwrap_or(Step::Passed)
    }

    /// A name that is to be passed although the walk has come to its end.
    pub(crate) fn left(&self) -> Option<ObjectName> {
        self.with(|counting, _| counting.ahead.first().cloned()).flatten()
    }

    /// Ends the counting, and has the counters say what is there where `mend` says so. `None`: it could not be counted, as
    /// directories moved meanwhile.
    pub(crate) fn end(self, mend: bool) -> Option<Counted> {
        let mut ledger = self.account.ledger.lock();
        let at = ledger.countings.iter().position(|of| of.number == self.number)?;
        let counting = ledger.countings.swap_remove(at);
        if counting.is_broken {
            return None;
        }
        let present = ledger.limited.of(&counting.container);
        let mut limited = Vec::new();
        for (name, (directory, there)) in counting.limited {
            // One that got its limits meanwhile was counted for that.
            let is_present = present.get(&name).is_some_and(|of| Arc::ptr_eq(of, &directory));
            let used = directory.used();
            if is_present && used != there {
                if mend {
                    directory.correct(there);
                }
                limited.push((name, there, used));
            }
        }
        let counted = Counted {
            there: counting.sum,
            counters: ledger.counters.container(&counting.container),
            limited,
        };
        if mend && counted.there != counted.counters {
            ledger.counters.correct(&counting.container, counted.there);
        }
        ledger.is_dirty |= mend && (counted.there != counted.counters || !counted.limited.is_empty());
        Some(counted)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Counting, &Self) -> T) -> Option<T> {
        let mut ledger = self.account.ledger.lock();
        let counting = ledger.countings.iter_mut().find(|of| of.number == self.number)?;
        Some(look(counting, self))
    }
}

impl Drop for Recount {
    fn drop(&mut self) {
        self.account
            .ledger
            .lock()
            .countings
            .retain(|of| of.number != self.number);
    }
}

#[cfg(test)]
mod tests;
