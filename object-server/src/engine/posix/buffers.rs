//! The memory through which an object's bytes go out. A body longer than one chunk uses the same few buffers from its
//! beginning to its end: making a fresh one for each chunk, and clearing it, costs about as much as reading into it.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::room::{Held, Room};

/// A body that is not longer is not worth counting.
const SHORT: usize = 16 << 10;

/// Keeps one buffer that is free at the moment.
#[derive(Clone, Debug)]
pub(super) struct Buffers {
    free: Arc<Mutex<Option<Memory>>>,
    room: Arc<Room>,
}

/// Memory to read into. What is in it before is of no meaning.
#[derive(Debug)]
pub(super) struct Buffer {
    memory: Memory,
    home: Option<Buffers>,
}

#[derive(Debug, Default)]
struct Memory {
    bytes: Vec<u8>,
    held: Option<Held>,
}

impl Buffers {
    pub(super) fn new(room: &Arc<Room>) -> Self {
        Self {
            free: Arc::default(),
            room: Arc::clone(room),
        }
    }

    /// A buffer of at least this length, which comes back here when nobody needs it any more.
    pub(super) fn take(&self, length: usize) -> Buffer {
        let free = self.free.lock().take();
        // A longer one than there is room for now is not used again.
        let fits = |free: &Memory| {
            free.bytes.len() >= length && self.room.share(free.bytes.len()) == free.bytes.len()
        };
        Buffer {
            memory: free
                .filter(fits)
                .unwrap_or_else(|| Memory::counted(length, &self.room)),
            home: Some(self.clone()),
        }
    }
}

impl Buffer {
    /// A buffer for one use.
    pub(super) fn single(length: usize, room: &Arc<Room>) -> Self {
        let memory = match length {
            ..=SHORT => Memory {
                bytes: vec![0; length],
                held: None,
            },
            _ => Memory::counted(length, room),
        };
        Self { memory, home: None }
    }

    /// Its memory.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory.bytes
    }

    /// Its first bytes, to be sent.
    pub(super) fn into_frame(mut self, length: usize) -> Bytes {
        if self.memory.held.is_some() {
            return Bytes::from_owner(self).slice(..length);
        }
        let mut bytes = mem::take(&mut self.memory.bytes);
        bytes.truncate(length);
        bytes.into()
    }
}

impl Memory {
    fn counted(length: usize, room: &Arc<Room>) -> Self {
        let mut held = Held::new(room);
        held.set(length);
        Self {
            bytes: vec![0; length],
            held: Some(held),
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.memory.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            *home.free.lock() = Some(mem::take(&mut self.memory));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_its_frame_is_gone() {
        let room = Arc::default();
        let buffers = Buffers::new(&room);
        let mut first = buffers.take(10);
        first.bytes()[..2].copy_from_slice(b"ab");
        let place = first.bytes().as_ptr();
        let frame = first.into_frame(2);
        assert_eq!(frame, "ab");
        assert_ne!(buffers.take(10).bytes().as_ptr(), place, "it is still being sent");
        drop(frame);
        assert_eq!(buffers.take(5).bytes().as_ptr(), place);
        assert_eq!(buffers.take(20).bytes().len(), 20);
        let mut single = Buffer::single(3, &room);
        single.bytes().copy_from_slice(b"xyz");
        assert_eq!(single.into_frame(1), "x");
    }

    #[test]
    fn a_buffer_counts_until_nobody_has_it() {
        const LONG: usize = 256 << 10;
        let room = Arc::default();
        let buffers = Buffers::new(&room);
        let frame = buffers.take(LONG).into_frame(1);
        let single = Buffer::single(LONG, &room).into_frame(LONG);
        let mut rest = Held::new(&room);
        rest.set(62 << 20);
        assert!(room.share(LONG) < LONG, "there are more than 62 MiB");
        drop(frame);
        assert_eq!(buffers.take(5).bytes().len(), 5, "the long one is given up");
        drop((single, buffers));
        rest.set(60 << 20);
        assert_eq!(room.share(LONG), LONG);
    }
}
