//! The stream of one account: what waits, where the mirror stands, and the task that brings the two together.

use std::sync::Arc;
use std::time::Duration;

use common::functional::mirror::{Apply, Change, MAX_BATCH, Node, Open, Position as MirrorPosition};
use common::functional::{self, Context};
use common::service::FunctionalService;
use common::{Body, Clock, Error};
use futures::future::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::queue::{Batch, Queue, Waiting};
use super::{Sources, object_row, refill};
use crate::journal::Position;
use crate::node::NodePath;
use crate::owner::Account;

/// Between two attempts while the mirror is away.
const RETRY: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) account: Arc<Account>,
    pub(super) sources: Sources,
    account_server: FunctionalService,
    state: Mutex<State>,
    acknowledged: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    /// Up to here the mirror had everything when that was last written down.
    floor: u64,
    /// What an earlier process left is still being noted.
    is_held: bool,
    is_running: bool,
    is_open: bool,
    /// The last attempt failed, or the mirror is being filled: nobody waits for it.
    is_away: bool,
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
        };
        Self {
            account,
            sources,
            account_server,
            state: Mutex::new(state),
            acknowledged: watch::Sender::new(0),
        }
    }

    pub(super) fn note(self: &Arc<Self>, seq: u64, position: Position, path: NodePath, node: Option<Node>) {
        self.state.lock().queue.note(seq, position, path, node);
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

    pub(super) fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
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

    /// Sends until nothing waits.
    async fn run(self: Arc<Self>) {
        loop {
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
                self.state.lock().queue.arrived();
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
        let (floor, last) = {
            let state = self.state.lock();
            (state.floor, state.queue.last_seq())
        };
        let is_ours = position.incarnation == Some(incarnation) && (floor..=last).contains(&position.seq);
        // Of a new account the journal still holds everything.
        let is_new = position.incarnation.is_none() && floor == 0;
        let reached = if is_ours || is_new {
            position.seq
        } else {
            tracing::info!(account = %self.account.name, "the mirror lost its rows; it is filled anew from storage");
            self.state.lock().is_away = true;
            refill::refill(self).await?
        };
        let mut state = self.state.lock();
        state.queue.forget_through(reached);
        state.floor = reached;
        state.is_open = true;
        drop(state);
        self.acknowledged.send_replace(reached);
        Ok(())
    }

    /// Sends a batch; `false`: the mirror stands elsewhere than thought.
    async fn send(&self, batch: &Batch) -> Result<bool, Error> {
        let mut changes = Vec::with_capacity(batch.waiting.len());
        for (_, waiting) in &batch.waiting {
            changes.push(Change {
                seq: waiting.seq,
                node: self.state_of(waiting).await?,
            });
        }
        // The mirror must not know of a change that a power cut can still take back: its `seq` would be given again.
        let journal = &self.sources.journal;
        journal.sync(journal.position()).await?;
        let after = self.acknowledged();
        let position = self.apply(after, batch.through, changes).await?;
        Ok(position.seq >= batch.through
            && position.incarnation == Some(self.account.attributes().incarnation))
    }

    pub(super) async fn apply(
        &self,
        after: u64,
        through: u64,
        changes: Vec<Change>,
    ) -> Result<MirrorPosition, Error> {
        let apply = Apply {
            account_id: self.account.account_id,
            account: self.account.name.clone(),
            incarnation: self.account.attributes().incarnation,
            after,
            through,
            changes,
        };
        self.ask(apply).await
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

    async fn state_of(&self, waiting: &Waiting) -> Result<Node, Error> {
        if let Some(node) = &waiting.state {
            return Ok(node.clone());
        }
        Ok(match &waiting.path {
            NodePath::Account => Node::Account(Some(super::account_row(&self.account.attributes()))),
            NodePath::Container(name) => {
                let row = self
                    .account
                    .container(name)
                    .map(|found| super::container_row(&found.attributes()));
                Node::Container(name.clone(), row)
            }
            // No engine makes one.
            NodePath::Directory(container, name) => Node::Directory(container.clone(), name.clone(), None),
            NodePath::Object(container, object) => {
                let path = functional::object::Path {
                    account: self.account.name.clone(),
                    container: container.clone(),
                    object: object.clone(),
                };
                let attributes = match self.sources.engine.stat(&path).await {
                    Err(crate::engine::EngineError::NoContainer) => None,
                    other => other?,
                };
                Node::Object(
                    container.clone(),
                    object.clone(),
                    attributes.as_ref().map(object_row),
                )
            }
        })
    }
}
