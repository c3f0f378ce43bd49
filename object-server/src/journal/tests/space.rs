//! What a log takes up, and what it still takes when that is all it may.

use std::{fs, io};

use super::super::shared::MAX_BUFFER;
use super::*;

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
