//! What the thread does when nothing could be written: it goes on as soon as the disk is well again, or the lease of the storage is
//! renewed.
//!
//! Nobody knows what a write or a sync that failed left on the disk, and a second sync that succeeds says nothing of it: the kernel
//! may have given up what it could not write. So no part of the file that was written to is believed. All that is durable of it is
//! read, and written to a new file that takes its place; what was in the batch, which nobody was promised, comes behind it.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;
use std::time::Duration;

use super::replay;
use super::segment::{self, Segment};
use super::shared::{Ending, State, Status};
use super::writer::Writer;
use crate::durable;

/// So long it is waited before it is tried, and tried again.
const INTERVAL: Duration = Duration::from_millis(500);

impl Writer {
    /// Lets go who waits: what they wait for is not durable.
    pub(super) fn fail(&self, error: io::Error) {
        tracing::error!(%error, "the journal cannot be written; changes are refused until it can be again");
        {
            let mut state = self.shared.state.lock();
            state.is_failing = true;
            state.failure = Some(Arc::new(error));
        }
        // Who is let go sees that it fails.
        self.tell(Status::Failing);
        self.shared.waiters.fail();
    }

    /// Tries to go on until that succeeds. `false`: the journal was to end before, or another server has the storage.
    pub(super) fn recover(&mut self) -> bool {
        loop {
            let ending = {
                let mut state = self.shared.state.lock();
                let goes_on = |state: &mut State| state.ending.is_none();
                self.shared.wake.wait_while_for(&mut state, goes_on, INTERVAL);
                state.ending
            };
            let is_lost = self.shared.lease.is_lost();
            if ending == Some(Ending::Dropped) || self.is_last_attempt || is_lost {
                return false;
            }
            self.is_last_attempt = ending.is_some();
            match self.write_anew() {
                Ok(()) => break,
                Err(error) if ending.is_some() => {
                    tracing::error!(%error, "the journal still could not be written at its end");
                    return false;
                }
                Err(error) => tracing::debug!(%error, "the journal still cannot be written"),
            }
        }
        self.shared.state.lock().is_failing = false;
        // Who asks from here on may be told that what was not durable before now is: it is.
        self.shared.waiters.synced(self.segment.end());
        self.tell(Status::Running);
        tracing::warn!("the journal can be written again");
        true
    }

    fn tell(&self, status: Status) {
        self.shared
            .progress
            .send_modify(|progress| progress.status = status);
    }

    /// Puts a new file in the place of the one that was written to.
    fn write_anew(&mut self) -> io::Result<()> {
        self.shared.failure_points.hit("journal:before_recovery")?;
        self.check_lease()?;
        self.check_directory()?;
        let base = self.segment.base;
        let mut frames = replay::read_durable(&self.directory, base, self.segment.length)?;
        self.remove_later(base)?;
        frames.extend_from_slice(&self.batch);
        self.segment = self
            .with_reserve(|writer| Segment::create(&writer.directory, &writer.shared.lease, base, &frames))?;
        self.batch.clear();
        Ok(())
    }

    /// The disk may be gone, and another one in its place.
    fn check_directory(&self) -> io::Result<()> {
        let ours = self.lock.metadata()?;
        let there = File::open(self.directory.join("lock"))?.metadata()?;
        match (ours.dev(), ours.ino()) == (there.dev(), there.ino()) {
            true => Ok(()),
            false => Err(io::Error::other("another journal is in the place of this one")),
        }
    }

    /// Removes a next file that was not complete when it failed: nothing is in it.
    fn remove_later(&self, base: u64) -> io::Result<()> {
        let later = segment::list_in_use(&self.directory)?;
        let mut is_any = false;
        for later in later.into_iter().filter(|later| *later > base) {
            fs::remove_file(segment::path(&self.directory, later))?;
            is_any = true;
        }
        match is_any {
            true => durable::sync_directory(&self.directory),
            false => Ok(()),
        }
    }
}
