//! The memory through which an object's bytes go out. A body longer than one chunk uses the same few buffers from its
//! beginning to its end: making a fresh one for each chunk, and clearing it, costs about as much as reading into it.

use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

/// Keeps one buffer that is free at the moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Arc<Mutex<Vec<u8>>>);

/// Memory to read into. What is in it before is of no meaning.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    home: Option<Buffers>,
}

impl Buffers {
    /// A buffer of at least this length, which comes back here when nobody needs it any more.
    pub(super) fn take(&self, length: usize) -> Buffer {
        let mut bytes = mem::take(&mut *self.0.lock());
        if bytes.len() < length {
            bytes = vec![0; length];
        }
        let home = Some(self.clone());
        Buffer { bytes, home }
    }
}

impl Buffer {
    /// A buffer for one use.
    pub(super) fn single(length: usize) -> Self {
        Self {
            bytes: vec![0; length],
            home: None,
        }
    }

    /// Its memory.
    pub(super) fn bytes(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// Its first bytes, to be sent.
    pub(super) fn into_frame(mut self, length: usize) -> Bytes {
        match self.home {
            Some(_) => Bytes::from_owner(self).slice(..length),
            None => {
                let mut bytes = mem::take(&mut self.bytes);
                bytes.truncate(length);
                bytes.into()
            }
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            *home.0.lock() = mem::take(&mut self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_used_again_when_its_frame_is_gone() {
        let buffers = Buffers::default();
        let mut first = buffers.take(10);
        first.bytes()[..2].copy_from_slice(b"ab");
        let place = first.bytes().as_ptr();
        let frame = first.into_frame(2);
        assert_eq!(frame, "ab");
        assert_ne!(buffers.take(10).bytes().as_ptr(), place, "it is still being sent");
        drop(frame);
        assert_eq!(buffers.take(5).bytes().as_ptr(), place);
        assert_eq!(buffers.take(20).bytes().len(), 20);
        let mut single = Buffer::single(3);
        single.bytes().copy_from_slice(b"xyz");
        assert_eq!(single.into_frame(1), "x");
    }
}
