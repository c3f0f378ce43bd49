//! The storage engine: what it must be able to do, and what it promises.
//!
//! An engine keeps accounts, containers and objects with their attributes. It knows nothing of locks between
//! requests, counters, quotas or the journal: those are the owner's. What it must do by itself is to make each verb
//! **atomic to readers**: whoever reads sees the state before or the state after, whole.
//!
//! A change of an object has two halves, in one call: the verb makes it visible, and then durable. At the last moment
//! before the first the owner is asked ([`Decide`], [`Revise`], [`Publication`]) with the object that is about to be replaced; between
//! the two it is told ([`Committed`]), and lets its locks go. Of containers, whose changes are rare, the second half is
//! handed out as an [`Unsynced`].

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use common::Body;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName};
use common::range::ByteRange;

use crate::lease::NotHeld;
use crate::node::{AccountAttributes, ContainerAttributes, ObjectAttributes};

mod build;
#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;
pub mod posix;
mod removal;
mod repair;
mod tree;

pub use self::build::{BuildEngine, Placing};
pub use self::removal::RemovalEngine;
pub use self::repair::RepairEngine;
pub use self::tree::{Directory, TreeCommitted, TreeEngine};

/// What an engine answers, later.
pub type EngineFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, EngineError>> + Send + 'a>>;

/// The owner's last word on a change, given the object it would replace or remove (`None`: there is none).
pub type Decide = Box<dyn FnOnce(Option<&ObjectAttributes>) -> Result<(), common::Error> + Send>;

/// The owner's last word on new attributes of an existing object, given the present ones.
pub type Revise = Box<dyn FnOnce(&ObjectAttributes) -> Result<ObjectAttributes, common::Error> + Send>;

/// Asked again and again in the course of what may take long: whether it is to go on.
pub type GoOn = Box<dyn Fn() -> Result<(), common::Error> + Send>;

/// What the owner does at the moment when everybody sees a change, before it is durable. It waits for nothing. An engine
/// that fails before does not call it; whoever fails after it has made the change all the same.
pub type Committed = Box<dyn FnOnce(&Changed) + Send>;

/// Any engine.
pub type ArcEngine = Arc<dyn Engine>;

/// A store of accounts, containers and objects. All verbs of one object are called by one owner at a time, which
/// never runs two changes of the same name at once; changes of different names (also of `a` and `a/b`) and reads run
/// side by side.
pub trait Engine:
    TreeEngine + BuildEngine + RepairEngine + RemovalEngine + Send + Sync + fmt::Debug + 'static
{
    /// What this engine can do here, as probed.
    fn capabilities(&self) -> Capabilities;

    /// All accounts.
    fn accounts(&self) -> EngineFuture<'_, Vec<AccountName>>;

    /// An account's attributes.
    fn account<'a>(&'a self, account: &'a AccountName) -> EngineFuture<'a, Option<AccountAttributes>>;

    /// Makes an account or replaces its attributes, durably.
    fn put_account<'a>(
        &'a self,
        account: &'a AccountName,
        attributes: AccountAttributes,
    ) -> EngineFuture<'a, ()>;

    /// The containers of an account with their attributes, in no order.
    fn containers<'a>(
        &'a self,
        account: &'a AccountName,
    ) -> EngineFuture<'a, Vec<(ContainerName, ContainerAttributes)>>;

    /// Makes a container, complete from the first moment, or replaces an existing one's attributes.
    fn put_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        attributes: ContainerAttributes,
    ) -> EngineFuture<'a, Unsynced>;

    /// Removes a container.
    ///
    /// # Errors
    /// [`EngineError::NotEmpty`] while anything lies in it, also what nobody put there through the engine.
    fn remove_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
    ) -> EngineFuture<'a, Unsynced>;

    /// An object's attributes. Never waits for a disk when what is asked for is in memory.
    fn stat<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<ObjectAttributes>>;

    /// Opens an object for reading: the reader goes on reading this very object whatever happens to its name.
    fn open<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<(ObjectAttributes, Box<dyn Reader>)>>;

    /// Begins an object that nobody sees yet. `length` is its size when that is known.
    fn stage<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        length: Option<u64>,
    ) -> EngineFuture<'a, Box<dyn Stage>>;

    /// Replaces an object's attributes; its data stays. `Ok(None)`: there is no such object.
    fn revise<'a>(
        &'a self,
        path: &'a Path,
        revise: Revise,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>>;

    /// Removes an object and the implicit directories that become empty. `Ok(None)`: there is no such object.
    fn remove<'a>(
        &'a self,
        path: &'a Path,
        decide: Decide,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>>;

    /// What lies directly in a directory of a container, in byte order of segments. `directory` is empty or ends in a
    /// slash; a missing one has no children. Empty implicit directories may be among them.
    fn children<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        directory: &'a str,
    ) -> EngineFuture<'a, Vec<Child>>;
}

/// What an engine can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whether a directory can be moved in one atomic step.
    pub atomic_directory_move: bool,
    /// The most bytes of attributes kept beside the data; more go elsewhere, at a cost.
    pub inline_attribute_bytes: usize,
}

/// An object being written. Dropping it leaves nothing behind.
pub trait Stage: Send {
    /// Takes the next bytes; waits while too many are on their way to the disk.
    fn write(&mut self, bytes: Bytes) -> EngineFuture<'_, ()>;

    /// Ends the writing, makes data and attributes durable, unless durability is relaxed, and gives the object its
    /// name, in the place of whatever bore it: missing parents are made. The owner is asked step by step; when it
    /// refuses, nothing has changed (but that implicit parents may have been made, and are pruned again). The container
    /// is there: the owner sees to that.
    fn publish(
        self: Box<Self>,
        path: Path,
        publication: Box<dyn Publication>,
    ) -> EngineFuture<'static, Changed>;
}

/// The owner's part in a PUT. The engine asks it, in this order and from whatever thread it is on; nothing but
/// [`ready`](Self::ready) waits.
pub trait Publication: Send + 'static {
    /// All data has come: what are the new object's attributes (whose `size` and `modified` the engine sets), given the
    /// one that bears the name at present?
    ///
    /// # Errors
    /// There is not to be one.
    fn attributes(&mut self, present: Option<&ObjectAttributes>) -> Result<ObjectAttributes, common::Error>;

    /// Data and attributes are durable: may the object get its name at once? Otherwise [`ready`](Self::ready) is
    /// awaited.
    ///
    /// # Errors
    /// It may not get it at all.
    fn is_ready(&mut self) -> Result<bool, common::Error>;

    /// Waits until the object may get its name.
    ///
    /// # Errors
    /// It may not get it at all.
    fn ready(&mut self) -> Pin<Box<dyn Future<Output = Result<(), common::Error>> + Send + '_>>;

    /// The last word, as [`Decide`] has it.
    ///
    /// # Errors
    /// Nothing is to change.
    fn decide(&mut self, present: Option<&ObjectAttributes>) -> Result<(), common::Error>;

    /// Everybody sees it, as [`Committed`] has it.
    fn committed(&mut self, changed: &Changed);
}

/// An object open for reading.
pub trait Reader: Send {
    /// The bytes of these ranges one behind the other; `None` is all.
    fn into_body(self: Box<Self>, ranges: Option<Vec<ByteRange>>) -> Body;
}

/// A change that everybody sees.
#[derive(Debug)]
pub struct Changed {
    /// What was there before.
    pub old: Option<ObjectAttributes>,
    /// What is there now.
    pub new: Option<ObjectAttributes>,
}

/// What is left to do until a change of a container is durable. To be awaited before the change is acknowledged; dropping it leaves
/// the change to the operating system.
pub struct Unsynced(Option<EngineFuture<'static, ()>>);

impl Unsynced {
    /// This is left to do.
    pub fn new(sync: impl Future<Output = Result<(), EngineError>> + Send + 'static) -> Self {
        Self(Some(Box::pin(sync)))
    }

    /// Nothing is left to do.
    pub const fn nothing() -> Self {
        Self(None)
    }

    /// Makes the change durable.
    ///
    /// # Errors
    /// When the storage says that it is not: the change must not be acknowledged.
    pub async fn sync(self) -> Result<(), EngineError> {
        match self.0 {
            Some(sync) => sync.await,
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Unsynced {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Unsynced({})", self.0.is_some())
    }
}

/// One entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Child {
    /// Its segment; a directory's ends in a slash.
    pub segment: String,
    /// Whether an object of exactly this name is there: always of a file; of a directory when it carries an object.
    pub is_object: bool,
}

/// What goes wrong in an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The owner's `decide` or `revise` said no.
    #[error(transparent)]
    Refused(#[from] common::Error),
    /// There is no such container or account.
    #[error("the container is not there")]
    NoContainer,
    /// Something lies in it.
    #[error("it is not empty")]
    NotEmpty,
    /// The storage is full.
    #[error("the storage is full")]
    Full,
    /// The storage is not there, or not the one it should be.
    #[error("the storage is not available: {0}")]
    Unavailable(String),
    /// Another process serves the storage.
    #[error("another process already serves {0}")]
    Taken(String),
    /// A process on another machine may still serve it; in a while that is known.
    #[error("the storage is leased: {0}")]
    Leased(String),
    /// There is no storage, and none is to be made.
    #[error(
        "{0} holds no storage: its disk is not mounted, or `create` in [object-server] has to let one be made"
    )]
    Missing(String),
    /// The storage holds something that is not ours to read as an object.
    #[error("the stored node cannot be read: {0}")]
    Corrupt(String),
    /// Anything else.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl From<NotHeld> for EngineError {
    fn from(why: NotHeld) -> Self {
        Self::Refused(why.into())
    }
}

impl From<EngineError> for common::Error {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Refused(error) => error,
            EngineError::NoContainer => Self::not_found(),
            EngineError::NotEmpty => Self::conflict("The container is not empty."),
            EngineError::Full => Self::new(common::Outcome::InsufficientStorage).caused_by(error),
            EngineError::Unavailable(_)
            | EngineError::Taken(_)
            | EngineError::Leased(_)
            | EngineError::Missing(_)
            | EngineError::Io(_) => Self::unavailable(error, None),
            EngineError::Corrupt(_) => Self::internal(error),
        }
    }
}
