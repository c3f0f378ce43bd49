//! What a journal shares with the thread that writes it, and how much may be put into it.

use std::io;
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{Notify, watch};

use super::waiters::Waiters;
use super::{JournalError, Settings, Statistics};
use crate::failure_point::FailurePoints;
use crate::lease::Lease;
use crate::settings::Durability;

/// What may wait in memory to be written.
pub(super) const MAX_BUFFER: usize = 4 << 20;

/// On a full disk so much of the reserve is left to changes that were announced before.
const MARGIN: u64 = 1 << 20;

/// The log as its users and its writer see it.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    pub(super) wake: Condvar,
    /// Who waits for entries to become durable: every change does, twice.
    pub(super) waiters: Waiters,
    /// A file is full and the next one was begun.
    pub(super) rotated: Notify,
    /// What is waited for rarely.
    pub(super) progress: watch::Sender<Progress>,
    pub(super) maximum: u64,
    pub(super) reserve: u64,
    pub(super) durability: Durability,
    pub(super) failure_points: FailurePoints,
    pub(super) lease: Lease,
}

/// What of it changes.
#[derive(Debug)]
pub(super) struct State {
    /// Frames that the writer has not taken.
    pub(super) buffer: Vec<u8>,
    /// The position behind the last entry.
    pub(super) end: u64,
    /// The position of the oldest entry still kept.
    pub(super) oldest: u64,
    /// Somebody waits for everything below.
    pub(super) wanted: u64,
    /// Nobody needs anything below.
    pub(super) release: u64,
    /// On a full disk, what is left of the reserve.
    pub(super) full_disk: Option<u64>,
    pub(super) ending: Option<Ending>,
    /// Nothing can be written at present.
    pub(super) is_failing: bool,
    /// Why that is or last was so.
    pub(super) failure: Option<Arc<io::Error>>,
    pub(super) statistics: Statistics,
}

/// How its users let go of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Closed,
    Dropped,
}

/// How far the writer is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    pub(super) released: u64,
    pub(super) status: Status,
}

/// Whether it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Running,
    /// Nothing can be written at present.
    Failing,
    /// It ended without that having changed.
    Failed,
    Ended,
}

impl Shared {
    /// Of a log from its oldest entry to its end; on a full disk with what is left of the reserve.
    pub(super) fn new(settings: &Settings, (oldest, end): (u64, u64), full_disk: Option<u64>) -> Self {
        Self {
            state: Mutex::new(State {
                buffer: Vec::new(),
                end,
                oldest,
                wanted: 0,
                release: 0,
                full_disk,
                ending: None,
                is_failing: false,
                failure: None,
                statistics: Statistics::default(),
            }),
            wake: Condvar::new(),
            waiters: Waiters::new(end),
            rotated: Notify::new(),
            progress: watch::Sender::new(Progress {
                released: 0,
                status: Status::Running,
            }),
            maximum: settings.maximum.0,
            reserve: settings.reserve.0,
            durability: settings.durability,
            failure_points: settings.failure_points.clone(),
            lease: settings.lease.clone(),
        }
    }

    /// Whether an announcement of this length may be taken.
    pub(super) fn admit(&self, state: &State, length: usize, frees_space: bool) -> Result<(), JournalError> {
        if state.buffer.len() + length > MAX_BUFFER {
            return Err(JournalError::Busy);
        }
        let used = state.end - state.oldest + length as u64;
        let allowed = if frees_space {
            self.maximum.saturating_add(self.reserve)
        } else {
            self.maximum
        };
        let disk_allows = match state.full_disk {
            None => true,
            Some(left) => frees_space && left > MARGIN + (state.buffer.len() + length) as u64,
        };
        if used <= allowed && disk_allows {
            Ok(())
        } else {
            Err(JournalError::Full)
        }
    }

    pub(super) fn end(&self, ending: Ending) {
        self.state.lock().ending.get_or_insert(ending);
        self.wake.notify_one();
    }
}

impl Status {
    pub(super) const fn is_over(self) -> bool {
        matches!(self, Self::Failed | Self::Ended)
    }
}
