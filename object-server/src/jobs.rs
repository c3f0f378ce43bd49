//! Jobs: what takes longer than a request may, done in the background.
//!
//! A job is a file from the moment it is answered with, so it survives a restart: what had not ended is then begun anew, or
//! gone on with (`jobs/resume.rs`), and each kind is made so that it does nothing twice. At most [`MAX_RUNNING`] run at once,
//! the others wait their turn.
//! Before a job begins, while it runs and before its result is seen the guards are asked again (`jobs/guards.rs`). One that meets a
//! late lease waits (`jobs/waiting.rs`).
//! Only jobs that have not ended are in memory; the last [`MAX_ENDED`] of an account are read from their files.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use common::functional::Context;
use common::functional::job::{Cancel, Job, Jobs as JobList, List, Show, State};
use common::service::FunctionalService;
use common::{Clock, Error};
use futures::future::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::lease::Lease;
use crate::owner::{Account, Owner};

mod guards;
mod handle;
mod removal;
mod resume;
mod store;
mod waiting;
mod work;

#[cfg(test)]
mod tests;

pub use guards::let_through;
use handle::Signal;
pub(crate) use handle::{End, Handle};
pub(crate) use store::Stored;
use store::new_id;
pub(crate) use waiting::Waiting;
pub(crate) use work::Work;

/// So many run at once.
const MAX_RUNNING: usize = 2;
/// So many wait for these, at most.
const MAX_WAITING: usize = 1000;
/// So many that ended are kept of each account.
const MAX_ENDED: usize = 100;
/// How often the progress of a running job is written down.
const WRITE_DOWN: Duration = Duration::from_secs(5);
/// So long it is waited for a job that was told to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The jobs of all accounts that have not ended.
#[derive(Debug)]
pub(crate) struct Jobs {
    state_directory: PathBuf,
    lease: Lease,
    state: Mutex<Standing>,
    /// How many run.
    running: watch::Sender<usize>,
    /// How many accounts are being removed, or wait for that.
    removals: watch::Sender<usize>,
    /// One is removed at a time.
    removal_turn: Arc<tokio::sync::Semaphore>,
    /// Before this server; none when it has closed.
    guards: Mutex<Option<FunctionalService>>,
    /// Held by who writes a job down: its progress is, while the job itself says how far it may go on.
    writing: Arc<Mutex<()>>,
}

#[derive(Debug, Default)]
struct Standing {
    active: HashMap<String, Handle>,
    waiting: VecDeque<String>,
    is_closed: bool,
}

/// What a job is to be.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// What it does.
    pub(crate) work: Work,
    /// What it does it to.
    pub(crate) source: Option<String>,
    /// Where to.
    pub(crate) destination: Option<String>,
}

impl Jobs {
    pub(crate) fn new(state_directory: PathBuf, lease: Lease, guards: FunctionalService) -> Self {
        Self {
            state_directory,
            lease,
            state: Mutex::default(),
            running: watch::Sender::new(0),
            removals: watch::Sender::new(0),
            removal_turn: Arc::new(tokio::sync::Semaphore::new(1)),
            guards: Mutex::new(Some(guards)),
            writing: Arc::default(),
        }
    }

    /// Tells all running jobs to stop, and waits a bounded time until they have. They go on after the next start.
    pub(crate) async fn close(&self) {
        let active: Vec<_> = {
            let mut state = self.state.lock();
            state.is_closed = true;
            state.active.values().cloned().collect()
        };
        for handle in active {
            handle.signal(Signal::Stop);
        }
        // The senders live as long as this does.
        let all = async {
            for running in [&self.running, &self.removals] {
                let _ = running.subscribe().wait_for(|running| *running == 0).await;
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            tracing::warn!("a job did not stop in time; it begins anew at the next start");
        }
        // They lead back to this server.
        self.guards.lock().take();
    }

    fn find(&self, id: &str) -> Option<Handle> {
        self.state.lock().active.get(id).cloned()
    }

    /// Takes a job on.
    ///
    /// # Errors
    /// 503 when too many wait.
    fn enqueue(&self, id: String, handle: Handle) -> Result<(), Error> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Error::unavailable("the server is closing", None));
        }
        let waits_by_itself = handle.stored().work.is_removal();
        let waiting = match waits_by_itself {
            true => *self.removals.borrow(),
            false => state.waiting.len(),
        };
        if waiting >= MAX_WAITING {
            let why = "too many jobs wait for their turn";
            return Err(Error::unavailable(why, Some(Duration::from_secs(60))));
        }
        if !waits_by_itself {
            state.waiting.push_back(id.clone());
        }
        state.active.insert(id, handle);
        Ok(())
    }

    /// The next job to run, when there is room for it.
    fn next(&self) -> Option<Handle> {
        let mut state = self.state.lock();
        if state.is_closed || self.lease.is_lost() || *self.running.borrow() >= MAX_RUNNING {
            return None;
        }
        let id = state.waiting.pop_front()?;
        let handle = state.active.get(&id).cloned();
        self.running.send_modify(|running| *running += 1);
        handle
    }

    /// Takes a job out of the queue, if it waits there.
    fn withdraw(&self, id: &str) -> bool {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state.waiting.retain(|waiting| waiting != id);
        state.waiting.len() < before
    }

    async fn write_down(&self, stored: Stored) -> Result<(), Error> {
        let writing = Arc::clone(&self.writing);
        store::save(&self.state_directory, &self.lease, stored, writing).await
    }
}

impl Owner {
    /// Begins a job of `account` on behalf of who asked in `context`. It is on the disk when this answers.
    ///
    /// # Errors
    /// 503 when too many wait; what the disk fails with.
    pub(crate) async fn submit(
        self: &Arc<Self>,
        account: &Account,
        wanted: Wanted,
        context: &Context,
    ) -> Result<Job, Error> {
        let handle = self.take_on(account, wanted, context).await?;
        self.start_jobs();
        Ok(handle.stored().job)
    }

    /// The same without beginning it, if it waits by itself.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn take_on(
        &self,
        account: &Account,
        wanted: Wanted,
        context: &Context,
    ) -> Result<Handle, Error> {
        let id = new_id()?;
        let job = Job {
            id: id.clone(),
            account: account.name.clone(),
            kind: wanted.work.kind().to_owned(),
            source: wanted.source,
            destination: wanted.destination,
            state: State::Queued,
            done: 0,
            total: None,
            bytes: 0,
            errors: 0,
            error: None,
            created: context.timestamp,
            ended: None,
            report: None,
        };
        let stored = Stored {
            job,
            account_id: account.account_id,
            work: wanted.work,
            context: context.clone(),
        };
        let handle = Handle::new(stored.clone());
        self.jobs.enqueue(id.clone(), handle.clone())?;
        if let Err(error) = self.jobs.write_down(stored).await {
            self.jobs.withdraw(&id);
            self.jobs.state.lock().active.remove(&id);
            return Err(error);
        }
        Ok(handle)
    }

    /// Writes down what a job does, durably.
    ///
    /// # Errors
    /// What the disk fails with.
    pub(crate) async fn keep_job(&self, handle: &Handle) -> Result<(), Error> {
        self.jobs.write_down(handle.stored()).await
    }

    pub(crate) async fn show_job(&self, show: Show, context: &Context) -> Result<Job, Error> {
        let account = self.account(&show.account).await?.ok_or_else(Error::not_found)?;
        account.check_shown(context)?;
        let stored = self.job(&account, &show.id).await?;
        stored
            .filter(|stored| stored.is_for(context))
            .map(|stored| stored.job)
            .ok_or_else(Error::not_found)
    }

    pub(crate) async fn list_jobs(&self, list: List, context: &Context) -> Result<JobList, Error> {
        let account = self.account(&list.account).await?.ok_or_else(Error::not_found)?;
        account.check_shown(context)?;
        let mut found = store::all(&self.jobs.state_directory, account.account_id).await?;
        for stored in &mut found {
            if let Some(handle) = self.jobs.find(&stored.job.id) {
                *stored = handle.stored();
            }
        }
        found.retain(|stored| stored.is_for(context));
        found.sort_by_key(|stored| std::cmp::Reverse(stored.job.created));
        let jobs = found.into_iter().map(|stored| Job {
            report: None,
            ..stored.job
        });
        Ok(JobList { jobs: jobs.collect() })
    }

    /// Ends a job. It is answered as it then stands: mostly it has ended.
    ///
    /// # Errors
    /// 404; 409 when it cannot be taken back.
    pub(crate) async fn cancel_job(
        self: &Arc<Self>,
        cancel: Cancel,
        context: &Context,
    ) -> Result<Job, Error> {
        let show = Show {
            account: cancel.account,
            id: cancel.id,
        };
        let job = self.show_job(show, context).await?;
        let Some(handle) = self.jobs.find(&job.id) else {
            return Ok(job);
        };
        if handle.stored().work.is_removal() {
            return Err(Error::conflict("A deleted account cannot be had back."));
        }
        self.cancel(&handle, &job.id).await;
        Ok(handle.stored().job)
    }

    /// Has a job end, and waits until it has, if that is a matter of moments: what was cancelled is cleaned up and written down.
    async fn cancel(self: &Arc<Self>, handle: &Handle, id: &str) {
        handle.signal(Signal::Cancel);
        if self.jobs.withdraw(id) {
            self.end_unbegun(handle);
        }
        if self.lease.check().is_ok() {
            handle.ended(PATIENCE).await;
        }
    }

    /// Ends a job that nobody does. Whoever asks for that does not wait for the lease.
    fn end_unbegun(self: &Arc<Self>, handle: &Handle) {
        let (owner, handle) = (Arc::clone(self), handle.clone());
        tokio::spawn(async move { owner.end_job(&handle, Err(End::Cancelled)).await });
    }

    async fn job(&self, account: &Account, id: &str) -> Result<Option<Stored>, Error> {
        if let Some(handle) = self.jobs.find(id) {
            let stored = handle.stored();
            return Ok((stored.account_id == account.account_id).then_some(stored));
        }
        store::load(&self.jobs.state_directory, account.account_id, id).await
    }

    fn start_jobs(self: &Arc<Self>) {
        while let Some(handle) = self.jobs.next() {
            tokio::spawn(Arc::clone(self).run_job(handle));
        }
    }

    async fn run_job(self: Arc<Self>, handle: Handle) {
        Arc::clone(&self).carry_out(&handle).await;
        self.jobs.running.send_modify(|running| *running -= 1);
        self.start_jobs();
    }

    async fn carry_out(self: Arc<Self>, handle: &Handle) {
        handle.change(|job| job.state = State::Running);
        // It is large.
        let working = Box::pin(Arc::clone(&self).work_on(handle.clone()));
        // A panic in here would keep the place of the job for ever.
        let working = std::panic::AssertUnwindSafe(working).catch_unwind();
        let mut working = std::pin::pin!(working);
        let mut asking = std::pin::pin!(self.keep_asking(handle));
        let outcome = loop {
            self.save_job(handle).await;
            tokio::select! {
                outcome = &mut working => break outcome,
                never = &mut asking => match never {},
                () = tokio::time::sleep(WRITE_DOWN) => {}
            }
        };
        let outcome = outcome.unwrap_or_else(|_| Err(End::Failed(Error::internal("the job panicked"))));
        self.end_job(handle, outcome).await;
    }

    async fn work_on(self: Arc<Self>, handle: Handle) -> Result<(), End> {
        let stored = handle.stored();
        if stored.work.is_removal() {
            // The account may be gone already.
            return crate::account::remove(&self, &stored, &handle).await;
        }
        let account = self.insist(&handle, || self.account(&stored.job.account)).await?;
        let account = account.filter(|account| account.account_id == stored.account_id);
        let account = account.ok_or_else(|| End::Failed(Error::not_found()))?;
        work::run(&self, &account, stored, &handle).await
    }

    /// Writes down how a job ended, unless it only stopped.
    async fn end_job(&self, handle: &Handle, outcome: Result<(), End>) {
        let stored = handle.stored();
        let (account, id) = (&stored.job.account, &stored.job.id);
        if self.lease.is_lost() {
            tracing::warn!(%account, id, "a job stops here: who has the storage now goes on with it");
            return;
        }
        let state = match outcome {
            Ok(()) if stored.work.is_removal() => return self.end_removal(handle).await,
            Ok(()) => State::Done,
            Err(End::Cancelled) => State::Cancelled,
            Err(End::Stopped) => return self.save_job(handle).await,
            Err(End::Failed(error)) => {
                tracing::warn!(%account, id, %error, "a job failed");
                handle.change(|job| {
                    let text = error.text().map_or_else(|| error.to_string(), str::to_owned);
                    job.error.get_or_insert(text);
                });
                State::Failed
            }
        };
        // Whoever sees that it has ended sees all that follows from it.
        let mut stored = handle.stored();
        stored.job.state = state;
        stored.job.ended = Some(Clock::now());
        let written = Waiting::decided(self, handle).insist(|| self.jobs.write_down(stored.clone()));
        match written.await {
            Ok(()) if state == State::Done => {}
            Ok(()) => self.drop_unended(handle).await,
            Err(End::Failed(error)) => {
                tracing::warn!(job = id, %error, "the end of a job could not be written down; it begins anew at the next start");
            }
            Err(End::Stopped | End::Cancelled) => return,
        }
        self.forget_job(handle, stored).await;
    }

    /// It has ended: it is not in memory any more, and earlier ones make room for it.
    async fn forget_job(&self, handle: &Handle, ended: Stored) {
        let pruned = match self.lease.check() {
            Ok(()) => store::prune(&self.jobs.state_directory, ended.account_id, MAX_ENDED).await,
            Err(why) => Err(why.into()),
        };
        if let Err(error) = pruned {
            tracing::warn!(%error, "jobs that ended long ago could not be removed");
        }
        handle.change(|kept| kept.clone_from(&ended.job));
        self.jobs.state.lock().active.remove(&ended.job.id);
        handle.say_ended();
    }

    /// Writes down how far a job is, where that can be done.
    async fn save_job(&self, handle: &Handle) {
        if self.lease.check().is_err() {
            return;
        }
        let stored = handle.stored();
        let id = stored.job.id.clone();
        if let Err(error) = self.jobs.write_down(stored).await {
            tracing::warn!(job = id, %error, "the progress of a job could not be written down");
        }
    }
}
