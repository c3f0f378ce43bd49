//! The one task that writes.
//!
//! It takes what is queued into one transaction: while one batch commits, the next gathers. While nothing is queued, and for
//! a share of its time while something always is, it removes what was detached and packs names for searches.

use std::sync::Arc;

use common::functional::mirror::{Apply, MAX_BATCH, Mend, Position};
use common::{Error, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::breaker::Breaker;
use crate::idle::{Idle, REST};
use crate::mirror::{self, Batch, Directories, Reaper};
use crate::pace::Pace;
use crate::packer::Packer;
use crate::policy::{self, Change, Stored};
use crate::records::{self, Retention, Told};
use crate::sql::{Connection, Connector, Failure, Role};

/// How many jobs wait at most; further ones wait for a place.
pub(crate) const QUEUE: usize = 64;

/// How often a transaction is tried before it counts as impossible.
const ATTEMPTS: usize = 3;

/// Something to be written. Who asked may have gone meanwhile; it is written all the same.
#[derive(Debug)]
pub(crate) enum Job {
    /// A batch of an account's changes.
    Apply(Apply, oneshot::Sender<Result<Position, Error>>),
    /// Rows of an account that are no tree.
    Mend(Mend, oneshot::Sender<Result<Position, Error>>),
    /// A change of what decides.
    Policy(Box<PolicyJob>, oneshot::Sender<Result<Stored, Error>>),
    /// Records of operations.
    Records(Told, oneshot::Sender<Result<(), Error>>),
    /// Nothing more after this.
    Close,
}

/// A change of what decides, and under which circumstances it is made.
#[derive(Debug)]
pub(crate) struct PolicyJob {
    pub(crate) change: Change,
    /// The highest version that anybody has seen.
    pub(crate) seen: u64,
    pub(crate) now: Timestamp,
}

type Waiting = oneshot::Sender<Result<Position, Error>>;

/// The writer.
#[derive(Debug)]
pub(crate) struct Writer {
    connector: Connector,
    idle: Option<Idle>,
    breaker: Arc<Breaker>,
    directories: Directories,
    reaper: Reaper,
    packer: Packer,
    pace: Pace,
    retention: Retention,
    jobs: mpsc::Receiver<Job>,
    /// Taken out of the queue while batches were gathered, and next in turn.
    held: Option<Job>,
}

impl Writer {
    /// A writer; it connects when it is needed.
    pub(crate) fn new(
        connector: Connector,
        breaker: Arc<Breaker>,
        directories: Directories,
        packer: Packer,
        retention: Retention,
        jobs: mpsc::Receiver<Job>,
    ) -> Self {
        Self {
            connector,
            idle: None,
            breaker,
            directories,
            reaper: Reaper::new(),
            packer,
            pace: Pace::default(),
            retention,
            jobs,
            held: None,
        }
    }

    /// Writes until it is told to close or nobody can tell it anything any more.
    pub(crate) async fn run(mut self) {
        while let Some(job) = self.next().await {
            match job {
                Job::Close => break,
                job if self.breaker.is_open() => refuse(job),
                Job::Policy(job, waiting) => self.change_policy(job, waiting).await,
                Job::Apply(apply, waiting) => self.apply(apply, waiting).await,
                Job::Mend(mend, waiting) => self.mend(&mend, waiting).await,
                Job::Records(told, waiting) => self.keep_records(told, waiting).await,
            }
            self.pace.job_done(self.has_work());
            if self.has_work() && self.pace.is_due() && !self.breaker.is_open() {
                self.step().await;
            }
            if self.packer.is_pressed() && !self.breaker.is_open() {
                self.pack().await;
            }
            if self.retention.is_due() && !self.breaker.is_open() {
                self.forget_records().await;
            }
        }
        self.jobs.close();
        while let Ok(job) = self.jobs.try_recv() {
            refuse(job);
        }
        if let Some(idle) = self.idle.take() {
            idle.close().await;
        }
    }

    /// The next job; does what nobody waits for while there is none.
    async fn next(&mut self) -> Option<Job> {
        if let Some(job) = self.held.take() {
            return Some(job);
        }
        loop {
            if self.breaker.is_open() {
                tokio::select! {
                    job = self.jobs.recv() => return job,
                    () = self.breaker.closed() => {}
                }
            } else if self.reaper.is_fresh() {
                self.reap().await;
            } else if self.has_work() {
                tokio::select! {
                    biased;
                    job = self.jobs.recv() => return job,
                    () = tokio::time::sleep_until(self.pace.next()) => self.step().await,
                }
            } else {
                tokio::select! {
                    job = self.jobs.recv() => return job,
                    () = self.retention.due() => self.forget_records().await,
                    () = self.reaper.rested() => {}
                    () = self.packer.rested() => {}
                    () = tokio::time::sleep(REST) => Idle::rested(&mut self.idle).await,
                }
            }
        }
    }

    /// Applies a batch and those queued behind it.
    async fn apply(&mut self, apply: Apply, waiting: Waiting) {
        let mut changes = apply.changes.len();
        let mut batches = vec![Batch::new(apply)];
        let mut waiting = vec![waiting];
        while changes < MAX_BATCH && self.held.is_none() {
            match self.jobs.try_recv() {
                Ok(Job::Apply(apply, sender)) => {
                    changes += apply.changes.len();
                    batches.push(Batch::new(apply));
                    waiting.push(sender);
                }
                Ok(job) => self.held = Some(job),
                Err(_) => break,
            }
        }
        for batch in &batches {
            self.packer.note(batch.changes());
        }
        let failure = self.bring_in(&mut batches).await.err();
        // One of several may be what cannot be stored; the others shall not suffer for it.
        let is_one_to_blame = batches.len() > 1 && failure.as_ref().is_some_and(|failure| !failure.is_away());
        for (batch, sender) in batches.into_iter().zip(waiting) {
            if is_one_to_blame && !batch.is_done() && !self.breaker.is_open() {
                let mut alone = [batch];
                let failure = self.bring_in(&mut alone).await.err();
                let [batch] = alone;
                answer(batch, sender, failure.as_ref());
            } else {
                answer(batch, sender, failure.as_ref());
            }
        }
    }

    /// Brings batches in, in as many transactions as they need.
    async fn bring_in(&mut self, batches: &mut [Batch]) -> Result<(), Failure> {
        let mut attempt = 1;
        while batches.iter().any(|batch| !batch.is_done()) {
            let done = match self.connection().await {
                Ok(mut connection) => {
                    let done = mirror::advance(&mut connection, &mut self.directories, batches).await;
                    self.put_back(connection, done).await
                }
                Err(failure) => Err(failure),
            };
            match done {
                Ok(has_trash) => {
                    attempt = 1;
                    if has_trash {
                        self.reaper.wake();
                    }
                }
                Err(failure) if self.is_final(&failure, attempt) => return Err(failure),
                Err(_) => attempt += 1,
            }
        }
        Ok(())
    }

    async fn mend(&mut self, mend: &Mend, waiting: Waiting) {
        let mut attempt = 1;
        let result = loop {
            let done = match self.connection().await {
                Ok(mut connection) => {
                    let done = mirror::mend(&mut connection, &mut self.directories, mend).await;
                    self.put_back(connection, done).await
                }
                Err(failure) => Err(failure),
            };
            match done {
                Ok((position, has_trash)) => {
                    if has_trash {
                        self.reaper.wake();
                    }
                    break Ok(position);
                }
                Err(failure) if self.is_final(&failure, attempt) => break Err(failure.into()),
                Err(_) => attempt += 1,
            }
        };
        let _ = waiting.send(result);
    }

    async fn change_policy(&mut self, job: Box<PolicyJob>, waiting: oneshot::Sender<Result<Stored, Error>>) {
        let mut attempt = 1;
        let result = loop {
            let done = match self.connection().await {
                Ok(mut connection) => {
                    let done = policy::store(&mut connection, &job.change, job.seen, job.now).await;
                    self.put_back(connection, done).await
                }
                Err(failure) => Err(failure),
            };
            match done {
                Ok(stored) => break Ok(stored),
                Err(failure) if self.is_final(&failure, attempt) => break Err(failure.into()),
                Err(_) => attempt += 1,
            }
        };
        let _ = waiting.send(result);
    }

    async fn keep_records(&mut self, told: Told, waiting: oneshot::Sender<Result<(), Error>>) {
        let mut attempt = 1;
        let result = loop {
            let done = match self.connection().await {
                Ok(mut connection) => {
                    let done = records::keep(&mut connection, &told).await;
                    self.put_back(connection, done).await
                }
                Err(failure) => Err(failure),
            };
            match done {
                Ok(()) => break Ok(()),
                Err(failure) if self.is_final(&failure, attempt) => break Err(failure.into()),
                Err(_) => attempt += 1,
            }
        };
        let _ = waiting.send(result);
    }

    async fn forget_records(&mut self) {
        let done = match self.connection().await {
            Ok(mut connection) => {
                let done = self.retention.step(&mut connection).await;
                self.put_back(connection, done).await
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = done {
            tracing::warn!(%failure, "old records could not be removed yet");
            self.retention.rest();
            if failure.is_away() {
                self.breaker.open(&failure);
            }
        }
    }

    /// Whether there is something to do that nobody waits for.
    fn has_work(&self) -> bool {
        self.reaper.has_work() || self.packer.has_work()
    }

    /// A step of that.
    async fn step(&mut self) {
        let began = Instant::now();
        if self.reaper.has_work() {
            self.reap().await;
        } else {
            self.pack().await;
        }
        self.pace.step_done(began, self.has_work());
    }

    async fn reap(&mut self) {
        let done = match self.connection().await {
            Ok(mut connection) => {
                let done = self.reaper.step(&mut connection).await;
                self.put_back(connection, done).await
            }
            Err(failure) => Err(failure),
        };
        match done {
            Ok(removed) => self.packer.note_removed(removed),
            Err(failure) => {
                tracing::warn!(%failure, "what was forgotten could not be removed yet");
                if failure.is_away() {
                    self.breaker.open(&failure);
                } else {
                    self.reaper.rest();
                }
            }
        }
    }

    async fn pack(&mut self) {
        let done = match self.connection().await {
            Ok(mut connection) => {
                let done = self.packer.step(&mut connection).await;
                self.put_back(connection, done).await
            }
            Err(failure) => Err(failure),
        };
        if let Err(failure) = done {
            tracing::warn!(%failure, "names could not be packed for searches yet");
            if failure.is_away() {
                self.breaker.open(&failure);
            } else {
                self.packer.rest(&failure);
            }
        }
    }

    /// The connection, taken out of its place: if its user is dropped half-way it is not used again.
    async fn connection(&mut self) -> Result<Connection, Failure> {
        match Idle::take(&mut self.idle, &self.breaker) {
            Some(connection) => Ok(connection),
            None => self.connector.connect(Role::Writer).await,
        }
    }

    /// Puts the connection back when it is still good, and ends a transaction that failed.
    async fn put_back<T>(
        &mut self,
        mut connection: Connection,
        done: Result<T, Failure>,
    ) -> Result<T, Failure> {
        let is_good = match &done {
            Ok(_) => true,
            Err(failure) => {
                self.directories.clear();
                !failure.is_away() && connection.rollback().await.is_ok()
            }
        };
        if is_good {
            self.idle = Some(Idle::new(connection, &self.breaker));
        }
        done
    }

    /// Whether trying once more is of no use. Opens the breaker when the database is away.
    fn is_final(&self, failure: &Failure, attempt: usize) -> bool {
        if failure.is_away() && !(failure.is_broken_connection() && attempt == 1) {
            self.breaker.open(failure);
            return true;
        }
        // What is wrong is tried once more, as the rows remembered may have been.
        attempt >= ATTEMPTS
    }
}

fn answer(batch: Batch, waiting: Waiting, failure: Option<&Failure>) {
    let answer = batch.into_answer().unwrap_or_else(|| Err(error_of(failure)));
    let _ = waiting.send(answer);
}

/// The failure of several batches, for one of them: a cause cannot be cloned, so its words are passed on.
fn error_of(failure: Option<&Failure>) -> Error {
    match failure {
        Some(failure) if !failure.is_away() => Error::internal(failure.to_string()),
        _ => Failure::Timeout.into(),
    }
}

fn refuse(job: Job) {
    match job {
        Job::Apply(_, waiting) | Job::Mend(_, waiting) => drop(waiting.send(Err(Failure::Timeout.into()))),
        Job::Policy(_, waiting) => drop(waiting.send(Err(Failure::Timeout.into()))),
        Job::Records(_, waiting) => drop(waiting.send(Err(Failure::Timeout.into()))),
        Job::Close => {}
    }
}
