//! Machines on which servers run, each with a clock of its own, and what a network file system does to them.

use std::path::{Path as FilePath, PathBuf};

use common::constraints::Constraints;
use common::functional::object::Path;
use common::functional::{Call, Context, ask, container, object};
use common::service::FunctionalService;
use common::{Body, Clock, Properties};
use tempfile::TempDir;

use super::*;
use crate::engine::EngineError;
use crate::engine::posix::{self, Posix, Watched};
use crate::failure_point::{Failure, FailurePoints};
use crate::{Neighbours, ObjectServer, Settings};

pub(super) const RENEWAL: &str = "lease:before_renewal";
/// Longer than a server waits between two renewals here.
const DEADLINE: Duration = Duration::from_secs(60);

/// A machine with a clock of its own.
pub(super) struct Host {
    machine: Machine,
    now: Arc<AtomicU64>,
    pub(super) points: FailurePoints,
    watched: Watched,
    /// Of the server that is started next.
    pub(super) neighbours: Neighbours,
}

/// A server that runs there.
pub(super) struct Running {
    pub(super) server: ObjectServer,
    pub(super) service: FunctionalService,
    pub(super) lease: Lease,
}

impl Host {
    pub(super) fn new(kernel: &str) -> Self {
        let now = Arc::new(AtomicU64::new(SECOND));
        let machine = Machine {
            kernel: kernel.to_owned(),
            clock: Ticks::Manual(Arc::clone(&now)),
        };
        Self {
            machine,
            now,
            points: FailurePoints::new(),
            watched: Watched::default(),
            neighbours: Neighbours {
                account_server: nobody(),
                guards: nobody(),
            },
        }
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds * SECOND, Ordering::AcqRel);
    }

    pub(super) fn engine(&self, root: &FilePath) -> Result<Posix, EngineError> {
        let settings = posix::Settings {
            failure_points: self.points.clone(),
            // By the clock on the wall; what else takes its time goes by the machine's.
            lease: Terms {
                renewal: Duration::from_millis(5),
                ..Terms::default()
            },
            machine: self.machine.clone(),
            watched: self.watched.clone(),
            ..posix::Settings::default()
        };
        Posix::open(root, &settings)
    }

    pub(super) async fn start(&self, root: &FilePath) -> Result<Running, EngineError> {
        let engine = self.engine(root)?;
        let lease = engine.lease();
        let (settings, constraints) = (Settings::default(), Arc::new(Constraints::default()));
        let neighbours = self.neighbours.clone();
        let opened = ObjectServer::open_posix(engine, &settings, constraints, neighbours).await;
        let server = opened.unwrap();
        Ok(Running {
            service: server.service(),
            server,
            lease,
        })
    }

    /// The next renewal hangs, as it does on a machine that is cut off; or goes on.
    pub(super) async fn freeze(&self) {
        let mut hits = self.points.hits(RENEWAL);
        self.points.arm(RENEWAL, Failure::Wait);
        // One that came just in between may hang, or have passed before.
        while self.points.hits(RENEWAL) != hits {
            self.points.disarm(RENEWAL);
            hits = self.points.hits(RENEWAL);
            self.points.arm(RENEWAL, Failure::Wait);
        }
        self.points.reached(RENEWAL, hits + 1).await;
    }

    pub(super) fn thaw(&self) {
        self.points.disarm(RENEWAL);
    }

    /// Ends as a process does: nothing is renewed from then on, and nothing given back.
    pub(super) async fn crash(&mut self, engine: Posix) {
        self.freeze().await;
        drop(engine);
        self.points = FailurePoints::new();
    }

    /// Waits until a renewal that begins from now on has been made.
    pub(super) async fn renewed(&self) {
        let hits = self.points.hits(RENEWAL);
        self.points.reached(RENEWAL, hits + 2).await;
    }
}

pub(super) fn path(name: &str) -> Path {
    Path::new("AUTH_test", "c", name).unwrap()
}

impl Running {
    pub(super) async fn ask<C: Call>(&self, call: C, body: &'static str) -> Result<C::Answer, Error> {
        static CLOCK: Clock = Clock::new();
        let context = Context::internal("test", CLOCK.next());
        Ok(ask(&self.service, call, context, Body::full(body)).await?.0)
    }

    pub(super) async fn make_container(&self) -> Result<(), Error> {
        let Path {
            account, container, ..
        } = path("any");
        let put = container::Put {
            account,
            container,
            storage_policy: None,
            properties: Properties::new(),
        };
        self.ask(put, "").await.map(drop)
    }

    pub(super) async fn put(&self, name: &str, data: &'static str) -> Result<(), Error> {
        let put = object::Put::new(path(name));
        self.ask(put, data).await.map(drop)
    }

    pub(super) async fn get(&self, name: &str) -> Result<String, Error> {
        let get = object::Get {
            path: path(name),
            conditions: Default::default(),
            ranges: None,
            open_expired: false,
        };
        let context = Context::internal("test", Clock::now());
        let (_, body) = ask(&self.service, get, context, Body::empty()).await?;
        let bytes = body.collect(1 << 20).await.unwrap();
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }
}

/// Who is away.
fn nobody() -> FunctionalService {
    FunctionalService::from_fn(|_| Box::pin(std::future::ready(Err(Error::unavailable("away", None)))))
}

/// What a network file system does with the locks of a machine that it has lost sight of.
pub(super) fn give_locks_away(root: &FilePath) {
    for lock in ["lock", "journal/0/lock"] {
        let lock = root.join(".stobj").join(lock);
        std::fs::rename(&lock, lock.with_extension("lost")).unwrap();
    }
}

pub(super) async fn until<F: Future<Output = bool>>(is_so: impl Fn() -> F) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(DEADLINE, waiting).await.unwrap();
}

pub(super) fn leases(root: &FilePath) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root.join(".stobj/leases")).unwrap();
    let mut leases: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    leases.sort();
    leases
}

/// A storage with an object `old`, and who serves it.
pub(super) async fn storage(host: &Host) -> (TempDir, Running) {
    let root = tempfile::tempdir().unwrap();
    let running = host.start(root.path()).await.unwrap();
    running.make_container().await.unwrap();
    running.put("old", "old").await.unwrap();
    (root, running)
}
