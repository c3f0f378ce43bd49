//! Memory for bodies on their way, so that thousands of slow clients together take little more than a few fast ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So much all bodies may take together before each one gets the least only.
const TOGETHER: usize = 64 << 20;
/// A body never has to do with less.
const LEAST: usize = 4 << 10;
/// As many bodies as this would fit into what is left.
const MORE_BODIES: usize = 16;

/// How much of the memory is taken.
#[derive(Debug, Default)]
pub(super) struct Room(AtomicUsize);

/// A body's part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Held {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    /// How much a buffer may hold at this moment when it would like to hold `wish`.
    pub(super) fn share(&self, wish: usize) -> usize {
        let left = TOGETHER.saturating_sub(self.0.load(Ordering::Relaxed));
        (left / MORE_BODIES).max(LEAST).min(wish)
    }
}

impl Held {
    pub(super) fn new(room: &Arc<Room>) -> Self {
        Self {
            room: Arc::clone(room),
            bytes: 0,
        }
    }

    /// Counts `bytes` from now on, instead of what was counted.
    pub(super) fn set(&mut self, bytes: usize) {
        if bytes > self.bytes {
            self.room.0.fetch_add(bytes - self.bytes, Ordering::Relaxed);
        } else if bytes < self.bytes {
            self.room.0.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
        }
        self.bytes = bytes;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_shrinks_as_the_room_fills() {
        let room = Arc::new(Room::default());
        assert_eq!(room.share(256 << 10), 256 << 10);
        let mut held = Held::new(&room);
        held.set(TOGETHER - (1 << 20));
        assert_eq!(room.share(256 << 10), 64 << 10);
        assert_eq!(room.share(10), 10);
        held.set(TOGETHER + 5);
        assert_eq!(room.share(256 << 10), LEAST);
        held.set(1);
        assert_eq!(room.share(256 << 10), 256 << 10);
        drop(held);
        assert_eq!(room.0.load(Ordering::Relaxed), 0);
    }
}
