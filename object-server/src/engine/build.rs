//! A directory that is built where nobody sees it, and then takes its place in one step: the copy of another one.
//!
//! It is known by the id it was begun under, also after a restart. Names in it are relative to it: the empty one is its own object,
//! or itself. What is built is durable only as [`sync_build`](BuildEngine::sync_build) says; whoever goes on with a build after a restart
//! can count on what was there at the last of these, and on what was [`settled`](Placing::Settled) since, and makes all else again.

use common::functional::object::Path;

use super::{Child, Directory, EngineFuture, GoOn, Revise, TreeCommitted};
use crate::node::{DirectoryAttributes, ObjectAttributes, WriteId};

/// When what is copied is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placing {
    /// With the next [`sync_build`](BuildEngine::sync_build).
    Unsettled,
    /// Its data and attributes before it has its name, and its name when that is answered: at every moment, also after a power
    /// cut, that name is the old object's or the new one's, whole.
    Settled,
}

/// The verbs of what is being built.
pub trait BuildEngine {
    /// Begins a directory, implicit and empty, or goes on with one that was begun.
    fn build(&self, build: WriteId) -> EngineFuture<'_, ()>;

    /// All directories that are being built, in no order.
    fn builds(&self) -> EngineFuture<'_, Vec<WriteId>>;

    /// The directory that is being built; `None`: there is none of this id. Its identity is what
    /// [`settle_attach`](Self::settle_attach) asks for.
    fn built(&self, build: WriteId) -> EngineFuture<'_, Option<Directory>>;

    /// Makes a directory in it explicit, or, with the empty name, itself; missing parents are made implicit. Names end in a slash.
    fn build_directory<'a>(
        &'a self,
        build: WriteId,
        directory: &'a str,
        attributes: DirectoryAttributes,
    ) -> EngineFuture<'a, ()>;

    /// Copies an object of the tree into it, in the place of what bears this name there. `revise` gives the copy its attributes,
    /// given the source's. The copy is whole: the source as it was at one moment. `None`: there is no such source. `go_on` is asked
    /// before it begins and behind each 16 MiB.
    ///
    /// # Errors
    /// What `go_on` or `revise` refuse; or the source is being written all the time by other means.
    fn copy_object<'a>(
        &'a self,
        from: &'a Path,
        build: WriteId,
        name: &'a str,
        revise: Revise,
        placing: Placing,
        go_on: GoOn,
    ) -> EngineFuture<'a, Option<ObjectAttributes>>;

    /// An object in it.
    fn built_object<'a>(
        &'a self,
        build: WriteId,
        name: &'a str,
    ) -> EngineFuture<'a, Option<ObjectAttributes>>;

    /// Takes an object out of it, durably.
    fn remove_built_object<'a>(&'a self, build: WriteId, name: &'a str) -> EngineFuture<'a, ()>;

    /// Leaves in a directory of it only these children, sorted, and all that lies below those that are directories; durably. The
    /// directory itself stays explicit only where that is said. Nothing is to be done where there is no such directory.
    fn trim_build<'a>(
        &'a self,
        build: WriteId,
        directory: &'a str,
        kept: Vec<Child>,
        is_explicit: bool,
    ) -> EngineFuture<'a, ()>;

    /// Makes durable all that was built so far. It takes its time, and belongs before the locks that
    /// [`attach`](Self::attach) needs: what is durable already costs nothing there.
    fn sync_build(&self, build: WriteId) -> EngineFuture<'_, ()>;

    /// Gives it its place in the tree, as [`rename`](super::TreeEngine::rename) does: what bears the name is replaced. The owner has the
    /// lock of the container. `false`: nothing was built.
    ///
    /// # Errors
    /// As any change has them. Then [`settle_attach`](Self::settle_attach) says what became of it.
    fn attach<'a>(
        &'a self,
        build: WriteId,
        to: &'a Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, bool>;

    /// After a crash in an [`attach`](Self::attach), or its failure: whether the directory of this identity has its place. If so, what
    /// was cut off is finished, and durable; if not, it is still being built. To be asked before anything is reaped.
    fn settle_attach<'a>(
        &'a self,
        build: WriteId,
        to: &'a Path,
        identity: u64,
        replaced: WriteId,
    ) -> EngineFuture<'a, bool>;

    /// Gives it up with all it holds; the trash takes it.
    fn drop_build(&self, build: WriteId) -> EngineFuture<'_, ()>;
}
