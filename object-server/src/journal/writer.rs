//! The thread that writes the log.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::reserve::{Reserve, is_full};
use super::segment::{self, Segment};
use super::shared::{Ending, Shared, State, Status};
use crate::durable;
use crate::settings::Durability;

/// How long something nobody waits for stays in memory, and how often a full disk is looked at again.
const IDLE: Duration = Duration::from_secs(1);

/// What the thread owns.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) directory: PathBuf,
    pub(super) segment: Segment,
    /// The positions of all files, the one written to included.
    pub(super) bases: VecDeque<u64>,
    /// A file this long is followed by the next.
    pub(super) segment_size: u64,
    /// The file grows by so much at a time.
    pub(super) ahead: usize,
    pub(super) reserve: Reserve,
    /// The batch being written, until it is durable; its memory is exchanged with the buffer's.
    pub(super) batch: Vec<u8>,
    pub(super) released: u64,
    /// It was to end, failed and was made well again: that is done once.
    pub(super) is_last_attempt: bool,
    /// Locked as long as this journal may write.
    pub(super) lock: File,
}

/// What is to be done next, the batch aside.
struct Work {
    release: u64,
    is_last: bool,
}

impl Writer {
    /// Runs until the journal is closed or dropped.
    pub(super) fn run(mut self) {
        let status = loop {
            match self.work() {
                Ok(()) => break Status::Ended,
                Err(error) => self.fail(error),
            }
            if !self.recover() {
                break Status::Failed;
            }
        };
        let Self { shared, lock, .. } = self;
        // Whoever hears of the end may open the journal anew.
        drop(lock);
        shared.waiters.fail();
        shared.progress.send_modify(|progress| progress.status = status);
    }

    fn work(&mut self) -> io::Result<()> {
        while let Some(work) = self.next_work() {
            self.check_lease()?;
            if !self.batch.is_empty() {
                self.write()?;
            }
            if !self.reserve.is_whole() {
                self.refill();
            }
            if work.release > self.released {
                self.release(work.release)?;
            }
            if work.is_last {
                self.segment.complete()?;
                break;
            }
        }
        Ok(())
    }

    /// Nothing is written while another server may have the storage.
    pub(super) fn check_lease(&self) -> io::Result<()> {
        self.shared.lease.check().map_err(io::Error::other)
    }

    /// Waits for something to do and takes what is in the buffer.
    fn next_work(&mut self) -> Option<Work> {
        self.batch.clear();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        loop {
            if state.ending == Some(Ending::Dropped) {
                return None;
            }
            let is_last = state.ending.is_some();
            if is_last || state.wanted > self.segment.end() || state.release > self.released {
                return Some(self.take(&mut state, is_last));
            }
            if state.buffer.is_empty() && self.reserve.is_whole() {
                shared.wake.wait(&mut state);
            } else if shared.wake.wait_for(&mut state, IDLE).timed_out() {
                return Some(self.take(&mut state, false));
            }
        }
    }

    fn take(&mut self, state: &mut State, is_last: bool) -> Work {
        std::mem::swap(&mut state.buffer, &mut self.batch);
        Work {
            release: state.release,
            is_last,
        }
    }

    /// Writes the batch, makes it durable and tells who waits.
    fn write(&mut self) -> io::Result<()> {
        if self.segment.length >= self.segment_size {
            self.rotate()?;
        }
        let is_durable = self.shared.durability == Durability::Durable;
        let ahead = if is_durable { self.ahead } else { 0 };
        self.with_reserve(|writer| {
            writer.shared.failure_points.hit("journal:before_write")?;
            writer.segment.write(&writer.batch, ahead)
        })?;
        let points = &self.shared.failure_points;
        points.hit("journal:after_write_before_sync")?;
        if is_durable {
            self.segment.file.sync_data()?;
        }
        points.hit("journal:after_sync")?;
        // Nor is anything acknowledged whose lease ended on the way.
        self.check_lease()?;
        self.segment.length += self.batch.len() as u64;
        self.batch.clear();
        {
            let mut state = self.shared.state.lock();
            state.statistics.writes += 1;
            state.statistics.syncs += u64::from(is_durable);
        }
        self.shared.waiters.synced(self.segment.end());
        Ok(())
    }

    /// Goes on in a new file.
    fn rotate(&mut self) -> io::Result<()> {
        self.segment.complete()?;
        let base = self.segment.end();
        let next =
            self.with_reserve(|writer| Segment::create(&writer.directory, &writer.shared.lease, base, &[]))?;
        self.shared.failure_points.hit("journal:after_rotate")?;
        self.segment = next;
        self.bases.push_back(base);
        self.shared.rotated.notify_one();
        Ok(())
    }

    /// Does what needs space, giving up the reserve for it when the disk is full.
    pub(super) fn with_reserve<T>(
        &mut self,
        mut operation: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match operation(self) {
                Err(error) if is_full(&error) => {
                    if !self.reserve.give()? {
                        return Err(error);
                    }
                    self.tell_space();
                }
                done => return done,
            }
        }
    }

    /// What fails here is tried again; whether the log itself can be written its next write says.
    fn refill(&mut self) {
        let prepared = self.shared.failure_points.hit("journal:before_refill");
        match prepared.and_then(|()| self.reserve.refill()) {
            Err(error) if !is_full(&error) => {
                tracing::debug!(%error, "the journal's reserve could not be filled up");
            }
            _ => self.tell_space(),
        }
    }

    fn tell_space(&self) {
        let left = (!self.reserve.is_whole()).then(|| self.reserve.left());
        let mut state = self.shared.state.lock();
        if state.full_disk.is_some() != left.is_some() {
            tracing::warn!(
                is_full = left.is_some(),
                "the journal's disk became full, or has room again"
            );
        }
        state.full_disk = left;
    }

    /// Removes the files that lie wholly below `up_to`, oldest first.
    fn release(&mut self, up_to: u64) -> io::Result<()> {
        if self.segment.length >= self.segment_size {
            self.rotate()?;
        }
        while let (Some(&oldest), Some(&next)) = (self.bases.front(), self.bases.get(1)) {
            if next > up_to {
                break;
            }
            // The removal is durable before the next one: after a power cut there is no gap between files.
            let removed = fs::remove_file(segment::path(&self.directory, oldest));
            if let Err(error) = removed.and_then(|()| durable::sync_directory(&self.directory)) {
                tracing::warn!(%error, "a file of the journal that nobody needs could not be removed");
                break;
            }
            self.bases.pop_front();
            self.shared.state.lock().oldest = next;
        }
        self.released = up_to;
        self.shared
            .progress
            .send_modify(|progress| progress.released = up_to);
        Ok(())
    }
}
