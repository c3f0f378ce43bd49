//! Files that somebody met and nobody has hashed: taken in one after the other, in the background.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use common::functional::Context;
use common::functional::object::Path;
use common::{Clock, Error};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::object::{Adopted, Pace};
use crate::owner::Owner;

/// So many wait at most; others are met again.
const MAX_WAITING: usize = 10_000;

/// Those that wait.
#[derive(Debug, Default)]
pub(crate) struct Adoptions {
    queue: Mutex<Queue>,
    wake: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    order: VecDeque<Path>,
    /// The same, so that none waits twice.
    known: HashSet<Path>,
}

impl Adoptions {
    /// Somebody met this file.
    pub(crate) fn note(&self, path: &Path) {
        let mut queue = self.queue.lock();
        if queue.order.len() < MAX_WAITING && !queue.known.contains(path) {
            queue.known.insert(path.clone());
            queue.order.push_back(path.clone());
            drop(queue);
            self.wake.notify_one();
        }
    }

    async fn next(&self) -> Path {
        loop {
            let woken = self.wake.notified();
            {
                let mut queue = self.queue.lock();
                if let Some(path) = queue.order.pop_front() {
                    queue.known.remove(&path);
                    return path;
                }
            }
            woken.await;
        }
    }
}

impl Owner {
    /// Takes in what waits, until `stop` changes.
    pub(crate) async fn keep_adopting(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            let path = tokio::select! {
                path = self.adoptions.next() => path,
                _ = stop.changed() => return,
            };
            let adopted = tokio::select! {
                adopted = self.adopt(&path) => adopted,
                _ = stop.changed() => return,
            };
            match adopted {
                Ok(Adopted::Done) => {
                    tracing::info!(?path, "a file that others put there or changed was taken in");
                }
                Ok(Adopted::NotNeeded | Adopted::Changing) => {}
                Err(error) => {
                    tracing::warn!(?path, %error, "a file that others put there or changed was not taken in");
                }
            }
        }
    }

    async fn adopt(self: &Arc<Self>, path: &Path) -> Result<Adopted, Error> {
        let Some(account) = self.account(&path.account).await? else {
            return Ok(Adopted::NotNeeded);
        };
        let Some(container) = account.container(&path.container) else {
            return Ok(Adopted::NotNeeded);
        };
        let context = Context::internal("adoption", Clock::now());
        self.adopt_object(&account, &container, path, &context, &Pace::new(0))
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Path {
        Path::new("a", "c", name).unwrap()
    }

    #[tokio::test]
    async fn each_waits_once_and_not_too_many() {
        let adoptions = Adoptions::default();
        for _ in 0..2 {
            for number in 0..MAX_WAITING + 5 {
                adoptions.note(&path(&number.to_string()));
            }
        }
        for number in 0..MAX_WAITING {
            assert_eq!(adoptions.next().await, path(&number.to_string()));
        }
        adoptions.note(&path("again"));
        assert_eq!(adoptions.next().await, path("again"));
        let queue = adoptions.queue.lock();
        assert!(queue.order.is_empty() && queue.known.is_empty());
    }
}
