//! Files that were torn or damaged while nobody had them open.

use std::fs;

use super::*;

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
