//! Starting, and a root that comes and goes.

use std::fs;

use super::*;

fn open(root: &FilePath) -> Result<Posix, String> {
    Posix::open(root, &Settings::default()).map_err(|error| error.to_string())
}

#[test]
fn a_root_is_served_once() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("made/when/missing");
    let first = open(&root).unwrap();
    let error = open(&root).unwrap_err();
    assert!(error.contains("another process already serves"), "{error}");
    drop(first);
    open(&root).unwrap();
}

#[test]
fn only_an_empty_root_becomes_ours() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("lost+found")).unwrap();
    drop(open(directory.path()).unwrap());

    // As after a crash before the identity was made.
    let crashed = tempfile::tempdir().unwrap();
    fs::create_dir(crashed.path().join(".stobj")).unwrap();
    fs::write(crashed.path().join(".stobj/lock"), b"").unwrap();
    fs::write(crashed.path().join(".stobj/identity.new"), b"sto").unwrap();
    drop(open(crashed.path()).unwrap());

    let foreign = tempfile::tempdir().unwrap();
    fs::write(foreign.path().join("thesis.tex"), b"").unwrap();
    let error = open(foreign.path()).unwrap_err();
    assert!(error.contains("no .stobj/identity"), "{error}");
    assert_eq!(entries(foreign.path()), ["thesis.tex"]);

    let future = tempfile::tempdir().unwrap();
    drop(open(future.path()).unwrap());
    fs::write(future.path().join(".stobj/identity"), b"stobj 2 00\n").unwrap();
    let error = open(future.path()).unwrap_err();
    assert!(error.contains("format"), "{error}");

    // A storage whose identity was lost is not made anew over what it holds.
    fs::remove_file(directory.path().join(".stobj/identity")).unwrap();
    assert!(open(directory.path()).is_err());
}

#[tokio::test]
async fn a_root_that_goes_away_is_unavailable_until_it_is_back() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("a", b"x").await.unwrap();
    let (identity, away) = (disk.private("identity"), disk.private("away"));
    fs::rename(&identity, &away).unwrap();
    until(async || {
        matches!(
            disk.posix.stat(&path("a")).await,
            Err(EngineError::Unavailable(_))
        )
    })
    .await;
    assert!(disk.put("b", b"x").await.is_err());
    fs::rename(&away, &identity).unwrap();
    until(async || disk.posix.stat(&path("a")).await.is_ok()).await;
    disk.put("b", b"x").await.unwrap();
}

async fn until(is_so: impl AsyncFn() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), waiting)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_start_empties_what_has_no_name() {
    let disk = Disk::new(&Settings::default()).await;
    disk.put("a", b"x").await.unwrap();
    fs::write(disk.private("temporary/0000000000000001"), b"half an object").unwrap();
    fs::create_dir(disk.private("temporary/0000000000000002")).unwrap();
    let Disk { directory, posix } = disk;
    drop(posix);
    let posix = Posix::open(directory.path(), &Settings::default()).unwrap();
    assert_eq!(
        entries(&directory.path().join(".stobj/temporary")),
        Vec::<String>::new()
    );
    assert_eq!(read(&posix, "a").await.unwrap(), b"x");
    assert_eq!(posix.accounts().await.unwrap(), [account()]);
}
