//! Writes that fail, and what comes of the entries.

use std::{fs, io};

use super::*;

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
