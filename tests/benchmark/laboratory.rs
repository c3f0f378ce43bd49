//! Where a benchmark takes place: fresh directories, and how often and how long everything is done.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;

use crate::Options;

/// Connections of the rows that have several.
pub(crate) const CONNECTIONS: usize = 32;

/// What all rows share.
#[derive(Debug)]
pub(crate) struct Laboratory {
    directory: PathBuf,
    made: Cell<usize>,
    /// The server's program.
    pub(crate) stobj: PathBuf,
    /// How often each side has its turn.
    pub(crate) rounds: usize,
    /// How long a turn is.
    pub(crate) span: Duration,
}

impl Laboratory {
    pub(crate) fn new(options: &Options, directory: &Path) -> Result<Self> {
        // Directories in it are spread over the disk, as if they had nothing to do with each other: ext4 is many times
        // slower near files that were just removed. Other file systems know no such attribute.
        let spread = Command::new("chattr")
            .arg("+T")
            .arg(directory)
            .stderr(Stdio::null())
            .status();
        drop(spread);
        Ok(Self {
            directory: directory.canonicalize()?,
            made: Cell::new(0),
            stobj: options.stobj.canonicalize().context("stobj")?,
            rounds: options.rounds.max(1),
            span: options.span(),
        })
    }

    /// A directory that nothing was in before. What lay in others stays until the end.
    pub(crate) fn fresh(&self) -> Result<PathBuf> {
        let number = self.made.replace(self.made.get() + 1);
        let path = self.directory.join(number.to_string());
        std::fs::create_dir(&path)?;
        Ok(path)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }
}

/// So many bytes that cannot be compressed.
pub(crate) fn random(length: usize) -> Bytes {
    // A generator of Marsaglia's (xorshift64): any seed but 0 will do.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    let mut bytes: Vec<u8> = words.take(length.div_ceil(8)).flatten().collect();
    bytes.truncate(length);
    bytes.into()
}
