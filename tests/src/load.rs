//! Clients that work without a pause, each over a connection of its own that it keeps, and miss nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::client::Client;
use crate::response::Response;
use crate::stopwatch::Stopwatch;

/// Nothing here takes so long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);
/// Names of a client's objects.
const NAMES: usize = 5;

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    rounds: Vec<watch::Receiver<usize>>,
    workers: JoinSet<Duration>,
}

/// One client: what it stored, and how long it ever waited for an answer.
struct Worker {
    client: Client,
    container: String,
    stored: BTreeMap<String, String>,
    slowest: Duration,
}

impl Load {
    /// Sets `clients` to work in `container`: they put, read, list and delete objects of their own.
    ///
    /// An answer that is not the right one, and a connection that breaks, is a panic that [`finish`](Self::finish)
    /// passes on.
    pub fn start(container: &str, clients: impl IntoIterator<Item = Client>) -> Self {
        let stop = watch::Sender::new(false);
        let (mut rounds, mut workers) = (Vec::new(), JoinSet::new());
        for (number, client) in clients.into_iter().enumerate() {
            let (done, counted) = watch::channel(0);
            rounds.push(counted);
            let worker = Worker {
                client,
                container: container.to_owned(),
                stored: BTreeMap::new(),
                slowest: Duration::ZERO,
            };
            workers.spawn(worker.work(number, stop.subscribe(), done));
        }
        Self {
            stop,
            rounds,
            workers,
        }
    }

    /// Waits until each client has been through `more` further rounds, or failed.
    pub async fn rounds(&self, more: usize) {
        for rounds in &self.rounds {
            let mut rounds = rounds.clone();
            let goal = *rounds.borrow() + more;
            let reached = timeout(DEADLINE, rounds.wait_for(|&done| done >= goal)).await;
            assert!(reached.is_ok(), "a client hangs");
        }
    }

    /// Ends the work, and tells how long the longest answer took, apart from what the machine is to blame for.
    ///
    /// # Panics
    /// When a client got an answer that is not right, or none.
    pub async fn finish(mut self) -> Duration {
        self.stop.send_replace(true);
        let mut slowest = Duration::ZERO;
        while let Some(worked) = self.workers.join_next().await {
            match worked {
                Ok(time) => slowest = slowest.max(time),
                Err(failed) => std::panic::resume_unwind(failed.into_panic()),
            }
        }
        slowest
    }
}

impl Worker {
    async fn work(
        mut self,
        number: usize,
        stop: watch::Receiver<bool>,
        done: watch::Sender<usize>,
    ) -> Duration {
        let mut round = 0;
        while !*stop.borrow() {
            self.round(number, round).await;
            round += 1;
            done.send_replace(round);
        }
        self.slowest
    }

    /// Stores an object, reads it, lists all, and removes the oldest one at times.
    async fn round(&mut self, number: usize, round: usize) {
        let name = format!("{number}/{}", round % NAMES);
        let path = format!("{}/{name}", self.container);
        let content = format!("{number} {round} {}", "x".repeat(round * 37 % 5000));
        let put = self.client.put(&path, content.clone());
        self.timed(put).await.expect(201);
        self.stored.insert(name.clone(), content.clone());
        let get = self.client.get(&path);
        self.timed(get).await.expect(200).expect_body(&content);
        let head = self.client.head(&path);
        let length = self.timed(head).await.expect(200).number("content-length");
        assert_eq!(length, content.len() as u64);
        if round % 3 == 2 {
            let delete = self.client.delete(&path);
            self.timed(delete).await.expect(204);
            self.stored.remove(&name);
            let get = self.client.get(&path);
            self.timed(get).await.expect(404);
        }
        let list = self
            .client
            .list(&self.container)
            .query("prefix", &format!("{number}/"));
        let names: Vec<_> = self.stored.keys().cloned().collect();
        self.timed(list).await.expect(200).expect_entries(&names);
    }

    async fn timed(&mut self, request: crate::client::Request) -> Response {
        let watch = Stopwatch::start();
        let response = request.await;
        self.slowest = self.slowest.max(watch.elapsed());
        response
    }
}
