//! The file of the keys that sign tokens: read at start, made at the first one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::token::Keyring;

use crate::secret_file;

/// A keyring and where it is kept.
#[derive(Debug)]
pub(crate) struct Keys {
    keyring: Keyring,
    path: PathBuf,
    is_new: bool,
}

impl Keys {
    /// Reads the file at `path`; when there is none, makes a new key, which is not written yet.
    ///
    /// # Errors
    /// What is wrong with the file, or that the system has no random numbers.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self {
                keyring: Keyring::parse(&text)?,
                path: path.to_owned(),
                is_new: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::generate(path),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Reads the file at `path`, which must be there: another process made it.
    ///
    /// # Errors
    /// What is wrong with the file, or what to do when there is none.
    pub(crate) fn read_shared(path: &Path) -> Result<Self, String> {
        let keys = Self::read(path)?;
        if keys.is_new {
            return Err("there is no such file; `stobj account-server` makes it at its first start: copy it here from \
                        there, or name it by [storage] keys"
                .to_owned());
        }
        Ok(keys)
    }

    /// A new key, to be kept at `path`.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn generate(path: &Path) -> Result<Self, String> {
        Ok(Self {
            keyring: Keyring::generate().map_err(|error| format!("no random numbers: {error}"))?,
            path: path.to_owned(),
            is_new: true,
        })
    }

    /// The keys.
    pub(crate) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Writes keys that are new, readable by nobody else; after a crash the file is whole or absent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self) -> io::Result<()> {
        if !self.is_new {
            return Ok(());
        }
        let unfinished = self.path.with_extension("new");
        secret_file::replace(&self.path, &unfinished, self.keyring.to_text().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_are_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let first = Keys::read(&path).unwrap();
        assert!(!path.exists(), "reading makes nothing");
        first.save().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let second = Keys::read(&path).unwrap();
        assert_eq!(second.keyring().to_text(), first.keyring().to_text());
        second.save().unwrap();
        assert!(Keys::read_shared(&path).is_ok());
        let elsewhere = directory.path().join("elsewhere");
        assert!(
            Keys::read_shared(&elsewhere)
                .unwrap_err()
                .contains("copy it here")
        );
        fs::write(&path, "nonsense").unwrap();
        assert!(Keys::read(&path).unwrap_err().contains("line 1"));
    }
}
