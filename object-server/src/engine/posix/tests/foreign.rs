//! What others put into the tree.

use std::fs;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, XattrFlags};

use super::*;
use crate::engine::{RepairEngine as _, TreeEngine as _};
use crate::node::State;

#[tokio::test]
async fn files_put_there_by_cp_are_served() {
    let disk = Disk::new(&Settings::default()).await;
    fs::create_dir(disk.on_disk("by hand")).unwrap();
    fs::write(disk.on_disk("by hand/page.html"), b"<p>").unwrap();
    let there = disk
        .posix
        .stat(&path("by hand/page.html"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!((there.size, there.content_type.as_str()), (3, "text/html"));
    assert!(there.etag.is_unknown() && there.timestamp.seconds() > 1_700_000_000);
    assert_eq!(disk.read("by hand/page.html").await.unwrap(), b"<p>");
    assert_eq!(disk.children("").await, ["by hand/"]);
    assert_eq!(disk.children("by hand/").await, ["page.html"]);

    // Attributes that are given to it are kept; the data stays unknown.
    let revise = |present: &crate::node::ObjectAttributes| {
        let mut new = present.clone();
        new.content_type = "text/plain".to_owned();
        Ok(new)
    };
    disk.posix
        .revise(&path("by hand/page.html"), Box::new(revise), Box::new(|_| ()))
        .await
        .unwrap()
        .unwrap();
    let there = disk
        .posix
        .stat(&path("by hand/page.html"))
        .await
        .unwrap()
        .unwrap();
    assert!(there.content_type == "text/plain" && there.etag.is_unknown());

    assert!(disk.remove("by hand/page.html").await);
    assert_eq!(
        entries(&disk.on_disk("")),
        ["by hand"],
        "a directory made by hand is not ours to remove"
    );
    let refused = disk.posix.remove_container(&account(), &container()).await;
    assert!(matches!(refused, Err(EngineError::NotEmpty)));
    fs::remove_dir(disk.on_disk("by hand")).unwrap();
    disk.posix
        .remove_container(&account(), &container())
        .await
        .unwrap();
}

#[tokio::test]
async fn files_changed_in_place_lose_their_etag_but_not_their_state() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("a.txt", b"stored").await.unwrap();
    let disable = |present: &crate::node::ObjectAttributes| {
        let mut new = present.clone();
        new.state = State::Disabled;
        Ok(new)
    };
    disk.posix
        .revise(&path("a.txt"), Box::new(disable), Box::new(|_| ()))
        .await
        .unwrap();
    let before = disk.posix.stat(&path("a.txt")).await.unwrap().unwrap();
    assert_eq!(before.content_type, attributes(b"").content_type);
    fs::write(disk.on_disk("a.txt"), b"changed").unwrap();
    let after = disk.posix.stat(&path("a.txt")).await.unwrap().unwrap();
    assert_eq!((after.size, after.content_type.as_str()), (7, "text/plain"));
    assert!(after.etag.is_unknown());
    assert_eq!((after.id, after.state), (before.id, State::Disabled));
    assert_eq!(disk.read("a.txt").await.unwrap(), b"changed");
    disk.put("a.txt", b"stored again").await.unwrap();
    assert!(
        !disk
            .posix
            .stat(&path("a.txt"))
            .await
            .unwrap()
            .unwrap()
            .etag
            .is_unknown()
    );
}

#[tokio::test]
async fn nothing_but_regular_files_is_opened() {
    let disk = Disk::new(&Settings::default()).await;
    let outside = disk.directory.path().join("secret");
    fs::write(&outside, b"secret").unwrap();
    disk.put("dir/inside", b"x").await.unwrap();
    symlink(&outside, disk.on_disk("link")).unwrap();
    symlink(disk.on_disk("dir"), disk.on_disk("linked")).unwrap();
    symlink("../..", disk.on_disk("up")).unwrap();
    rustix::fs::mknodat(CWD, disk.on_disk("pipe"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
    // Only root may make devices; for others there is nothing to see here.
    let zero = rustix::fs::makedev(1, 5);
    let _ = rustix::fs::mknodat(
        CWD,
        disk.on_disk("zero"),
        FileType::CharacterDevice,
        Mode::from(0o600),
        zero,
    );
    let _socket = std::os::unix::net::UnixListener::bind(disk.on_disk("socket")).unwrap();
    fs::create_dir(disk.on_disk("named")).unwrap();
    symlink(&outside, disk.on_disk("named/%o")).unwrap();

    let names = [
        "link",
        "linked/inside",
        "up/secret",
        "pipe",
        "zero",
        "socket",
        "named/",
        "linked/",
    ];
    for name in names {
        assert!(disk.posix.stat(&path(name)).await.unwrap().is_none(), "{name}");
        assert!(disk.posix.open(&path(name)).await.unwrap().is_none(), "{name}");
        assert!(!disk.remove(name).await, "{name}");
        let revised = disk
            .posix
            .revise(&path(name), Box::new(|old| Ok(old.clone())), Box::new(|_| ()))
            .await
            .unwrap();
        assert!(revised.is_none(), "{name}");
    }
    assert_eq!(disk.children("").await, ["dir/", "named/"]);
    assert_eq!(disk.children("linked/").await, Vec::<String>::new());

    // What stands in a file's way is passed by, what stands in a directory's is not.
    for name in ["link", "linked", "pipe", "socket"] {
        disk.put(name, b"beside").await.unwrap();
        assert_eq!(disk.read(name).await.unwrap(), b"beside");
        let refused = disk.put(&format!("{name}/x"), b"x").await;
        assert!(matches!(refused, Err(EngineError::Refused(_))), "{name}");
        assert!(disk.remove(name).await);
    }
    assert!(disk.put("up/evil", b"x").await.is_err());
    assert!(disk.put("named/", b"x").await.is_err());
    assert_eq!(fs::read(&outside).unwrap(), b"secret");
    assert_eq!(entries(disk.directory.path()), [".stobj", "AUTH_a", "secret"]);
    for name in ["link", "linked", "up", "pipe", "socket", "named"] {
        assert!(
            fs::symlink_metadata(disk.on_disk(name)).is_ok(),
            "{name} was not ours to remove"
        );
    }
}

#[tokio::test]
async fn a_container_that_is_a_link_is_none() {
    let disk = Disk::new(&Settings::default()).await;
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("x"), b"x").unwrap();
    symlink(elsewhere.path(), disk.directory.path().join("AUTH_a/linked")).unwrap();
    let linked = Path {
        container: ContainerName::new("linked").unwrap(),
        ..path("x")
    };
    assert!(disk.posix.stat(&linked).await.unwrap().is_none());
    assert_eq!(disk.posix.containers(&account()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn names_we_would_not_write_are_not_read() {
    let disk = Disk::new(&Settings::default()).await;
    for name in ["%41", "%2e", "x%", "%o", "y%o%o", "%2Ehidden"] {
        fs::write(disk.on_disk(name), b"x").unwrap();
    }
    fs::create_dir(disk.on_disk("dir%o")).unwrap();
    fs::create_dir(disk.on_disk("short%+")).unwrap();
    fs::write(disk.on_disk("short%+/x"), b"x").unwrap();
    assert_eq!(disk.children("").await, Vec::<String>::new());
    for name in ["A", ".", "x", "y", ".hidden", "dir", "shortx"] {
        assert!(disk.read(name).await.is_none(), "{name}");
    }
}

#[tokio::test]
async fn attributes_that_cannot_be_read_are_an_error() {
    let disk = Disk::new(&Settings::default()).await;
    for raw in [&b""[..], b"\x02", b"\x01\xc1", b">0000000000000000"] {
        disk.put("x", b"x").await.unwrap();
        rustix::fs::setxattr(disk.on_disk("x"), "user.stobj", raw, XattrFlags::empty()).unwrap();
        let read = disk.posix.stat(&path("x")).await;
        assert!(matches!(read, Err(EngineError::Corrupt(_))), "{raw:?}: {read:?}");
        fs::remove_file(disk.on_disk("x")).unwrap();
    }
}

#[tokio::test]
async fn files_put_there_by_cp_are_adopted_as_they_are() {
    let disk = Disk::new(&Settings::default()).await;
    fs::write(disk.on_disk("page.html"), b"<p>").unwrap();
    let file = path("page.html");
    let adopt = async |identity: u64, seen: crate::node::ObjectAttributes, data: &'static [u8]| {
        let revise = move |present: &crate::node::ObjectAttributes| {
            if (present.size, present.modified) != (seen.size, seen.modified) {
                return Err(common::Error::conflict("It was changed meanwhile."));
            }
            let etag = attributes(data).etag;
            Ok(crate::node::ObjectAttributes {
                etag,
                ..present.clone()
            })
        };
        disk.posix
            .adopt(&file, identity, Box::new(revise), Box::new(|_| ()))
            .await
    };
    let seen = disk.posix.stat(&file).await.unwrap().unwrap();
    let identity = disk.posix.identity(&file).await.unwrap().unwrap();
    assert!(seen.etag.is_unknown());
    // It grows while it is hashed.
    fs::write(disk.on_disk("page.html"), b"<p>more").unwrap();
    let refused = adopt(identity, seen, b"<p>").await;
    assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
    let seen = disk.posix.stat(&file).await.unwrap().unwrap();
    let before = fs::metadata(disk.on_disk("page.html"))
        .unwrap()
        .modified()
        .unwrap();
    assert!(adopt(identity, seen.clone(), b"<p>more").await.unwrap().is_some());
    let adopted = disk.posix.stat(&file).await.unwrap().unwrap();
    assert_eq!(adopted.etag, attributes(b"<p>more").etag);
    assert_eq!((adopted.size, adopted.modified), (7, seen.modified));
    assert_eq!(adopted.content_type, "text/html");
    let after = fs::metadata(disk.on_disk("page.html"))
        .unwrap()
        .modified()
        .unwrap();
    assert_eq!(after, before, "its data was not touched");
    assert_eq!(disk.read("page.html").await.unwrap(), b"<p>more");
    // Another file took its name meanwhile.
    fs::rename(disk.on_disk("page.html"), disk.on_disk("kept")).unwrap();
    fs::write(disk.on_disk("page.html"), b"<p>more").unwrap();
    assert!(adopt(identity, seen, b"<p>more").await.unwrap().is_none());
}

#[tokio::test]
async fn rotten_files_are_kept_aside_with_their_names() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("d/\u{e4}\n", b"rotten").await.unwrap();
    let rotten = path("d/\u{e4}\n");
    let identity = disk.posix.identity(&rotten).await.unwrap().unwrap();
    let taken = disk
        .posix
        .quarantine(&rotten, identity, crate::node::WriteId(7), Box::new(|_| ()));
    assert!(taken.await.unwrap().is_some());
    assert_eq!(entries(&disk.on_disk("")), Vec::<String>::new());
    let aside = disk.private("quarantine/0000000000000007");
    assert_eq!(fs::read(&aside).unwrap(), b"rotten");
    let name = fs::read_to_string(disk.private("quarantine/0000000000000007.name")).unwrap();
    assert_eq!(name, "AUTH_a/c/d/\u{e4}\n\n");
    let mut raw = [0; 1000];
    let stored = rustix::fs::getxattr(&aside, "user.stobj", &mut raw).unwrap();
    assert!(crate::node::decode::<crate::node::ObjectAttributes>(&raw[..stored]).is_ok());
}
