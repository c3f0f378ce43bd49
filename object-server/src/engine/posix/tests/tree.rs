//! Every failure point of the verbs of the tree: the program ends there, or the step before fails.
//!
//! What ended is a thread that waits for ever, while another engine opens the same directory: the inodes by which a rename is
//! settled stay what they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use super::*;
use crate::engine::conformance::properties;
use crate::engine::{BuildEngine as _, Placing, RepairEngine as _, TreeEngine as _};
use crate::failure_point::{Failure, FailurePoints};
use crate::node::{DirectoryAttributes, WriteId};

const POINTS: [&str; 26] = [
    "directory:before_rename",
    "directory:before_write",
    "directory:after",
    "directory:before_remove",
    "directory:before_prune",
    "convert:after_link",
    "convert:before_unlink",
    "convert:after_unlink",
    "publish:before_unlink",
    "rename:before",
    "rename:before_trash",
    "rename:after",
    "rename:before_prune",
    "detach:before",
    "detach:after",
    "reap:before_unlink",
    "reap:before_rmdir",
    "build:before_copy",
    "build:before_place",
    "build:before_sync",
    "build:after_sync",
    "build:before_trim",
    "quarantine:before",
    "quarantine:after",
    "sync:before",
    "sync:before_garbage",
];

pub(super) const ID: WriteId = WriteId(0x5eed);

pub(super) const BUILD: WriteId = WriteId(0xb);

/// A change, and what is there before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    MakeDirectory,
    MakeDirectoryBesideFile,
    MakeExplicit,
    RemoveDirectory,
    /// From the first name to the second, with these there before, and this file in both forms.
    Rename(
        &'static str,
        &'static str,
        &'static [&'static str],
        Option<&'static str>,
    ),
    Detach,
    Reap,
    Copy,
    /// Of what is being built.
    Trim,
    /// In the place of what these make.
    Attach(&'static [&'static str]),
    Quarantine,
}

const CHANGES: [Change; 21] = [
    Change::MakeDirectory,
    Change::MakeDirectoryBesideFile,
    Change::MakeExplicit,
    Change::RemoveDirectory,
    Change::Rename("a/x", "b/c/x", &["a/x"], None),
    Change::Rename("a/x", "b/x", &["a/x", "b/x"], None),
    Change::Rename("x", "x/y", &["x"], None),
    Change::Rename("x/y", "x", &["x/y", "x"], None),
    Change::Rename("x", "b/x", &["x"], Some("x")),
    Change::Rename("x", "y", &["x", "y"], Some("y")),
    Change::Rename("a/", "b/c/", &["a/x", "a/", "a/b/c"], None),
    Change::Rename("a/", "b/", &["a/x", "a/b/c", "b"], None),
    Change::Rename("a/b/", "b/", &["a/b/x", "a/b/c/d", "b/x", "b/y/z", "b"], None),
    Change::Rename("a/", "b/c/", &["a/x", "b/c/"], None),
    Change::Detach,
    Change::Reap,
    Change::Copy,
    Change::Trim,
    Change::Attach(&["a/x", "a/b/c"]),
    Change::Attach(&["a/x", "a/b/c", "to/x", "to/", "to"]),
    Change::Quarantine,
];

/// Objects with their data, and explicit directories.
type Contents = (BTreeMap<String, Vec<u8>>, BTreeSet<String>);

impl Change {
    async fn prepare(self, disk: &Disk) {
        std::fs::create_dir(disk.on_disk("by hand")).unwrap();
        std::fs::write(disk.on_disk("by hand/%41"), b"foreign").unwrap();
        let before: &[&str] = match self {
            Self::MakeDirectory => &[],
            Self::MakeDirectoryBesideFile => &["d", "d/"],
            Self::MakeExplicit => &["d/e/x"],
            Self::RemoveDirectory => &[],
            Self::Rename(_, _, before, _) | Self::Attach(before) => before,
            Self::Copy | Self::Trim => &["a/x"],
            Self::Quarantine => &["q/x", "q/x/y"],
            Self::Detach | Self::Reap => &["a/b/x", "a/b/c/y", "a/b"],
        };
        for name in before {
            let mut large = attributes(name.as_bytes());
            large.properties = properties(if name.ends_with('x') { 70_000 } else { 0 });
            let mut stage = disk.posix.stage(&account(), &container(), None).await.unwrap();
            stage.write(name.as_bytes().to_vec().into()).await.unwrap();
            stage.publish(path(name), Plain::new(large)).await.unwrap();
        }
        match self {
            Self::RemoveDirectory => make(&disk.posix, "d/e/").await.unwrap(),
            Self::Rename(from, _, _, both) => {
                if let Some(name) = both {
                    std::fs::hard_link(disk.on_disk(name), disk.on_disk(&format!("{name}%o"))).unwrap();
                }
                if from.ends_with('/') {
                    make(&disk.posix, &format!("{from}empty/")).await.unwrap();
                    std::os::unix::fs::symlink("/nowhere", disk.on_disk(&format!("{from}link"))).unwrap();
                }
            }
            Self::Reap => {
                assert!(detach(&disk.posix).await.unwrap());
                disk.posix.release(ID);
            }
            Self::Trim => {
                for name in ["x", "x/y", "b/x", "c/x"] {
                    copy(&disk.posix, "a/x", name).await.unwrap();
                }
                let explicit = DirectoryAttributes::default();
                let made = disk.posix.build_directory(BUILD, "b/", explicit);
                made.await.unwrap();
            }
            Self::Attach(_) => {
                copy(&disk.posix, "a/x", "x").await.unwrap();
                copy(&disk.posix, "a/b/c", "b/c").await.unwrap();
                let explicit = DirectoryAttributes::default();
                disk.posix
                    .build_directory(BUILD, "empty/", explicit)
                    .await
                    .unwrap();
            }
            _ => {}
        }
    }

    async fn make(self, posix: &Posix) -> Result<(), EngineError> {
        match self {
            Self::MakeDirectory => make(posix, "d/e/f/").await,
            Self::MakeDirectoryBesideFile => make(posix, "d/").await,
            Self::MakeExplicit => make(posix, "d/e/").await,
            Self::RemoveDirectory => {
                let path = path("d/e/");
                let removed = posix.remove_directory(&path, Box::new(|| ()));
                removed.await.map(|is_removed| assert!(is_removed))
            }
            Self::Rename(from, to, _, _) => {
                let (from, to) = (path(from), path(to));
                let renamed = posix.rename(&from, &to, ID, Box::new(|| ()));
                renamed.await.map(|is_renamed| assert!(is_renamed))
            }
            Self::Detach => detach(posix).await.map(|is_detached| assert!(is_detached)),
            Self::Reap => {
                while posix.reap(2).await? {}
                Ok(())
            }
            Self::Copy => {
                copy(posix, "a/x", "b/x").await?;
                copy(posix, "a/x", "b/x").await?;
                posix.sync_build(BUILD).await
            }
            Self::Trim => {
                posix.remove_built_object(BUILD, "b/x").await?;
                posix.trim_build(BUILD, "b/", Vec::new(), false).await?;
                posix.trim_build(BUILD, "", Vec::new(), false).await
            }
            Self::Attach(_) => {
                let to = path("to/");
                let attached = posix.attach(BUILD, &to, ID, Box::new(|| ()));
                attached.await.map(|is_attached| assert!(is_attached))
            }
            Self::Quarantine => {
                let path = path("q/x");
                let known = posix.identity(&path).await?.unwrap();
                let taken = posix.quarantine(&path, known, ID, Box::new(|_| ()));
                taken.await.map(|changed| assert!(changed.is_some()))
            }
        }
    }

    /// What its directory or object is known by.
    async fn identity(self, posix: &Posix) -> u64 {
        match self {
            Self::Rename(from, ..) if !from.ends_with('/') => {
                posix.identity(&path(from)).await.unwrap().unwrap()
            }
            Self::Rename(from, ..) => posix.directory(&path(from)).await.unwrap().unwrap().identity,
            Self::Detach => posix.directory(&path("a/b/")).await.unwrap().unwrap().identity,
            Self::Attach(_) => posix.built(BUILD).await.unwrap().unwrap().identity,
            _ => 0,
        }
    }

    /// Whether it was made, as far as anybody has to be asked.
    async fn settle(self, posix: &Posix, identity: u64) -> Option<bool> {
        match self {
            Self::Rename(from, to, _, _) => {
                let settled = posix.settle_rename(&path(from), &path(to), identity, ID).await;
                Some(settled.unwrap())
            }
            Self::Detach => Some(posix.settle_detach(&path("a/b/"), identity, ID).await.unwrap()),
            Self::Attach(_) => Some(
                posix
                    .settle_attach(BUILD, &path("to/"), identity, ID)
                    .await
                    .unwrap(),
            ),
            _ => None,
        }
    }
}

pub(super) async fn make(posix: &Posix, name: &str) -> Result<(), EngineError> {
    let path = path(name);
    let attributes = DirectoryAttributes {
        id: WriteId(1),
        ..DirectoryAttributes::default()
    };
    posix.make_directory(&path, attributes, Box::new(|| ())).await
}

/// Into the directory that is being built.
pub(super) async fn copy(posix: &Posix, from: &str, name: &str) -> Result<(), EngineError> {
    posix.build(BUILD).await?;
    let from = path(from);
    let revise = |source: &crate::node::ObjectAttributes| Ok(source.clone());
    let copied = posix
        .copy_object(
            &from,
            BUILD,
            name,
            Box::new(revise),
            Placing::Unsettled,
            Box::new(|| Ok(())),
        )
        .await?;
    assert!(copied.is_some());
    Ok(())
}

pub(super) async fn detach(posix: &Posix) -> Result<bool, EngineError> {
    let path = path("a/b/");
    posix.detach(&path, ID, Box::new(|| ())).await
}

async fn contents(posix: &Posix) -> Contents {
    let (mut objects, mut explicit) = Contents::default();
    let mut pending = vec![String::new()];
    while let Some(directory) = pending.pop() {
        let children = posix
            .children(&account(), &container(), &directory)
            .await
            .unwrap();
        for child in children {
            let name = format!("{directory}{}", child.segment);
            if child.is_object {
                let data = read(posix, &name).await.unwrap();
                let stored = posix.stat(&path(&name)).await.unwrap().unwrap();
                assert_eq!(stored.etag, attributes(&data).etag, "{name} is torn");
                objects.insert(name.clone(), data);
            }
            if name.ends_with('/') {
                let found = posix.directory(&path(&name)).await.unwrap();
                if found.is_some_and(|found| found.explicit.is_some()) {
                    explicit.insert(name.clone());
                }
                pending.push(name);
            }
        }
    }
    (objects, explicit)
}

/// Without waiting for syncs, where these are not what is looked at.
fn relaxed() -> Settings {
    Settings {
        durability: Durability::Relaxed,
        ..Settings::default()
    }
}

fn open(root: &FilePath, is_poor: bool, settings: &Settings) -> Posix {
    match is_poor {
        true => poor(root, settings),
        false => Posix::open(root, settings).unwrap(),
    }
}

/// A storage as it is before a change.
async fn prepared(change: Change, is_poor: bool, points: &FailurePoints) -> Disk {
    let disk = Disk::in_memory(&relaxed()).await;
    change.prepare(&disk).await;
    let Disk { directory, posix } = disk;
    drop(posix);
    let settings = Settings {
        failure_points: points.clone(),
        ..Settings::default()
    };
    let posix = open(directory.path(), is_poor, &settings);
    Disk { directory, posix }
}

/// What a change does, and how often it passes each point.
async fn observe(change: Change, is_poor: bool) -> (Contents, Contents, Vec<(&'static str, u64)>) {
    let points = FailurePoints::new();
    let disk = prepared(change, is_poor, &points).await;
    let before = contents(&disk.posix).await;
    let earlier: Vec<_> = POINTS.iter().map(|point| points.hits(point)).collect();
    change.make(&disk.posix).await.unwrap();
    let passed = POINTS.iter().zip(earlier);
    let passed = passed.map(|(point, earlier)| (*point, points.hits(point) - earlier));
    let after = contents(&disk.posix).await;
    assert!(after != before || matches!(change, Change::Reap | Change::Copy | Change::Trim));
    (before, after, passed.collect())
}

/// The storage is whole: old or new, as it says itself.
async fn check(
    change: Change,
    posix: &Posix,
    identity: u64,
    (before, after): (&Contents, &Contents),
    what: &str,
) {
    let settled = change.settle(posix, identity).await;
    let now = contents(posix).await;
    match settled {
        None => assert!(
            now == *before || now == *after,
            "{what}: neither before nor after"
        ),
        Some(false) => assert_eq!(now, *before, "{what}"),
        Some(true) => assert_eq!(now, *after, "{what}"),
    }
    assert_eq!(change.settle(posix, identity).await, settled, "{what}");
    assert_eq!(contents(posix).await, now, "{what}");
}

/// Nothing of others was touched, it takes all changes, and then nothing is left.
async fn check_further(posix: &Posix, root: &FilePath, what: &str) {
    let by_hand = root.join("AUTH_a/c/by hand");
    assert_eq!(std::fs::read(by_hand.join("%41")).unwrap(), b"foreign", "{what}");
    std::fs::remove_dir_all(by_hand).unwrap();
    for name in ["a", "b", "d", "q", "to", "x", "y"] {
        put(posix, name, b"again")
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        make(posix, &format!("{name}/new/"))
            .await
            .unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let (made, id) = (path(&format!("{name}/")), WriteId(u64::from(name.as_bytes()[0])));
        let moved = posix.detach(&made, id, Box::new(|| ()));
        assert!(moved.await.unwrap(), "{what}");
        posix.release(id);
        assert!(remove(posix, name).await, "{what}");
    }
    for build in posix.builds().await.unwrap() {
        posix.drop_build(build).await.unwrap();
    }
    posix.release(ID);
    while posix.reap(10).await.unwrap() {}
    let removed = posix.remove_container(&account(), &container()).await;
    removed
        .unwrap_or_else(|error| panic!("{what}: {error:?}"))
        .sync()
        .await
        .unwrap();
    nothing_private_is_left(root).await;
}

async fn nothing_private_is_left(root: &FilePath) {
    for directory in ["temporary", "trash", "build"] {
        until_empty(&root.join(".stobj").join(directory)).await;
    }
}

/// Lets the thread go that waits, also when a check fails.
struct Released<'a>(FailurePoints, &'a str);

impl Drop for Released<'_> {
    fn drop(&mut self) {
        self.0.disarm(self.1);
    }
}

async fn crash_at(change: Change, is_poor: bool, point: &str, hit: u64, expected: (&Contents, &Contents)) {
    let points = FailurePoints::new();
    let disk = prepared(change, is_poor, &points).await;
    let identity = change.identity(&disk.posix).await;
    let hits = points.hits(point);
    points.arm_later(point, Failure::Wait, hit, 1);
    let posix = disk.posix.clone();
    let changing = tokio::spawn(async move { change.make(&posix).await });
    points.reached(point, hits + hit + 1).await;
    let released = Released(points, point);
    // As if its process were gone, and its lock with it.
    std::fs::remove_file(disk.private("lock")).unwrap();
    let root = disk.directory.path();
    let after = open(root, is_poor, &relaxed());
    let what = format!("{change:?} ended at {point}, hit {hit}, poor: {is_poor}");
    check(change, &after, identity, expected, &what).await;
    check_further(&after, root, &what).await;
    drop((after, released));
    // What it still does, or fails with, happens to nobody's files.
    let _ = changing.await;
}

async fn fail_at(change: Change, is_poor: bool, point: &str, hit: u64, expected: (&Contents, &Contents)) {
    let points = FailurePoints::new();
    let disk = prepared(change, is_poor, &points).await;
    let identity = change.identity(&disk.posix).await;
    points.arm_later(point, Failure::Error(ErrorKind::StorageFull), hit, 1);
    let what = format!("{change:?} failed at {point}, hit {hit}, poor: {is_poor}");
    let failed = change.make(&disk.posix).await;
    if change == Change::Reap {
        // That is left for the next start.
        failed.unwrap();
        assert!(!disk.posix.reap(1).await.unwrap(), "{what}");
        assert_eq!(entries(&disk.private("trash")).len(), 1, "{what}");
        return;
    }
    assert!(matches!(failed, Err(EngineError::Full)), "{what}: {failed:?}");
    check(change, &disk.posix, identity, expected, &what).await;
    let Disk { directory, posix } = disk;
    drop(posix);
    let posix = open(directory.path(), is_poor, &relaxed());
    check_further(&posix, directory.path(), &what).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_of_the_tree_is_whole_wherever_it_ends() {
    let mut passed_ever = BTreeSet::new();
    for change in CHANGES {
        // Only directories know another way to be renamed.
        let ways: &[bool] = match change {
            Change::Rename(from, ..) if from.ends_with('/') => &[false, true],
            Change::Attach(_) => &[false, true],
            _ => &[false],
        };
        for &is_poor in ways {
            let (before, after, passed) = observe(change, is_poor).await;
            for (point, hits) in passed {
                for hit in 0..hits {
                    passed_ever.insert(point);
                    crash_at(change, is_poor, point, hit, (&before, &after)).await;
                    fail_at(change, is_poor, point, hit, (&before, &after)).await;
                }
            }
        }
    }
    let missed: Vec<_> = POINTS
        .iter()
        .filter(|point| !passed_ever.contains(*point))
        .collect();
    assert!(missed.is_empty(), "no change passes {missed:?}");
}

#[test]
fn the_guide_names_all_points_of_the_tree() {
    let guide = include_str!("../README.md");
    for point in POINTS {
        assert!(guide.contains(&format!("`{point}`")), "{point}");
    }
}
