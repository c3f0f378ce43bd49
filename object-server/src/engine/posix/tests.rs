//! What only an engine over a tree has to show.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};
use tempfile::TempDir;

use super::probe::{Abilities, probe};
use super::root::Root;
use super::store::Store;
use super::{Posix, Settings};
use crate::engine::conformance::{self, Plain, account_attributes, attributes, container_attributes};
use crate::engine::{Changed, Engine as _, EngineError};
use crate::settings::Durability;

mod crash;
mod directories;
mod disk;
mod foreign;
mod start;
mod tree;

/// A storage with one container, `AUTH_a/c`.
struct Disk {
    directory: TempDir,
    posix: Posix,
}

impl Disk {
    async fn new(settings: &Settings) -> Self {
        Self::within(tempfile::tempdir().unwrap(), settings).await
    }

    /// In memory where there is a file system for that: for hundreds of storages, whose syncs are not what is looked at.
    async fn in_memory(settings: &Settings) -> Self {
        let directory = tempfile::tempdir_in("/dev/shm").ok().filter(|directory| {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(directory.path(), "user.try", b"", flags).is_ok()
        });
        Self::within(
            directory.unwrap_or_else(|| tempfile::tempdir().unwrap()),
            settings,
        )
        .await
    }

    async fn within(directory: TempDir, settings: &Settings) -> Self {
        let posix = Posix::open(directory.path(), settings).unwrap();
        posix
            .put_account(&account(), account_attributes(1))
            .await
            .unwrap();
        let made = posix
            .put_container(&account(), &container(), container_attributes("x"))
            .await;
        made.unwrap().sync().await.unwrap();
        Self { directory, posix }
    }

    /// A path below the container's directory.
    fn on_disk(&self, path: &str) -> PathBuf {
        self.directory.path().join("AUTH_a/c").join(path)
    }

    fn private(&self, path: &str) -> PathBuf {
        self.directory.path().join(".stobj").join(path)
    }

    async fn put(&self, name: &str, data: &[u8]) -> Result<Changed, EngineError> {
        put(&self.posix, name, data).await
    }

    async fn remove(&self, name: &str) -> bool {
        remove(&self.posix, name).await
    }

    async fn read(&self, name: &str) -> Option<Vec<u8>> {
        read(&self.posix, name).await
    }

    async fn children(&self, directory: &str) -> Vec<String> {
        let children = self
            .posix
            .children(&account(), &container(), directory)
            .await
            .unwrap();
        children.into_iter().map(|child| child.segment).collect()
    }
}

fn account() -> AccountName {
    AccountName::new("AUTH_a").unwrap()
}

fn container() -> ContainerName {
    ContainerName::new("c").unwrap()
}

fn path(name: &str) -> Path {
    Path {
        account: account(),
        container: container(),
        object: ObjectName::new(name).unwrap(),
    }
}

async fn put(posix: &Posix, name: &str, data: &[u8]) -> Result<Changed, EngineError> {
    let mut stage = posix
        .stage(&account(), &container(), Some(data.len() as u64))
        .await?;
    stage.write(data.to_vec().into()).await?;
    stage.publish(path(name), Plain::new(attributes(data))).await
}

async fn remove(posix: &Posix, name: &str) -> bool {
    let removed = posix
        .remove(&path(name), Box::new(|_| Ok(())), Box::new(|_| ()))
        .await;
    removed.unwrap().is_some()
}

async fn read(posix: &Posix, name: &str) -> Option<Vec<u8>> {
    let (_, reader) = posix.open(&path(name)).await.unwrap()?;
    Some(reader.into_body(None).collect(usize::MAX).await.unwrap().to_vec())
}

fn entries(directory: &FilePath) -> Vec<String> {
    let mut entries: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    entries.sort();
    entries
}

/// Waits until a directory is empty: what is dropped is removed in the background.
async fn until_empty(directory: &FilePath) {
    let waiting = async {
        while !entries(directory).is_empty() {
            tokio::task::yield_now().await;
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await;
    assert!(
        waited.is_ok(),
        "{} still holds {:?}",
        directory.display(),
        entries(directory)
    );
}

/// Nothing is left of what the conformance suite did but its accounts.
async fn nothing_is_left(root: &FilePath) {
    assert_eq!(entries(&root.join("AUTH_conformance")), Vec::<String>::new());
    until_empty(&root.join(".stobj/temporary")).await;
    until_empty(&root.join(".stobj/overflow")).await;
    until_empty(&root.join(".stobj/trash")).await;
    until_empty(&root.join(".stobj/build")).await;
}

#[test]
fn posix_is_a_map() {
    let settings = Settings {
        durability: Durability::Relaxed,
        ..Settings::default()
    };
    conformance::model::run(100, || {
        let root = tempfile::tempdir().unwrap();
        (Arc::new(Posix::open(root.path(), &settings).unwrap()) as _, root)
    });
    conformance::model::run(40, || {
        let root = tempfile::tempdir().unwrap();
        (Arc::new(poor(root.path(), &settings)) as _, root)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn posix_conforms() {
    let root = tempfile::tempdir().unwrap();
    let posix = Posix::open(root.path(), &Settings::default()).unwrap();
    conformance::run(Arc::new(posix)).await;
    nothing_is_left(root.path()).await;
}

/// As on a network file system that can do only what every one can.
#[tokio::test(flavor = "multi_thread")]
async fn posix_conforms_on_a_poor_file_system() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings {
        durability: Durability::Relaxed,
        ..Settings::default()
    };
    conformance::run(Arc::new(poor(directory.path(), &settings))).await;
    nothing_is_left(directory.path()).await;
}

fn poor(root: &FilePath, settings: &Settings) -> Posix {
    let root = Root::open(root, &Settings::default()).unwrap();
    let abilities = Abilities {
        unnamed_files: false,
        rename_noreplace: false,
        rename_exchange: false,
        nowait_reads: false,
        steady_times: false,
        inline_attribute_bytes: 256,
    };
    Posix {
        store: Arc::new(Store::new(root, abilities, settings).unwrap()),
    }
}
