//! What is remembered of a root outside of it: which storage it is. A disk that is not mounted leaves an empty directory, and
//! that must not be taken for a new storage.
//!
//! `<root>.identity`, beside the root, is a copy of the root's `.stobj/identity`. Where that lies on the same disk, the
//! database may still know that something was stored.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::durable;

/// The file that remembers.
#[derive(Clone, Debug)]
pub(crate) struct Remembered(PathBuf);

impl Remembered {
    /// Of this root.
    pub(crate) fn of(root: &Path) -> Self {
        let mut name = root.file_name().unwrap_or_default().to_owned();
        name.push(".identity");
        Self(root.with_file_name(name))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Which storage was there. Blocks.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn read(&self) -> io::Result<Option<String>> {
        match fs::read_to_string(&self.0) {
            Ok(identity) => Ok(Some(identity)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Remembers which storage is there. Blocks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&self, identity: &str) -> io::Result<()> {
        durable::replace(&self.0, &[identity.as_bytes()]).map(drop)
    }
}
