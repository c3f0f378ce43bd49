//! Tells the account-server of every change, in order, until it has them all.
//!
//! One ordered stream an account, with one batch in flight. A change is sent as the **state** of its node: the one
//! that the commit knew, or what storage shows when it is sent. A node that changed twice while it waited is sent
//! once, at its first place, with its last state and that state's `seq`. Tree operations are sent as such, in their order
//! (`queue.rs`); of a directory that was built apart and attached, all that lies in it is (`attached.rs`).
//!
//! No change waits for the mirror. A listing does, for a bounded time ([`MirrorFeed::reached`]); when the mirror is
//! away or being filled anew it does not wait at all.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use common::Error;
use common::functional::mirror::Node;
use common::name::AccountName;
use common::service::FunctionalService;
use parking_lot::Mutex;

use crate::engine::ArcEngine;
use crate::journal::{Journal, Position};
use crate::lease::Lease;
use crate::node::NodePath;
use crate::owner::Account;
use crate::record_feed::RecordFeed;
use crate::tree::Rename;

mod attached;
mod queue;
mod refill;
mod row;
mod stream;

pub(crate) use row::{account_row, container_row, directory_row, node_path, object_row};
use stream::Stream;

/// The streams of all accounts.
#[derive(Debug)]
pub(crate) struct MirrorFeed {
    streams: Mutex<HashMap<u64, Arc<Stream>>>,
    account_server: FunctionalService,
    sources: Sources,
}

/// Where a stream finds what it sends.
#[derive(Clone, Debug)]
pub(crate) struct Sources {
    pub(crate) engine: ArcEngine,
    /// Who has lost it has nothing to tell any more.
    pub(crate) lease: Lease,
    pub(crate) journal: Arc<Journal>,
    /// Has to send again what it sent, when the database was emptied.
    pub(crate) records: Arc<RecordFeed>,
}

impl MirrorFeed {
    pub(crate) fn new(account_server: FunctionalService, sources: Sources) -> Self {
        Self {
            streams: Mutex::default(),
            account_server,
            sources,
        }
    }

    /// Begins the stream of a new account.
    pub(crate) fn register(&self, account: Arc<Account>) {
        let account_id = account.account_id;
        self.register_held(account, 0);
        self.release(account_id);
    }

    /// Begins the stream of an account that is being recovered. Up to `floor` the mirror had everything when that was last
    /// written down. What came later is noted before [`release`](Self::release): until then nothing is sent, for the
    /// mirror would be told that it has all of it.
    pub(crate) fn register_held(&self, account: Arc<Account>, floor: u64) {
        let account_id = account.account_id;
        let stream = Stream::new(account, floor, self.account_server.clone(), self.sources.clone());
        self.streams.lock().insert(account_id, Arc::new(stream));
    }

    /// Ends the stream of an account that is no more.
    pub(crate) fn unregister(&self, account_id: u64) {
        self.streams.lock().remove(&account_id);
    }

    /// Everything is noted that an earlier process left: from now on it is sent.
    pub(crate) fn release(&self, account_id: u64) {
        if let Some(stream) = self.stream(account_id) {
            stream.release();
        }
    }

    /// Takes a change on. Called in the order of `seq`, under the lock that gave it.
    pub(crate) fn note(&self, account_id: u64, seq: u64, position: Position, node: Node) {
        if let (Some(stream), Some(path)) = (self.stream(account_id), node_path(&node)) {
            stream.note(seq, position, path, Some(node));
        }
    }

    /// Takes on a tree operation, in the order of `seq` as well; that of an object has the next one, too. The object's
    /// `state` under its new name may be known.
    pub(crate) fn note_rename(
        &self,
        account_id: u64,
        seq: u64,
        position: Position,
        rename: Rename,
        state: Option<Node>,
    ) {
        if let Some(stream) = self.stream(account_id) {
            stream.note_rename(seq, position, rename, state);
        }
    }

    /// Takes on a change whose state is not known; storage will be asked.
    pub(crate) fn note_path(&self, account_id: u64, seq: u64, position: Position, path: NodePath) {
        if let Some(stream) = self.stream(account_id) {
            stream.note(seq, position, path, None);
        }
    }

    /// Waits at most `wait` until the mirror has all changes up to `seq`, and says whether it has.
    pub(crate) async fn reached(&self, account_id: u64, seq: u64, wait: Duration) -> bool {
        match self.stream(account_id) {
            Some(stream) => stream.reached(seq, wait).await,
            None => false,
        }
    }

    /// The mirror answered less than it had acknowledged: look again where it stands.
    pub(crate) fn suspect(&self, account_id: u64) {
        if let Some(stream) = self.stream(account_id) {
            stream.suspect();
        }
    }

    /// Drops what the mirror has of an account and fills it anew; `advance` hears how many objects and bytes it has further.
    ///
    /// While the mirror is away it waits.
    ///
    /// # Errors
    /// 404 when there is no such account.
    pub(crate) async fn rebuild(&self, account_id: u64, advance: impl FnMut(u64, u64)) -> Result<(), Error> {
        match self.stream(account_id) {
            Some(stream) => {
                stream.rebuild(advance).await;
                Ok(())
            }
            None => Err(Error::not_found()),
        }
    }

    /// Up to here the mirror of an account had everything when it was last heard of, whatever it has lost since. Less must not
    /// be written down: an older database would be taken for the one that was left.
    pub(crate) fn had(&self, account_id: u64) -> u64 {
        self.stream(account_id).map_or(0, |stream| stream.had())
    }

    /// The name of an account that was registered.
    pub(crate) fn account_name(&self, account_id: u64) -> Option<AccountName> {
        let stream = self.stream(account_id)?;
        Some(stream.account.name.clone())
    }

    /// The oldest place in the journal that the mirror still needs.
    pub(crate) fn oldest_needed(&self) -> Option<Position> {
        self.streams
            .lock()
            .values()
            .filter_map(|stream| stream.oldest_needed())
            .min()
    }

    /// The service that is the mirror.
    pub(crate) fn account_server(&self) -> &FunctionalService {
        &self.account_server
    }

    /// Waits at most `wait` until everything noted so far has arrived.
    pub(crate) async fn drain(&self, wait: Duration) {
        let streams: Vec<_> = self.streams.lock().values().cloned().collect();
        let all = async {
            for stream in streams {
                stream.drained().await;
            }
        };
        if tokio::time::timeout(wait, all).await.is_err() {
            tracing::warn!("the mirror did not take everything in time; the journal keeps the rest");
        }
    }

    fn stream(&self, account_id: u64) -> Option<Arc<Stream>> {
        self.streams.lock().get(&account_id).cloned()
    }
}
