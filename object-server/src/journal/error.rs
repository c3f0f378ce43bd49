//! What goes wrong with a journal.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::Outcome;

/// What goes wrong with a journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// It has reached its maximum, or the disk is full.
    #[error("the journal is full")]
    Full,
    /// More waits to be written than memory is set aside for.
    #[error("too much waits to be written to the journal")]
    Busy,
    /// A write or sync failed, and nothing can be written since.
    #[error("the journal has failed: {0}")]
    Failed(#[source] Arc<io::Error>),
    /// It was closed.
    #[error("the journal is closed")]
    Closed,
    /// Another process uses it.
    #[error("the journal {0} is used by another process")]
    Locked(PathBuf),
    /// A file cannot be read or written.
    #[error("the journal's {path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is damaged where no crash damages it.
    #[error("the journal's {file} is damaged at byte {offset}: {reason}")]
    Corrupt {
        /// Which.
        file: PathBuf,
        /// Where.
        offset: usize,
        /// How.
        reason: String,
    },
    /// An entry has no written form.
    #[error("an entry has no written form: {0}")]
    Entry(String),
}

impl JournalError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl From<JournalError> for common::Error {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full => Self::new(Outcome::InsufficientStorage).caused_by(error),
            JournalError::Busy | JournalError::Closed | JournalError::Failed(_) => {
                Self::unavailable(error, Some(Duration::from_secs(1)))
            }
            JournalError::Locked(_)
            | JournalError::Io { .. }
            | JournalError::Corrupt { .. }
            | JournalError::Entry(_) => Self::internal(error),
        }
    }
}
