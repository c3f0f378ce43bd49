//! What the file system below a root can do, tried out on it.

use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};

use super::attribute::{modified, write_all, write_raw};
use crate::engine::EngineError;

/// Sizes of an attribute to try, the greatest first: of xfs and CephFS, of ext4, of GlusterFS on ext4.
const ATTRIBUTE_BYTES: [usize; 6] = [65_536, 16_384, 4_040, 3_872, 2_048, 1_024];
/// What an attribute may need at least, so that small objects need no second file and pointers always fit.
const FEWEST_BYTES: usize = 256;

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Abilities {
    /// Files can be made without a name and given one later.
    pub(super) unnamed_files: bool,
    /// A rename can be told to replace nothing.
    pub(super) rename_noreplace: bool,
    /// Two nodes can exchange their names in one step.
    pub(super) rename_exchange: bool,
    /// Reads can be told not to wait for a disk.
    pub(super) nowait_reads: bool,
    /// A file's modification time stays what it is when the data goes to the disk.
    pub(super) steady_times: bool,
    /// The most bytes of an attribute.
    pub(super) inline_attribute_bytes: usize,
}

/// Tries everything on files in `temporary`, which are removed again.
pub(super) fn probe(path: &Path, temporary: &OwnedFd) -> Result<Abilities, EngineError> {
    let unavailable =
        |text: &str| EngineError::Unavailable(format!("{} cannot be a storage: {text}", path.display()));
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(
        temporary,
        ".",
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
        resolve,
    )
    .map_err(|error| unavailable(&format!("openat2 (Linux 5.6, and no filter against it): {error}")))?;
    let long = "l".repeat(255);
    let file = create(temporary, &long)
        .map_err(|error| unavailable(&format!("it does not hold names of 255 bytes: {error}")))?;
    rustix::fs::unlinkat(temporary, long.as_str(), AtFlags::empty())?;

    if is_indifferent_to_case(temporary)? {
        return Err(unavailable("it takes upper and lower case for the same"));
    }
    let mut sizes = ATTRIBUTE_BYTES.into_iter().chain([FEWEST_BYTES]);
    let inline_attribute_bytes = sizes.find(|&size| write_raw(&file, &vec![0; size]).is_ok());
    let Some(inline_attribute_bytes) = inline_attribute_bytes else {
        return Err(unavailable("it has no extended attributes (user.stobj)"));
    };
    let steady_times = has_steady_times(&file)?;
    let nowait_reads = has_nowait_reads(&file);
    Ok(Abilities {
        unnamed_files: has_unnamed_files(temporary),
        rename_noreplace: has_noreplace(temporary)?,
        rename_exchange: has_exchange(temporary)?,
        nowait_reads,
        steady_times,
        inline_attribute_bytes,
    })
}

fn create(temporary: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::openat(temporary, name, flags, Mode::from(0o600))
}

fn is_indifferent_to_case(temporary: &OwnedFd) -> Result<bool, Errno> {
    create(temporary, "case")?;
    let is_same = rustix::fs::statat(temporary, "CASE", AtFlags::SYMLINK_NOFOLLOW).is_ok();
    rustix::fs::unlinkat(temporary, "case", AtFlags::empty())?;
    Ok(is_same)
}

fn has_unnamed_files(temporary: &OwnedFd) -> bool {
    let Ok(file) = create_unnamed(temporary) else {
        return false;
    };
    let linked = link_unnamed(&file, temporary, "unnamed");
    let _ = rustix::fs::unlinkat(temporary, "unnamed", AtFlags::empty());
    linked.is_ok()
}

/// A new file without a name.
pub(super) fn create_unnamed(directory: &OwnedFd) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC;
    rustix::fs::openat(directory, ".", flags, Mode::from(0o644))
}

/// Gives a file without a name its first one.
pub(super) fn link_unnamed(file: &OwnedFd, directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    use std::os::fd::AsRawFd as _;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    rustix::fs::linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW)
}

fn has_noreplace(temporary: &OwnedFd) -> Result<bool, Errno> {
    create(temporary, "from")?;
    // A new target: on an existing one some answer EEXIST and still do not know the flag.
    let renamed = rustix::fs::renameat_with(temporary, "from", temporary, "to", RenameFlags::NOREPLACE);
    for name in ["from", "to"] {
        let _ = rustix::fs::unlinkat(temporary, name, AtFlags::empty());
    }
    Ok(renamed.is_ok())
}

fn has_exchange(temporary: &OwnedFd) -> Result<bool, Errno> {
    create(temporary, "one")?;
    create(temporary, "other")?;
    let exchanged = rustix::fs::renameat_with(temporary, "one", temporary, "other", RenameFlags::EXCHANGE);
    for name in ["one", "other"] {
        rustix::fs::unlinkat(temporary, name, AtFlags::empty())?;
    }
    Ok(exchanged.is_ok())
}

fn has_nowait_reads(file: &OwnedFd) -> bool {
    let mut bytes = [0; 16];
    let mut buffers = [std::io::IoSliceMut::new(&mut bytes)];
    let read = rustix::io::preadv2(file, &mut buffers, 0, ReadWriteFlags::NOWAIT);
    matches!(read, Ok(_) | Err(Errno::AGAIN))
}

fn has_steady_times(file: &OwnedFd) -> Result<bool, Errno> {
    write_all(file, b"some bytes")?;
    let before = rustix::fs::fstat(file)?;
    rustix::fs::fsync(file)?;
    Ok(modified(&before) == modified(&rustix::fs::fstat(file)?))
}
