//! Space of the disk that is kept so that a full one still takes what frees space.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// So much is given up at a time.
const PIECE: u64 = 1 << 20;

/// The file that holds the space.
#[derive(Debug)]
pub(super) struct Reserve {
    file: File,
    size: u64,
    left: u64,
}

impl Reserve {
    /// Opens or makes the file. It holds less than `size` when the disk is full.
    pub(super) fn open(directory: &Path, size: u64) -> io::Result<Self> {
        let path = directory.join("reserve");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let left = file.metadata()?.len();
        if left > size {
            file.set_len(size)?;
        }
        let mut reserve = Self {
            file,
            size,
            left: left.min(size),
        };
        reserve.refill()?;
        Ok(reserve)
    }

    /// Gives some of it up; `false`: there is no more.
    pub(super) fn give(&mut self) -> io::Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left = self.left.saturating_sub(PIECE);
        self.file.set_len(self.left)?;
        Ok(true)
    }

    /// Takes back what was given up, if the disk has it.
    pub(super) fn refill(&mut self) -> io::Result<()> {
        if self.left == self.size {
            return Ok(());
        }
        let allocated = match fallocate(&self.file, FallocateFlags::empty(), 0, self.size) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros(),
            allocated => allocated.map_err(io::Error::from),
        };
        match allocated {
            Ok(()) => {
                self.left = self.size;
                Ok(())
            }
            Err(error) if is_full(&error) => {
                // Whatever part of it was had is given back at once: it must not be taken from others for nothing.
                self.file.set_len(self.left)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether it holds all it should.
    pub(super) const fn is_whole(&self) -> bool {
        self.left == self.size
    }

    /// Bytes it holds.
    pub(super) const fn left(&self) -> u64 {
        self.left
    }

    /// For file systems that cannot allocate without writing.
    fn write_zeros(&self) -> io::Result<()> {
        let mut file = &self.file;
        io::Seek::seek(&mut file, io::SeekFrom::Start(self.left))?;
        let zeros = vec![0; 64 << 10];
        let mut missing = self.size - self.left;
        while missing > 0 {
            let piece = missing.min(zeros.len() as u64);
            file.write_all(&zeros[..usize::try_from(piece).unwrap_or(zeros.len())])?;
            missing -= piece;
        }
        Ok(())
    }
}

/// Whether an error says that the disk, or the owner's share of it, is full.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}
