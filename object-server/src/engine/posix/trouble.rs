//! What goes wrong on the way to an answer, before it is an engine's error.

use std::io;

use rustix::io::Errno;

use crate::engine::EngineError;

/// Why a step failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The system says so; `AGAIN` of a caller that must not wait.
    Errno(Errno),
    /// The attributes were replaced while they were read: read again, from the name.
    Moved,
    /// For good.
    Engine(EngineError),
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<EngineError> for Trouble {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(errno) => Self::Errno(errno),
            None if error.kind() == io::ErrorKind::StorageFull => Self::Engine(EngineError::Full),
            None => Self::Engine(EngineError::Io(error)),
        }
    }
}

impl From<Trouble> for EngineError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Errno(errno) => errno.into(),
            Trouble::Moved => Self::Corrupt("its attributes point to a file that is not there".to_owned()),
            Trouble::Engine(error) => error,
        }
    }
}

impl From<Errno> for EngineError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOSPC | Errno::DQUOT => Self::Full,
            errno => Self::Io(errno.into()),
        }
    }
}

/// Something that is none of ours stands where a node should be.
pub(super) fn in_the_way() -> Trouble {
    let text = "Something in the storage that is neither a file nor a directory stands in the way.";
    Trouble::Engine(EngineError::Refused(common::Error::conflict(text)))
}
