#![doc = include_str!("posix/README.md")]

use std::fmt;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use common::functional::object::Path;
use common::name::{AccountName, ContainerName};
use tokio::runtime::Handle;
use tokio::task::JoinError;

pub use self::claim::Watched;
pub use self::locate::{LocateError, Located, locate};

use self::body::FileReader;
use self::stage::FileStage;
use self::store::Store;
use super::{
    Capabilities, Changed, Child, Committed, Decide, Engine, EngineError, EngineFuture, Reader, Revise,
    Stage, Unsynced,
};
use crate::failure_point::FailurePoints;
use crate::lease::{Lease, Machine, Terms};
use crate::node::{AccountAttributes, ContainerAttributes, ObjectAttributes};
use crate::settings::Durability;

mod account;
mod ancestors;
mod attribute;
mod body;
mod buffers;
mod build;
mod children;
mod claim;
mod confine;
mod container;
mod copy;
mod descriptors;
mod directory;
mod fresh;
mod kept;
mod leases;
mod locate;
mod name;
mod place;
mod present;
mod probe;
mod publish;
mod quarantine;
mod read;
mod reap;
mod removal;
mod rename;
mod renewal;
mod room;
mod root;
mod settle;
mod spot;
mod stage;
mod store;
mod stripes;
mod temporary;
#[cfg(test)]
mod tests;
mod trash;
mod tree;
mod trim;
mod trouble;
mod unseen;

/// How the engine works.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Whether an acknowledged change survives a power cut.
    pub durability: Durability,
    /// Where tests interfere.
    pub failure_points: FailurePoints,
    /// Whether there must be a storage already; else an empty root becomes one.
    pub must_exist: bool,
    /// Which storage it must be.
    pub expected: Option<Expected>,
    /// How its lease is renewed, and when one is over.
    pub lease: Terms,
    /// Where this process runs.
    pub machine: Machine,
    /// What earlier attempts have seen of somebody else's lease.
    pub watched: Watched,
}

/// A storage that was at this root before.
#[derive(Clone, Debug)]
pub struct Expected {
    /// What its identity file holds.
    pub identity: String,
    /// The file that remembers it.
    pub remembered_in: PathBuf,
}

/// An engine over a directory tree.
#[derive(Clone)]
pub struct Posix {
    store: Arc<Store>,
}

impl Posix {
    /// Opens the storage at `root`, which is made when there is nothing. Blocks; for start-up.
    ///
    /// # Errors
    /// [`EngineError::Unavailable`] with what to do, when the root is not ours or its file system lacks what is needed;
    /// [`EngineError::Taken`] when another process serves it; [`EngineError::Leased`] when one on another machine may, which
    /// is to be tried again.
    pub fn open(root: &FilePath, settings: &Settings) -> Result<Self, EngineError> {
        Ok(Self {
            store: Arc::new(Store::open(root, settings)?),
        })
    }

    /// What the storage's identity file holds.
    pub fn root_identity(&self) -> String {
        self.store.identity()
    }

    /// The directory `.stobj`, where the server keeps what is its own besides: `journal/`, checkpoints.
    pub fn private_directory(&self) -> PathBuf {
        self.store.private()
    }

    /// Whether the storage may still be changed.
    pub fn lease(&self) -> Lease {
        self.store.lease().clone()
    }

    /// Whether it was taken over from a machine that had not given it back.
    pub fn is_takeover(&self) -> bool {
        self.store.is_takeover()
    }

    /// Does `job` on the blocking pool, when the root is there.
    async fn job<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<Store>) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        self.store.available().await?;
        let store = Arc::clone(&self.store);
        blocking(move || job(&store)).await
    }
}

impl fmt::Debug for Posix {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Posix({})", self.store.private().display())
    }
}

impl Engine for Posix {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_directory_move: true,
            inline_attribute_bytes: self.store.abilities().inline_attribute_bytes,
        }
    }

    fn accounts(&self) -> EngineFuture<'_, Vec<AccountName>> {
        Box::pin(self.job(|store| store.list_accounts()))
    }

    fn account<'a>(&'a self, account: &'a AccountName) -> EngineFuture<'a, Option<AccountAttributes>> {
        let account = account.clone();
        Box::pin(self.job(move |store| store.read_account(&account)))
    }

    fn put_account<'a>(
        &'a self,
        account: &'a AccountName,
        attributes: AccountAttributes,
    ) -> EngineFuture<'a, ()> {
        let account = account.clone();
        Box::pin(self.job(move |store| store.write_account(&account, &attributes)))
    }

    fn containers<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> EngineFuture<'a, Vec<(ContainerName, ContainerAttributes)>> {
        let account = account.clone();
        Box::pin(self.job(move |store| store.list_containers(&account)))
    }

    fn put_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        attributes: ContainerAttributes,
    ) -> EngineFuture<'a, Unsynced> {
        let (account, container) = (account.clone(), container.clone());
        Box::pin(self.job(move |store| store.write_container(&account, &container, &attributes)))
    }

    fn remove_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
    ) -> EngineFuture<'a, Unsynced> {
        let (account, container) = (account.clone(), container.clone());
        Box::pin(self.job(move |store| store.remove_container(&account, &container)))
    }

    fn stat<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<ObjectAttributes>> {
        Box::pin(async move {
            self.store.available().await?;
            Ok(self.store.look_up(path).await?.map(|(_, attributes)| attributes))
        })
    }

    fn open<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<(ObjectAttributes, Box<dyn Reader>)>> {
        Box::pin(async move {
            self.store.available().await?;
            let Some((file, attributes)) = self.store.look_up(path).await? else {
                return Ok(None);
            };
            let tries_nowait = self.store.abilities().nowait_reads;
            let reader = FileReader {
                file,
                size: attributes.size,
                tries_nowait,
                room: Arc::clone(self.store.room()),
            };
            Ok(Some((attributes, Box::new(reader) as Box<dyn Reader>)))
        })
    }

    fn stage<'a>(
        &'a self,
        _account: &'a AccountName,
        _container: &'a ContainerName,
        length: Option<u64>,
    ) -> EngineFuture<'a, Box<dyn Stage>> {
        Box::pin(async move {
            self.store.available().await?;
            Ok(Box::new(FileStage::new(Arc::clone(&self.store), length)) as Box<dyn Stage>)
        })
    }

    fn revise<'a>(
        &'a self,
        path: &'a Path,
        revise: Revise,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.revise(&path, None, revise, committed)))
    }

    fn remove<'a>(
        &'a self,
        path: &'a Path,
        decide: Decide,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.remove(&path, decide, committed)))
    }

    fn children<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        directory: &'a str,
    ) -> EngineFuture<'a, Vec<Child>> {
        let (account, container, directory) = (account.clone(), container.clone(), directory.to_owned());
        Box::pin(self.job(move |store| store.list_children(&account, &container, &directory)))
    }
}

/// Does what may wait for a disk.
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, EngineError> + Send + 'static,
) -> Result<T, EngineError> {
    joined(tokio::task::spawn_blocking(job).await)
}

fn joined<T>(answer: Result<Result<T, EngineError>, JoinError>) -> Result<T, EngineError> {
    answer.unwrap_or_else(|error| Err(EngineError::Io(std::io::Error::other(error))))
}

/// Does what may wait for a disk and that nobody waits for.
fn in_background(job: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(handle) => drop(handle.spawn_blocking(job)),
        Err(_) => job(),
    }
}
