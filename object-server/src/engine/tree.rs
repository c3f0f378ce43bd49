//! What an engine does with directories as such.
//!
//! A directory is named as an object is whose name ends in a slash. It is *implicit* while it is only there for what lies in it, and
//! *explicit* when it was made by itself. The object `d/` lies in the directory `d/` and goes wherever that goes.
//!
//! The owner holds the locks of the containers concerned **exclusively** during all verbs that change something here, but
//! [`reap`](TreeEngine::reap); reads go on meanwhile, and see a change whole or not at all.

use common::Error;
use common::functional::object::Path;

use super::{EngineError, EngineFuture};
use crate::node::{DirectoryAttributes, WriteId};

/// What the owner does at the moment when everybody sees a change of the tree, before it is durable. It waits for nothing. An
/// engine that fails before does not call it; one that fails after it has made the change all the same. What became of a change
/// that failed and was not told of, `settle_…` says.
pub type TreeCommitted = Box<dyn FnOnce() + Send>;

/// A directory, as it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// What storage knows it by, wherever it is moved; another one's as soon as it is removed.
    pub identity: u64,
    /// What it carries when it is explicit; of one that was made by other means, the default.
    pub explicit: Option<DirectoryAttributes>,
    /// Whether nothing lies in it: no object, also not its own, no explicit directory, nothing that others put there.
    pub is_empty: bool,
}

/// The verbs of directories.
pub trait TreeEngine {
    /// A directory; `None`: there is none. The remains of implicit directories in which nothing lies are none.
    fn directory<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<Directory>>;

    /// Makes an explicit directory, or an implicit one explicit. Missing parents are made implicit. Durable when answered.
    fn make_directory<'a>(
        &'a self,
        path: &'a Path,
        attributes: DirectoryAttributes,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, ()>;

    /// Takes an explicit directory away in which nothing lies, and the implicit ones above it that are left empty.
    /// `false`: it is not there, not explicit, or not empty.
    fn remove_directory<'a>(&'a self, path: &'a Path, committed: TreeCommitted) -> EngineFuture<'a, bool>;

    /// What storage knows an object by, as long as it is not replaced by another.
    fn identity<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<u64>>;

    /// Gives an object, or a directory with all below (both names end in a slash then), another name, also in another
    /// container. Parents of `to` are made, implicit ones of `from` that are left empty go.
    ///
    /// What bears the name `to` is replaced in the same step, where storage can do that; else `to` is absent for a moment. A
    /// directory that was replaced is in the trash then, under the id `replaced`. `false`: there is nothing at `from`.
    ///
    /// # Errors
    /// As any change has them. Then [`settle_rename`](Self::settle_rename) says what became of it.
    fn rename<'a>(
        &'a self,
        from: &'a Path,
        to: &'a Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, bool>;

    /// After a crash in a [`rename`](Self::rename), or its failure: whether what has this identity has its new name. If so, what
    /// was cut off is finished, and durable; if not, all is as it was before. To be asked before anything is reaped.
    fn settle_rename<'a>(
        &'a self,
        from: &'a Path,
        to: &'a Path,
        identity: u64,
        replaced: WriteId,
    ) -> EngineFuture<'a, bool>;

    /// Takes a directory with all below it out of the tree, into the trash under this id; implicit parents that are left empty
    /// go. There it stays until [`release`](Self::release) is called. `false`: it is not there.
    ///
    /// # Errors
    /// As any change has them. Then [`settle_detach`](Self::settle_detach) says what became of it.
    fn detach<'a>(&'a self, path: &'a Path, id: WriteId, committed: TreeCommitted) -> EngineFuture<'a, bool>;

    /// After a crash in a [`detach`](Self::detach), or its failure: whether the directory of this identity is in the trash. If so,
    /// what was cut off is finished, and durable, and it stays there until [`release`](Self::release) is called. To be asked
    /// before anything is reaped.
    fn settle_detach<'a>(&'a self, path: &'a Path, identity: u64, id: WriteId) -> EngineFuture<'a, bool>;

    /// Lets what was detached under this id be reaped: nobody will ask [`settle_detach`](Self::settle_detach) for it any more.
    fn release(&self, id: WriteId);

    /// Removes at most so many files and directories of the trash for ever. `false`: nothing is left there that can be
    /// removed now.
    fn reap(&self, entries: usize) -> EngineFuture<'_, bool>;
}

/// Whether two names can be those of a rename, and of a directory.
///
/// # Errors
/// One is a directory's and the other is not; or one lies in the other, or is the other.
pub(super) fn names_directories(from: &Path, to: &Path) -> Result<bool, EngineError> {
    let is_directory = from.object.is_directory();
    if is_directory != to.object.is_directory() {
        return Err(Error::bad_request("A directory can only become a directory.").into());
    }
    let is_same_container = (&from.account, &from.container) == (&to.account, &to.container);
    let (from, to) = (from.object.as_str(), to.object.as_str());
    let is_within = from == to || is_directory && (from.starts_with(to) || to.starts_with(from));
    if is_same_container && is_within {
        return Err(Error::forbidden().into());
    }
    Ok(is_directory)
}
