//! Directories as such: each verb one blocking job.

use common::functional::object::Path;

use super::Posix;
use crate::engine::{Directory, EngineError, EngineFuture, TreeCommitted, TreeEngine};
use crate::node::{DirectoryAttributes, WriteId};

/// As long as this engine has none of them.
fn not_yet<'a, T: 'a>() -> EngineFuture<'a, T> {
    Box::pin(async { Err(EngineError::Io(std::io::ErrorKind::Unsupported.into())) })
}

impl TreeEngine for Posix {
    fn directory<'a>(&'a self, _: &'a Path) -> EngineFuture<'a, Option<Directory>> {
        not_yet()
    }

    fn make_directory<'a>(
        &'a self,
        _: &'a Path,
        _: DirectoryAttributes,
        _: TreeCommitted,
    ) -> EngineFuture<'a, ()> {
        not_yet()
    }

    fn remove_directory<'a>(&'a self, _: &'a Path, _: TreeCommitted) -> EngineFuture<'a, bool> {
        not_yet()
    }

    fn identity<'a>(&'a self, _: &'a Path) -> EngineFuture<'a, Option<u64>> {
        not_yet()
    }

    fn rename<'a>(
        &'a self,
        _: &'a Path,
        _: &'a Path,
        _: WriteId,
        _: TreeCommitted,
    ) -> EngineFuture<'a, bool> {
        not_yet()
    }

    fn settle_rename<'a>(&'a self, _: &'a Path, _: &'a Path, _: u64, _: WriteId) -> EngineFuture<'a, bool> {
        not_yet()
    }

    fn detach<'a>(&'a self, _: &'a Path, _: WriteId, _: TreeCommitted) -> EngineFuture<'a, bool> {
        not_yet()
    }

    fn settle_detach<'a>(&'a self, _: &'a Path, _: u64, _: WriteId) -> EngineFuture<'a, bool> {
        not_yet()
    }

    fn reap(&self, _: usize) -> EngineFuture<'_, bool> {
        not_yet()
    }
}
