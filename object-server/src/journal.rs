#![doc = include_str!("journal/README.md")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::config::Size;

use crate::durable;
use crate::failure_point::FailurePoints;
use crate::lease::Lease;
use crate::settings::Durability;

mod entry;
mod error;
mod frame;
mod lock;
mod pressure;
mod recovery;
mod replay;
mod reserve;
mod segment;
mod shared;
mod waiters;
mod writer;

#[cfg(test)]
mod tests;

pub use entry::{Action, Attachment, Detachment, Entry, Footprint, Kind, Move, Record, Repeat};
pub use error::JournalError;
pub use replay::Replay;
use reserve::Reserve;
use shared::{Ending, Progress, Shared, Status};
use writer::Writer;

/// A file grows by so much at a time.
const MAX_AHEAD: usize = 1 << 20;

/// The place of an entry in the log; later entries have greater ones, also across restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(u64);

impl Position {
    /// A place behind the beginning of the entry here, and not behind that of any later one.
    pub(crate) const fn behind(self) -> Self {
        Self(self.0 + 1)
    }
}

/// How a journal behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How large it may grow.
    pub maximum: Size,
    /// What a DELETE may use beyond that, also on a full disk.
    pub reserve: Size,
    /// About how large one file is; at most an eighth of the maximum is used.
    pub segment: Size,
    /// Whether what is acknowledged survives a power cut.
    pub durability: Durability,
    /// Where tests make it fail.
    pub failure_points: FailurePoints,
    /// Whether it may be written.
    pub lease: Lease,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            maximum: Size(256 << 20),
            reserve: Size(16 << 20),
            segment: Size(16 << 20),
            durability: Durability::Durable,
            failure_points: FailurePoints::default(),
            lease: Lease::default(),
        }
    }
}

/// What a journal did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Entries taken.
    pub entries: u64,
    /// Batches written.
    pub writes: u64,
    /// Batches synced.
    pub syncs: u64,
    /// Bytes of the log at present.
    pub bytes: u64,
}

/// The log of one server. Dropping it loses what was not synced, as the end of the process would; see
/// [`close`](Self::close).
#[derive(Debug)]
pub struct Journal {
    shared: Arc<Shared>,
    directory: PathBuf,
}

impl Journal {
    /// Opens or makes the log in `directory` and gives what it still holds. Blocks.
    ///
    /// # Errors
    /// When another process uses it, a file cannot be read or written, or is damaged elsewhere than at its end.
    pub fn open(directory: &Path, settings: &Settings) -> Result<(Self, Replay), JournalError> {
        durable::make_directory(directory).map_err(|error| JournalError::io(directory, error))?;
        let lock = lock::lock(directory)?;
        let found = replay::open(directory, &settings.lease)?;
        let reserve = Reserve::open(directory, settings.reserve.0)
            .map_err(|error| JournalError::io(&directory.join("reserve"), error))?;
        let (oldest, end) = (found.bases.first().copied().unwrap_or(0), found.last.end());
        let full_disk = (!reserve.is_whole()).then(|| reserve.left());
        let shared = Arc::new(Shared::new(settings, (oldest, end), full_disk));
        let segment_size = settings.segment.0.min(settings.maximum.0 / 8);
        let writer = Writer {
            shared: Arc::clone(&shared),
            directory: directory.to_owned(),
            segment: found.last,
            bases: found.bases.into(),
            segment_size,
            ahead: usize::try_from(segment_size).map_or(MAX_AHEAD, |size| size.min(MAX_AHEAD)),
            reserve,
            batch: Vec::new(),
            released: 0,
            is_last_attempt: false,
            lock,
        };
        let thread = std::thread::Builder::new().name("journal".into());
        thread
            .spawn(move || writer.run())
            .map_err(|error| JournalError::io(directory, error))?;
        let directory = directory.to_owned();
        Ok((Self { shared, directory }, found.entries))
    }

    /// Puts an entry at the end of the log, in memory. What ends an announced change is always taken, also while nothing can be
    /// written: storage shows it already.
    ///
    /// # Errors
    /// When the log or its buffer is full, it is closed, or nothing can be written.
    pub fn append(&self, entry: &Entry) -> Result<Position, JournalError> {
        self.append_within(entry, false)
    }

    /// The same for what frees space: it may use the reserve.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_reserved(&self, entry: &Entry) -> Result<Position, JournalError> {
        self.append_within(entry, true)
    }

    fn append_within(&self, entry: &Entry, frees_space: bool) -> Result<Position, JournalError> {
        let frame = frame::encode(entry).map_err(|error| JournalError::Entry(error.to_string()))?;
        let mut state = self.shared.state.lock();
        if state.ending.is_some() {
            return Err(JournalError::Closed);
        }
        if !entry.kind.is_end() {
            if let Some(failure) = state.failure.as_ref().filter(|_| state.is_failing) {
                return Err(JournalError::Failed(Arc::clone(failure)));
            }
            self.shared.admit(&state, frame.len(), frees_space)?;
        }
        let position = Position(state.end);
        state.end += frame.len() as u64;
        state.buffer.extend_from_slice(&frame);
        state.statistics.entries += 1;
        Ok(position)
    }

    /// Waits until the entry at `through`, and with it all before, is durable.
    ///
    /// # Errors
    /// 503 when it is not, or not before the lease is renewed: the change must not be acknowledged.
    pub async fn sync(&self, through: Position) -> Result<(), common::Error> {
        let target = self.want(through);
        if self.shared.waiters.wait(target).await {
            return Ok(());
        }
        Err(self.failure())
    }

    /// Begins to make the entry at `through` durable; [`sync`](Self::sync) then has less to wait for.
    pub fn request(&self, through: Position) {
        self.want(through);
    }

    /// Whether the entry at `through`, and with it all before, is durable.
    pub fn is_durable(&self, through: Position) -> bool {
        self.shared.waiters.is_durable(through.0.saturating_add(1))
    }

    fn want(&self, through: Position) -> u64 {
        let target = {
            let mut state = self.shared.state.lock();
            let target = through.0.saturating_add(1).min(state.end);
            if state.wanted >= target {
                return target;
            }
            state.wanted = target;
            target
        };
        self.shared.wake.notify_one();
        target
    }

    /// Nobody needs what is before `up_to`: files that hold nothing else are removed.
    ///
    /// # Errors
    /// 503 while nothing can be written; it is made up for afterwards.
    pub async fn release(&self, up_to: Position) -> Result<(), common::Error> {
        let target = {
            let mut state = self.shared.state.lock();
            state.release = state.release.max(up_to.0.min(state.end));
            state.release
        };
        self.shared.wake.notify_one();
        let is_hopeless = |status| status != Status::Running;
        self.wait(|progress| progress.released >= target, is_hopeless)
            .await
    }

    /// Reads again what is durable from `from` on, or from the oldest entry that is still kept: some of it, and where
    /// to read on. Blocks.
    ///
    /// # Errors
    /// When a file cannot be read, or is damaged.
    pub fn read(&self, from: Position) -> Result<(Replay, Position), JournalError> {
        let durable = self.shared.waiters.durable();
        let (entries, next) = replay::read(&self.directory, from.0, durable)?;
        Ok((entries, Position(next)))
    }

    /// Where the oldest entry is that is still kept.
    pub fn oldest(&self) -> Position {
        Position(self.shared.state.lock().oldest)
    }

    /// Whether what was written from there on is little of what the log may hold.
    pub(crate) fn is_near(&self, from: Position) -> bool {
        self.position().0.saturating_sub(from.0) < self.shared.maximum / 4
    }

    /// Where the next entry will be.
    pub fn position(&self) -> Position {
        Position(self.shared.state.lock().end)
    }

    /// What it did so far.
    pub fn statistics(&self) -> Statistics {
        let state = self.shared.state.lock();
        Statistics {
            bytes: state.end - state.oldest,
            ..state.statistics
        }
    }

    /// Makes everything durable and ends; nothing can be appended any more. What could not be written before is tried once more.
    ///
    /// # Errors
    /// 503 when something could not be made durable.
    pub async fn close(&self) -> Result<(), common::Error> {
        self.shared.end(Ending::Closed);
        self.wait(|progress| progress.status == Status::Ended, Status::is_over)
            .await
    }

    async fn wait(
        &self,
        mut is_done: impl FnMut(&Progress) -> bool,
        is_hopeless: impl Fn(Status) -> bool,
    ) -> Result<(), common::Error> {
        let mut receiver = self.shared.progress.subscribe();
        let reached = receiver.wait_for(|progress| is_done(progress) || is_hopeless(progress.status));
        let progress = *reached
            .await
            .map_err(|error| common::Error::unavailable(error, None))?;
        if is_done(&progress) {
            return Ok(());
        }
        Err(self.failure())
    }

    /// Why something was not done.
    fn failure(&self) -> common::Error {
        let failure = self.shared.state.lock().failure.clone();
        failure.map_or(JournalError::Closed, JournalError::Failed).into()
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.end(Ending::Dropped);
    }
}
