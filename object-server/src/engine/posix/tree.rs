//! Directories as such: each verb one blocking job.

use common::functional::object::Path;

use super::Posix;
use crate::engine::{Directory, EngineFuture, TreeCommitted, TreeEngine};
use crate::node::{DirectoryAttributes, WriteId};

impl TreeEngine for Posix {
    fn directory<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<Directory>> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.find_directory(&path)))
    }

    fn make_directory<'a>(
        &'a self,
        path: &'a Path,
        attributes: DirectoryAttributes,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, ()> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.make_explicit(&path, attributes, committed)))
    }

    fn remove_directory<'a>(&'a self, path: &'a Path, committed: TreeCommitted) -> EngineFuture<'a, bool> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.remove_explicit(&path, committed)))
    }

    fn identity<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<u64>> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.find_identity(&path)))
    }

    fn rename<'a>(
        &'a self,
        from: &'a Path,
        to: &'a Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, bool> {
        let (from, to) = (from.clone(), to.clone());
        Box::pin(self.job(move |store| store.rename(&from, &to, replaced, committed)))
    }

    fn settle_rename<'a>(
        &'a self,
        from: &'a Path,
        to: &'a Path,
        identity: u64,
        replaced: WriteId,
    ) -> EngineFuture<'a, bool> {
        let (from, to) = (from.clone(), to.clone());
        Box::pin(self.job(move |store| store.settle_rename(&from, &to, identity, replaced)))
    }

    fn detach<'a>(&'a self, path: &'a Path, id: WriteId, committed: TreeCommitted) -> EngineFuture<'a, bool> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.detach(&path, id, committed)))
    }

    fn settle_detach<'a>(&'a self, path: &'a Path, identity: u64, id: WriteId) -> EngineFuture<'a, bool> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.settle_detach(&path, identity, id)))
    }

    fn release(&self, id: WriteId) {
        self.store.release(id);
    }

    fn reap(&self, entries: usize) -> EngineFuture<'_, bool> {
        Box::pin(self.job(move |store| store.reap(entries)))
    }
}
