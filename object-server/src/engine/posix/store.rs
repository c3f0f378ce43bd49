//! What all jobs of one engine share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::fd::OwnedFd;
use tokio::time::Instant;

use super::build::Builds;
use super::descriptors::Descriptors;
use super::fresh::Fresh;
use super::kept::Kept;
use super::probe::{self, Abilities};
use super::room::Room;
use super::root::{self, Root};
use super::stripes::Stripes;
use super::trash::Held;
use super::trouble::Trouble;
use crate::engine::EngineError;
use crate::engine::posix::Settings;
use crate::failure_point::FailurePoints;
use crate::lease::Lease;
use crate::settings::Durability;

/// How long an answer about the root's identity holds.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Store {
    root: Root,
    abilities: Abilities,
    durability: Durability,
    stripes: Stripes,
    fresh: Fresh,
    descriptors: Descriptors,
    kept: Kept,
    held: Held,
    builds: Builds,
    room: Arc<Room>,
    points: FailurePoints,
    next_number: AtomicU64,
    started: Instant,
    /// Milliseconds after `started` at which the root is looked at again.
    next_check: AtomicU64,
    is_available: AtomicBool,
}

impl Store {
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<Self, EngineError> {
        let root = Root::open(path, settings)?;
        let abilities = probe::probe(&root.path, &root.temporary)?;
        Self::new(root, abilities, settings)
    }

    /// A store that uses no more than these abilities of the file system.
    pub(super) fn new(root: Root, abilities: Abilities, settings: &Settings) -> Result<Self, EngineError> {
        Ok(Self {
            root,
            abilities,
            durability: settings.durability,
            stripes: Stripes::new(),
            fresh: Fresh::default(),
            descriptors: Descriptors::default(),
            kept: Kept::default(),
            held: Held::default(),
            builds: Builds::default(),
            room: Arc::default(),
            points: settings.failure_points.clone(),
            next_number: AtomicU64::new(root::random()?),
            started: Instant::now(),
            next_check: AtomicU64::new(0),
            is_available: AtomicBool::new(true),
        })
    }

    /// Fails while the root is not the one that was opened. One caller a second looks, the others believe it.
    pub(super) async fn available(self: &Arc<Self>) -> Result<(), EngineError> {
        let now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let due = self.next_check.load(Ordering::Relaxed);
        let interval = u64::try_from(CHECK_INTERVAL.as_millis()).unwrap_or(u64::MAX);
        if now >= due {
            let next = now.saturating_add(interval);
            if self
                .next_check
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                let store = Arc::clone(self);
                let checked = super::blocking(move || store.root.check()).await;
                self.is_available.store(checked.is_ok(), Ordering::Relaxed);
                return checked;
            }
        }
        if self.is_available.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(EngineError::Unavailable(format!(
            "{} is not there",
            self.root.path.display()
        )))
    }

    /// What the identity file of the root holds.
    pub(super) fn identity(&self) -> String {
        self.root.identity()
    }

    /// A number no node bears: the name of something new.
    pub(super) fn unused_number(&self) -> u64 {
        self.next_number.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn unused_name(&self) -> String {
        format!("{:016x}", self.unused_number())
    }

    pub(super) fn is_durable(&self) -> bool {
        self.durability == Durability::Durable
    }

    pub(super) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    pub(super) fn stripes(&self) -> &Stripes {
        &self.stripes
    }

    pub(super) fn fresh(&self) -> &Fresh {
        &self.fresh
    }

    pub(super) fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }

    pub(super) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// What is not to be reaped yet.
    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    /// Memory for bodies.
    pub(super) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// A step is done at which tests interfere.
    pub(super) fn pass(&self, point: &str) -> Result<(), Trouble> {
        Ok(self.points.hit(point)?)
    }

    /// The same of a step that is about to change what everybody sees, and with which a change begins.
    pub(super) fn change(&self, point: &str) -> Result<(), Trouble> {
        self.pass(point)?;
        self.may_change()
    }

    /// Refuses a change when another server may have the storage.
    pub(super) fn may_change(&self) -> Result<(), Trouble> {
        Ok(self.lease().check().map_err(EngineError::from)?)
    }

    /// The same in the midst of a change: it is neither given up nor gone on with before it is known who has the storage; but
    /// not waited for without end.
    pub(super) fn go_on(&self, point: &str) -> Result<(), Trouble> {
        self.pass(point)?;
        let held = self.lease().wait(self.lease().terms().takeover);
        // No refusal: something may have changed.
        Ok(held.map_err(|why| EngineError::Unavailable(why.to_string()))?)
    }

    /// Whether the storage may be changed.
    pub(super) fn lease(&self) -> &Lease {
        self.root.renewal.lease()
    }

    pub(super) fn is_takeover(&self) -> bool {
        self.root.is_takeover
    }

    pub(super) fn root(&self) -> &OwnedFd {
        &self.root.directory
    }

    pub(super) fn temporary(&self) -> &OwnedFd {
        &self.root.temporary
    }

    pub(super) fn overflow(&self) -> &OwnedFd {
        &self.root.overflow
    }

    pub(super) fn accounts(&self) -> &OwnedFd {
        &self.root.accounts
    }

    pub(super) fn trash(&self) -> &OwnedFd {
        &self.root.trash
    }

    /// Where directories are built.
    pub(super) fn build(&self) -> &OwnedFd {
        &self.root.build
    }

    /// What is known of those.
    pub(super) fn builds(&self) -> &Builds {
        &self.builds
    }

    pub(super) fn quarantined(&self) -> &OwnedFd {
        &self.root.quarantine
    }

    pub(super) fn private(&self) -> PathBuf {
        self.root.private()
    }
}
