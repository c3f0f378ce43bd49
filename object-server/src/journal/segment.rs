//! A file of the log.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::durable;
use crate::lease::Lease;

/// Bytes before the first frame.
pub(super) const HEADER: usize = 24;

const MAGIC: &[u8; 8] = b"stobjlog";
/// What is written; each earlier one is read, too, as it only lacks some kinds of entries.
const VERSION: u32 = 2;

/// The file that is written to.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) file: File,
    /// The position of its first frame.
    pub(super) base: u64,
    /// Bytes of frames in it.
    pub(super) length: u64,
    /// Bytes of the file: zeros follow the frames.
    size: u64,
}

impl Segment {
    /// Makes the file with these frames in it, complete and durable before it bears its name, or replaces the one
    /// that does.
    pub(super) fn create(directory: &Path, lease: &Lease, base: u64, frames: &[u8]) -> io::Result<Self> {
        let file = durable::replace_under(lease, &path(directory, base), &[&header(base), frames])?;
        let length = frames.len() as u64;
        Ok(Self {
            file,
            base,
            length,
            size: HEADER as u64 + length,
        })
    }

    /// Writes frames behind the last one, where they stay unseen until `length` is raised. When the file must grow for
    /// them it grows by `ahead` more: a sync that leaves the file's size alone is several times faster.
    pub(super) fn write(&mut self, frames: &[u8], ahead: usize) -> io::Result<()> {
        let offset = HEADER as u64 + self.length;
        self.file.write_all_at(frames, offset)?;
        let end = offset + frames.len() as u64;
        if end > self.size {
            self.size = end;
            self.file.write_all_at(&vec![0; ahead], end)?;
            self.size = end + ahead as u64;
        }
        Ok(())
    }

    /// Cuts off what is behind the frames and makes the file durable as it will stay.
    pub(super) fn complete(&mut self) -> io::Result<()> {
        self.size = HEADER as u64 + self.length;
        self.file.set_len(self.size)?;
        self.file.sync_all()
    }

    /// The position behind its last frame.
    pub(super) const fn end(&self) -> u64 {
        self.base + self.length
    }
}

/// The file whose first frame has this position.
pub(super) fn path(directory: &Path, base: u64) -> PathBuf {
    directory.join(format!("{base:016}.log"))
}

/// The positions of all files of a log, in order; leftovers of files that were being made are removed, so it must not
/// be in use.
pub(super) fn list(directory: &Path) -> io::Result<Vec<u64>> {
    look(directory, fs::remove_file::<PathBuf>)
}

/// The positions of all files of a log that is in use, in order.
pub(super) fn list_in_use(directory: &Path) -> io::Result<Vec<u64>> {
    look(directory, |_| Ok(()))
}

fn look(directory: &Path, leftover: impl Fn(PathBuf) -> io::Result<()>) -> io::Result<Vec<u64>> {
    let mut bases = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let Some((stem, extension)) = name.to_str().and_then(|name| name.split_once('.')) else {
            continue;
        };
        let is_number = stem.len() >= 16 && stem.bytes().all(|byte| byte.is_ascii_digit());
        match (is_number, extension) {
            (true, "tmp") => leftover(directory.join(&name))?,
            (true, "log") => bases.extend(stem.parse::<u64>()),
            _ => {}
        }
    }
    bases.sort_unstable();
    Ok(bases)
}

/// The frames of a file: what is behind its header, which must be that of this position.
pub(super) fn frames(bytes: &[u8], base: u64) -> Result<&[u8], &'static str> {
    let (found, frames) = bytes
        .split_first_chunk::<HEADER>()
        .ok_or("the file's header is cut off")?;
    if found[..8] != *MAGIC {
        return Err("the file is not a journal");
    }
    let version = (1..=VERSION).find(|version| found[8..12] == version.to_le_bytes());
    let version = version.ok_or("the file is of another version of the journal")?;
    if *found == header_of(version, base) {
        Ok(frames)
    } else {
        Err("the file's header is damaged, or the file was renamed")
    }
}

fn header(base: u64) -> [u8; HEADER] {
    header_of(VERSION, base)
}

fn header_of(version: u32, base: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&version.to_le_bytes());
    header[12..20].copy_from_slice(&base.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..20]);
    header[20..].copy_from_slice(&checksum.to_le_bytes());
    header
}
