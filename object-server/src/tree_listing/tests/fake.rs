//! An engine of names only, whose readings of directories can be held and are counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::functional::object::Path;
use common::name::{AccountName, ContainerName};
use common::{Etag, Properties, Timestamp};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::engine::{
    BuildEngine, Capabilities, Changed, Child, Committed, Decide, Directory, Engine, EngineError,
    EngineFuture, GoOn, Placing, Reader, RemovalEngine, RepairEngine, Revise, Stage, TreeCommitted,
    TreeEngine, Unsynced,
};
use crate::node::{
    AccountAttributes, ContainerAttributes, DirectoryAttributes, ObjectAttributes, State, WriteId,
};

#[derive(Debug)]
pub(super) struct Fake {
    /// Objects by name, with their time to expire.
    objects: Mutex<BTreeMap<String, Option<Timestamp>>>,
    is_held: watch::Sender<bool>,
    /// Readings of directories begun.
    pub(super) readings: AtomicUsize,
    /// Attributes read.
    pub(super) stats: AtomicUsize,
}

impl Fake {
    pub(super) fn new() -> Self {
        Self {
            objects: Mutex::default(),
            is_held: watch::Sender::new(false),
            readings: AtomicUsize::new(0),
            stats: AtomicUsize::new(0),
        }
    }

    pub(super) fn put(&self, name: &str, delete_at: Option<Timestamp>) {
        self.objects.lock().insert(name.to_owned(), delete_at);
    }

    pub(super) fn delete(&self, name: &str) {
        self.objects.lock().remove(name);
    }

    pub(super) fn objects(&self) -> BTreeMap<String, Option<Timestamp>> {
        self.objects.lock().clone()
    }

    /// Readings that have seen the directory do not answer until they are let go.
    pub(super) fn hold(&self, is_held: bool) {
        self.is_held.send_replace(is_held);
    }

    fn look(&self, directory: &str) -> Vec<Child> {
        let mut children = BTreeMap::<String, bool>::new();
        for name in self.objects.lock().keys() {
            let Some(rest) = name.strip_prefix(directory).filter(|rest| !rest.is_empty()) else {
                continue;
            };
            let segment = rest.split_inclusive('/').next().unwrap();
            let is_object = children.entry(segment.to_owned()).or_default();
            *is_object |= segment == rest;
        }
        children
            .into_iter()
            .map(|(segment, is_object)| Child { segment, is_object })
            .collect()
    }
}

fn attributes(delete_at: Option<Timestamp>) -> ObjectAttributes {
    ObjectAttributes {
        id: WriteId(1),
        timestamp: Timestamp::from_seconds(5),
        created: Timestamp::from_seconds(5),
        size: 3,
        modified: 0,
        etag: Etag::new(Etag::EMPTY_MD5),
        content_type: "text/plain".into(),
        delete_at,
        properties: Properties::new(),
        listing: None,
        state: State::Enabled,
        counted: None,
    }
}

fn unused<T>() -> Result<T, EngineError> {
    Err(EngineError::Unavailable("not in this engine".into()))
}

impl Engine for Fake {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            atomic_directory_move: false,
            inline_attribute_bytes: 0,
        }
    }

    fn accounts(&self) -> EngineFuture<'_, Vec<AccountName>> {
        Box::pin(async { unused() })
    }

    fn account<'a>(&'a self, _: &'a AccountName) -> EngineFuture<'a, Option<AccountAttributes>> {
        Box::pin(async { unused() })
    }

    fn put_account<'a>(&'a self, _: &'a AccountName, _: AccountAttributes) -> EngineFuture<'a, ()> {
        Box::pin(async { unused() })
    }

    fn containers<'a>(
        &'a self,
        _: &'a AccountName,
    ) -> EngineFuture<'a, Vec<(ContainerName, ContainerAttributes)>> {
        Box::pin(async { unused() })
    }

    fn put_container<'a>(
        &'a self,
        _: &'a AccountName,
        _: &'a ContainerName,
        _: ContainerAttributes,
    ) -> EngineFuture<'a, Unsynced> {
        Box::pin(async { unused() })
    }

    fn remove_container<'a>(
        &'a self,
        _: &'a AccountName,
        _: &'a ContainerName,
    ) -> EngineFuture<'a, Unsynced> {
        Box::pin(async { unused() })
    }

    fn stat<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<ObjectAttributes>> {
        Box::pin(async {
            self.stats.fetch_add(1, Ordering::Relaxed);
            Ok(self
                .objects
                .lock()
                .get(path.object.as_str())
                .map(|delete_at| attributes(*delete_at)))
        })
    }

    fn open<'a>(&'a self, _: &'a Path) -> EngineFuture<'a, Option<(ObjectAttributes, Box<dyn Reader>)>> {
        Box::pin(async { unused() })
    }

    fn stage<'a>(
        &'a self,
        _: &'a AccountName,
        _: &'a ContainerName,
        _: Option<u64>,
    ) -> EngineFuture<'a, Box<dyn Stage>> {
        Box::pin(async { unused() })
    }

    fn revise<'a>(&'a self, _: &'a Path, _: Revise, _: Committed) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async { unused() })
    }

    fn remove<'a>(&'a self, _: &'a Path, _: Decide, _: Committed) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async { unused() })
    }

    fn children<'a>(
        &'a self,
        _: &'a AccountName,
        container: &'a ContainerName,
        directory: &'a str,
    ) -> EngineFuture<'a, Vec<Child>> {
        Box::pin(async move {
            if container.as_str() == "absent" {
                return Err(EngineError::NoContainer);
            }
            let children = self.look(directory);
            self.readings.fetch_add(1, Ordering::Relaxed);
            let mut is_held = self.is_held.subscribe();
            // The sender lives as long as this engine.
            let _ = is_held.wait_for(|is_held| !is_held).await;
            Ok(children)
        })
    }
}

impl TreeEngine for Fake {
    fn directory<'a>(&'a self, _: &'a Path) -> EngineFuture<'a, Option<Directory>> {
        Box::pin(async { unused() })
    }

    fn make_directory<'a>(
        &'a self,
        _: &'a Path,
        _: DirectoryAttributes,
        _: TreeCommitted,
    ) -> EngineFuture<'a, ()> {
        Box::pin(async { unused() })
    }

    fn remove_directory<'a>(&'a self, _: &'a Path, _: TreeCommitted) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn identity<'a>(&'a self, _: &'a Path) -> EngineFuture<'a, Option<u64>> {
        Box::pin(async { unused() })
    }

    fn rename<'a>(
        &'a self,
        _: &'a Path,
        _: &'a Path,
        _: WriteId,
        _: TreeCommitted,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn settle_rename<'a>(&'a self, _: &'a Path, _: &'a Path, _: u64, _: WriteId) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn detach<'a>(&'a self, _: &'a Path, _: WriteId, _: TreeCommitted) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn settle_detach<'a>(&'a self, _: &'a Path, _: u64, _: WriteId) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn release(&self, _: WriteId) {}

    fn reap(&self, _: usize) -> EngineFuture<'_, bool> {
        Box::pin(async { unused() })
    }
}

impl BuildEngine for Fake {
    fn build(&self, _: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(async { unused() })
    }

    fn builds(&self) -> EngineFuture<'_, Vec<WriteId>> {
        Box::pin(async { unused() })
    }

    fn built(&self, _: WriteId) -> EngineFuture<'_, Option<Directory>> {
        Box::pin(async { unused() })
    }

    fn build_directory<'a>(&'a self, _: WriteId, _: &'a str, _: DirectoryAttributes) -> EngineFuture<'a, ()> {
        Box::pin(async { unused() })
    }

    fn copy_object<'a>(
        &'a self,
        _: &'a Path,
        _: WriteId,
        _: &'a str,
        _: Revise,
        _: Placing,
        _: GoOn,
    ) -> EngineFuture<'a, Option<ObjectAttributes>> {
        Box::pin(async { unused() })
    }

    fn built_object<'a>(&'a self, _: WriteId, _: &'a str) -> EngineFuture<'a, Option<ObjectAttributes>> {
        Box::pin(async { unused() })
    }

    fn remove_built_object<'a>(&'a self, _: WriteId, _: &'a str) -> EngineFuture<'a, ()> {
        Box::pin(async { unused() })
    }

    fn trim_build<'a>(&'a self, _: WriteId, _: &'a str, _: Vec<Child>, _: bool) -> EngineFuture<'a, ()> {
        Box::pin(async { unused() })
    }

    fn sync_build(&self, _: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(async { unused() })
    }

    fn attach<'a>(&'a self, _: WriteId, _: &'a Path, _: WriteId, _: TreeCommitted) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn settle_attach<'a>(&'a self, _: WriteId, _: &'a Path, _: u64, _: WriteId) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn drop_build(&self, _: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(async { unused() })
    }
}

impl RemovalEngine for Fake {
    fn detach_container<'a>(
        &'a self,
        _: &'a AccountName,
        _: &'a ContainerName,
        _: WriteId,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async { unused() })
    }

    fn is_in_trash(&self, _: WriteId) -> EngineFuture<'_, bool> {
        Box::pin(async { unused() })
    }

    fn remove_account<'a>(&'a self, _: &'a AccountName, _: u64, _: WriteId) -> EngineFuture<'a, ()> {
        Box::pin(async { unused() })
    }
}

impl RepairEngine for Fake {
    fn adopt<'a>(
        &'a self,
        _: &'a Path,
        _: u64,
        _: Revise,
        _: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async { unused() })
    }

    fn quarantine<'a>(
        &'a self,
        _: &'a Path,
        _: u64,
        _: WriteId,
        _: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async { unused() })
    }
}
