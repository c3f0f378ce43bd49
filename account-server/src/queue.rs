//! A bounded queue that several tasks take from.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Those who put wait for a free place, those who take for something to take; both in order.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
    filled: Semaphore,
    free: Semaphore,
}

impl<T> Queue<T> {
    /// A queue of `capacity` places.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            items: Mutex::new(VecDeque::new()),
            filled: Semaphore::new(0),
            free: Semaphore::new(capacity),
        }
    }

    /// Puts `item` in; gives it back when the queue is closed.
    pub(crate) async fn put(&self, item: T) -> Result<(), T> {
        let Ok(place) = self.free.acquire().await else {
            return Err(item);
        };
        place.forget();
        self.items.lock().push_back(item);
        self.filled.add_permits(1);
        Ok(())
    }

    /// Takes the oldest item out; `None` when the queue is closed.
    pub(crate) async fn take(&self) -> Option<T> {
        self.filled.acquire().await.ok()?.forget();
        let item = self.items.lock().pop_front();
        self.free.add_permits(1);
        item
    }

    /// Nothing goes in or out any more; what is in is dropped.
    pub(crate) fn close(&self) {
        self.free.close();
        self.filled.close();
        self.items.lock().clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_full_queue_makes_wait() {
        let queue = Arc::new(Queue::new(1));
        queue.put(1).await.unwrap();
        let second = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.put(2).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        assert_eq!(queue.take().await, Some(1));
        second.await.unwrap().unwrap();
        assert_eq!(queue.take().await, Some(2));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_and_takes_nothing() {
        let queue = Queue::new(2);
        queue.put(1).await.unwrap();
        queue.close();
        assert_eq!(queue.take().await, None);
        assert_eq!(queue.put(2).await, Err(2));
    }
}
