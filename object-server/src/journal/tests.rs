use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use common::Timestamp;
use common::name::{ContainerName, ObjectName};
use tempfile::TempDir;

use super::*;
use crate::failure_point::Failure;
use crate::node::{NodePath, WriteId};

mod properties;

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

const ERROR: Failure = Failure::Error(io::ErrorKind::Other);

/// A journal, an entry of which is durable, and which fails at `point` with the next one; it does not recover before
/// `journal:before_recovery` is disarmed.
async fn failing(directory: &TempDir, point: &str) -> (Journal, FailurePoints, Position) {
    let points = FailurePoints::new();
    let settings = Settings {
        failure_points: points.clone(),
        ..small(1 << 20)
    };
    let (journal, _) = open(directory, &settings);
    let good = journal.append(&begin(1)).unwrap();
    journal.sync(good).await.unwrap();
    points.arm("journal:before_recovery", ERROR);
    points.arm_later(point, ERROR, 0, 1);
    (journal, points, good)
}

async fn recovered(journal: &Journal) {
    let mut progress = journal.shared.progress.subscribe();
    let is_well = |progress: &Progress| progress.status == Status::Running;
    progress.wait_for(is_well).await.unwrap();
}

const POINTS: [&str; 3] = [
    "journal:before_write",
    "journal:after_write_before_sync",
    "journal:after_sync",
];

#[tokio::test]
async fn what_was_not_synced_is_refused_and_written_anew() {
    for point in POINTS {
        let directory = TempDir::new().unwrap();
        let (journal, points, good) = failing(&directory, point).await;
        let bad = journal.append(&begin(2)).unwrap();
        assert_eq!(journal.sync(bad).await.unwrap_err().status(), 503, "{point}");
        assert!(matches!(journal.append(&begin(3)), Err(JournalError::Failed(_))));
        assert_eq!(journal.sync(bad).await.unwrap_err().status(), 503);
        assert_eq!(journal.release(bad).await.unwrap_err().status(), 503);
        assert!(!journal.is_durable(bad));
        journal.sync(good).await.unwrap();
        // What storage shows already must not be forgotten, however long this lasts.
        let end = journal.append(&commit(1)).unwrap();
        assert_eq!(journal.sync(end).await.unwrap_err().status(), 503);
        points.reached("journal:before_recovery", 2).await;
        assert!(!journal.is_durable(bad));

        points.disarm("journal:before_recovery");
        recovered(&journal).await;
        journal.sync(end).await.unwrap();
        let next = journal.append(&begin(4)).unwrap();
        journal.sync(next).await.unwrap();
        let (read, _) = journal.read(good).unwrap();
        assert_eq!(read.len(), 4, "{point}");
        drop(journal);
        let (journal, replay) = open(&directory, &small(1 << 20));
        assert_eq!(replay, [begin(1), begin(2), commit(1), begin(4)], "{point}");
        journal.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_journal_that_fails_at_its_end_says_so() {
    for (is_healed, status) in [(true, None), (false, Some(503))] {
        for point in POINTS {
            let directory = TempDir::new().unwrap();
            let (journal, points, _) = failing(&directory, point).await;
            journal.append(&begin(2)).unwrap();
            if is_healed {
                points.disarm("journal:before_recovery");
            }
            let closed = journal.close().await;
            assert_eq!(
                closed.err().map(|error| error.status().as_u16()),
                status,
                "{point}"
            );
            drop(journal);
            let (_, replay) = open(&directory, &small(1 << 20));
            assert_eq!(replay[0], begin(1));
            assert!(!is_healed || replay[1..] == [begin(2)], "{point}");
        }
    }
}

#[tokio::test]
async fn a_next_file_that_failed_is_begun_again() {
    let directory = TempDir::new().unwrap();
    let (journal, points, _) = failing(&directory, "journal:after_rotate").await;
    let mut expected = vec![begin(1)];
    let failed = loop {
        let entry = begin(expected.len() as u64 + 1);
        let position = journal.append(&entry).unwrap();
        expected.push(entry);
        if journal.sync(position).await.is_err() {
            break position;
        }
    };
    assert_eq!(files(&directory).len(), 2, "the next file is there");
    points.disarm("journal:before_recovery");
    recovered(&journal).await;
    journal.sync(failed).await.unwrap();
    for id in 100..200 {
        expected.push(begin(id));
        let position = journal.append(&begin(id)).unwrap();
        journal.sync(position).await.unwrap();
    }
    assert!(files(&directory).len() > 3);
    drop(journal);
    assert_eq!(open(&directory, &small(1 << 20)).1, expected);
}

#[tokio::test]
async fn what_cannot_be_read_again_is_not_gone_on_with() {
    let directory = TempDir::new().unwrap();
    let (journal, points, good) = failing(&directory, "journal:after_write_before_sync").await;
    let bad = journal.append(&begin(2)).unwrap();
    journal.sync(bad).await.unwrap_err();
    let file = files(&directory).remove(0);
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    damaged[segment::HEADER + 20] ^= 1;
    for other in [&damaged[..], &whole[..40]] {
        fs::write(&file, other).unwrap();
        points.arm_later("journal:before_recovery", ERROR, 1, u64::MAX);
        let before = points.hits("journal:before_recovery");
        points.reached("journal:before_recovery", before + 2).await;
        assert_eq!(fs::read(&file).unwrap(), other, "it was left as it is");
    }
    // Nor is the journal of another disk that is mounted in its place.
    fs::write(&file, &whole).unwrap();
    let lock = directory.path().join("lock");
    fs::rename(&lock, directory.path().join("held")).unwrap();
    fs::write(&lock, "").unwrap();
    points.arm_later("journal:before_recovery", ERROR, 1, u64::MAX);
    let before = points.hits("journal:before_recovery");
    points.reached("journal:before_recovery", before + 2).await;
    assert!(!journal.is_durable(bad));
    fs::rename(directory.path().join("held"), &lock).unwrap();
    points.disarm("journal:before_recovery");
    recovered(&journal).await;
    journal.sync(bad).await.unwrap();
    journal.sync(good).await.unwrap();
    drop(journal);
    assert_eq!(open(&directory, &small(1 << 20)).1, [begin(1), begin(2)]);
}

#[tokio::test]
async fn files_rotate_and_are_released() {
    let directory = TempDir::new().unwrap();
    let settings = small(1 << 20);
    let (journal, _) = open(&directory, &settings);
    let mut positions = Vec::new();
    for id in 0..100 {
        let position = journal.append(&begin(id)).unwrap();
        journal.sync(position).await.unwrap();
        positions.push(position);
    }
    let before = files(&directory);
    assert!(before.len() > 4, "{before:?}");
    journal.release(positions[50]).await.unwrap();
    let after = files(&directory);
    assert!(after.len() < before.len() && before.ends_with(&after));
    drop(journal);
    let (journal, replay) = open(&directory, &settings);
    assert_eq!(*replay.last().unwrap(), begin(99));
    assert!(replay.len() >= 50 && replay.len() < 70, "{}", replay.len());
    assert!(replay.contains(&begin(50)));
    journal.release(journal.position()).await.unwrap();
    assert_eq!(files(&directory).len(), 1);
    assert!(journal.position() > positions[99], "positions rise for ever");
}

#[tokio::test]
async fn a_full_log_takes_deletes_and_ends_only() {
    let directory = TempDir::new().unwrap();
    let settings = Settings {
        reserve: Size(8 << 10),
        ..small(32 << 10)
    };
    let (journal, _) = open(&directory, &settings);
    let mut taken = 0;
    let full = loop {
        match journal.append(&begin(taken)) {
            Ok(position) => journal.sync(position).await.unwrap(),
            Err(error) => break error,
        }
        taken += 1;
    };
    assert!(matches!(full, JournalError::Full));
    assert_eq!(common::Error::from(full).status(), 507);
    let mut reserved = 0;
    while journal.append_reserved(&begin(reserved)).is_ok() {
        reserved += 1;
    }
    assert!(reserved > 10 && reserved < taken, "{reserved} of {taken}");
    for id in 0..taken {
        journal.append(&commit(id)).unwrap();
    }
    let end = journal.position();
    journal.release(end).await.unwrap();
    for id in 0..taken / 2 {
        journal.append(&begin(id)).unwrap();
    }
    journal.close().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_takes_deletes_from_the_reserve() {
    let directory = TempDir::new().unwrap();
    let points = FailurePoints::new();
    let settings = Settings {
        failure_points: points.clone(),
        ..small(1 << 20)
    };
    let (journal, _) = open(&directory, &settings);
    let full = Failure::Error(io::ErrorKind::StorageFull);
    points.arm("journal:before_refill", full);
    points.arm_later("journal:before_write", full, 0, 2);
    let position = journal.append(&begin(1)).unwrap();
    journal.sync(position).await.unwrap();
    assert_eq!(
        fs::metadata(directory.path().join("reserve")).unwrap().len(),
        2 << 20
    );
    assert!(matches!(journal.append(&begin(2)), Err(JournalError::Full)));
    let position = journal.append_reserved(&begin(3)).unwrap();
    journal.sync(position).await.unwrap();
    points.disarm("journal:before_refill");
    let position = journal.append(&commit(3)).unwrap();
    journal.sync(position).await.unwrap();
    journal.release(position).await.unwrap();
    assert_eq!(
        fs::metadata(directory.path().join("reserve")).unwrap().len(),
        4 << 20
    );
    journal.append(&begin(4)).unwrap();
    journal.close().await.unwrap();
    assert_eq!(
        open(&directory, &settings).1,
        [begin(1), begin(3), commit(3), begin(4)]
    );
}

#[tokio::test]
async fn the_buffer_is_bounded() {
    let directory = TempDir::new().unwrap();
    let points = FailurePoints::new();
    let settings = Settings {
        failure_points: points.clone(),
        ..Settings::default()
    };
    let (journal, _) = open(&directory, &settings);
    points.arm("journal:before_write", Failure::Wait);
    let mut long = begin(1);
    if let Kind::Begin { record, .. } = &mut long.kind {
        Arc::make_mut(record).agent = Some("x".repeat(5000).into());
    }
    let first = journal.append(&long).unwrap();
    let length = journal.position().0 - first.0;
    assert!(length < 1000, "the agent is cut");
    let taken = (0..MAX_BUFFER)
        .take_while(|_| journal.append(&long).is_ok())
        .count() as u64;
    assert!((taken + 1) * length <= MAX_BUFFER as u64);
    assert!(matches!(journal.append(&long), Err(JournalError::Busy)));
    points.disarm("journal:before_write");
    journal.sync(journal.position()).await.unwrap();
    journal.append(&long).unwrap();
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

/// A log of three files, the last with a few entries.
async fn three_files(directory: &TempDir) -> Vec<Entry> {
    let (journal, _) = open(directory, &small(1 << 20));
    let mut entries = Vec::new();
    while files(directory).len() < 3 || entries.len() % 20 != 0 {
        entries.push(begin(entries.len() as u64));
        let position = journal.append(entries.last().unwrap()).unwrap();
        journal.sync(position).await.unwrap();
    }
    journal.close().await.unwrap();
    entries
}

#[tokio::test]
async fn a_torn_end_loses_only_what_was_torn() {
    let directory = TempDir::new().unwrap();
    let entries = three_files(&directory).await;
    let last = files(&directory).pop().unwrap();
    let whole = fs::read(&last).unwrap();
    let frame = frame::encode(entries.last().unwrap()).unwrap().len();
    let kept = &entries[..entries.len() - 1];
    for length in whole.len() - frame..whole.len() {
        fs::write(&last, &whole[..length]).unwrap();
        assert_eq!(open(&directory, &small(1 << 20)).1, kept, "{length} bytes");
    }
    for byte in whole.len() - frame..whole.len() {
        let mut damaged = whole.clone();
        damaged[byte] ^= 0x40;
        damaged.extend([0; 300]);
        fs::write(&last, &damaged).unwrap();
        assert_eq!(open(&directory, &small(1 << 20)).1, kept, "byte {byte}");
    }
    let (journal, _) = open(&directory, &small(1 << 20));
    let position = journal.append(&commit(5)).unwrap();
    journal.sync(position).await.unwrap();
    drop(journal);
    assert_eq!(open(&directory, &small(1 << 20)).1.last(), Some(&commit(5)));
}

#[tokio::test]
async fn damage_in_an_older_file_is_an_error() {
    let directory = TempDir::new().unwrap();
    three_files(&directory).await;
    let paths = files(&directory);
    let whole = fs::read(&paths[1]).unwrap();
    let second = frame::encode(&begin(0)).unwrap().len() + segment::HEADER;
    let mut damaged = whole.clone();
    damaged[second + 20] ^= 1;
    fs::write(&paths[1], &damaged).unwrap();
    match Journal::open(directory.path(), &small(1 << 20)) {
        Err(JournalError::Corrupt { file, offset, .. }) => {
            assert_eq!((file, offset), (paths[1].clone(), second));
        }
        other => panic!("{other:?}"),
    }
    fs::write(&paths[1], &whole[..whole.len() - 1]).unwrap();
    assert!(matches!(
        Journal::open(directory.path(), &small(1 << 20)),
        Err(JournalError::Corrupt { .. })
    ));
    fs::remove_file(&paths[1]).unwrap();
    assert!(matches!(
        Journal::open(directory.path(), &small(1 << 20)),
        Err(JournalError::Corrupt { .. })
    ));
}

#[tokio::test]
async fn a_killed_rotation_leaves_nothing_behind() {
    let directory = TempDir::new().unwrap();
    let entries = three_files(&directory).await;
    let leftover = segment::path(directory.path(), 77_777).with_extension("tmp");
    fs::write(&leftover, b"stobj").unwrap();
    assert_eq!(open(&directory, &small(1 << 20)).1, entries);
    assert!(!leftover.exists());
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
