//! Reading the log: all of it at start-up, parts of it again later.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use super::entry::Entry;
use super::frame::{self, Read};
use super::segment::{self, Segment};
use super::{JournalError, Position};
use crate::lease::Lease;

/// About so much is read again at a time; it holds any entry.
const PIECE: u64 = 256 << 10;

/// What the log still holds, in order.
pub type Replay = Vec<(Position, Entry)>;

/// The log as it was found, with its last file ready to be written to.
#[derive(Debug)]
pub(super) struct Found {
    /// The positions of all files, the last included.
    pub(super) bases: Vec<u64>,
    pub(super) last: Segment,
    pub(super) entries: Replay,
}

/// Reads all files; an empty directory gets its first one.
pub(super) fn open(directory: &Path, lease: &Lease) -> Result<Found, JournalError> {
    let unreadable = |error| JournalError::io(directory, error);
    let mut bases = segment::list(directory).map_err(unreadable)?;
    if bases.is_empty() {
        bases.push(0);
        let last = Segment::create(directory, lease, 0, &[]).map_err(unreadable)?;
        return Ok(Found {
            bases,
            last,
            entries: Replay::new(),
        });
    }
    let mut entries = Replay::new();
    let mut frames = Vec::new();
    let mut expected = None;
    for (index, &base) in bases.iter().enumerate() {
        if let Some(expected) = expected.filter(|expected| *expected != base) {
            let file = segment::path(directory, base);
            let reason =
                format!("the file before it ends at {expected}, so something is missing between them");
            return Err(JournalError::Corrupt {
                file,
                offset: 0,
                reason,
            });
        }
        let is_last = index + 1 == bases.len();
        frames = read_file(directory, base, is_last, &mut entries)?;
        expected = Some(base + frames.len() as u64);
    }
    let base = bases.last().copied().unwrap_or(0);
    // What was read may be in the page cache only, left by a process whose sync failed.
    let last = Segment::create(directory, lease, base, &frames).map_err(unreadable)?;
    Ok(Found { bases, last, entries })
}

/// Reads entries of a log in use, from `from` (or the oldest that there is) up to `durable` at most; and where to read on.
pub(super) fn read(directory: &Path, from: u64, durable: u64) -> Result<(Replay, u64), JournalError> {
    let bases = segment::list_in_use(directory).map_err(|error| JournalError::io(directory, error))?;
    let oldest = bases.first().copied().unwrap_or(from);
    let from = from.max(oldest);
    let behind = bases.partition_point(|base| *base <= from);
    let end = bases.get(behind).map_or(durable, |next| durable.min(*next));
    let Some(base) = behind.checked_sub(1).map(|at| bases[at]).filter(|_| from < end) else {
        return Ok((Replay::new(), from));
    };
    let file = segment::path(directory, base);
    let piece = piece(
        &file,
        segment::HEADER as u64 + (from - base),
        (end - from).min(PIECE),
    );
    let piece = piece.map_err(|error| JournalError::io(&file, error))?;
    let is_cut = from + (piece.len() as u64) < end;
    let mut entries = Replay::new();
    let mut offset = 0;
    while offset < piece.len() {
        match frame::read(&piece[offset..]) {
            Read::Entry(entry, length) => {
                entries.push((Position(from + offset as u64), *entry));
                offset += length;
            }
            // The rest of it is in the next piece.
            Read::Torn(_) | Read::End if is_cut && offset > 0 => break,
            Read::End => {
                return Err(corrupt(
                    &file,
                    from - base,
                    offset,
                    "entries are missing".to_owned(),
                ));
            }
            Read::Torn(reason) => return Err(corrupt(&file, from - base, offset, reason.to_owned())),
            Read::Foreign(reason) => return Err(corrupt(&file, from - base, offset, reason)),
        }
    }
    Ok((entries, from + offset as u64))
}

/// The frames of one file, of which so many bytes are durable.
pub(super) fn read_durable(directory: &Path, base: u64, length: u64) -> io::Result<Vec<u8>> {
    let file = segment::path(directory, base);
    let mut bytes = piece(&file, 0, segment::HEADER as u64 + length)?;
    let damaged = |reason: &str| io::Error::other(format!("{}: {reason}", file.display()));
    let frames = segment::frames(&bytes, base).map_err(damaged)?;
    let mut offset = 0;
    while offset < frames.len() {
        match frame::read(&frames[offset..]) {
            Read::Entry(_, length) => offset += length,
            Read::End => return Err(damaged("entries are missing")),
            Read::Torn(reason) => return Err(damaged(reason)),
            Read::Foreign(reason) => return Err(damaged(&reason)),
        }
    }
    bytes.drain(..segment::HEADER);
    Ok(bytes)
}

fn piece(file: &Path, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut piece = vec![0; usize::try_from(length).unwrap_or(0)];
    File::open(file)?.read_exact_at(&mut piece, offset)?;
    Ok(piece)
}

fn corrupt(file: &Path, start: u64, offset: usize, reason: String) -> JournalError {
    let offset = segment::HEADER + usize::try_from(start).unwrap_or(0) + offset;
    let file = file.to_owned();
    JournalError::Corrupt { file, offset, reason }
}

/// Reads one file and gives its good frames.
fn read_file(
    directory: &Path,
    base: u64,
    is_last: bool,
    entries: &mut Replay,
) -> Result<Vec<u8>, JournalError> {
    let file = segment::path(directory, base);
    let mut bytes = fs::read(&file).map_err(|error| JournalError::io(&file, error))?;
    let corrupt = |offset: usize, reason: String| JournalError::Corrupt {
        file: file.clone(),
        offset,
        reason,
    };
    let frames = segment::frames(&bytes, base).map_err(|reason| corrupt(0, reason.to_owned()))?;
    let mut offset = 0;
    loop {
        match frame::read(&frames[offset..]) {
            Read::Entry(entry, length) => {
                entries.push((Position(base + offset as u64), *entry));
                offset += length;
            }
            Read::End => break,
            Read::Torn(reason) if is_last => {
                let dropped = frames.len() - offset;
                tracing::warn!(file = %file.display(), offset, dropped, reason, "the journal's torn end is dropped");
                break;
            }
            Read::Torn(reason) => return Err(corrupt(segment::HEADER + offset, reason.to_owned())),
            Read::Foreign(reason) => return Err(corrupt(segment::HEADER + offset, reason)),
        }
    }
    bytes.truncate(segment::HEADER + offset);
    bytes.drain(..segment::HEADER);
    Ok(bytes)
}
