//! Taking the lease of a storage whose lock was obtained, at once or when its last owner has let it run out.

use std::sync::Arc;
use std::time::Duration;

use common::Clock;
use parking_lot::Mutex;

use super::leases::{Content, Found, Leases};
use crate::engine::EngineError;
use crate::lease::{Machine, Terms};

/// What whoever tries again and again has seen of a lease so far. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Mutex<Option<Seen>>>);

#[derive(Debug)]
struct Seen {
    /// `None`: there was none, though there had been some.
    found: Option<Found>,
    /// By the clock of this machine.
    since: u64,
}

/// A lease that was taken.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) leases: Leases,
    pub(super) content: Content,
    /// When it was begun to make it.
    pub(super) begun: u64,
}

impl Claim {
    /// Takes the lease, for one who holds the lock.
    ///
    /// # Errors
    /// [`EngineError::Leased`] while another one has it, or may have it.
    pub(super) fn take(
        leases: Leases,
        is_new: bool,
        machine: &Machine,
        terms: Terms,
        watched: &Watched,
    ) -> Result<Self, EngineError> {
        let found = leases.latest()?;
        let last = found.as_ref().and_then(|found| Content::decode(&found.bytes));
        let is_free = match &last {
            Some(last) => last.is_over || is_same_kernel(&last.kernel, &machine.kernel),
            None => is_new && found.is_none(),
        };
        if !is_free {
            watched.wait(&found, last.as_ref(), machine, terms)?;
        }
        let begun = machine.clock.now();
        let number = match &found {
            Some(found) => found.number + 1,
            None if is_new => 1,
            // Greater than any that was removed.
            None => Clock::now().units(),
        };
        let mut content = Content::new(number, machine, terms)?;
        // Who took over may have ended before all had heard of it.
        content.follows = !is_free || last.is_some_and(|last| last.follows && !last.is_over);
        if !leases.make(&content)? {
            return Err(EngineError::Leased("another process was quicker".to_owned()));
        }
        if let Some(found) = found.as_ref().filter(|_| !is_free) {
            // An owner writes, and then looks whether it is followed; here it is the other way round: one of both sees the other.
            if leases.read(found.number)?.as_ref() != Some(&found.bytes) {
                leases.remove(number)?;
                return Err(EngineError::Leased(
                    "it was renewed at the last moment".to_owned(),
                ));
            }
        }
        leases.remove_before(number)?;
        if !is_free {
            tracing::warn!(number, "the lease of the storage ran out, and was taken over");
        }
        Ok(Self {
            leases,
            content,
            begun,
        })
    }
}

impl Watched {
    /// Whether this lease was seen for as long as it takes to be over, and was not renewed.
    fn wait(
        &self,
        found: &Option<Found>,
        last: Option<&Content>,
        machine: &Machine,
        terms: Terms,
    ) -> Result<(), EngineError> {
        let now = machine.clock.now();
        let takeover = last.map_or(0, |last| last.takeover);
        let takeover = terms.takeover.max(Duration::from_millis(takeover));
        let mut seen = self.0.lock();
        match &*seen {
            Some(before) if before.found == *found => {
                if Duration::from_nanos(now.saturating_sub(before.since)) >= takeover {
                    return Ok(());
                }
            }
            before => {
                tell(before.is_some(), last, takeover);
                *seen = Some(Seen {
                    found: found.clone(),
                    since: now,
                });
            }
        }
        let whose = last.map_or("somebody", |last| last.host.as_str());
        Err(EngineError::Leased(format!(
            "{whose} owned the storage and has not given it back; it is taken over when its lease was not renewed for {takeover:?}"
        )))
    }
}

fn tell(again: bool, last: Option<&Content>, takeover: Duration) {
    let (host, process) = match last {
        Some(last) => (last.host.as_str(), last.process.0),
        None => ("unknown", 0),
    };
    if again {
        tracing::warn!(
            host,
            process,
            "the lease of the storage is renewed though its lock is free: the lock is not to be trusted here; waiting anew"
        );
    } else {
        tracing::warn!(
            host,
            process,
            ?takeover,
            "the storage was owned from another machine, and not given back: waiting until its lease is not renewed for so long"
        );
    }
}

/// Whether two processes have one kernel. Nobody has one that is not known.
fn is_same_kernel(one: &str, other: &str) -> bool {
    !one.is_empty() && one == other
}
