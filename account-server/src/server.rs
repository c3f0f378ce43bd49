//! The account-server: its connections and tasks.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::Error;
use common::service::{ArcService, FunctionalService};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::Settings;
use crate::breaker::{Breaker, FirstTry};
use crate::mirror::Directories;
use crate::packer::Packer;
use crate::queue::Queue;
use crate::reader;
use crate::records::Retention;
use crate::service::Front;
use crate::sql::Connector;
use crate::writer::{self, Writer};

/// An account-server at work. Cloning it costs a reference count; the last clone that is dropped ends its tasks.
#[derive(Clone, Debug)]
pub struct AccountServer(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) questions: Arc<Queue<reader::Job>>,
    pub(crate) jobs: mpsc::Sender<writer::Job>,
    /// A place for each search that may be under way.
    pub(crate) searches: Semaphore,
    pub(crate) breaker: Arc<Breaker>,
    /// The highest version of the policy that anybody says to have seen.
    pub(crate) seen: AtomicU64,
    statements: Arc<AtomicU64>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    probe: JoinHandle<()>,
}

impl AccountServer {
    /// Serves the database of `settings`, or the SQLite file `default_sqlite` when these name none: brings its schema
    /// up to date and checks that its order is that of bytes. A database that is away, or lets nobody in, is no
    /// error: until it can be used, what needs it is refused, and it is tried once a second.
    ///
    /// # Errors
    /// When no database can be meant by the settings, or it is there and none that this program can work with.
    pub async fn open(settings: &Settings, default_sqlite: &Path) -> Result<Self, Error> {
        let statements = Arc::new(AtomicU64::new(0));
        let connector = Connector::new(settings, default_sqlite, Arc::clone(&statements))?;
        let breaker = Arc::new(Breaker::new(connector.to_string()));
        let (first_try, tried) = oneshot::channel();
        let probe = tokio::spawn(probe(Arc::clone(&breaker), connector.clone(), first_try));
        match tokio::time::timeout(settings.timeout.0, tried).await {
            Ok(Ok(Err(failure))) => return Err(failure.into()),
            Ok(_) => {}
            Err(_) => breaker.complain("it does not answer yet, or its schema is being changed"),
        }
        let questions = Arc::new(Queue::new(settings.queue.get()));
        let (jobs, received) = mpsc::channel(writer::QUEUE);
        let directories = Directories::new(settings.directory_cache.get());
        let retention = Retention::new(settings);
        let writer = Writer::new(
            connector.clone(),
            Arc::clone(&breaker),
            directories,
            Packer::new(settings.search_block_names),
            retention,
            received,
        );
        let mut tasks = vec![tokio::spawn(writer.run())];
        for _ in 0..settings.readers.get() {
            let (breaker, questions) = (Arc::clone(&breaker), Arc::clone(&questions));
            tasks.push(tokio::spawn(reader::run(connector.clone(), breaker, questions)));
        }
        Ok(Self(Arc::new(Inner {
            questions,
            jobs,
            searches: Semaphore::new((settings.readers.get() / 2).max(1)),
            breaker,
            seen: AtomicU64::new(0),
            statements,
            tasks: Mutex::new(tasks),
            probe,
        })))
    }

    /// The service that answers functional requests.
    pub fn service(&self) -> FunctionalService {
        ArcService::new(Front(Arc::clone(&self.0)))
    }

    /// How many statements were sent to the database so far, `BEGIN` and `COMMIT` included.
    pub fn statements(&self) -> u64 {
        self.0.statements.load(Ordering::Relaxed)
    }

    /// Whether the database counts as away: every request is refused until it is there again.
    pub fn is_away(&self) -> bool {
        self.0.breaker.is_open()
    }

    /// Why it is away.
    pub fn away_because(&self) -> Option<String> {
        self.0.breaker.reason()
    }

    /// Waits until the database is there.
    pub async fn available(&self) {
        self.0.breaker.closed().await;
    }

    /// Writes what is queued, refuses what comes after, and closes the connections.
    pub async fn close(&self) {
        let _ = self.0.jobs.send(writer::Job::Close).await;
        self.0.questions.close();
        let tasks = std::mem::take(&mut *self.0.tasks.lock());
        for task in tasks {
            let _ = task.await;
        }
        self.0.probe.abort();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.questions.close();
        self.probe.abort();
    }
}

async fn probe(breaker: Arc<Breaker>, connector: Connector, first_try: FirstTry) {
    breaker.probe(&connector, first_try).await;
}
