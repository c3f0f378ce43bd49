//! The locks over names: whoever makes, converts or removes a node holds the one of (parent, segment without slash).
//!
//! Nobody ever holds two. They are held by blocking jobs only, for a few system calls.

use std::hash::{BuildHasher as _, RandomState};

use parking_lot::{Mutex, MutexGuard};

const STRIPES: u64 = 1024;

pub(super) struct Stripes {
    locks: Vec<Mutex<()>>,
    hasher: RandomState,
}

impl Stripes {
    pub(super) fn new() -> Self {
        Self {
            locks: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Waits until nobody else changes what stands at `path` below `base`.
    pub(super) fn lock(&self, base: &str, path: &str) -> MutexGuard<'_, ()> {
        let index = usize::try_from(self.hasher.hash_one((base, path)) % STRIPES).unwrap_or(0);
        self.locks[index].lock()
    }
}
