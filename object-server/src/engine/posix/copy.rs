//! The data of one object once more.

use std::sync::Arc;

use common::functional::object::Path;
use rustix::fd::OwnedFd;
use rustix::io::Errno;

use super::attribute::{modified, size, write_all};
use super::confine::Wait;
use super::descriptors::Container;
use super::place::Place;
use super::store::Store;
use super::temporary::Temporary;
use super::trouble::Trouble;
use crate::engine::{EngineError, GoOn};
use crate::node::ObjectAttributes;

/// How often a copy begins again because the source changed under it.
const ATTEMPTS: usize = 10;

/// Bytes that go in one call.
const PIECE: usize = 16 << 20;

/// Bytes that go through memory at a time, where the file system cannot copy by itself.
const BUFFER: usize = 256 << 10;

impl Store {
    /// A new file with an object's data, and the attributes that speak of just this data.
    pub(super) fn copy_data(
        self: &Arc<Self>,
        from: &Path,
        container: &Container,
        go_on: &GoOn,
    ) -> Result<Option<(Temporary, ObjectAttributes)>, EngineError> {
        let place = Place::of(&from.object);
        for _ in 0..ATTEMPTS {
            let Some(source) = self.find_file(container, &place)? else {
                return Ok(None);
            };
            match self.copy_file(from, &source, go_on) {
                // Its attributes were replaced, or its data changed in place: whoever replaces the file leaves this one whole.
                Ok(None) | Err(Trouble::Moved) => {}
                copied => return Ok(copied?),
            }
        }
        let text = "the object is being written by other means all the time";
        Err(EngineError::Io(std::io::Error::other(text)))
    }

    /// `None`: it is not what it was when this began.
    fn copy_file(
        self: &Arc<Self>,
        from: &Path,
        source: &OwnedFd,
        go_on: &GoOn,
    ) -> Result<Option<(Temporary, ObjectAttributes)>, Trouble> {
        let stat = rustix::fs::fstat(source)?;
        let read = self.read_object(&from.object, source, &stat, Wait::Allowed)?;
        let copy = Temporary::create(self)?;
        self.pass("build:before_copy")?;
        let go_on = || {
            self.pass("build:before_piece")?;
            go_on().map_err(|refused| Trouble::Engine(refused.into()))
        };
        let copied = copy_bytes(source, copy.file()?, size(&stat), &go_on)?;
        let now = rustix::fs::fstat(source)?;
        let is_same = (size(&now), modified(&now)) == (size(&stat), modified(&stat));
        Ok((is_same && copied == size(&stat)).then_some((copy, read.attributes)))
    }
}

/// How many bytes were there to be copied. `go_on` is asked before each piece.
fn copy_bytes(
    from: &OwnedFd,
    to: &OwnedFd,
    length: u64,
    go_on: &dyn Fn() -> Result<(), Trouble>,
) -> Result<u64, Trouble> {
    go_on()?;
    if length > 0 && rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(length);
    }
    let (mut read, mut written) = (0, 0);
    while read < length {
        if read > 0 {
            go_on()?;
        }
        let piece = usize::try_from(length - read).unwrap_or(PIECE).min(PIECE);
        match rustix::fs::copy_file_range(from, Some(&mut read), to, Some(&mut written), piece) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::NOSYS | Errno::XDEV | Errno::OPNOTSUPP | Errno::INVAL) if read == 0 => {
                return copy_through_memory(from, to, length, go_on);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(read)
}

fn copy_through_memory(
    from: &OwnedFd,
    to: &OwnedFd,
    length: u64,
    go_on: &dyn Fn() -> Result<(), Trouble>,
) -> Result<u64, Trouble> {
    let mut buffer = vec![0; BUFFER];
    let (mut copied, mut asked_at) = (0, 0);
    while copied < length {
        if copied - asked_at >= PIECE as u64 {
            go_on()?;
            asked_at = copied;
        }
        let most = usize::try_from(length - copied).unwrap_or(BUFFER).min(BUFFER);
        match rustix::io::pread(from, &mut buffer[..most], copied) {
            Ok(0) => break,
            Ok(read) => {
                write_all(to, &buffer[..read])?;
                copied += read as u64;
            }
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(copied)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};

    use super::*;

    #[test]
    fn both_ways_copy_all_bytes() {
        for length in [0, 1, BUFFER, BUFFER * 2 + 1] {
            let data: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let mut source = tempfile::tempfile().unwrap();
            source.write_all(&data).unwrap();
            let source: OwnedFd = source.into();
            for copy in [copy_bytes, copy_through_memory] {
                let target: OwnedFd = tempfile::tempfile().unwrap().into();
                // More than there is, as when the source shrinks, is told.
                let copied = copy(&source, &target, length as u64, &|| Ok(())).unwrap();
                assert_eq!(copied, length as u64);
                let mut read = Vec::new();
                let mut target = std::fs::File::from(target);
                target.rewind().unwrap();
                target.read_to_end(&mut read).unwrap();
                assert!(read == data);
            }
            let target: OwnedFd = tempfile::tempfile().unwrap().into();
            assert_eq!(
                copy_through_memory(&source, &target, length as u64 + 9, &|| Ok(())).unwrap(),
                length as u64
            );
        }
    }

    #[test]
    fn a_long_copy_ends_within_a_piece() {
        let source = tempfile::tempfile().unwrap();
        source.set_len(PIECE as u64 * 4).unwrap();
        let source: OwnedFd = source.into();
        for copy in [copy_bytes, copy_through_memory] {
            let target: OwnedFd = tempfile::tempfile().unwrap().into();
            let asked = std::cell::Cell::new(0);
            let go_on = || {
                asked.set(asked.get() + 1);
                match asked.get() {
                    1 => Ok(()),
                    _ => Err(Trouble::Moved),
                }
            };
            // Of what the file system shares between files nothing is copied.
            let is_shared = copy(&source, &target, PIECE as u64 * 4, &go_on).is_ok();
            let written = size(&rustix::fs::fstat(&target).unwrap());
            assert!(is_shared || written <= PIECE as u64 * 2, "{written}");
            assert_eq!(asked.get() == 1, is_shared);
        }
    }
}
