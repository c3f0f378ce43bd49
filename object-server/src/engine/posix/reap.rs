//! The end of what is in the trash, a bounded number of entries at a time, leaves first.

use std::ffi::CString;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType};
use rustix::io::Errno;

use super::attribute::pointed_to;
use super::confine::{self, Node, Wait};
use super::place;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::EngineError;

/// Files that are removed between two readings of a directory.
const FILES: usize = 1_024;

/// Directories that are remembered of one reading.
const DIRECTORIES: usize = 64;

/// Directories that are remembered all together, but at least one a level.
const REMEMBERED: usize = 1_024;

/// What one reading of a directory found.
#[derive(Default)]
struct Reading {
    files: Vec<CString>,
    directories: Vec<CString>,
    /// Whether there may be more.
    is_cut: bool,
}

impl Store {
    /// Removes so many entries; `false`: there are none that can be removed.
    pub(super) fn reap(&self, entries: usize) -> Result<bool, EngineError> {
        let mut left = entries;
        while left > 0 {
            let Some(name) = self.next_in_trash()? else {
                return Ok(false);
            };
            match self.reap_one(&name, left) {
                Ok(removed) => left = left.saturating_sub(removed.max(1)),
                Err(trouble) => {
                    // Others need not wait for it; the next start tries again.
                    self.held().hold(&name);
                    let error = EngineError::from(trouble);
                    tracing::error!(name, %error, "A directory in the trash cannot be removed before the next start");
                }
            }
        }
        Ok(true)
    }

    fn next_in_trash(&self) -> Result<Option<String>, Errno> {
        for entry in Dir::read_from(self.trash())? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else {
                continue;
            };
            if name != "." && name != ".." && !self.held().holds(name) {
                return Ok(Some(name.to_owned()));
            }
        }
        Ok(None)
    }

    /// Removes at most so many entries of a directory in the trash, and it itself as the last. What is still to be looked at
    /// is kept on a list, the deepest last: there may be a thousand levels.
    fn reap_one(&self, name: &str, entries: usize) -> Result<usize, Trouble> {
        let mut left = entries;
        let mut pending = vec![name.to_owned()];
        while let Some(path) = pending.last()
            && left > 0
        {
            let path = path.clone();
            let Some(directory) = confine::existing_directory(self.trash(), &path, Wait::Allowed)? else {
                self.remove_file(self.trash(), &path)?;
                left -= 1;
                pending.pop();
                continue;
            };
            let room = REMEMBERED.saturating_sub(pending.len()).clamp(1, DIRECTORIES);
            let reading = read(&directory, left.min(FILES), room)?;
            for file in &reading.files {
                self.remove_entry(&directory, file)?;
            }
            left -= reading.files.len();
            for inner in &reading.directories {
                let name = self.usable_name(&directory, inner)?;
                pending.push(format!("{path}/{name}"));
            }
            if reading.directories.is_empty() && !reading.is_cut && left > 0 {
                self.remove_emptied(&path)?;
                left -= 1;
                pending.pop();
            }
        }
        Ok(entries - left)
    }

    /// Removes what is no directory, with the overflow file that belongs to it: that first, as afterwards nobody could tell.
    fn remove_entry(&self, directory: &OwnedFd, name: &CString) -> Result<(), Trouble> {
        // What others put there has none.
        if let Ok(text) = name.to_str()
            && let Node::File(file, _) = confine::node(directory, text, Wait::Allowed)?
            && let Some(overflow) = pointed_to(&file)?
        {
            self.remove_overflow(overflow);
        }
        self.remove_file(directory, name)
    }

    fn remove_file(&self, directory: &OwnedFd, name: impl rustix::path::Arg) -> Result<(), Trouble> {
        self.change("reap:before_unlink")?;
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn remove_emptied(&self, path: &str) -> Result<(), Trouble> {
        self.change("reap:before_rmdir")?;
        let (above, last) = place::split(path);
        let parent = confine::directory(self.trash(), above, Wait::Allowed)?;
        match rustix::fs::unlinkat(&parent, last, AtFlags::REMOVEDIR) {
            // Somebody put something there meanwhile: it is read again.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The name of a directory as text. One that others gave it and that is none is replaced first.
    fn usable_name(&self, directory: &OwnedFd, name: &CString) -> Result<String, Trouble> {
        if let Ok(name) = name.to_str() {
            return Ok(name.to_owned());
        }
        let usable = self.unused_name();
        rustix::fs::renameat(directory, name, directory, usable.as_str())?;
        Ok(usable)
    }
}

fn read(directory: &OwnedFd, files: usize, directories: usize) -> Result<Reading, Errno> {
    let mut reading = Reading::default();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            },
            kind => kind,
        };
        let (list, most) = match kind {
            FileType::Directory => (&mut reading.directories, directories),
            _ => (&mut reading.files, files),
        };
        if list.len() == most {
            reading.is_cut = true;
            break;
        }
        list.push(name.to_owned());
    }
    Ok(reading)
}
