//! What directories are on disk, and what a rename means for those who are under way.

use super::tree::{BUILD, ID, copy, detach, make};
use super::*;
use crate::engine::{BuildEngine as _, TreeEngine as _};
use crate::failure_point::{Failure, FailurePoints};
use crate::node::DirectoryAttributes;

/// Runs a change while a PUT waits for its locks, or syncs without them.
struct Meanwhile {
    attributes: crate::node::ObjectAttributes,
    posix: Posix,
    renames: Option<(&'static str, &'static str)>,
}

impl crate::engine::Publication for Meanwhile {
    fn attributes(
        &mut self,
        _: Option<&crate::node::ObjectAttributes>,
    ) -> Result<crate::node::ObjectAttributes, common::Error> {
        Ok(self.attributes.clone())
    }

    fn is_ready(&mut self) -> Result<bool, common::Error> {
        Ok(false)
    }

    fn ready(&mut self) -> std::pin::Pin<Box<dyn Future<Output = Result<(), common::Error>> + Send + '_>> {
        Box::pin(async {
            if let Some((from, to)) = self.renames {
                let (from, to) = (path(from), path(to));
                let renamed = self.posix.rename(&from, &to, ID, Box::new(|| ()));
                assert!(renamed.await.unwrap());
            }
            Ok(())
        })
    }

    fn decide(&mut self, _: Option<&crate::node::ObjectAttributes>) -> Result<(), common::Error> {
        Ok(())
    }

    fn committed(&mut self, _: &Changed) {}
}

#[tokio::test]
async fn a_put_that_waited_goes_where_its_name_is_now() {
    let disk = Disk::new(&Settings::default()).await;
    for (from, to) in [("a/", "b/"), ("c/", "a/")] {
        disk.put(&format!("{from}old"), b"old").await.unwrap();
        let mut stage = disk.posix.stage(&account(), &container(), None).await.unwrap();
        stage.write(b"new".to_vec().into()).await.unwrap();
        let meanwhile = Meanwhile {
            attributes: attributes(b"new"),
            posix: disk.posix.clone(),
            renames: Some((from, to)),
        };
        stage.publish(path("a/new"), Box::new(meanwhile)).await.unwrap();
        assert_eq!(disk.read("a/new").await.unwrap(), b"new");
        assert_eq!(disk.read(&format!("{to}old")).await.unwrap(), b"old");
        assert!(disk.read("b/new").await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_syncs_what_a_put_has_not_yet() {
    let points = FailurePoints::new();
    let disk = Disk::new(&Settings {
        failure_points: points.clone(),
        ..Settings::default()
    })
    .await;
    let hits = points.hits("sync:before");
    points.arm_later("sync:before", Failure::Wait, 0, 1);
    let posix = disk.posix.clone();
    let putting = tokio::spawn(async move { put(&posix, "a/b/x", b"x").await });
    points.reached("sync:before", hits + 1).await;
    let fresh = |path: &str| disk.posix.store.fresh().holds(&format!("AUTH_a/c/{path}"));
    assert!(fresh("a/b") && fresh("a"));
    let (from, to) = (path("a/b/"), path("c/d/"));
    assert!(disk.posix.rename(&from, &to, ID, Box::new(|| ())).await.unwrap());
    for path in ["a/b", "a", "c", "c/d"] {
        assert!(!fresh(path), "{path}");
    }
    points.disarm("sync:before");
    putting.await.unwrap().unwrap();
    assert_eq!(disk.read("c/d/x").await.unwrap(), b"x");
    assert_eq!(entries(&disk.on_disk("")), ["c"]);
}

#[tokio::test]
async fn a_build_survives_a_restart() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("a/x", b"x").await.unwrap();
    copy(&disk.posix, "a/x", "x").await.unwrap();
    let Disk { directory, posix } = disk;
    drop(posix);
    std::fs::create_dir(directory.path().join(".stobj/build/0000000000000001")).unwrap();
    let posix = Posix::open(directory.path(), &Settings::default()).unwrap();
    assert_eq!(posix.builds().await.unwrap(), [BUILD], "the other was attached");
    copy(&posix, "a/x", "y").await.unwrap();
    assert!(
        posix
            .attach(BUILD, &path("b/"), ID, Box::new(|| ()))
            .await
            .unwrap()
    );
    for name in ["b/x", "b/y"] {
        assert_eq!(read(&posix, name).await.unwrap(), b"x");
    }
    assert_eq!(
        entries(&directory.path().join(".stobj/build")),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn directories_stand_on_disk_under_their_names() {
    let disk = Disk::new(&Settings::default()).await;
    let long = "l".repeat(300);
    let chunk = format!("{}%+", "l".repeat(253));
    disk.put("b", b"beside").await.unwrap();
    disk.put("a/x", b"x").await.unwrap();
    let rename = async |from: &str, to: &str| {
        let (from, to) = (path(from), path(to));
        disk.posix.rename(&from, &to, ID, Box::new(|| ())).await
    };
    assert!(rename("a/", "b/").await.unwrap());
    assert_eq!(entries(&disk.on_disk("")), ["b", "b%o"]);
    assert!(rename("b/", &format!("{long}/")).await.unwrap());
    assert_eq!(entries(&disk.on_disk("")), ["b%o", chunk.as_str()]);
    assert_eq!(entries(&disk.on_disk(&chunk)), ["l".repeat(47)]);
    assert!(rename(&format!("{long}/"), "/").await.unwrap());
    assert_eq!(entries(&disk.on_disk("")), ["%_", "b%o"]);
    make(&disk.posix, "b/").await.unwrap();
    assert!(rename("/", "b/").await.unwrap());
    assert_eq!(entries(&disk.on_disk("b")), ["x"]);
    assert_eq!(entries(&disk.private("trash")), ["0000000000005eed"]);

    // What others put in the way stays, and is not stepped over.
    std::os::unix::fs::symlink("/tmp", disk.on_disk("link")).unwrap();
    for name in ["link/", "link/x/"] {
        let refused = rename("b/", name).await;
        assert!(
            matches!(refused, Err(EngineError::Refused(_))),
            "{name}: {refused:?}"
        );
        let refused = make(&disk.posix, name).await;
        assert!(
            matches!(refused, Err(EngineError::Refused(_))),
            "{name}: {refused:?}"
        );
    }
    assert!(!rename("link/", "c/").await.unwrap());
    assert!(rename("b/x", "link").await.unwrap());
    assert_eq!(entries(&disk.on_disk("")), ["b%o", "link", "link%o"]);
    assert_eq!(disk.read("link").await.unwrap(), b"x");
}

#[tokio::test]
async fn directories_made_by_hand_are_directories() {
    let disk = Disk::new(&Settings::default()).await;
    std::fs::create_dir_all(disk.on_disk("by hand/inner")).unwrap();
    let found = disk.posix.directory(&path("by hand/")).await.unwrap().unwrap();
    assert_eq!(found.explicit, Some(DirectoryAttributes::default()));
    assert!(!found.is_empty);
    let (from, to) = (path("by hand/"), path("moved/"));
    assert!(disk.posix.rename(&from, &to, ID, Box::new(|| ())).await.unwrap());
    let inner = path("moved/inner/");
    assert!(
        disk.posix
            .remove_directory(&inner, Box::new(|| ()))
            .await
            .unwrap()
    );
    assert_eq!(entries(&disk.on_disk("")), ["moved"], "it was made by hand");
    std::os::unix::fs::symlink("nowhere", disk.on_disk("moved/link")).unwrap();
    assert!(!disk.posix.remove_directory(&to, Box::new(|| ())).await.unwrap());

    // The remains of a crash are none, and in nobody's way.
    std::fs::create_dir_all(disk.on_disk("left/over")).unwrap();
    let implicit = b"\x01\x81\xa8implicit\xc3";
    for name in ["left", "left/over"] {
        let flags = rustix::fs::XattrFlags::empty();
        rustix::fs::setxattr(disk.on_disk(name), "user.stobj", implicit, flags).unwrap();
    }
    let left = path("left/");
    assert_eq!(disk.posix.directory(&left).await.unwrap(), None);
    assert!(
        !disk
            .posix
            .rename(&left, &path("x/"), ID, Box::new(|| ()))
            .await
            .unwrap()
    );
    assert!(disk.posix.rename(&to, &left, ID, Box::new(|| ())).await.unwrap());
    assert_eq!(entries(&disk.private("trash")), Vec::<String>::new());
    assert_eq!(entries(&disk.on_disk("left")), ["link"]);
}

#[tokio::test]
async fn the_trash_may_hold_anything() {
    use std::os::unix::ffi::OsStrExt as _;
    let disk = Disk::new(&Settings::default()).await;
    disk.put("a/b/x", b"x").await.unwrap();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    let inner = disk.on_disk("a/b").join(odd);
    std::fs::create_dir(&inner).unwrap();
    std::fs::write(inner.join(odd), b"odd").unwrap();
    std::os::unix::fs::symlink("/", inner.join("link")).unwrap();
    std::fs::write(disk.private("trash/not a number"), b"").unwrap();
    assert!(detach(&disk.posix).await.unwrap());
    disk.posix.release(ID);
    while disk.posix.reap(1).await.unwrap() {}
    assert_eq!(entries(&disk.private("trash")), Vec::<String>::new());
    assert!(std::fs::exists("/tmp").unwrap());
}
