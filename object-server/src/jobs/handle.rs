//! A job in memory: how far it is, and whether it is to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::functional::check::Report;
use common::functional::job::Job;
use common::{Error, Outcome};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::store::Stored;
use super::{Work, guards};
use crate::engine::GoOn;

/// Why a job did not do all.
#[derive(Debug)]
pub(crate) enum End {
    /// Somebody ended it.
    Cancelled,
    /// The server ends; it goes on at the next start.
    Stopped,
    /// It could not.
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

impl From<crate::engine::EngineError> for End {
    fn from(error: crate::engine::EngineError) -> Self {
        Self::Failed(error.into())
    }
}

/// What a job is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    GoOn,
    Cancel,
    Stop,
    /// Who asked for it may not do it any more.
    Refuse,
}

/// A job that has not ended, shared between who does it and who looks.
#[derive(Clone, Debug)]
pub(crate) struct Handle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    stored: Mutex<Stored>,
    signal: watch::Sender<Signal>,
    has_ended: watch::Sender<bool>,
    /// Whether the guards are asked again while it runs.
    answers_to_guards: AtomicBool,
    /// Why they refuse it.
    refusal: Mutex<Option<(Outcome, String)>>,
}

impl Handle {
    pub(super) fn new(stored: Stored) -> Self {
        Self(Arc::new(Inner {
            stored: Mutex::new(stored),
            signal: watch::Sender::new(Signal::GoOn),
            has_ended: watch::Sender::new(false),
            answers_to_guards: AtomicBool::new(false),
            refusal: Mutex::default(),
        }))
    }

    pub(super) fn stored(&self) -> Stored {
        self.0.stored.lock().clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Job)) {
        change(&mut self.0.stored.lock().job);
    }

    /// The first word counts: what was cancelled is not stopped any more. Answers whether this is it.
    pub(super) fn signal(&self, signal: Signal) -> bool {
        self.0.signal.send_if_modified(|now| {
            let is_first = *now == Signal::GoOn;
            if is_first {
                *now = signal;
            }
            is_first
        })
    }

    pub(super) fn answers_to_guards(&self) {
        self.0.answers_to_guards.store(true, Ordering::Relaxed);
    }

    pub(super) fn does_answer_to_guards(&self) -> bool {
        self.0.answers_to_guards.load(Ordering::Relaxed)
    }

    /// It ends with this refusal, unless it is to end already. Who looks is told at once.
    pub(crate) fn refuse(&self, error: &Error) {
        let refused = guards::refused(error);
        let text = refused.text().unwrap_or_default().to_owned();
        // It is there before anybody looks for it.
        let outcome = refused.outcome().clone();
        self.0.refusal.lock().get_or_insert((outcome, text.clone()));
        if self.signal(Signal::Refuse) {
            tracing::info!(job = self.stored().job.id, "a job is ended: {text}");
            self.note_failure(|| text);
        }
    }

    fn refusal(&self) -> Error {
        match self.0.refusal.lock().clone() {
            Some((outcome, text)) => Error::from(outcome).with_text(text),
            None => Error::forbidden(),
        }
    }

    pub(super) fn say_ended(&self) {
        self.0.has_ended.send_replace(true);
    }

    /// Waits at most `wait` until it has ended.
    pub(super) async fn ended(&self, wait: Duration) {
        let mut has_ended = self.0.has_ended.subscribe();
        let _in_time = tokio::time::timeout(wait, has_ended.wait_for(|ended| *ended)).await;
    }

    /// Whether the job is to go on.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn check(&self) -> Result<(), End> {
        match *self.0.signal.borrow() {
            Signal::GoOn => Ok(()),
            Signal::Cancel => Err(End::Cancelled),
            Signal::Stop => Err(End::Stopped),
            Signal::Refuse => Err(End::Failed(self.refusal())),
        }
    }

    /// Whether what has to be done in any case is to go on.
    ///
    /// # Errors
    /// The server ends.
    pub(crate) fn check_stopped(&self) -> Result<(), End> {
        match *self.0.signal.borrow() {
            Signal::Stop => Err(End::Stopped),
            Signal::GoOn | Signal::Cancel | Signal::Refuse => Ok(()),
        }
    }

    /// [`check`](Self::check) for who knows nothing of jobs.
    pub(crate) fn go_on(&self) -> GoOn {
        let handle = self.clone();
        Box::new(move || {
            let ended = |_| Error::unavailable("the job is to end", None);
            handle.check().map_err(ended)
        })
    }

    /// Waits for something as long as the job is to go on.
    ///
    /// # Errors
    /// It is not.
    pub(crate) async fn unless_ended<T>(&self, awaited: impl Future<Output = T>) -> Result<T, End> {
        let mut signal = self.0.signal.subscribe();
        tokio::select! {
            done = awaited => Ok(done),
            _ = signal.wait_for(|signal| *signal != Signal::GoOn) => {
                self.check()?;
                Err(End::Stopped)
            }
        }
    }

    /// Waits for something as long as the server does not end.
    ///
    /// # Errors
    /// It ends.
    pub(crate) async fn unless_stopped<T>(&self, awaited: impl Future<Output = T>) -> Result<T, End> {
        let mut signal = self.0.signal.subscribe();
        tokio::select! {
            done = awaited => Ok(done),
            _ = signal.wait_for(|signal| *signal == Signal::Stop) => Err(End::Stopped),
        }
    }

    /// What it does, with how far it is: to be kept.
    pub(crate) fn set_work(&self, work: Work) {
        self.0.stored.lock().work = work;
    }

    /// Nothing is done yet.
    pub(crate) fn begin_anew(&self) {
        self.count(0, 0);
    }

    /// So many objects there are to do.
    pub(crate) fn expect(&self, total: u64) {
        self.change(|job| job.total = Some(total));
    }

    /// So many objects and bytes are done further.
    pub(crate) fn advance(&self, objects: u64, bytes: u64) {
        self.change(|job| {
            job.done += objects;
            job.bytes += bytes;
        });
    }

    /// So many are done at least: of what is looked at again nobody is told twice.
    pub(crate) fn reach(&self, objects: u64, bytes: u64) {
        self.change(|job| (job.done, job.bytes) = (job.done.max(objects), job.bytes.max(bytes)));
    }

    /// Just so many objects and bytes are done.
    pub(crate) fn count(&self, objects: u64, bytes: u64) {
        self.change(|job| (job.done, job.bytes) = (objects, bytes));
    }

    /// An object could not be done.
    pub(crate) fn note_failure(&self, failure: impl FnOnce() -> String) {
        self.change(|job| {
            job.errors += 1;
            job.error.get_or_insert_with(failure);
        });
    }

    /// What was found so far.
    pub(crate) fn report(&self, report: Report) {
        self.change(|job| job.report = Some(Box::new(report)));
    }
}
