use std::fs::File;
use std::net::IpAddr;

use common::Timestamp;
use common::name::{ContainerName, ObjectName};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tempfile::TempDir;

use super::*;
use crate::failure_point::Failure;
use crate::node::{NodePath, WriteId};

mod damage;
mod failures;
mod properties;
mod space;

fn record() -> Record {
    Record {
        id: 11,
        time: Timestamp::from_seconds(9),
        user_id: Some(7),
        user: Some("test:tester".into()),
        action: "object/put".into(),
        result: 201,
        bytes: 5,
        address: Some(IpAddr::from([192, 0, 2, 1])),
        agent: Some("curl/8".into()),
        transaction_id: "tx1".into(),
        repeat: None,
    }
}

fn object(name: &str) -> NodePath {
    NodePath::Object(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
}

fn begin(id: u64) -> Entry {
    let kind = Kind::Begin {
        id: WriteId(id),
        path: object("photos/a b.jpg"),
        action: Action::Put,
        old: None,
        record: Arc::new(record()),
    };
    Entry { account_id: 1, kind }
}

fn commit(id: u64) -> Entry {
    let kind = Kind::Commit {
        id: WriteId(id),
        seq: id,
        path: object("photos/a b.jpg"),
        old: None,
        new: Some(Footprint { objects: 1, bytes: 5 }),
        record: Arc::new(record()),
    };
    Entry { account_id: 1, kind }
}

fn small(maximum: u64) -> Settings {
    Settings {
        maximum: Size(maximum),
        reserve: Size(4 << 20),
        segment: Size(4096),
        ..Settings::default()
    }
}

fn open(directory: &TempDir, settings: &Settings) -> (Journal, Vec<Entry>) {
    let (journal, replay) = Journal::open(directory.path(), settings).unwrap();
    let mut last = None;
    for (position, _) in &replay {
        assert!(last < Some(*position), "positions rise");
        last = Some(*position);
    }
    assert!(last < Some(journal.position()));
    (journal, replay.into_iter().map(|(_, entry)| entry).collect())
}

fn files(directory: &TempDir) -> Vec<PathBuf> {
    let bases = segment::list(directory.path()).unwrap();
    bases
        .into_iter()
        .map(|base| segment::path(directory.path(), base))
        .collect()
}

#[tokio::test]
async fn what_is_synced_is_there_after_a_crash() {
    let directory = TempDir::new().unwrap();
    let settings = Settings::default();
    let (journal, replay) = open(&directory, &settings);
    assert!(replay.is_empty());
    let entries: Vec<_> = (0..50).flat_map(|id| [begin(id), commit(id)]).collect();
    let mut last = Position::default();
    for entry in &entries {
        last = journal.append(entry).unwrap();
    }
    journal.sync(last).await.unwrap();
    journal.append(&begin(99)).unwrap();
    drop(journal);
    let (journal, replay) = open(&directory, &settings);
    assert_eq!(replay[..entries.len()], entries);
    let position = journal.append(&begin(100)).unwrap();
    journal.sync(position).await.unwrap();
    drop(journal);
    assert_eq!(open(&directory, &settings).1.last(), Some(&begin(100)));
}

#[tokio::test]
async fn closing_keeps_everything_and_ends_it() {
    let directory = TempDir::new().unwrap();
    let (journal, _) = open(&directory, &Settings::default());
    journal.append(&begin(1)).unwrap();
    journal.close().await.unwrap();
    assert!(matches!(journal.append(&begin(2)), Err(JournalError::Closed)));
    let (journal, replay) = open(&directory, &Settings::default());
    assert_eq!(replay, [begin(1)]);
    journal.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn many_waiters_share_a_sync() {
    let directory = TempDir::new().unwrap();
    let points = FailurePoints::new();
    let settings = Settings {
        failure_points: points.clone(),
        ..Settings::default()
    };
    let (journal, _) = Journal::open(directory.path(), &settings).unwrap();
    let journal = Arc::new(journal);
    points.arm("journal:after_write_before_sync", Failure::Wait);
    let first = journal.append(&begin(0)).unwrap();
    let held = tokio::spawn({
        let journal = Arc::clone(&journal);
        async move { journal.sync(first).await }
    });
    points.reached("journal:after_write_before_sync", 1).await;
    let positions: Vec<_> = (1..=64).map(|id| journal.append(&begin(id)).unwrap()).collect();
    let waiters: Vec<_> = positions
        .into_iter()
        .map(|position| {
            let journal = Arc::clone(&journal);
            tokio::spawn(async move { journal.sync(position).await })
        })
        .collect();
    assert!(!held.is_finished(), "nothing is acknowledged before it is synced");
    points.disarm("journal:after_write_before_sync");
    held.await.unwrap().unwrap();
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
    let statistics = journal.statistics();
    assert_eq!((statistics.entries, statistics.syncs), (65, 2));
}

#[tokio::test]
async fn relaxed_writes_without_syncing() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        durability: Durability::Relaxed,
        ..Settings::default()
    };
    let (journal, _) = open(&directory, &settings);
    let position = journal.append(&begin(1)).unwrap();
    journal.sync(position).await.unwrap();
    assert_eq!((journal.statistics().writes, journal.statistics().syncs), (1, 0));
    drop(journal);
    assert_eq!(open(&directory, &settings).1, [begin(1)]);
}

#[test]
fn one_process_at_a_time() {
    let directory = TempDir::new().unwrap();
    let (_journal, _) = open(&directory, &Settings::default());
    let path = directory.path().join("lock");
    let other = File::options().write(true).open(path).unwrap();
    assert_eq!(
        flock(&other, FlockOperation::NonBlockingLockExclusive),
        Err(Errno::WOULDBLOCK)
    );
}

#[tokio::test]
async fn what_is_durable_can_be_read_again_while_more_is_written() {
    let directory = TempDir::new().unwrap();
    let settings = small(1 << 20);
    let (journal, _) = open(&directory, &settings);
    let mut written = Vec::new();
    for id in 0..200 {
        let position = journal.append(&begin(id)).unwrap();
        journal.append(&commit(id)).unwrap();
        written.push((position, begin(id)));
        // Several files, and several syncs a file.
        if id % 7 == 0 {
            journal.sync(journal.position()).await.unwrap();
        }
    }
    let read_all = |from: Position| {
        let (mut all, mut next) = (Vec::new(), from);
        loop {
            let (entries, behind) = journal.read(next).unwrap();
            if entries.is_empty() {
                return (all, next);
            }
            assert!(entries[0].0 >= next);
            all.extend(entries);
            next = behind;
        }
    };
    journal.sync(journal.position()).await.unwrap();
    assert!(files(&directory).len() > 3);
    let (all, end) = read_all(journal.oldest());
    assert_eq!(end, journal.position());
    assert_eq!(all.len(), 400);
    let begins: Vec<_> = all.iter().step_by(2).cloned().collect();
    assert_eq!(begins, written);
    let (some, _) = read_all(written[120].0);
    assert_eq!(some[0], written[120]);

    // What was released is passed over, and what is not durable is not there yet.
    journal.release(written[100].0).await.unwrap();
    let (rest, _) = read_all(Position::default());
    assert_eq!(rest[0].0, journal.oldest());
    assert!(rest.len() < 400 && rest.contains(&written[100]));
}
