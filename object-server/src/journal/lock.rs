//! One journal at a time writes a log.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::JournalError;

/// How long to wait for a process that is just letting go of the journal.
const PATIENCE: Duration = Duration::from_secs(10);

/// Locks the log for this process, or for this journal of it.
pub(super) fn lock(directory: &Path) -> Result<File, JournalError> {
    let path = directory.join("lock");
    let failed = |error| JournalError::io(&path, error);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    let started = tokio::time::Instant::now();
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(Errno::WOULDBLOCK) if started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(Errno::WOULDBLOCK) => return Err(JournalError::Locked(directory.to_owned())),
            Err(error) => return Err(failed(error.into())),
        }
    }
}
