//! Leases on disk: `.stobj/leases/<number, 16 hex digits>`, as the engine's README has them.

use std::io;
use std::path::Path;

use common::{Clock, Timestamp};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::attribute::write_all;
use super::root::{entries, random};
use crate::engine::EngineError;
use crate::lease::{Machine, Terms};

/// The directory in the private one.
const DIRECTORY: &str = "leases";

const MAGIC: &[u8; 8] = b"stobjlse";
const VERSION: u32 = 1;
const HEADER: usize = 16;
/// Of every lease: less than a sector, so that it is written in one piece.
const LENGTH: usize = 512;
/// Of a kernel's or a machine's name.
const MAX_NAME: usize = 64;

/// What stands in a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    /// The same as in its name.
    pub(super) number: u64,
    /// Of the machine's kernel.
    pub(super) kernel: String,
    /// What people call the machine.
    pub(super) host: String,
    /// The owner's number among processes, and when it started, in ticks of its kernel.
    pub(super) process: (u32, u64),
    /// Random: no other owner has it.
    pub(super) token: u64,
    /// How often it was renewed.
    pub(super) renewed: u64,
    /// When it was last, by the clock on the owner's wall; for people.
    pub(super) at: Timestamp,
    /// For so many milliseconds nobody may have seen it renewed who takes over from another machine.
    pub(super) takeover: u64,
    /// Whether its owner followed one on another machine, or one that did; until it is given back.
    #[serde(default)]
    pub(super) follows: bool,
    /// Whether it was given back.
    pub(super) is_over: bool,
}

/// The latest lease that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) number: u64,
    /// As it stands there.
    pub(super) bytes: Vec<u8>,
}

/// The directory of all leases.
#[derive(Debug)]
pub(super) struct Leases {
    directory: OwnedFd,
    /// Whether other machines see what is written only when it is synced.
    is_shared: bool,
}

impl Content {
    /// That of a new lease.
    pub(super) fn new(number: u64, machine: &Machine, terms: Terms) -> Result<Self, EngineError> {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            number,
            kernel: short(&machine.kernel),
            host: short(host.trim()),
            process: (std::process::id(), started()),
            token: random()?,
            renewed: 0,
            at: Clock::now(),
            takeover: u64::try_from(terms.takeover.as_millis()).unwrap_or(u64::MAX),
            follows: false,
            is_over: false,
        })
    }

    /// Renewed once more.
    pub(super) fn renew(&mut self) {
        self.renewed += 1;
        self.at = Clock::now();
    }

    /// What is read; `None`: it is not whole, or of another version.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (header, json) = bytes.split_first_chunk::<HEADER>()?;
        let content: Self = (*header == header_of(json))
            .then(|| serde_json::from_slice(json).ok())
            .flatten()?;
        Some(content)
    }

    fn encode(&self) -> Result<Vec<u8>, EngineError> {
        let mut bytes = vec![0; HEADER];
        serde_json::to_writer(&mut bytes, self).map_err(io::Error::other)?;
        if bytes.len() >= LENGTH {
            return Err(EngineError::Io(io::Error::other("a lease is too long")));
        }
        bytes.resize(LENGTH - 1, b' ');
        bytes.push(b'\n');
        let header = header_of(&bytes[HEADER..]);
        bytes[..HEADER].copy_from_slice(&header);
        Ok(bytes)
    }
}

impl Leases {
    /// Those of a root; `true`: there never were any.
    pub(super) fn open(private: &OwnedFd) -> Result<(Self, bool), EngineError> {
        let is_new = match rustix::fs::mkdirat(private, DIRECTORY, Mode::from(0o700)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = rustix::fs::openat(private, DIRECTORY, flags, Mode::empty())?;
        if is_new {
            rustix::fs::fsync(private)?;
        }
        let is_shared = !is_local(&directory)?;
        Ok((Self { directory, is_shared }, is_new))
    }

    /// The numbers of all, in order.
    pub(super) fn numbers(&self) -> Result<Vec<u64>, EngineError> {
        let entries = entries(&self.directory)?;
        let mut numbers: Vec<u64> = entries
            .iter()
            .filter_map(|(entry, _)| {
                let number = u64::from_str_radix(entry, 16).ok()?;
                (name(number) == *entry).then_some(number)
            })
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The latest.
    pub(super) fn latest(&self) -> Result<Option<Found>, EngineError> {
        let Some(&number) = self.numbers()?.last() else {
            return Ok(None);
        };
        let bytes = self.read(number)?.unwrap_or_default();
        Ok(Some(Found { number, bytes }))
    }

    /// What stands in one; `None`: it is not there. It is opened anew, as what was opened before may be what was known before.
    pub(super) fn read(&self, number: u64) -> Result<Option<Vec<u8>>, EngineError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.directory, name(number), flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::STALE) => return Ok(None),
            file => file?,
        };
        let mut bytes = Vec::with_capacity(LENGTH + 1);
        while bytes.len() <= LENGTH
            && rustix::io::read(&file, rustix::buffer::spare_capacity(&mut bytes))? > 0
        {
            bytes.reserve(1);
        }
        Ok(Some(bytes))
    }

    /// Makes a lease, durably; `false`: there is one of that number, or a later one.
    pub(super) fn make(&self, content: &Content) -> Result<bool, EngineError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from(0o600);
        let file = match rustix::fs::openat(&self.directory, name(content.number), flags, mode) {
            Err(Errno::EXIST) => return Ok(false),
            file => file?,
        };
        if let Err(error) = self.fill(&file, content) {
            // Nobody could tell whose it is.
            let _ = self.remove(content.number);
            return Err(error);
        }
        // Its number may have been another's, who went on to a later one. Nobody does that unseen: what is made here has the
        // directory read anew.
        let is_last = self.numbers()?.last() == Some(&content.number);
        if !is_last {
            let _ = self.remove(content.number);
        }
        Ok(is_last)
    }

    fn fill(&self, file: &OwnedFd, content: &Content) -> Result<(), EngineError> {
        write_all(file, &content.encode()?)?;
        rustix::fs::fsync(file)?;
        rustix::fs::fsync(&self.directory)?;
        Ok(())
    }

    /// Writes what stands in a lease; `false`: it is not there.
    pub(super) fn write(&self, content: &Content) -> Result<bool, EngineError> {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.directory, name(content.number), flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::STALE) => return Ok(false),
            file => file?,
        };
        write_all(&file, &content.encode()?)?;
        // On a file system of this machine whoever reads it, reads what was written.
        if self.is_shared {
            match rustix::fs::fdatasync(&file) {
                Err(Errno::STALE) => return Ok(false),
                synced => synced?,
            }
        }
        Ok(true)
    }

    /// Removes all that came before one.
    pub(super) fn remove_before(&self, number: u64) -> Result<(), EngineError> {
        let mut earlier = self.numbers()?.into_iter().filter(|earlier| *earlier < number);
        earlier.try_for_each(|earlier| self.remove(earlier))
    }

    /// Removes one, if it is there.
    pub(super) fn remove(&self, number: u64) -> Result<(), EngineError> {
        match rustix::fs::unlinkat(&self.directory, name(number), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn name(number: u64) -> String {
    format!("{number:016x}")
}

fn header_of(json: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..].copy_from_slice(&crc32c::crc32c(json).to_le_bytes());
    header
}

fn short(text: &str) -> String {
    let printable = text.chars().filter(char::is_ascii_graphic);
    printable.take(MAX_NAME).collect()
}

/// When this process started, in ticks of its kernel; 0: nobody knows.
fn started() -> u64 {
    const BEHIND_NAME: usize = 19;
    let stat = std::fs::read_to_string(Path::new("/proc/self/stat")).unwrap_or_default();
    // The name stands in parentheses and may hold any.
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    let started = behind.split_ascii_whitespace().nth(BEHIND_NAME);
    started.and_then(|started| started.parse().ok()).unwrap_or(0)
}

/// Whether only this machine can have the file system mounted.
fn is_local(directory: &OwnedFd) -> Result<bool, Errno> {
    const EXT: i64 = 0xEF53;
    const XFS: i64 = 0x5846_5342;
    const BTRFS: i64 = 0x9123_683E;
    const TMPFS: i64 = 0x0102_1994;
    const F2FS: i64 = 0xF2F5_2010;
    const ZFS: i64 = 0x2FC1_2FC1;
    const BCACHEFS: i64 = 0xCA45_1A4E;
    let kind = rustix::fs::fstatfs(directory)?.f_type;
    #[expect(clippy::useless_conversion, reason = "it is shorter on other machines")]
    let kind = i64::from(kind);
    Ok(matches!(kind, EXT | XFS | BTRFS | TMPFS | F2FS | ZFS | BCACHEFS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let machine = Machine {
            kernel: "k".repeat(1000),
            ..Machine::default()
        };
        let mut content = Content::new(u64::MAX, &machine, Terms::default()).unwrap();
        content.host = "h".repeat(MAX_NAME);
        content.process = (u32::MAX, u64::MAX);
        (content.token, content.renewed, content.takeover) = (u64::MAX, u64::MAX - 1, u64::MAX);
        content.renew();
        let bytes = content.encode().unwrap();
        assert_eq!(bytes.len(), LENGTH);
        assert_eq!(Content::decode(&bytes), Some(content));
        for length in 0..LENGTH {
            assert_eq!(Content::decode(&bytes[..length]), None, "{length} bytes");
        }
        for index in 0..LENGTH {
            let mut damaged = bytes.clone();
            damaged[index] ^= 4;
            assert_eq!(Content::decode(&damaged), None, "byte {index}");
        }
    }

    #[test]
    fn a_process_knows_when_it_started() {
        assert!(started() > 0);
        assert_eq!(started(), started());
    }
}
