//! What is told of requests to the operation record: how they ended.
//!
//! The filter `record` notes it here, which costs no waiting; a task sends what has gathered. Changes are in the owner's
//! journal besides, so that nothing but their duration depends on this. While the database is away what is told waits, up
//! to a bound; beyond it is dropped, and counted.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::functional::record::{Complete, MAX_BATCH, Record};
use common::functional::{Context, ask};
use common::service::FunctionalService;
use common::{Body, Clock, Error, Outcome};
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::guard::record::Ended;

/// So much waits at most.
const MAX_WAITING: usize = 10_000;

/// So long it gathers before it is sent.
const GATHER: Duration = Duration::from_millis(200);

/// Between two attempts while the database is away.
const RETRY: Duration = Duration::from_secs(1);

/// How often it is said that something was dropped.
const PACE: Duration = Duration::from_secs(60);

/// Takes on what is told of requests, and sends it.
pub struct Recorder {
    owner: FunctionalService,
    waiting: Mutex<VecDeque<Ended>>,
    wake: Notify,
    dropped: AtomicU64,
    /// Whether nothing waits or is under way.
    is_idle: watch::Sender<bool>,
    is_hurried: watch::Sender<bool>,
}

impl Recorder {
    /// One that sends nothing before [`spawn`](Self::spawn); `owner` answers `record/complete`.
    pub fn new(owner: FunctionalService) -> Self {
        Self {
            owner,
            waiting: Mutex::default(),
            wake: Notify::new(),
            dropped: AtomicU64::new(0),
            is_idle: watch::Sender::new(true),
            is_hurried: watch::Sender::new(false),
        }
    }

    /// How much was dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes on how a request ended.
    pub(crate) fn note(&self, ended: Ended) {
        let mut waiting = self.waiting.lock();
        if waiting.len() >= MAX_WAITING {
            drop(waiting);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.push_back(ended);
        let count = waiting.len();
        if count == 1 {
            self.is_idle.send_replace(false);
        }
        drop(waiting);
        if count == 1 || count == MAX_BATCH {
            self.wake.notify_one();
        }
    }

    /// Sends until the task is aborted or the recorder is gone.
    pub fn spawn(self: &Arc<Self>) -> JoinHandle<()> {
        let recorder = Arc::clone(self);
        tokio::spawn(async move { recorder.send_for_ever().await })
    }

    /// Waits at most `wait` until everything is sent.
    pub async fn drain(&self, wait: Duration) {
        self.is_hurried.send_replace(true);
        let mut is_idle = self.is_idle.subscribe();
        // The sender lives as long as this does.
        let _ = tokio::time::timeout(wait, is_idle.wait_for(|is_idle| *is_idle)).await;
        let left = self.waiting.lock().len();
        if left > 0 {
            tracing::warn!(left, "how these requests ended could not be recorded any more");
        }
    }

    async fn send_for_ever(&self) {
        let mut said = Said::default();
        loop {
            let batch = self.take();
            if batch.is_empty() {
                self.wake.notified().await;
                self.gather().await;
                continue;
            }
            match self.send(&batch).await {
                Ok(()) => {}
                Err(error) if matches!(error.outcome(), Outcome::Unavailable(_)) => {
                    self.put_back(batch);
                    tokio::time::sleep(RETRY).await;
                }
                Err(error) => {
                    tracing::error!(%error, "records cannot be kept");
                    self.dropped.fetch_add(batch.len() as u64, Ordering::Relaxed);
                }
            }
            said.tell(self.dropped());
            let waiting = self.waiting.lock();
            self.is_idle.send_replace(waiting.is_empty());
        }
    }

    fn take(&self) -> Vec<Ended> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(MAX_BATCH);
        waiting.drain(..count).collect()
    }

    /// What did not arrive waits again, at the expense of the latest.
    fn put_back(&self, batch: Vec<Ended>) {
        let mut waiting = self.waiting.lock();
        for ended in batch.into_iter().rev() {
            waiting.push_front(ended);
        }
        let excess = waiting.len().saturating_sub(MAX_WAITING);
        let kept = waiting.len() - excess;
        waiting.truncate(kept);
        self.dropped.fetch_add(excess as u64, Ordering::Relaxed);
    }

    async fn send(&self, batch: &[Ended]) -> Result<(), Error> {
        let records: Vec<Record> = batch.iter().map(Ended::to_record).collect();
        let context = Context::internal("recorder", Clock::now());
        ask(&self.owner, Complete { records }, context, Body::empty())
            .await
            .map(|_| ())
    }

    async fn gather(&self) {
        if self.waiting.lock().len() >= MAX_BATCH {
            return;
        }
        let mut is_hurried = self.is_hurried.subscribe();
        tokio::select! {
            () = tokio::time::sleep(GATHER) => {}
            _ = is_hurried.wait_for(|is_hurried| *is_hurried) => {}
        }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Recorder({} waiting)", self.waiting.lock().len())
    }
}

/// What was last said of what was dropped.
#[derive(Default)]
struct Said {
    dropped: u64,
    time: Option<Instant>,
}

impl Said {
    fn tell(&mut self, dropped: u64) {
        let is_due = self.time.is_none_or(|time| time.elapsed() >= PACE);
        if dropped > self.dropped && is_due {
            let more = dropped - self.dropped;
            tracing::warn!(
                more,
                dropped,
                "ends of requests were not recorded: too many waited for the database"
            );
            *self = Self {
                dropped,
                time: Some(Instant::now()),
            };
        }
    }
}

#[cfg(test)]
mod tests;
