//! Every failure point of every change: the process ends there, or the step before fails.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::process::Command;

use super::*;
use crate::engine::conformance::properties;
use crate::failure_point::{Failure, FailurePoints};

/// All points, in no order.
const POINTS: [&str; 23] = [
    "stage:before_write",
    "stage:before_attributes",
    "stage:before_sync",
    "attribute:before_pointer",
    "directory:before_rename",
    "publish:before_lock",
    "publish:before_rename",
    "publish:before_unlink",
    "publish:after",
    "convert:after_link",
    "convert:before_unlink",
    "convert:after_unlink",
    "remove:before_unlink",
    "remove:before_unlink_plain",
    "remove:before_prune",
    "revise:before_write",
    "revise:after_write",
    "container:before_write",
    "container:before_remove",
    "account:before_rename",
    "account:after_control",
    "sync:before",
    "sync:before_garbage",
];

/// A change, and what is there before it.
#[derive(Clone, Copy, Debug)]
enum Change {
    PutNew,
    PutOver,
    PutLarge,
    PutBesideFile,
    PutBesideDirectory,
    PutOverBothForms,
    Remove,
    RemoveBothForms,
    Revise,
    PutContainer,
    RemoveContainer,
    PutAccount,
}

const CHANGES: [Change; 12] = [
    Change::PutNew,
    Change::PutOver,
    Change::PutLarge,
    Change::PutBesideFile,
    Change::PutBesideDirectory,
    Change::PutOverBothForms,
    Change::Remove,
    Change::RemoveBothForms,
    Change::Revise,
    Change::PutContainer,
    Change::RemoveContainer,
    Change::PutAccount,
];

/// Names to the bytes of their data and properties.
type Contents = BTreeMap<String, (Vec<u8>, usize)>;

impl Change {
    async fn prepare(self, disk: &Disk) {
        let before: &[&str] = match self {
            Self::PutOver | Self::PutBesideFile | Self::PutOverBothForms | Self::Revise => &["a"],
            Self::RemoveBothForms => &["a"],
            Self::PutBesideDirectory => &["a/b"],
            Self::Remove => &["a/b/c"],
            Self::PutNew | Self::PutLarge | Self::PutContainer | Self::RemoveContainer | Self::PutAccount => {
                &[]
            }
        };
        for name in before {
            disk.put(name, b"before").await.unwrap();
            revise(&disk.posix, name, 60_000).await.unwrap();
        }
        if matches!(self, Self::PutOverBothForms | Self::RemoveBothForms) {
            std::fs::hard_link(disk.on_disk("a"), disk.on_disk("a%o")).unwrap();
        }
    }

    async fn make(self, posix: &Posix) -> Result<(), EngineError> {
        let large = vec![b'l'; 700_000];
        let put =
            |name: &'static str, data: &'static [u8]| async move { put(posix, name, data).await.map(drop) };
        match self {
            Self::PutNew | Self::PutBesideFile => put("a/b", b"after").await,
            Self::PutOver | Self::PutBesideDirectory | Self::PutOverBothForms => put("a", b"after").await,
            Self::PutLarge => super::put(posix, "a/b", &large).await.map(drop),
            Self::Remove => try_remove(posix, "a/b/c").await,
            Self::RemoveBothForms => try_remove(posix, "a").await,
            Self::Revise => revise(posix, "a", 61_000).await,
            Self::PutContainer => {
                for size in [70_000, 80_000] {
                    let mut large = container_attributes("new");
                    large.properties = properties(size);
                    let name = ContainerName::new("new").unwrap();
                    posix
                        .put_container(&account(), &name, large)
                        .await?
                        .sync()
                        .await?;
                }
                Ok(())
            }
            Self::RemoveContainer => {
                posix
                    .remove_container(&account(), &container())
                    .await?
                    .sync()
                    .await
            }
            Self::PutAccount => {
                posix
                    .put_account(&AccountName::new("new").unwrap(), account_attributes(2))
                    .await
            }
        }
    }
}

async fn try_remove(posix: &Posix, name: &str) -> Result<(), EngineError> {
    let path = path(name);
    let removed = posix.remove(&path, Box::new(|_| Ok(())), Box::new(|_| ()));
    removed.await.map(drop)
}

async fn revise(posix: &Posix, name: &str, size: usize) -> Result<(), EngineError> {
    let revise = move |present: &crate::node::ObjectAttributes| {
        let mut new = present.clone();
        new.properties = properties(size);
        Ok(new)
    };
    let path = path(name);
    let revised = posix.revise(&path, Box::new(revise), Box::new(|_| ()));
    revised.await.map(drop)
}

async fn contents(posix: &Posix) -> Contents {
    let mut contents = Contents::new();
    for name in ["a", "a/", "a/b", "a/b/c"] {
        if let Some(attributes) = posix.stat(&path(name)).await.unwrap() {
            let data = read(posix, name).await.unwrap();
            assert_eq!(attributes.etag, super::attributes(&data).etag, "{name} is torn");
            let bytes = attributes
                .properties
                .iter()
                .map(|(name, value)| name.len() + value.len())
                .sum();
            contents.insert(name.to_owned(), (data, bytes));
        }
    }
    contents
}

/// What a change does from `before`, and which points it passes.
async fn observe(change: Change) -> (Contents, Contents, Vec<&'static str>) {
    let points = FailurePoints::new();
    let disk = Disk::new(&Settings {
        failure_points: points.clone(),
        ..Settings::default()
    })
    .await;
    change.prepare(&disk).await;
    let before = contents(&disk.posix).await;
    let earlier: Vec<_> = POINTS.iter().map(|point| points.hits(point)).collect();
    change.make(&disk.posix).await.unwrap();
    let passed = POINTS
        .iter()
        .zip(earlier)
        .filter(|(point, earlier)| points.hits(point) > *earlier);
    let passed = passed.map(|(point, _)| *point).collect();
    (before, contents(&disk.posix).await, passed)
}

/// The storage is whole: old or new, it takes all changes, and then nothing is left.
async fn check(posix: &Posix, root: &FilePath, before: &Contents, after: &Contents, what: &str) {
    let now = contents(posix).await;
    assert!(
        now == *before || now == *after,
        "{what}: neither before nor after"
    );
    posix.accounts().await.unwrap();
    for (name, attributes) in posix.containers(&account()).await.unwrap() {
        assert!(
            name == container() || !attributes.properties.is_empty(),
            "{what}: half a container"
        );
    }
    let made = posix
        .put_container(&account(), &container(), container_attributes("x"))
        .await
        .unwrap();
    made.sync().await.unwrap();
    for name in ["a", "a/b/c", "a/b", "a/"] {
        put(posix, name, b"again")
            .await
            .unwrap_or_else(|error| panic!("{what}: {name}: {error:?}"));
    }
    for name in ["a/", "a", "a/b", "a/b/c"] {
        assert!(remove(posix, name).await, "{what}: {name}");
    }
    let removed = posix.remove_container(&account(), &container()).await;
    removed
        .unwrap_or_else(|error| panic!("{what}: {error:?}"))
        .sync()
        .await
        .unwrap();
    assert!(!root.join("AUTH_a/c").exists());
}

async fn crash_at(change: Change, point: &str, before: &Contents, after: &Contents) {
    let points = FailurePoints::new();
    let disk = Disk::new(&Settings {
        failure_points: points.clone(),
        ..Settings::default()
    })
    .await;
    change.prepare(&disk).await;
    let hits = points.hits(point);
    points.arm(point, Failure::Wait);
    let copy = tempfile::tempdir().unwrap();
    let changing = change.make(&disk.posix);
    let crashing = async {
        points.reached(point, hits + 1).await;
        let source = disk.directory.path().join(".");
        let copied = tokio::task::block_in_place(|| {
            Command::new("cp")
                .arg("-a")
                .arg(source)
                .arg(copy.path())
                .status()
                .unwrap()
        });
        assert!(copied.success());
        points.disarm(point);
    };
    let (changed, ()) = tokio::join!(changing, crashing);
    changed.unwrap();
    let posix = Posix::open(copy.path(), &Settings::default()).unwrap();
    check(
        &posix,
        copy.path(),
        before,
        after,
        &format!("{change:?} ended at {point}"),
    )
    .await;
}

async fn fail_at(change: Change, point: &str, before: &Contents, after: &Contents) {
    let points = FailurePoints::new();
    let disk = Disk::new(&Settings {
        failure_points: points.clone(),
        ..Settings::default()
    })
    .await;
    change.prepare(&disk).await;
    points.arm(point, Failure::Error(ErrorKind::StorageFull));
    let failed = change.make(&disk.posix).await;
    assert!(
        matches!(failed, Err(EngineError::Full)),
        "{change:?} at {point}: {failed:?}"
    );
    points.disarm(point);
    until_empty(&disk.private("temporary")).await;
    check(
        &disk.posix,
        disk.directory.path(),
        before,
        after,
        &format!("{change:?} failed at {point}"),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_whole_wherever_it_ends() {
    let mut passed_ever = BTreeSet::new();
    for change in CHANGES {
        let (before, after, passed) = observe(change).await;
        for point in passed {
            passed_ever.insert(point);
            crash_at(change, point, &before, &after).await;
            fail_at(change, point, &before, &after).await;
        }
    }
    let missed: Vec<_> = POINTS
        .iter()
        .filter(|point| !passed_ever.contains(*point))
        .collect();
    assert!(missed.is_empty(), "no change passes {missed:?}");
}

#[test]
fn the_guide_names_all_points() {
    let guide = include_str!("../README.md");
    for point in POINTS {
        assert!(guide.contains(&format!("`{point}`")), "{point}");
    }
}
