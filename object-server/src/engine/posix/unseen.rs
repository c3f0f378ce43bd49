//! What is being built, and what is mended: each verb one blocking job.

use common::functional::object::Path;

use super::Posix;
use crate::engine::{
    BuildEngine, Changed, Child, Committed, Directory, EngineFuture, GoOn, Placing, RepairEngine, Revise,
    TreeCommitted,
};
use crate::node::{DirectoryAttributes, ObjectAttributes, WriteId};

impl BuildEngine for Posix {
    fn build(&self, build: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(self.job(move |store| store.begin_build(build)))
    }

    fn builds(&self) -> EngineFuture<'_, Vec<WriteId>> {
        Box::pin(self.job(|store| store.list_builds()))
    }

    fn built(&self, build: WriteId) -> EngineFuture<'_, Option<Directory>> {
        Box::pin(self.job(move |store| store.find_build(build)))
    }

    fn build_directory<'a>(
        &'a self,
        build: WriteId,
        directory: &'a str,
        attributes: DirectoryAttributes,
    ) -> EngineFuture<'a, ()> {
        let directory = directory.to_owned();
        Box::pin(self.job(move |store| store.build_directory(build, &directory, attributes)))
    }

    fn copy_object<'a>(
        &'a self,
        from: &'a Path,
        build: WriteId,
        name: &'a str,
        revise: Revise,
        placing: Placing,
        go_on: GoOn,
    ) -> EngineFuture<'a, Option<ObjectAttributes>> {
        let (from, name) = (from.clone(), name.to_owned());
        Box::pin(self.job(move |store| store.copy_object(&from, build, &name, revise, placing, &go_on)))
    }

    fn built_object<'a>(
        &'a self,
        build: WriteId,
        name: &'a str,
    ) -> EngineFuture<'a, Option<ObjectAttributes>> {
        let name = name.to_owned();
        Box::pin(self.job(move |store| store.find_built(build, &name)))
    }

    fn remove_built_object<'a>(&'a self, build: WriteId, name: &'a str) -> EngineFuture<'a, ()> {
        let name = name.to_owned();
        Box::pin(self.job(move |store| store.remove_built(build, &name)))
    }

    fn trim_build<'a>(
        &'a self,
        build: WriteId,
        directory: &'a str,
        kept: Vec<Child>,
        is_explicit: bool,
    ) -> EngineFuture<'a, ()> {
        let directory = directory.to_owned();
        Box::pin(self.job(move |store| store.trim_build(build, &directory, &kept, is_explicit)))
    }

    fn sync_build(&self, build: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(self.job(move |store| store.sync_build(build)))
    }

    fn attach<'a>(
        &'a self,
        build: WriteId,
        to: &'a Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, bool> {
        let to = to.clone();
        Box::pin(self.job(move |store| store.attach(build, &to, replaced, committed)))
    }

    fn settle_attach<'a>(
        &'a self,
        build: WriteId,
        to: &'a Path,
        identity: u64,
        replaced: WriteId,
    ) -> EngineFuture<'a, bool> {
        let to = to.clone();
        Box::pin(self.job(move |store| store.settle_attach(build, &to, identity, replaced)))
    }

    fn drop_build(&self, build: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(self.job(move |store| store.drop_build(build)))
    }
}

impl RepairEngine for Posix {
    fn adopt<'a>(
        &'a self,
        path: &'a Path,
        identity: u64,
        revise: Revise,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.revise(&path, Some(identity), revise, committed)))
    }

    fn quarantine<'a>(
        &'a self,
        path: &'a Path,
        identity: u64,
        id: WriteId,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        let path = path.clone();
        Box::pin(self.job(move |store| store.quarantine(&path, identity, id, committed)))
    }
}
