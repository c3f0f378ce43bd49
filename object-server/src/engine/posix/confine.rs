//! Opening what lies below a directory, and never anything else.
//!
//! Every open goes through `openat2`, which refuses symbolic links and whatever would lead out. There is no other
//! way in: a kernel without it is refused at start-up.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// Bytes of a path that one call takes: `PATH_MAX` without the zero behind it.
const PATH_BYTES: usize = 4095;

/// How often a look-up that the kernel could not finish is tried again.
const ATTEMPTS: usize = 16;

/// Whether a call may wait for a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It answers [`Errno::AGAIN`] instead: for callers on an async worker.
    Never,
    /// It may: for blocking jobs.
    Allowed,
}

/// What stands at a path.
#[derive(Debug)]
pub(super) enum Node {
    /// Nothing.
    Absent,
    /// A regular file, open for reading.
    File(OwnedFd, Stat),
    /// Something that is no object: a directory, a symbolic link, a pipe.
    Other,
}

/// Opens the directory at `path` (empty: `base` itself).
pub(super) fn directory(base: impl AsFd, path: &str, wait: Wait) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { "." } else { path };
    open(base, path, OFlags::RDONLY | OFlags::DIRECTORY, wait)
}

/// Opens the directory at `path`; `None`: there is none, or something else.
pub(super) fn existing_directory(base: impl AsFd, path: &str, wait: Wait) -> Result<Option<OwnedFd>, Errno> {
    match directory(base, path, wait) {
        Ok(directory) => Ok(Some(directory)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens the regular file at `path` for reading.
pub(super) fn node(base: impl AsFd, path: &str, wait: Wait) -> Result<Node, Errno> {
    let file = match open(base, path, OFlags::RDONLY | OFlags::NONBLOCK, wait) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Node::Absent),
        // A symbolic link; a socket; a device nobody serves.
        Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Ok(Node::Other),
        Err(error) => return Err(error),
    };
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        Ok(Node::File(file, stat))
    } else {
        Ok(Node::Other)
    }
}

fn open(base: impl AsFd, path: &str, flags: OFlags, wait: Wait) -> Result<OwnedFd, Errno> {
    if path.len() > PATH_BYTES {
        // What is too long for one call is walked in several. Each end is a whole component, so a UTF-8 boundary.
        let end = path.as_bytes()[..PATH_BYTES]
            .iter()
            .rposition(|&byte| byte == b'/');
        let end = end.ok_or(Errno::NAMETOOLONG)?;
        let above = directory(base, &path[..end], wait)?;
        return open(above, &path[end + 1..], flags, wait);
    }
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    if wait == Wait::Never {
        resolve |= ResolveFlags::CACHED;
    }
    let mut attempts = if wait == Wait::Never { 1 } else { ATTEMPTS };
    loop {
        attempts -= 1;
        match rustix::fs::openat2(&base, path, flags, Mode::empty(), resolve) {
            Err(Errno::AGAIN | Errno::INTR) if attempts > 0 => {}
            // A kernel before 5.12 does not know CACHED: whoever must not wait cannot know.
            Err(Errno::INVAL) if wait == Wait::Never => return Err(Errno::AGAIN),
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_paths_are_walked() {
        let directory = tempfile::tempdir().unwrap();
        let mut current: OwnedFd = std::fs::File::open(directory.path()).unwrap().into();
        let base = current.try_clone().unwrap();
        let name = "\u{e4}".repeat(100);
        for _ in 0..60 {
            rustix::fs::mkdirat(&current, name.as_str(), Mode::from(0o700)).unwrap();
            current = super::directory(&current, &name, Wait::Allowed).unwrap();
        }
        let flags = OFlags::CREATE | OFlags::WRONLY;
        rustix::fs::openat(&current, "file", flags, Mode::from(0o600)).unwrap();
        let path = format!("{}/file", vec![name.as_str(); 60].join("/"));
        assert!(path.len() > 12_000);
        assert!(matches!(node(&base, &path, Wait::Allowed), Ok(Node::File(..))));
        assert!(matches!(node(&base, &path, Wait::Never), Ok(Node::File(..))));
        assert!(matches!(
            node(&base, &format!("{path}s"), Wait::Allowed),
            Ok(Node::Absent)
        ));
    }

    #[test]
    fn nothing_leads_out() {
        let directory = tempfile::tempdir().unwrap();
        let base: OwnedFd = std::fs::File::open(directory.path()).unwrap().into();
        std::os::unix::fs::symlink("/", directory.path().join("out")).unwrap();
        for path in ["..", "../..", "/etc/passwd", "out/etc/passwd", "out", "a/../.."] {
            assert!(super::directory(&base, path, Wait::Allowed).is_err(), "{path}");
            assert!(
                !matches!(node(&base, path, Wait::Allowed), Ok(Node::File(..))),
                "{path}"
            );
        }
    }
}
