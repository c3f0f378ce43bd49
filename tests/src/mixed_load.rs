//! A load of all kinds of requests, each of whose answers is checked against what the store must hold by then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use crate::{Client, Response, Server, Stopwatch};

/// Who logs in.
const USER: (&str, &str) = ("test:tester", "testing");

/// One client of several, which works in a container of its own.
#[derive(Debug)]
pub struct Worker {
    client: Client,
    container: String,
    /// What was stored, by name.
    objects: BTreeMap<String, String>,
    round: usize,
    slowest: Slowest,
}

/// The request that took longest.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slowest {
    /// How long, apart from what the machine is to blame for.
    pub time: Duration,
    /// What it was.
    pub request: String,
}

/// Several workers, in one account.
#[derive(Debug)]
pub struct MixedLoad {
    workers: Vec<Worker>,
}

impl MixedLoad {
    /// Workers with empty containers.
    pub async fn start(server: &Server, workers: usize) -> Self {
        let mut load = Self {
            workers: Vec::with_capacity(workers),
        };
        for number in 0..workers {
            let mut worker = Worker {
                client: server.login(USER.0, USER.1).await,
                container: format!("container-{number}"),
                objects: BTreeMap::new(),
                round: 0,
                slowest: Slowest::default(),
            };
            let put = worker.client.put(&worker.container, "");
            worker.timed("PUT container", put).await.expect(201);
            load.workers.push(worker);
        }
        load
    }

    /// Works for so long, and at least a few rounds. Answers the slowest request of this time.
    pub async fn run(&mut self, time: Duration) -> Slowest {
        let end = Instant::now() + time;
        let working = self.workers.drain(..).map(|mut worker| {
            tokio::spawn(async move {
                worker.slowest = Slowest::default();
                let least = worker.round + 3;
                while worker.round < least || Instant::now() < end {
                    worker.work().await;
                }
                worker
            })
        });
        for worker in working.collect::<Vec<_>>() {
            self.workers
                .push(worker.await.expect("what a worker found wrong is told above"));
        }
        self.check_account().await;
        self.workers
            .iter()
            .map(|worker| worker.slowest.clone())
            .max()
            .unwrap_or_default()
    }

    /// How many rounds were made in all.
    pub fn rounds(&self) -> usize {
        self.workers.iter().map(|worker| worker.round).sum()
    }

    /// The bytes of everything that was stored, by `container/object`.
    pub fn objects(&self) -> BTreeMap<String, u64> {
        let objects = self.workers.iter().flat_map(|worker| {
            let sizes = worker.objects.iter().map(|(name, body)| {
                let name = format!("{}/{name}", worker.container);
                (name, body.len() as u64)
            });
            sizes.collect::<Vec<_>>()
        });
        objects.collect()
    }

    /// All objects, listings and counters once more.
    pub async fn check(&mut self) {
        for worker in &mut self.workers {
            worker.check_listings().await;
            for (name, body) in worker.objects.clone() {
                let get = worker.client.get(&worker.path(&name));
                worker.timed("GET", get).await.expect(200).expect_body(body);
            }
        }
        self.check_account().await;
    }

    async fn check_account(&mut self) {
        let objects = self.objects();
        let containers: BTreeSet<_> = self
            .workers
            .iter()
            .map(|worker| worker.container.clone())
            .collect();
        let containers: Vec<_> = containers.into_iter().collect();
        let Some(worker) = self.workers.first_mut() else {
            return;
        };
        let head = worker.client.head("");
        let head = worker.timed("HEAD account", head).await.expect(204);
        assert_eq!(head.number("x-account-container-count"), containers.len() as u64);
        assert_eq!(head.number("x-account-object-count"), objects.len() as u64);
        assert_eq!(head.number("x-account-bytes-used"), objects.values().sum::<u64>());
        let list = worker.client.list("");
        let list = worker.timed("GET account", list).await;
        list.expect(200).expect_entries(&containers);
    }
}

impl Worker {
    /// One of each kind of request.
    async fn work(&mut self) {
        self.round += 1;
        let round = self.round;
        let name = format!("d{}/e{}/object {round}", round % 3, round % 2);
        let body = "x".repeat(1 + round * 7 % 300);
        let path = self.path(&name);
        let put = self.client.put(&path, body.clone());
        self.timed("PUT", put).await.expect(201);
        self.objects.insert(name, body.clone());
        self.check_listings().await;
        let get = self.client.get(&path);
        self.timed("GET", get).await.expect(200).expect_body(body.clone());
        let post = self
            .client
            .post(&path)
            .header("x-object-meta-round", &round.to_string());
        self.timed("POST", post).await.expect(202);
        let head = self.client.head(&path);
        let head = self.timed("HEAD", head).await.expect(200);
        assert_eq!(head.number("content-length"), body.len() as u64);
        assert_eq!(head.number("x-object-meta-round"), round as u64);
        if round.is_multiple_of(3) {
            let (oldest, _) = self.objects.pop_first().expect("one was put just now");
            let delete = self.client.delete(&self.path(&oldest));
            self.timed("DELETE", delete).await.expect(204);
            let get = self.client.get(&self.path(&oldest));
            self.timed("GET of nothing", get).await.expect(404);
            self.check_listings().await;
        }
        if round.is_multiple_of(4) {
            self.rename(round).await;
        }
        if round % 5 == 1 {
            let token = self.client.ask_for_token(USER.0, USER.1);
            self.timed("log-in", token).await.expect(200);
        }
    }

    /// Gives a directory another name, and an object.
    async fn rename(&mut self, round: usize) {
        let from = format!("d{}/", round % 3);
        let to = format!("moved {round}/");
        let names: Vec<_> = self
            .objects
            .keys()
            .filter(|name| name.starts_with(&from))
            .cloned()
            .collect();
        if !names.is_empty() {
            self.renamed(&from, &to).await;
        }
        for name in names {
            if let Some(body) = self.objects.remove(&name) {
                self.objects.insert(format!("{to}{}", &name[from.len()..]), body);
            }
        }
        if let Some((name, body)) = self.objects.pop_last() {
            let to = format!("e/object {round}");
            self.renamed(&name, &to).await;
            let get = self.client.get(&self.path(&to));
            self.timed("GET of what was moved", get)
                .await
                .expect(200)
                .expect_body(body.clone());
            self.objects.insert(to, body);
        }
        self.check_listings().await;
    }

    async fn renamed(&mut self, from: &str, to: &str) {
        let rename = self.client.rename(&self.path(from), &self.path(to));
        self.timed("MOVE", rename).await.expect(201);
    }

    async fn check_listings(&mut self) {
        let names: Vec<_> = self.objects.keys().cloned().collect();
        let list = self.client.list(&self.container);
        let list = self.timed("GET container", list).await;
        let json = list.expect(200).expect_entries(&names).json();
        let sizes: Vec<_> = self.objects.values().map(|body| body.len() as u64).collect();
        let listed = json.as_array().expect("a listing is a list");
        let listed: Vec<_> = listed
            .iter()
            .filter_map(|entry| entry["bytes"].as_u64())
            .collect();
        assert_eq!(listed, sizes);
        let directories: BTreeSet<_> = names
            .iter()
            .filter_map(|name| name.split_inclusive('/').next())
            .collect();
        let directories: Vec<_> = directories.into_iter().collect();
        let list = self.client.list(&self.container).query("delimiter", "/");
        let list = self.timed("GET container with delimiter", list).await;
        list.expect(200).expect_entries(&directories);
        let head = self.client.head(&self.container);
        let head = self.timed("HEAD container", head).await.expect(204);
        assert_eq!(head.number("x-container-object-count"), names.len() as u64);
        assert_eq!(head.number("x-container-bytes-used"), sizes.iter().sum::<u64>());
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.container)
    }

    async fn timed(&mut self, request: &str, sent: impl IntoFuture<Output = Response>) -> Response {
        let watch = Stopwatch::start();
        let response = sent.await;
        let time = watch.elapsed();
        if time > self.slowest.time {
            self.slowest = Slowest {
                time,
                request: request.to_owned(),
            };
        }
        response
    }
}
