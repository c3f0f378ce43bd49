//! Brings the records of committed changes to the account-server, each at least once; there it is kept once.
//!
//! What was just committed waits in memory, up to a bound. Beyond it, and of what an earlier process committed, the
//! journal is read again: it is kept from the oldest record on that the account-server has not acknowledged. One stream
//! for all accounts, as records need no order.

use std::sync::Arc;
use std::time::Duration;

use common::functional::record::{Change, Commit, MAX_AGENT, MAX_BATCH, MAX_TRANSACTION_ID, Record, cut};
use common::functional::{Context, ask};
use common::name::AccountName;
use common::service::FunctionalService;
use common::{Body, Clock, Error, Outcome, Timestamp};
use futures::future::FutureExt as _;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::journal::{self, Entry, Journal, Kind, Position};
use crate::node::NodePath;
use crate::owner::Owner;

mod queue;

use queue::{Queue, Taken};

/// So long after its request a record is sent: mostly the proxy has told by then how that ended, and the database has
/// less to do.
const DELAY: Duration = Duration::from_millis(700);

/// How often it is looked for what is to be sent, while something waits.
const PERIOD: Duration = Duration::from_millis(100);

/// Between two attempts while the account-server is away.
const RETRY: Duration = Duration::from_millis(500);

/// What waits to be sent, and who takes it.
#[derive(Debug)]
pub(crate) struct RecordFeed {
    journal: Arc<Journal>,
    account_server: FunctionalService,
    queue: Mutex<Queue>,
    wake: Notify,
    /// Whether nothing waits.
    is_idle: watch::Sender<bool>,
    is_hurried: watch::Sender<bool>,
}

impl RecordFeed {
    /// One that begins with what the journal still holds.
    pub(crate) fn new(journal: Arc<Journal>, account_server: FunctionalService) -> Self {
        let queue = Queue::behind(journal.oldest(), journal.position());
        Self {
            journal,
            account_server,
            is_idle: watch::Sender::new(queue.is_empty()),
            queue: Mutex::new(queue),
            wake: Notify::new(),
            is_hurried: watch::Sender::new(false),
        }
    }

    /// Takes on the entry of a commit, which has its place in the journal. While this runs, the announcement of the
    /// change keeps the journal from letting it go.
    pub(crate) fn note(&self, position: Position, entry: Entry) {
        if !is_kept(&entry) {
            return;
        }
        let mut queue = self.queue.lock();
        let is_news = queue.note(position, entry);
        if is_news {
            self.is_idle.send_replace(false);
            drop(queue);
            self.wake.notify_one();
        }
    }

    /// The database lost what it had: all that the journal still holds is sent again.
    pub(crate) fn rewind(&self) {
        let mut queue = self.queue.lock();
        queue.rewind(self.journal.oldest(), self.journal.position());
        self.is_idle.send_replace(queue.is_empty());
        drop(queue);
        self.wake.notify_one();
    }

    /// The oldest place in the journal that is still needed.
    pub(crate) fn oldest_needed(&self) -> Option<Position> {
        self.queue.lock().oldest_needed()
    }

    /// Waits at most `wait` until everything has arrived.
    pub(crate) async fn drain(&self, wait: Duration) {
        self.is_hurried.send_replace(true);
        let mut is_idle = self.is_idle.subscribe();
        // The sender lives as long as this feed does.
        if tokio::time::timeout(wait, is_idle.wait_for(|is_idle| *is_idle))
            .await
            .is_err()
        {
            tracing::warn!("records of changes could not be sent in time; the journal keeps them");
        }
    }

    fn take(&self) -> Option<Taken> {
        let mut queue = self.queue.lock();
        let delay = match queue.is_crowded() || *self.is_hurried.borrow() {
            true => 0,
            false => u64::try_from(DELAY.as_micros() / 10).unwrap_or(0),
        };
        queue.take(Timestamp::from_units(Clock::now().units().saturating_sub(delay)))
    }

    fn sent(&self, taken: Taken, outcome: Result<Option<Position>, ()>) {
        let mut queue = self.queue.lock();
        queue.sent(taken, outcome);
        self.is_idle.send_replace(queue.is_empty());
    }

    /// Waits until something is to be done. While records wait it looks again from time to time.
    async fn news(&self) {
        let mut is_hurried = self.is_hurried.subscribe();
        if !self.queue.lock().has_waiting() {
            self.wake.notified().await;
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = is_hurried.wait_for(|is_hurried| *is_hurried) => {}
        }
    }
}

impl Owner {
    /// Sends records until the sender of `end` is dropped, or another server sends them.
    pub(crate) async fn feed_records(self: Arc<Self>, mut end: watch::Receiver<bool>) {
        let ended = async { while end.changed().await.is_ok() {} };
        tokio::select! {
            () = self.send_for_ever() => {}
            () = ended => {}
            () = self.lease.lost() => {}
        }
    }

    async fn send_for_ever(&self) {
        let feed = &self.records;
        let mut is_failing = false;
        loop {
            let Some(taken) = feed.take() else {
                feed.news().await;
                continue;
            };
            // A panic in here would leave the feed silently dead.
            let sent = std::panic::AssertUnwindSafe(self.send_taken(&taken))
                .catch_unwind()
                .await;
            let sent = sent.unwrap_or_else(|_| Err(Error::internal("the record feed panicked")));
            feed.sent(taken, sent.as_ref().copied().map_err(|_| ()));
            match sent {
                Ok(_) => is_failing = false,
                Err(error) => {
                    if is_failing {
                        tracing::debug!(%error, "records of changes still cannot be sent");
                    } else {
                        tracing::warn!(%error, "records of changes cannot be sent; the journal keeps them");
                    }
                    is_failing = true;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Sends what was taken; of the journal, answers where to read on.
    async fn send_taken(&self, taken: &Taken) -> Result<Option<Position>, Error> {
        // Nobody must hear of a change that a power cut can still take back.
        self.journal.sync(self.journal.position()).await?;
        match taken {
            Taken::Entries(entries) => {
                self.send_entries(entries).await?;
                Ok(None)
            }
            Taken::Journal(from) => {
                let (journal, from) = (Arc::clone(&self.journal), *from);
                let read = tokio::task::spawn_blocking(move || journal.read(from)).await;
                let (mut entries, next) = read.map_err(Error::internal)??;
                entries.retain(|(_, entry)| is_kept(entry));
                for entries in entries.chunks(MAX_BATCH) {
                    self.send_entries(entries).await?;
                }
                Ok(Some(next))
            }
        }
    }

    /// Sends a batch. What the account-server will never take, not even alone, is logged and left out: it must not keep
    /// all others from being taken, and the journal from being released.
    async fn send_entries(&self, entries: &[(Position, Entry)]) -> Result<(), Error> {
        match self.send_batch(entries).await {
            Err(error) if is_of_no_use(&error) => {}
            done => return done,
        }
        for entry in entries.chunks(1) {
            match self.send_batch(entry).await {
                Err(error) if is_of_no_use(&error) => {
                    tracing::error!(%error, ?entry, "a record cannot be kept");
                }
                done => done?,
            }
        }
        Ok(())
    }

    async fn send_batch(&self, entries: &[(Position, Entry)]) -> Result<(), Error> {
        let records: Vec<Record> = entries
            .iter()
            .filter_map(|(_, entry)| self.record_of(entry))
            .collect();
        if records.is_empty() {
            return Ok(());
        }
        let context = Context::internal("record-feed", Clock::now());
        ask(
            &self.records.account_server,
            Commit { records },
            context,
            Body::empty(),
        )
        .await
        .map(|_| ())
    }

    fn record_of(&self, entry: &Entry) -> Option<Record> {
        let (seq, path, record) = entry.kind.made()?;
        let Some(account) = self.feed.account_name(entry.account_id) else {
            // Until it was removed all of its were sent: this one is in the journal only for another's sake.
            tracing::debug!(
                entry.account_id,
                "a record is of an account that is gone; it is left out"
            );
            return None;
        };
        let change = Change {
            account_id: entry.account_id,
            seq,
        };
        let mut shown = shown(account, change, path, record);
        let full = |path| shown.account.as_ref().map(|account| full_name(account, path));
        match &entry.kind {
            Kind::Moved { what, .. } => shown.destination = full(&what.to),
            Kind::Attached { what, .. } => {
                shown.destination = full(&what.to);
                shown.path = what.source.to_string();
            }
            _ => {}
        }
        Some(shown)
    }
}

/// Whether asking once more would not help.
fn is_of_no_use(error: &Error) -> bool {
    !matches!(error.outcome(), Outcome::Unavailable(_) | Outcome::NotImplemented)
}

/// Whether an entry has a record that is to be kept.
fn is_kept(entry: &Entry) -> bool {
    entry.kind.made().is_some_and(|(_, _, record)| record.id != 0)
}

/// The record in the form of servers.
fn shown(account: AccountName, change: Change, path: &NodePath, record: &journal::Record) -> Record {
    let path = full_name(&account, path);
    Record {
        time: record.time,
        id: record.id,
        account: Some(account),
        change: Some(change),
        user: record.user.as_deref().map(str::to_owned),
        action: record.action.clone().into_owned(),
        path,
        destination: None,
        result: record.result,
        received: record.bytes,
        sent: 0,
        duration: None,
        address: record.address,
        agent: record
            .agent
            .as_deref()
            .map(|agent| cut(agent, MAX_AGENT).to_owned()),
        transaction_id: cut(&record.transaction_id, MAX_TRANSACTION_ID).to_owned(),
    }
}

fn full_name(account: &AccountName, path: &NodePath) -> String {
    match path {
        NodePath::Account => account.to_string(),
        NodePath::Container(container) => format!("{account}/{container}"),
        NodePath::Object(container, object) | NodePath::Directory(container, object) => {
            format!("{account}/{container}/{object}")
        }
    }
}
