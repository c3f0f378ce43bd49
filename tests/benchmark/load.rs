//! Load on an endpoint: many connections, each of which sends its next request when it has the answer to the last.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::connection::{Connection, expect_success};
use crate::endpoint::Endpoint;

/// Nothing is counted before the load has been on for so long.
pub(crate) const WARM_UP: Duration = Duration::from_secs(1);

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Requests a second that succeeded.
    pub(crate) rate: f64,
    /// What went wrong, if anything did.
    pub(crate) failure: Option<String>,
}

/// Makes the request of this number, of all connections together.
pub(crate) type Make = Arc<dyn Fn(u64) -> Result<Request<Full<Bytes>>> + Send + Sync>;

#[derive(Default)]
struct Tally {
    begun: AtomicU64,
    succeeded: AtomicU64,
    failed: AtomicU64,
    first_failure: Mutex<Option<String>>,
}

/// Keeps the load on for the warm-up and for `span`, and counts what succeeds during `span`.
pub(crate) async fn sustain(endpoint: &Endpoint, connections: usize, span: Duration, make: &Make) -> Outcome {
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(work(
            endpoint.address.clone(),
            Arc::clone(&tally),
            Arc::clone(make),
            u64::MAX,
        ));
    }
    sleep(WARM_UP).await;
    let (before, start) = (tally.succeeded.load(Ordering::Relaxed), Instant::now());
    sleep(span).await;
    let succeeded = tally.succeeded.load(Ordering::Relaxed) - before;
    let rate = succeeded as f64 / start.elapsed().as_secs_f64();
    tasks.shutdown().await;
    Outcome {
        rate,
        failure: tally.failure(endpoint),
    }
}

/// Sends the requests of the numbers below `count`, all of which must succeed, and gives the rate.
pub(crate) async fn complete(
    endpoint: &Endpoint,
    connections: usize,
    count: u64,
    make: &Make,
) -> Result<f64> {
    let tally = Arc::new(Tally::default());
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(work(
            endpoint.address.clone(),
            Arc::clone(&tally),
            Arc::clone(make),
            count,
        ));
    }
    tasks.join_all().await;
    match tally.failure(endpoint) {
        Some(failure) => bail!(failure),
        None => Ok(count as f64 / start.elapsed().as_secs_f64()),
    }
}

/// One connection's part: takes the next number until `end`.
async fn work(address: String, tally: Arc<Tally>, make: Make, end: u64) {
    let mut connection = None;
    loop {
        let number = tally.begun.fetch_add(1, Ordering::Relaxed);
        if number >= end {
            return;
        }
        match attempt(&address, &mut connection, &make, number).await {
            Ok(()) => {
                tally.succeeded.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                connection = None;
                tally.failed.fetch_add(1, Ordering::Relaxed);
                tally.first_failure.lock().get_or_insert(format!("{error:#}"));
                // A server that refuses all is not to be flooded.
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

async fn attempt(address: &str, held: &mut Option<Connection>, make: &Make, number: u64) -> Result<()> {
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => Connection::open(address).await?,
    };
    // A server may close a connection that it has used enough.
    if !connection.is_open().await {
        connection = Connection::open(address).await?;
    }
    expect_success(connection.exchange(make(number)?).await?)?;
    *held = Some(connection);
    Ok(())
}

impl Tally {
    fn failure(&self, endpoint: &Endpoint) -> Option<String> {
        let first = self.first_failure.lock().take()?;
        let failed = self.failed.load(Ordering::Relaxed);
        Some(format!(
            "{failed} requests to {}, the first: {first}",
            endpoint.name
        ))
    }
}
