//! All connections of a listener together, as far as each has to be modest because there are many.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// With more connections than this, each one gets small buffers. Below, speed counts.
const MANY: usize = 64;
/// What a connection reads of a body at once then.
const BODY_AT_ONCE: usize = 16 << 10;
/// And of a head: few are longer, and of those that never end there may be thousands.
const HEAD_AT_ONCE: usize = 2 << 10;
/// A head that is not complete takes so much for nothing; every connection has a buffer of that size.
const FREE_OF_HEAD: usize = 8 << 10;
/// What all heads that are not complete may take beyond that.
const HEADS_TOGETHER: usize = 32 << 20;

/// The connections of a listener.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    connections: AtomicUsize,
    /// Bytes of heads that are not complete.
    heads: AtomicUsize,
    /// Request bodies whose clients are being waited for.
    waiting: AtomicUsize,
    is_ending: AtomicBool,
}

/// A request body whose client is being waited for.
#[derive(Debug)]
pub(super) struct Waiting(Arc<Crowd>);

/// One connection among the others.
#[derive(Debug)]
pub(super) struct Member {
    crowd: Arc<Crowd>,
    /// What it takes of the memory for heads.
    head: usize,
}

impl Crowd {
    /// Counts a connection until what is returned is dropped.
    pub(super) fn join(self: &Arc<Self>) -> Member {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Member {
            crowd: Arc::clone(self),
            head: 0,
        }
    }

    /// Counts a body whose client is waited for until what is returned is dropped. `None`: there are `most` already.
    pub(super) fn wait(self: &Arc<Self>, most: usize) -> Option<Waiting> {
        if self.waiting.fetch_add(1, Ordering::Relaxed) < most {
            return Some(Waiting(Arc::clone(self)));
        }
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        None
    }

    /// From now on no connection serves another request.
    pub(super) fn end(&self) {
        self.is_ending.store(true, Ordering::Relaxed);
    }

    /// Whether connections serve no other request.
    pub(super) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Whether there are so many that each one must be modest.
    pub(super) fn is_large(&self) -> bool {
        self.connections.load(Ordering::Relaxed) > MANY
    }
}

impl Member {
    /// How much may be read at once; `None` is as much as the reader likes.
    pub(super) fn read_at_once(&self, is_in_body: bool) -> Option<usize> {
        let most = if is_in_body { BODY_AT_ONCE } else { HEAD_AT_ONCE };
        self.crowd.is_large().then_some(most)
    }

    /// Whether a head of which `bytes` are there may be waited for. No bytes are no head any more.
    pub(super) fn holds_head(&mut self, bytes: usize) -> bool {
        let wanted = bytes.saturating_sub(FREE_OF_HEAD);
        if wanted == self.head {
            return true;
        }
        let heads = &self.crowd.heads;
        let others = heads.fetch_sub(self.head, Ordering::Relaxed) - self.head;
        self.head = 0;
        if wanted > 0 && others + wanted > HEADS_TOGETHER {
            return false;
        }
        heads.fetch_add(wanted, Ordering::Relaxed);
        self.head = wanted;
        true
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.holds_head(0);
        self.crowd.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_modest() {
        let crowd = Arc::new(Crowd::default());
        let mut members: Vec<_> = (0..MANY).map(|_| crowd.join()).collect();
        assert_eq!(members[0].read_at_once(true), None);
        members.push(crowd.join());
        assert_eq!(members[0].read_at_once(true), Some(BODY_AT_ONCE));
        assert_eq!(members[0].read_at_once(false), Some(HEAD_AT_ONCE));
        assert!(crowd.is_large());
        members.pop();
        assert!(!crowd.is_large());
    }

    #[test]
    fn no_more_are_waited_for_than_may_be() {
        let crowd = Arc::new(Crowd::default());
        let first = crowd.wait(2);
        let _second = crowd.wait(2);
        assert!(crowd.wait(2).is_none());
        drop(first);
        assert!(crowd.wait(2).is_some());
    }

    #[test]
    fn heads_share_a_bound() {
        let crowd = Arc::new(Crowd::default());
        let (mut large, mut small, mut late) = (crowd.join(), crowd.join(), crowd.join());
        assert!(large.holds_head(FREE_OF_HEAD + HEADS_TOGETHER));
        assert!(small.holds_head(FREE_OF_HEAD), "what is usual costs nothing");
        assert!(!late.holds_head(FREE_OF_HEAD + 1));
        assert!(large.holds_head(0));
        assert!(late.holds_head(FREE_OF_HEAD + 1));
        drop((large, small, late));
        assert_eq!(crowd.heads.load(Ordering::Relaxed), 0);
        assert_eq!(crowd.connections.load(Ordering::Relaxed), 0);
    }
}
