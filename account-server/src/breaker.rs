//! The circuit breaker: when the database is away, nobody waits for it.
//!
//! One time-out opens it. While it is open every request is refused at once, also those that wait already, and one
//! task tries the database once a second. A try that found or made our schema there, and may write to it, closes it.
//! At the start it is open: a database that is not there yet is no other than one that went away.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::Error;
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::sql::{Connector, Failure};
use crate::table::policy;

/// The pause between two tries.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// How often the same complaint is logged.
const PACE: Duration = Duration::from_secs(60);

/// Open (the database is away) or closed (it is there).
#[derive(Debug)]
pub(crate) struct Breaker {
    open: watch::Sender<bool>,
    openings: AtomicU64,
    /// Where the database is, for the log.
    database: String,
    complaint: Mutex<Option<Complaint>>,
}

/// What was last said about the database.
#[derive(Debug)]
struct Complaint {
    text: String,
    time: Instant,
}

/// What opening an account-server waits for: whether the first try found a database that may become usable.
pub(crate) type FirstTry = oneshot::Sender<Result<(), Failure>>;

impl Breaker {
    /// An open one, until [`probe`](Self::probe) has found the database.
    pub(crate) fn new(database: String) -> Self {
        Self {
            open: watch::Sender::new(true),
            openings: AtomicU64::new(0),
            database,
            complaint: Mutex::default(),
        }
    }

    /// The database did not answer.
    pub(crate) fn open(&self, failure: &Failure) {
        if !self.open.send_replace(true) {
            self.openings.fetch_add(1, Ordering::Relaxed);
            self.complain(&failure.to_string());
        }
    }

    /// Whether the database counts as away.
    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// How often it went away. A connection that was made before the last time may lead nowhere.
    pub(crate) fn openings(&self) -> u64 {
        self.openings.load(Ordering::Relaxed)
    }

    /// Waits until the database is there.
    pub(crate) async fn closed(&self) {
        // The sender lives in `self`, so this cannot fail.
        let _ = self.open.subscribe().wait_for(|open| !open).await;
    }

    /// Does `work`, but no longer than the database is there.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let mut state = self.open.subscribe();
        tokio::select! {
            biased;
            _ = state.wait_for(|open| *open) => Err(Failure::Timeout.into()),
            done = work => done,
        }
    }

    /// What was last wrong with the database, while it is away.
    pub(crate) fn reason(&self) -> Option<String> {
        let complaint = self.complaint.lock();
        complaint.as_ref().map(|complaint| complaint.text.clone())
    }

    /// Logs why the database is away, when that is news or was last said a while ago.
    pub(crate) fn complain(&self, text: &str) {
        let now = Instant::now();
        let mut last = self.complaint.lock();
        if last
            .as_ref()
            .is_some_and(|last| last.text == text && now.duration_since(last.time) < PACE)
        {
            return;
        }
        tracing::warn!(
            database = self.database,
            "the database cannot be used: {text}; requests that need it are refused, and it is tried once a second"
        );
        *last = Some(Complaint {
            text: text.to_owned(),
            time: now,
        });
    }

    /// Tries the database while it is away, for ever. Tells `first` of the first try.
    pub(crate) async fn probe(&self, connector: &Connector, first: FirstTry) {
        let mut first = Some(first);
        let mut state = self.open.subscribe();
        while state.wait_for(|open| *open).await.is_ok() {
            if first.is_none() {
                tokio::time::sleep(PROBE_INTERVAL).await;
            }
            let tried = try_once(connector).await;
            if tried.is_ok() {
                self.open.send_replace(false);
                if self.complaint.lock().take().is_some() {
                    tracing::info!(database = self.database, "the database is there");
                }
            }
            self.tell(tried, first.take());
        }
    }

    fn tell(&self, tried: Result<(), Failure>, first: Option<FirstTry>) {
        let failure = match (tried, first) {
            (Err(failure), Some(first)) if failure.is_away() => {
                let text = failure.to_string();
                let _ = first.send(Ok(()));
                text
            }
            (tried, Some(first)) => match first.send(tried) {
                // Who asked has given up waiting and serves without.
                Err(Err(failure)) => failure.to_string(),
                _ => return,
            },
            (Err(failure), None) => failure.to_string(),
            (Ok(()), None) => return,
        };
        self.complain(&failure);
    }
}

async fn try_once(connector: &Connector) -> Result<(), Failure> {
    let mut connection = connector.prepare().await?;
    connection.begin_write().await?;
    policy::touch(&mut connection).await?;
    connection.rollback().await?;
    connection.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn breaker() -> Breaker {
        Breaker::new("sqlite:nowhere".to_owned())
    }

    #[tokio::test]
    async fn it_is_open_at_first_and_counts_how_often_it_opens() {
        let breaker = breaker();
        assert!(breaker.is_open());
        breaker.open(&Failure::Timeout);
        assert_eq!(breaker.openings(), 0);
        breaker.open.send_replace(false);
        breaker.open(&Failure::Timeout);
        breaker.open(&Failure::Timeout);
        assert_eq!(breaker.openings(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_complaint_is_logged_once_a_minute() {
        let breaker = breaker();
        let time = || breaker.complaint.lock().as_ref().map(|complaint| complaint.time);
        breaker.complain("no");
        let first = time();
        tokio::time::advance(PACE / 2).await;
        breaker.complain("no");
        assert_eq!(time(), first);
        breaker.complain("still no");
        assert_ne!(time(), first);
        assert_eq!(breaker.reason().as_deref(), Some("still no"));
        let second = time();
        tokio::time::advance(PACE).await;
        breaker.complain("still no");
        assert_ne!(time(), second);
    }
}
