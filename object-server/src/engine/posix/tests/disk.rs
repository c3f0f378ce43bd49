//! What stands on disk.

use std::fs;

use super::*;
use crate::engine::conformance::properties;

#[tokio::test]
async fn objects_are_plain_files() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("photos/2026/\u{e4} b.jpg", b"pixels").await.unwrap();
    assert_eq!(
        fs::read(disk.on_disk("photos/2026/\u{e4} b.jpg")).unwrap(),
        b"pixels"
    );
    disk.put("photos/", b"marker").await.unwrap();
    assert_eq!(fs::read(disk.on_disk("photos/%o")).unwrap(), b"marker");
    disk.put("//.", b"odd").await.unwrap();
    assert_eq!(fs::read(disk.on_disk("%_/%_/%2E")).unwrap(), b"odd");
    let long = "x".repeat(300);
    disk.put(&long, b"long").await.unwrap();
    let chunk = format!("{}%+", "x".repeat(253));
    assert_eq!(
        fs::read(disk.on_disk(&chunk).join("x".repeat(47))).unwrap(),
        b"long"
    );
}

#[tokio::test]
async fn a_file_stands_aside_and_stays_there() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("a", b"1").await.unwrap();
    assert_eq!(entries(&disk.on_disk("")), ["a"]);
    disk.put("a/b", b"2").await.unwrap();
    assert_eq!(entries(&disk.on_disk("")), ["a", "a%o"]);
    assert!(disk.remove("a/b").await);
    assert_eq!(entries(&disk.on_disk("")), ["a%o"]);
    disk.put("a", b"3").await.unwrap();
    assert_eq!(entries(&disk.on_disk("")), ["a%o"]);
    assert_eq!(disk.read("a").await.unwrap(), b"3");
    assert!(disk.remove("a").await);
    disk.put("a", b"4").await.unwrap();
    assert_eq!(entries(&disk.on_disk("")), ["a"]);
}

#[tokio::test]
async fn both_forms_become_one() {
    let disk = Disk::new(&Settings::default()).await;
    for is_one_file in [true, false] {
        let leave_both = async || {
            disk.put("a", b"plain").await.unwrap();
            if is_one_file {
                fs::hard_link(disk.on_disk("a"), disk.on_disk("a%o")).unwrap();
            } else {
                fs::write(disk.on_disk("a%o"), b"escaped").unwrap();
            }
        };
        leave_both().await;
        assert_eq!(disk.read("a").await.unwrap(), b"plain");
        assert_eq!(disk.children("").await, ["a"]);
        disk.put("a", b"new").await.unwrap();
        assert_eq!(entries(&disk.on_disk("")), ["a"]);
        leave_both().await;
        assert!(disk.remove("a").await);
        assert_eq!(entries(&disk.on_disk("")), Vec::<String>::new());
        leave_both().await;
        disk.put("a/b", b"beside").await.unwrap();
        assert_eq!(disk.read("a").await.unwrap(), b"plain");
        assert!(disk.remove("a").await && disk.remove("a/b").await);
        assert_eq!(entries(&disk.on_disk("")), Vec::<String>::new());
    }
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let disk = Disk::new(&Settings::default()).await;
    let names = [
        "a",
        "a/",
        "a/b",
        "/",
        "//x",
        "c/d/e/f",
        &"y".repeat(1000),
        &format!("{}/z", "y".repeat(255)),
    ];
    for name in names {
        disk.put(name, b"x").await.unwrap();
        let mut large = attributes(b"x");
        large.properties = properties(100_000);
        disk.posix
            .revise(&path(name), Box::new(|_| Ok(large)), Box::new(|_| ()))
            .await
            .unwrap()
            .unwrap();
    }
    assert_eq!(
        entries(&disk.private("overflow")).len(),
        if inline(&disk) { 0 } else { names.len() }
    );
    for name in names {
        assert!(disk.remove(name).await);
    }
    assert_eq!(entries(&disk.on_disk("")), Vec::<String>::new());
    assert_eq!(entries(&disk.private("overflow")), Vec::<String>::new());
    until_empty(&disk.private("temporary")).await;
}

fn inline(disk: &Disk) -> bool {
    disk.posix.capabilities().inline_attribute_bytes > 100_000
}

#[tokio::test]
async fn a_refused_object_leaves_no_directories() {
    let disk = Disk::new(&Settings::default()).await;
    let mut stage = disk.posix.stage(&account(), &container(), None).await.unwrap();
    stage.write(vec![1; 400_000].into()).await.unwrap();
    let mut publication = Plain::new(attributes(b""));
    publication.decide = Some(Box::new(|_| Err(common::Error::forbidden())));
    publication.committed = Some(Box::new(|_| panic!("nothing changed")));
    let refused = stage.publish(path("x/y/z"), publication).await;
    assert!(matches!(refused, Err(EngineError::Refused(_))));
    assert_eq!(entries(&disk.on_disk("")), Vec::<String>::new());
    until_empty(&disk.private("temporary")).await;
}

#[tokio::test]
async fn a_stage_that_is_dropped_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path(), &Settings::default()).unwrap();
    let abilities = Abilities {
        unnamed_files: false,
        ..probe(&root.path, &root.temporary).unwrap()
    };
    let store = Store::new(root, abilities, &Settings::default()).unwrap();
    let posix = Posix {
        store: Arc::new(store),
    };
    for size in [10, 300_000, 3_000_000] {
        let mut stage = posix.stage(&account(), &container(), None).await.unwrap();
        stage.write(vec![1; size].into()).await.unwrap();
        drop(stage);
        let mut stage = posix.stage(&account(), &container(), None).await.unwrap();
        stage.write(vec![1; size].into()).await.unwrap();
        let mut large = attributes(b"x");
        large.properties = properties(100_000);
        let temporary = directory.path().join(".stobj/temporary");
        let mut publication = Plain::new(large);
        publication.decide = Some(Box::new(move |_| {
            assert!(!entries(&temporary).is_empty());
            Err(common::Error::forbidden())
        }));
        stage.publish(path("x"), publication).await.unwrap_err();
        until_empty(&directory.path().join(".stobj/temporary")).await;
        until_empty(&directory.path().join(".stobj/overflow")).await;
    }
}

#[tokio::test]
async fn a_file_that_shrinks_ends_its_body_with_an_error() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("x", &vec![7; 1_000_000]).await.unwrap();
    let (_, reader) = disk.posix.open(&path("x")).await.unwrap().unwrap();
    let mut body = reader.into_body(None);
    assert_eq!(body.exact_length(), Some(1_000_000));
    let mut read = body.chunk().await.unwrap().unwrap().len();
    let file = fs::OpenOptions::new()
        .write(true)
        .open(disk.on_disk("x"))
        .unwrap();
    file.set_len(500_000).unwrap();
    let error = loop {
        match body
            .chunk()
            .await
            .expect("the length that was announced is not reached")
        {
            Ok(chunk) => read += chunk.len(),
            Err(error) => break error,
        }
    };
    assert!(read <= 500_000);
    assert_eq!(
        error.downcast::<std::io::Error>().unwrap().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
    assert!(body.chunk().await.is_none());
}

#[tokio::test]
async fn the_longest_names_are_stored_and_synced() {
    let disk = Disk::new(&Settings::default()).await;
    let account = AccountName::new("\u{1}".repeat(256)).unwrap();
    let container = ContainerName::new("\u{2}".repeat(256)).unwrap();
    disk.posix
        .put_account(&account, account_attributes(2))
        .await
        .unwrap();
    let made = disk
        .posix
        .put_container(&account, &container, container_attributes("x"))
        .await
        .unwrap();
    made.sync().await.unwrap();
    let object = ObjectName::new(format!("{}/{}", "\u{3}".repeat(700), "\u{4}".repeat(323))).unwrap();
    let longest = Path {
        account,
        container,
        object,
    };
    let mut stage = disk
        .posix
        .stage(&longest.account, &longest.container, None)
        .await
        .unwrap();
    stage.write(b"data".to_vec().into()).await.unwrap();
    let published = stage.publish(longest.clone(), Plain::new(attributes(b"data")));
    let changed = published.await.unwrap();
    assert_eq!(disk.posix.stat(&longest).await.unwrap(), changed.new);
    disk.posix
        .remove(&longest, Box::new(|_| Ok(())), Box::new(|_| ()))
        .await
        .unwrap()
        .unwrap();
    let removed = disk
        .posix
        .remove_container(&longest.account, &longest.container)
        .await
        .unwrap();
    removed.sync().await.unwrap();
}
