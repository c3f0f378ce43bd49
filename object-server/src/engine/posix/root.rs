//! The root: its identity, its lock, its private directory, and what a start cleans up.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::attribute::write_all;
use super::claim::Claim;
use super::leases::Leases;
use super::renewal::Renewal;
use super::{Expected, Settings};
use crate::engine::EngineError;

/// The private directory's name.
pub(super) const PRIVATE: &str = ".stobj";

/// The file in it that makes a directory a root.
pub(super) const IDENTITY: &str = "identity";
const NEW_IDENTITY: &str = "identity.new";
const LOCK: &str = "lock";
/// What an identity file starts with: the format of all below the root.
const FORMAT: &str = "stobj 1 ";

/// A root that is ours, and locked.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) path: PathBuf,
    pub(super) directory: OwnedFd,
    pub(super) temporary: OwnedFd,
    pub(super) overflow: OwnedFd,
    pub(super) accounts: OwnedFd,
    pub(super) trash: OwnedFd,
    pub(super) build: OwnedFd,
    pub(super) quarantine: OwnedFd,
    /// Whether it was taken over from another machine.
    pub(super) is_takeover: bool,
    pub(super) renewal: Renewal,
    identity: Vec<u8>,
    /// Held, never used.
    _lock: OwnedFd,
}

impl Root {
    /// Opens the root, which is made when there is nothing and nothing has to be there.
    pub(super) fn open(path: &Path, settings: &Settings) -> Result<Self, EngineError> {
        std::fs::create_dir_all(path)?;
        let directory = open_directory(rustix::fs::CWD, path)?;
        let is_new = is_new(&directory)?;
        let path = path.canonicalize()?;
        if !is_new && rustix::fs::statat(&directory, identity_path(), AtFlags::SYMLINK_NOFOLLOW).is_err() {
            return Err(EngineError::Unavailable(format!(
                "{} holds files but no {PRIVATE}/{IDENTITY}: it is no storage of ours, or its disk is not mounted",
                path.display()
            )));
        }
        if is_new && settings.expected.is_some() {
            return Err(is_gone(&path));
        }
        if is_new && settings.must_exist {
            return Err(EngineError::Missing(path.display().to_string()));
        }
        let private = make_directory(&directory, PRIVATE)?;
        let lock = lock(&private, &path)?;
        if is_new {
            make_identity(&private)?;
            rustix::fs::fsync(&directory)?;
        }
        let identity = expected_identity(&path, settings)?;
        let (leases, is_first) = Leases::open(&private)?;
        let Settings {
            machine,
            lease: terms,
            ..
        } = settings;
        let claim = Claim::take(leases, is_first, machine, *terms, &settings.watched)?;
        let is_takeover = claim.content.follows;
        let renewal = Renewal::start(claim, machine, *terms, settings.failure_points.clone())?;
        let root = Self {
            temporary: make_directory(&private, "temporary")?,
            overflow: make_directory(&private, "overflow")?,
            accounts: make_directory(&private, "accounts")?,
            trash: make_directory(&private, "trash")?,
            build: make_directory(&private, "build")?,
            quarantine: make_directory(&private, "quarantine")?,
            path,
            directory,
            is_takeover,
            renewal,
            identity,
            _lock: lock,
        };
        rustix::fs::fsync(&private)?;
        root.clean_up()?;
        Ok(root)
    }

    /// Whether the root is still the one that was opened: a disk may come and go below the same path.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        if read_identity(&self.path)? != self.identity {
            return Err(EngineError::Unavailable(format!(
                "{} is another storage now",
                self.path.display()
            )));
        }
        // Everything is reached from the directory that was opened. When the same storage is there as another file system, a copy
        // of it or a disk that the kernel met anew, what is written would not be where everybody looks for it.
        let there = rustix::fs::stat(&self.path)?;
        let ours = rustix::fs::fstat(&self.directory)?;
        if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino) {
            return Ok(());
        }
        Err(EngineError::Unavailable(format!(
            "{} is on another file system than at the start; restart the server to go on with this one",
            self.path.display()
        )))
    }

    /// What the identity file holds.
    pub(super) fn identity(&self) -> String {
        String::from_utf8_lossy(&self.identity).into_owned()
    }

    /// The private directory.
    pub(super) fn private(&self) -> PathBuf {
        self.path.join(PRIVATE)
    }

    /// Removes what writes left behind that never got a name.
    fn clean_up(&self) -> Result<(), EngineError> {
        for (name, kind) in entries(&self.temporary)? {
            let flags = if kind == FileType::Directory {
                AtFlags::REMOVEDIR
            } else {
                AtFlags::empty()
            };
            rustix::fs::unlinkat(&self.temporary, name.as_str(), flags)?;
        }
        for (name, _) in entries(&self.build)? {
            // What was attached, and left this behind. In all others something lies.
            match rustix::fs::unlinkat(&self.build, name.as_str(), AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// The entries of a directory whose names are UTF-8, which all of ours are.
pub(super) fn entries(directory: impl AsFd) -> Result<Vec<(String, FileType)>, Errno> {
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::read_from(&directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else {
            continue;
        };
        if name == "." || name == ".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            },
            kind => kind,
        };
        entries.push((name.to_owned(), kind));
    }
    Ok(entries)
}

fn is_gone(path: &Path) -> EngineError {
    EngineError::Unavailable(format!(
        "{} is empty, and was a storage before: its disk is not mounted. Mount it; or, to begin a new storage there, start once \
         with create = \"always\" in [object-server]",
        path.display(),
    ))
}

fn is_another(path: &Path, expected: &Expected) -> EngineError {
    EngineError::Unavailable(format!(
        "{} is another storage than {} remembers: another disk is mounted there. Mount the right one; or, to go on with \
         this one, start once with create = \"always\" in [object-server]",
        path.display(),
        expected.remembered_in.display()
    ))
}

fn identity_path() -> PathBuf {
    Path::new(PRIVATE).join(IDENTITY)
}

/// Whether nobody has stored anything below the root, and no start got so far as to make its identity.
fn is_new(directory: &OwnedFd) -> Result<bool, EngineError> {
    let mut has_private = false;
    for (name, _) in entries(directory)? {
        match name.as_str() {
            // A new ext4 has that, and a crash may have left the other.
            "lost+found" => {}
            PRIVATE => has_private = true,
            _ => return Ok(false),
        }
    }
    if !has_private {
        return Ok(true);
    }
    let private = open_directory(directory, PRIVATE)?;
    Ok(entries(&private)?
        .iter()
        .all(|(name, _)| name == LOCK || name == NEW_IDENTITY))
}

fn open_directory(base: impl AsFd, path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    rustix::fs::openat(
        base,
        path,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

fn make_directory(base: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    match rustix::fs::mkdirat(base, name, Mode::from(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(base, name, flags, Mode::empty())
}

fn lock(private: &OwnedFd, path: &Path) -> Result<OwnedFd, EngineError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = rustix::fs::openat(private, LOCK, flags, Mode::from(0o600))?;
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(lock),
        Err(Errno::WOULDBLOCK) => Err(EngineError::Taken(format!(
            "{} (it holds the lock {PRIVATE}/{LOCK})",
            path.display()
        ))),
        Err(error) => Err(error.into()),
    }
}

fn make_identity(private: &OwnedFd) -> Result<(), EngineError> {
    let (high, low) = (random()?, random()?);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(private, NEW_IDENTITY, flags, Mode::from(0o600))?;
    write_all(&file, format!("{FORMAT}{high:016x}{low:016x}\n").as_bytes())?;
    rustix::fs::fsync(&file)?;
    rustix::fs::renameat(private, NEW_IDENTITY, private, IDENTITY)?;
    rustix::fs::fsync(private)?;
    Ok(())
}

/// The identity, which must be one of ours, and the one that is expected.
fn expected_identity(path: &Path, settings: &Settings) -> Result<Vec<u8>, EngineError> {
    let identity = read_identity(path)?;
    if !identity.starts_with(FORMAT.as_bytes()) {
        return Err(EngineError::Unavailable(format!(
            "{}/{PRIVATE}/{IDENTITY} is of a format that this program does not know",
            path.display()
        )));
    }
    match &settings.expected {
        Some(expected) if expected.identity.as_bytes() != identity => Err(is_another(path, expected)),
        _ => Ok(identity),
    }
}

fn read_identity(path: &Path) -> Result<Vec<u8>, EngineError> {
    use io::Read as _;
    let path = path.join(identity_path());
    let mut identity = Vec::new();
    std::fs::File::open(&path)
        .and_then(|file| file.take(1024).read_to_end(&mut identity))
        .map_err(|error| EngineError::Unavailable(format!("{}: {error}", path.display())))?;
    Ok(identity)
}

/// A random number.
pub(super) fn random() -> Result<u64, EngineError> {
    getrandom::u64().map_err(|error| EngineError::Io(io::Error::other(error)))
}
