//! Who waits until the log is durable up to a position. Each is woken once, when that is so: a sync of one batch wakes
//! nobody whose entry is in the next.

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// All who wait, and how far the log is durable.
#[derive(Debug)]
pub(super) struct Waiters(Mutex<Waiting>);

#[derive(Debug)]
struct Waiting {
    synced: u64,
    /// Nothing becomes durable at present.
    is_failing: bool,
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    target: u64,
    wake: oneshot::Sender<()>,
}

impl Waiters {
    /// Everything below `synced` is durable.
    pub(super) fn new(synced: u64) -> Self {
        Self(Mutex::new(Waiting {
            synced,
            is_failing: false,
            waiters: Vec::new(),
        }))
    }

    /// Whether everything below `target` is durable.
    pub(super) fn is_durable(&self, target: u64) -> bool {
        self.0.lock().synced >= target
    }

    /// Waits until everything below `target` is durable. `false`: that failed, and must not be acknowledged.
    pub(super) async fn wait(&self, target: u64) -> bool {
        let woken = {
            let mut waiting = self.0.lock();
            if waiting.synced >= target {
                return true;
            }
            if waiting.is_failing {
                return false;
            }
            let (wake, woken) = oneshot::channel();
            waiting.waiters.push(Waiter { target, wake });
            woken
        };
        woken.await.is_ok()
    }

    /// How far the log is durable.
    pub(super) fn durable(&self) -> u64 {
        self.0.lock().synced
    }

    /// Everything below `synced` is durable now, and what is behind can become so.
    pub(super) fn synced(&self, synced: u64) {
        let done: Vec<Waiter> = {
            let mut waiting = self.0.lock();
            waiting.synced = synced;
            waiting.is_failing = false;
            let is_done = |waiter: &mut Waiter| waiter.target <= synced;
            waiting.waiters.extract_if(.., is_done).collect()
        };
        for waiter in done {
            // Whoever gave up waiting is not there any more.
            let _ = waiter.wake.send(());
        }
    }

    /// Nothing becomes durable until [`synced`](Self::synced) says otherwise: who waits is let go.
    pub(super) fn fail(&self) {
        let mut waiting = self.0.lock();
        waiting.is_failing = true;
        waiting.waiters.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll(future: Pin<&mut impl Future<Output = bool>>) -> Poll<bool> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn each_goes_on_when_its_own_entry_is_durable() {
        let waiters = Waiters::new(10);
        assert_eq!(poll(pin!(waiters.wait(10))), Poll::Ready(true));
        let (mut near, mut far) = (pin!(waiters.wait(20)), pin!(waiters.wait(21)));
        assert_eq!(poll(near.as_mut()), Poll::Pending);
        assert_eq!(poll(far.as_mut()), Poll::Pending);
        waiters.synced(20);
        assert_eq!(poll(near), Poll::Ready(true));
        assert_eq!(poll(far.as_mut()), Poll::Pending);
        waiters.fail();
        assert_eq!(poll(far), Poll::Ready(false));
        assert_eq!(poll(pin!(waiters.wait(21))), Poll::Ready(false));
        assert_eq!(poll(pin!(waiters.wait(20))), Poll::Ready(true));
        waiters.synced(22);
        assert_eq!(poll(pin!(waiters.wait(22))), Poll::Ready(true));
        assert_eq!(poll(pin!(waiters.wait(23))), Poll::Pending);
    }

    #[test]
    fn who_gives_up_is_forgotten() {
        let waiters = Waiters::new(0);
        let mut patient = pin!(waiters.wait(2));
        {
            let mut impatient = Box::pin(waiters.wait(1));
            assert_eq!(poll(impatient.as_mut()), Poll::Pending);
        }
        assert_eq!(poll(patient.as_mut()), Poll::Pending);
        waiters.synced(2);
        assert_eq!(poll(patient), Poll::Ready(true));
        assert!(waiters.0.lock().waiters.is_empty());
    }
}
