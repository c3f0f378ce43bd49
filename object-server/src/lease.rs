//! Whether this server may still change the storage.
//!
//! On a network file system a lock may be given away while its owner still believes to have it. So an owner has a *lease*
//! besides, which it renews about once a second in the storage itself; the storage's part of it is `engine/posix/leases.rs`.
//! Here is what everybody asks who is about to change something: whether the last renewal is recent enough. That is one
//! number, so asking costs one load and one look at the clock.
//!
//! * **Held**: renewed within [`Terms::expiry`], counted from when the renewal began.
//! * **Late**: not so. Nothing is changed until it is renewed; then all goes on.
//! * **Lost**: another server took over, or the lease was given back. For good.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{fmt, io};

use common::{Error, Outcome};
use parking_lot::{Condvar, Mutex};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// When clients may come back.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// So long the end of a server waits until its lease is given back.
const PATIENCE: Duration = Duration::from_secs(2);

/// Of a lease that needs no renewal.
const FOR_EVER: u64 = u64::MAX;
/// Of one that is lost.
const NEVER: u64 = 0;

/// How a lease is renewed, and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Between two renewals.
    pub renewal: Duration,
    /// An owner that has not renewed for so long changes nothing.
    pub expiry: Duration,
    /// Whoever takes over from another machine has seen no renewal for so long.
    pub takeover: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            renewal: Duration::from_secs(1),
            expiry: Duration::from_secs(5),
            takeover: Duration::from_secs(10),
        }
    }
}

/// The machine on which a server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// What its kernel was given when it started: processes with the same one have the same kernel, which knows for sure
    /// who holds a lock. Empty: nobody knows, and it is taken for another one's.
    pub kernel: String,
    pub(crate) clock: Ticks,
}

impl Default for Machine {
    fn default() -> Self {
        let kernel = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self {
            kernel: kernel.trim().to_owned(),
            clock: Ticks::default(),
        }
    }
}

/// Time that only goes forward, and also while the machine sleeps.
#[derive(Clone, Debug, Default)]
pub(crate) enum Ticks {
    #[default]
    SinceStart,
    #[cfg(test)]
    Manual(Arc<AtomicU64>),
}

impl Ticks {
    /// Nanoseconds since some moment.
    pub(crate) fn now(&self) -> u64 {
        match self {
            Self::SinceStart => {
                let now = clock_gettime(ClockId::Boottime);
                let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
                let rest = u64::try_from(now.tv_nsec).unwrap_or(0);
                seconds.saturating_mul(1_000_000_000).saturating_add(rest)
            }
            #[cfg(test)]
            Self::Manual(now) => now.load(Ordering::Acquire),
        }
    }
}

impl PartialEq for Ticks {
    /// All clocks of a machine are one.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Ticks {}

/// A lease. Clones are the same one; the default is that of a storage which nobody else can have.
#[derive(Clone)]
pub struct Lease(Arc<Inner>);

struct Inner {
    clock: Ticks,
    terms: Terms,
    /// Until when it is held.
    until: AtomicU64,
    /// Whether it was told that it is late.
    is_told: AtomicBool,
    stage: Mutex<Stage>,
    /// It was renewed or lost, or is to be given back.
    news: Condvar,
    /// The same for who must not block.
    told: watch::Sender<()>,
    is_lost: watch::Sender<bool>,
    is_ended: watch::Sender<bool>,
}

/// What whoever renews it is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Renewing,
    GivingBack,
    Ended,
}

/// Why nothing may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHeld {
    /// It was not renewed in time.
    #[error("the lease of the storage could not be renewed in time")]
    Late,
    /// Another server has the storage.
    #[error("another server has taken the storage over")]
    Lost,
}

impl From<NotHeld> for Error {
    fn from(why: NotHeld) -> Self {
        Self::unavailable(why, Some(RETRY_AFTER))
    }
}

impl Lease {
    /// One of which a renewal began at `begun`.
    pub(crate) fn new(terms: Terms, clock: Ticks, begun: u64) -> Self {
        let lease = Self::with(terms, clock, NEVER);
        lease.0.until.store(lease.end(begun), Ordering::Release);
        lease
    }

    fn with(terms: Terms, clock: Ticks, until: u64) -> Self {
        Self(Arc::new(Inner {
            clock,
            terms,
            until: AtomicU64::new(until),
            is_told: AtomicBool::new(false),
            stage: Mutex::new(Stage::Renewing),
            news: Condvar::new(),
            told: watch::Sender::new(()),
            is_lost: watch::Sender::new(false),
            is_ended: watch::Sender::new(until == FOR_EVER),
        }))
    }

    /// How it is renewed.
    pub(crate) fn terms(&self) -> Terms {
        self.0.terms
    }

    /// The time by which it is counted.
    pub(crate) fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// Whether the storage may be changed: to be asked directly before that.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self) -> Result<(), NotHeld> {
        let until = self.0.until.load(Ordering::Acquire);
        match until == FOR_EVER || self.0.clock.now() < until {
            true => Ok(()),
            false => Err(self.refuse(until)),
        }
    }

    #[cold]
    fn refuse(&self, until: u64) -> NotHeld {
        if until == NEVER {
            return NotHeld::Lost;
        }
        if !self.0.is_told.swap(true, Ordering::Relaxed) {
            tracing::error!(
                expiry = ?self.0.terms.expiry,
                "the lease of the storage could not be renewed in time: nothing is changed until it can"
            );
        }
        NotHeld::Late
    }

    /// The same in the midst of a change: whoever is late waits, at most `patience`, until the lease is renewed or lost. Blocks.
    ///
    /// # Errors
    /// The storage may not be changed.
    pub(crate) fn wait(&self, patience: Duration) -> Result<(), NotHeld> {
        let held = self.check();
        if held != Err(NotHeld::Late) {
            return held;
        }
        let mut stage = self.0.stage.lock();
        while self.check() == Err(NotHeld::Late) && !self.0.news.wait_for(&mut stage, patience).timed_out() {}
        drop(stage);
        self.check()
    }

    /// Waits until it is held, or lost: at once, unless it is late.
    ///
    /// # Errors
    /// It is lost.
    pub(crate) async fn held(&self) -> Result<(), NotHeld> {
        let mut told = self.0.told.subscribe();
        loop {
            match self.check() {
                // The sender lives as long as this lease does; what it tells before the waiting begins is not missed.
                Err(NotHeld::Late) => drop(told.changed().await),
                known => return known,
            }
        }
    }

    /// Whether a failure comes of its being late. It says so itself, as what the journal fails with does; and while it is late,
    /// whatever keeps it from being renewed is in the way of everything else in the storage, too.
    pub(crate) fn explains(&self, error: &Error) -> bool {
        matches!(error.outcome(), Outcome::Unavailable(_))
            && (is_behind(error) || self.check() == Err(NotHeld::Late))
    }

    /// Whether it is lost for good.
    pub(crate) fn is_lost(&self) -> bool {
        self.0.until.load(Ordering::Acquire) == NEVER
    }

    /// Waits until it is lost.
    pub(crate) async fn lost(&self) {
        let mut is_lost = self.0.is_lost.subscribe();
        // The sender lives as long as this lease does.
        let _ = is_lost.wait_for(|is_lost| *is_lost).await;
    }

    /// Gives it back, so that whoever comes next need not wait. Nothing is changed from now on.
    pub(crate) async fn give_back(&self) {
        let mut is_ended = self.0.is_ended.subscribe();
        self.advance(Stage::GivingBack);
        let ended = is_ended.wait_for(|is_ended| *is_ended);
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            tracing::warn!(
                "the lease of the storage could not be given back; who takes over from another machine waits"
            );
        }
    }
}

/// For whoever renews it.
impl Lease {
    /// It was renewed; the renewal began at `begun`.
    pub(crate) fn renewed(&self, begun: u64) {
        let end = self.end(begun);
        let renewing = self
            .0
            .until
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |until| {
                (until != NEVER).then_some(end)
            });
        if renewing.is_ok() && self.check().is_ok() && self.0.is_told.swap(false, Ordering::Relaxed) {
            tracing::warn!("the lease of the storage is renewed again, and nobody else had it: all goes on");
        }
        self.tell();
    }

    /// Another server has the storage, or this one gives it back.
    pub(crate) fn lose(&self) {
        self.0.until.store(NEVER, Ordering::Release);
        self.0.is_lost.send_replace(true);
        self.tell();
    }

    /// Goes on to a later stage.
    pub(crate) fn advance(&self, stage: Stage) {
        {
            let mut now = self.0.stage.lock();
            if *now != Stage::Ended {
                *now = stage;
            }
        }
        self.0.news.notify_all();
        if stage == Stage::Ended {
            self.0.is_ended.send_replace(true);
        }
    }

    /// Waits until the next renewal is due, or something else is to be done. Blocks.
    pub(crate) fn pause(&self) -> Stage {
        let mut stage = self.0.stage.lock();
        while *stage == Stage::Renewing && !self.0.news.wait_for(&mut stage, self.0.terms.renewal).timed_out()
        {
        }
        *stage
    }

    /// Until when a renewal holds that began at `begun`.
    fn end(&self, begun: u64) -> u64 {
        let expiry = u64::try_from(self.0.terms.expiry.as_nanos()).unwrap_or(FOR_EVER);
        // Neither of the two that have a meaning of their own.
        begun.saturating_add(expiry).clamp(NEVER + 1, FOR_EVER - 1)
    }

    fn tell(&self) {
        // Who is about to wait has looked before it was so.
        drop(self.0.stage.lock());
        self.0.news.notify_all();
        self.0.told.send_replace(());
    }
}

/// Whether a failure was caused by a lease that is not held.
fn is_behind(error: &Error) -> bool {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.is::<NotHeld>() {
            return true;
        }
        let shared = cause.downcast_ref::<Arc<io::Error>>().map(AsRef::as_ref);
        next = match shared.or(cause.downcast_ref::<io::Error>()) {
            // Its own source is what lies behind what it was made of.
            Some(error) => error.get_ref().map(|made_of| made_of as _),
            None => cause.source(),
        };
    }
    false
}

impl Default for Lease {
    fn default() -> Self {
        Self::with(Terms::default(), Ticks::default(), FOR_EVER)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Lease({:?})", self.check())
    }
}

impl PartialEq for Lease {
    /// Whether these are the same one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Lease {}
