//! The stream of one account: what waits, where the mirror stands, and the task that brings the two together.

use std::sync::Arc;
use std::time::Duration;

use common::functional::mirror::{Apply, Change, MAX_BATCH, Node, Open};
use common::functional::{self, Context};
use common::service::FunctionalService;
use common::{Body, Clock, Error};
use futures::future::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::queue::{Batch, Queue};
use super::{Sources, attached, refill};
use crate::journal::Position;
use crate::node::NodePath;
use crate::owner::Account;
use crate::tree::Rename;

mod changes;

/// Between two attempts while the mirror is away.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) account: Arc<Account>,
    pub(super) sources: Sources,
    account_server: FunctionalService,
    state: Mutex<State>,
    acknowledged: watch::Sender<u64>,
    pub(super) filling: watch::Sender<Filling>,
}

/// How far the mirror has been filled anew.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Filling {
    /// How often that was done so far.
    pub(super) completed: u64,
    /// Objects that the filling under way, or the last one, has sent.
    pub(super) objects: u64,
    /// Bytes of these.
    pub(super) bytes: u64,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// Up to here the mirror had everything when it was last heard of.
    floor: u64,
    /// What an earlier process left is still being noted.
    is_held: bool,
    is_running: bool,
    is_open: bool,
    /// The last attempt failed, or the mirror is being filled: nobody waits for it.
    is_away: bool,
    /// Whatever the mirror has is to be filled anew.
    is_void: bool,
}

impl Stream {
    pub(super) fn new(
        account: Arc<Account>,
        floor: u64,
        account_server: FunctionalService,
        sources: Sources,
    ) -> Self {
        let queue = Queue::new(account.last_seq());
        let state = State {
            queue,
            floor,
            is_held: true,
            is_running: false,
            is_open: false,
            is_away: false,
            is_void: false,
        };
        Self {
            account,
            sources,
            account_server,
            state: Mutex::new(state),
            acknowledged: watch::Sender::new(0),
            filling: watch::Sender::default(),
        }
    }

    pub(super) fn note(self: &Arc<Self>, seq: u64, position: Position, path: NodePath, node: Option<Node>) {
        self.state.lock().queue.note(seq, position, path, node);
        self.ensure_running();
    }

    pub(super) fn note_rename(
        self: &Arc<Self>,
        seq: u64,
        position: Position,
        rename: Rename,
        state: Option<Node>,
    ) {
        self.state.lock().queue.note_rename(seq, position, rename, state);
        self.ensure_running();
    }

    pub(super) fn release(self: &Arc<Self>) {
        let is_behind = {
            let mut state = self.state.lock();
            state.is_held = false;
            !state.queue.is_empty()
        };
        if is_behind {
            self.ensure_running();
        }
    }

    pub(super) async fn reached(self: &Arc<Self>, seq: u64, wait: Duration) -> bool {
        if self.acknowledged() >= seq {
            return true;
        }
        self.ensure_running();
        if self.state.lock().is_away {
            return false;
        }
        let mut acknowledged = self.acknowledged.subscribe();
        tokio::time::timeout(wait, acknowledged.wait_for(|reached| *reached >= seq))
            .await
            .is_ok_and(|ok| ok.is_ok())
    }

    pub(super) async fn drained(self: &Arc<Self>) {
        if self.state.lock().queue.is_empty() {
            return;
        }
        self.ensure_running();
        let last = self.state.lock().queue.last_seq();
        // The sender lives as long as this stream does.
        let _ = self
            .acknowledged
            .subscribe()
            .wait_for(|reached| *reached >= last)
            .await;
    }

    pub(super) fn suspect(self: &Arc<Self>) {
        self.state.lock().is_open = false;
        self.acknowledged.send_replace(0);
        self.ensure_running();
    }

    /// Has the mirror filled anew, and waits until that is done, however long the mirror is away.
    pub(super) async fn rebuild(self: &Arc<Self>, mut advance: impl FnMut(u64, u64)) {
        let mut filling = self.filling.subscribe();
        let mut before = *filling.borrow_and_update();
        self.state.lock().is_void = true;
        self.suspect();
        // The sender lives as long as this stream does.
        while filling.changed().await.is_ok() {
            let now = *filling.borrow_and_update();
            advance(
                now.objects.saturating_sub(before.objects),
                now.bytes.saturating_sub(before.bytes),
            );
            if now.completed > before.completed {
                return;
            }
            before = now;
        }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    pub(super) fn had(&self) -> u64 {
        self.state.lock().floor
    }

    pub(super) fn oldest_needed(&self) -> Option<Position> {
        self.state.lock().queue.oldest_needed()
    }

    fn ensure_running(self: &Arc<Self>) {
        let mut state = self.state.lock();
        let is_behind = !state.queue.is_empty() || !state.is_open;
        if !state.is_running && !state.is_held && is_behind {
            state.is_running = true;
            tokio::spawn(Arc::clone(self).run());
        }
    }

    /// Sends until nothing waits, or another server tells the mirror.
    async fn run(self: Arc<Self>) {
        while !self.sources.lease.is_lost() {
            // A panic in here would leave the stream silently dead.
            let step = std::panic::AssertUnwindSafe(self.step()).catch_unwind().await;
            let did_something = match step {
                Ok(Ok(did_something)) => Some(did_something),
                Ok(Err(error)) => {
                    let account = &self.account.name;
                    match self.state.lock().is_away {
                        false => tracing::warn!(%account, %error, "the mirror takes no changes; they wait"),
                        true => tracing::debug!(%account, %error, "the mirror still takes no changes"),
                    }
                    None
                }
                Err(_) => {
                    tracing::error!(account = %self.account.name, "the mirror feed panicked; it looks anew");
                    self.state.lock().is_open = false;
                    None
                }
            };
            if self.is_over(did_something) {
                return;
            }
            if did_something.is_none() {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Notes how a step went (`None`: it failed), and whether the task may end.
    fn is_over(&self, did_something: Option<bool>) -> bool {
        let mut state = self.state.lock();
        state.is_away = did_something.is_none();
        let is_over = did_something == Some(false) && state.queue.is_empty() && state.is_open;
        state.is_running = !is_over;
        is_over
    }

    /// Opens the mirror or sends one batch; `false`: there was nothing to do.
    async fn step(&self) -> Result<bool, Error> {
        if !self.state.lock().is_open {
            self.open().await?;
            return Ok(true);
        }
        let batch = self.state.lock().queue.take(MAX_BATCH);
        // Without waiting changes the mirror may still have to hear how far the order has come.
        if batch.waiting.is_empty() && batch.through <= self.acknowledged() {
            return Ok(false);
        }
        match self.send(&batch).await {
            Ok(true) => {
                self.state.lock().queue.arrived(&batch);
                self.acknowledge(batch.through);
                Ok(true)
            }
            Ok(false) => {
                let mut state = self.state.lock();
                state.queue.put_back(batch);
                state.is_open = false;
                Ok(true)
            }
            Err(error) => {
                self.state.lock().queue.put_back(batch);
                Err(error)
            }
        }
    }

    /// Finds out where the mirror stands, and fills it anew when it lost something.
    async fn open(&self) -> Result<(), Error> {
        let position = self
            .ask(Open {
                account_id: self.account.account_id,
            })
            .await?;
        let incarnation = self.account.attributes().incarnation;
        let (floor, last, is_void) = {
            let state = self.state.lock();
            (state.floor, state.queue.last_seq(), state.is_void)
        };
        // A filling that was cut off has told nothing of how far it came.
        let is_filled = position.seq > refill::before_any(position.seq);
        let is_ours =
            position.incarnation == Some(incarnation) && is_filled && (floor..=last).contains(&position.seq);
        // Of a new account the journal still holds everything.
        let is_new = position.incarnation.is_none() && floor == 0;
        let reached = if (is_ours || is_new) && !is_void {
            position.seq
        } else {
            tracing::info!(account = %self.account.name, is_void, "the mirror is filled anew from storage");
            {
                let mut state = self.state.lock();
                state.is_away = true;
                // Who wants it void from here on wants another filling.
                state.is_void = false;
            }
            let filled = refill::refill(self).await;
            self.state.lock().is_void |= filled.is_err() && is_void;
            filled?
        };
        let mut state = self.state.lock();
        state.queue.forget_through(reached);
        state.floor = reached;
        state.is_open = true;
        drop(state);
        self.acknowledged.send_replace(reached);
        Ok(())
    }

    /// Gives up the tree operations that wait, as [`Queue::take_renames`] has it.
    pub(super) fn take_renames(&self) -> (Vec<Rename>, u64) {
        self.state.lock().queue.take_renames()
    }

    /// Sends what waits of the changes up to `last` to a mirror that is being filled and has those up to `through`, as it is told
    /// again.
    pub(super) async fn send_until(&self, last: u64, through: u64) -> Result<(), Error> {
        loop {
            let batch = self.state.lock().queue.take_until(MAX_BATCH, last);
            if batch.waiting.is_empty() {
                return Ok(());
            }
            let sent = match self.changes(&batch).await {
                Ok(changes) => self.send_after(through, through, changes).await,
                Err(error) => Err(error),
            };
            let mut state = self.state.lock();
            match sent {
                Ok(true) => state.queue.arrived(&batch),
                Ok(false) => {
                    state.queue.put_back(batch);
                    return Err(Error::internal("the mirror lost what it was filled with"));
                }
                Err(error) => {
                    state.queue.put_back(batch);
                    return Err(error);
                }
            }
        }
    }

    /// Sends a batch; `false`: the mirror stands elsewhere than thought.
    async fn send(&self, batch: &Batch) -> Result<bool, Error> {
        if let Some((seq, to)) = batch.attached() {
            return attached::send(self, seq, to, batch.through).await;
        }
        let changes = self.changes(batch).await?;
        self.send_changes(changes, batch.through).await
    }

    /// Sends changes, after which the mirror has everything up to `through`; `false` as above.
    pub(super) async fn send_changes(&self, changes: Vec<Change>, through: u64) -> Result<bool, Error> {
        // The mirror must not know of a change that a power cut can still take back: its `seq` would be given again.
        let journal = &self.sources.journal;
        journal.sync(journal.position()).await?;
        self.send_after(self.acknowledged(), through, changes).await
    }

    /// Nobody is to wait for the mirror: it takes a while until it has what comes next.
    pub(super) fn is_slow(&self) {
        self.state.lock().is_away = true;
    }

    /// The tree operations after the change `seq` of which the mirror has not heard, once all that storage shows are in the
    /// account's order.
    pub(super) async fn renames_after(&self, seq: u64) -> Vec<Rename> {
        for container in self.account.containers() {
            container.renames().await;
        }
        self.state.lock().queue.renames_after(seq)
    }

    /// Sends changes to a mirror that has those up to `after` (0: with which it begins anew); `false`: it has not, or it took
    /// them not.
    pub(super) async fn send_after(
        &self,
        after: u64,
        through: u64,
        changes: Vec<Change>,
    ) -> Result<bool, Error> {
        let incarnation = self.account.attributes().incarnation;
        let apply = Apply {
            account_id: self.account.account_id,
            account: self.account.name.clone(),
            incarnation,
            after,
            through,
            changes,
        };
        let position = self.ask(apply).await?;
        Ok(position.seq >= through && position.incarnation == Some(incarnation))
    }

    async fn ask<C: functional::Call>(&self, call: C) -> Result<C::Answer, Error> {
        let context = Context::internal("mirror-feed", Clock::now());
        Ok(
            functional::ask(&self.account_server, call, context, Body::empty())
                .await?
                .0,
        )
    }

    fn acknowledge(&self, through: u64) {
        self.state.lock().floor = through;
        self.acknowledged.send_if_modified(|reached| {
            let is_later = through > *reached;
            *reached = through.max(*reached);
            is_later
        });
    }
}
