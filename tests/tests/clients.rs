//! The clients that people have: curl, python-swiftclient, rclone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use integration_tests::{Server, program};
use tempfile::TempDir;
use tokio::process::Command;

/// The most that a server may need, however large the objects are.
const MAX_MEMORY: u64 = 256 << 20;
const LARGE: u64 = 1 << 30;

/// Files with names and sizes that clients stumble over.
fn tree() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let large: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let files: [(&str, &[u8]); 18] = [
        ("plain.txt", b"plain\n"),
        ("empty", b""),
        ("with space.txt", b"space"),
        (" leading and trailing ", b"spaces"),
        ("percent%20sign%", b"percent"),
        ("hash#mark", b"hash"),
        ("question?mark", b"question"),
        ("plus+and&amp;=semi;colon,comma", b"delimiters"),
        (".hidden", b"hidden"),
        (".hidden-dir/.hidden", b"hidden deeper"),
        ("...", b"dots"),
        ("ünïcödé/日本語/\u{1f600}.txt", b"unicode"),
        ("quotes'and\"double", b"quotes"),
        ("back\\slash", b"backslash"),
        ("deep/er/and/deep/er/still/file", b"deep"),
        ("zero bytes.bin", &[0; 4096]),
        ("~tilde", b"tilde"),
        ("large.bin", &large),
    ];
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("it lies in the tree")).expect("the directory is ours");
        fs::write(path, content).expect("the directory is ours");
    }
    directory
}

/// Every file below `root`, with its content.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).expect("the directory is ours") {
            let path = entry.expect("the directory is ours").path();
            if path.is_dir() {
                directories.push(path);
            } else {
                let content = fs::read(&path).expect("the directory is ours");
                files.insert(
                    path.strip_prefix(root).expect("it lies below").to_owned(),
                    content,
                );
            }
        }
    }
    files
}

#[track_caller]
fn assert_same_files(one: &Path, other: &Path) {
    let (one, other) = (files(one), files(other));
    assert_eq!(one.keys().collect::<Vec<_>>(), other.keys().collect::<Vec<_>>());
    for (path, content) in &one {
        assert!(other[path] == *content, "{} differs", path.display());
    }
}

/// python-swiftclient's `swift`, logged in as `test:tester`.
fn swift(server: &Server) -> Command {
    let mut command = program::client("swift");
    command.args([
        "-A",
        &server.auth_url(),
        "-U",
        "test:tester",
        "-K",
        "testing",
        "-q",
    ]);
    command
}

/// rclone with the remote `s:`.
fn rclone(server: &Server, home: &Path) -> Command {
    let mut command = program::client("rclone");
    command
        .env("RCLONE_CONFIG", home.join("rclone.conf"))
        .env("RCLONE_CONFIG_S_TYPE", "swift")
        .env("RCLONE_CONFIG_S_AUTH", server.auth_url())
        .env("RCLONE_CONFIG_S_USER", "test:tester")
        .env("RCLONE_CONFIG_S_KEY", "testing");
    command
}

#[tokio::test]
async fn curl_uploads_lists_downloads_and_deletes() {
    let server = Server::start().await;
    let client = server.tester().await;
    let directory = tree();
    let url = format!("http://{}{}", server.address(), client.base());
    let token = format!("X-Auth-Token: {}", client.token());
    let curl = || {
        let mut curl = program::client("curl");
        curl.args(["-sS", "--fail", "-H", &token])
            .current_dir(directory.path());
        curl
    };
    program::run(curl().args(["-X", "PUT", &format!("{url}/c")])).await;
    program::run(curl().args(["--upload-file", "large.bin", &format!("{url}/c/large.bin")])).await;
    // A URL that ends in a slash: curl adds the file's name.
    program::run(curl().args(["--upload-file", "with space.txt", &format!("{url}/c/")])).await;
    program::run(
        curl()
            .args(["-T", "-", &format!("{url}/c/from%20stdin")])
            .stdin(std::process::Stdio::null()),
    )
    .await;
    let listing = program::run(curl().arg(format!("{url}/c"))).await;
    assert_eq!(listing, "from stdin\nlarge.bin\nwith space.txt\n");
    program::run(curl().args(["-o", "fetched", &format!("{url}/c/large.bin")])).await;
    program::run(
        Command::new("cmp")
            .args(["large.bin", "fetched"])
            .current_dir(directory.path()),
    )
    .await;
    let head = program::run(curl().args(["-I", &format!("{url}/c/large.bin")])).await;
    assert!(head.to_lowercase().contains("content-length: 4000000"), "{head}");
    let part = program::run(curl().args(["-r", "0-4", &format!("{url}/c/with%20space.txt")])).await;
    assert_eq!(part, "space");
    let missing = program::finish(curl().arg(format!("{url}/c/missing"))).await;
    assert_eq!(missing.status.code(), Some(22), "{missing:?}");
    for name in ["large.bin", "with%20space.txt", "from%20stdin"] {
        program::run(curl().args(["-X", "DELETE", &format!("{url}/c/{name}")])).await;
    }
    program::run(curl().args(["-X", "DELETE", &format!("{url}/c")])).await;
}

#[tokio::test]
async fn swiftclient_carries_a_tree_in_and_out() {
    let server = Server::start().await;
    let client = server.tester().await;
    let source = tree();
    let target = tempfile::tempdir().unwrap();
    program::run(
        swift(&server)
            .args(["upload", "--object-name", "up", "c", "."])
            .current_dir(source.path()),
    )
    .await;
    program::run(
        swift(&server)
            .args(["download", "c", "--prefix", "up/", "--remove-prefix", "-D"])
            .arg(target.path()),
    )
    .await;
    assert_same_files(source.path(), target.path());

    let listing = program::run(swift(&server).args(["list", "c", "--prefix", "up/"])).await;
    let mut listed: Vec<_> = listing.lines().map(ToOwned::to_owned).collect();
    let files = files(source.path());
    let mut names: Vec<_> = files
        .keys()
        .map(|path| format!("up/{}", path.display()))
        .collect();
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names);

    let stat = program::run(swift(&server).args(["stat", "c", "up/plain.txt"])).await;
    assert!(
        stat.contains("Content Length: 6") && stat.contains("text/plain"),
        "{stat}"
    );
    let stat = program::run(swift(&server).args(["stat", "c"])).await;
    assert!(stat.contains(&format!("Objects: {}", names.len())), "{stat}");
    program::run(swift(&server).args(["post", "-m", "Color:Blue", "c", "up/plain.txt"])).await;
    client
        .head("c/up/plain.txt")
        .await
        .expect(200)
        .expect_header("x-object-meta-color", "Blue");
    program::run(swift(&server).args(["copy", "-d", "/d/copied", "c", "up/with space.txt"])).await;
    client.get("d/copied").await.expect(200).expect_body("space");

    // The second time nothing is sent.
    let before = client.head("c/up/large.bin").await.expect(200);
    for unless in ["--changed", "--skip-identical"] {
        let again = ["upload", unless, "--object-name", "up", "c", "."];
        program::run(swift(&server).args(again).current_dir(source.path())).await;
        let after = client.head("c/up/large.bin").await.expect(200);
        after.expect_header("x-timestamp", before.header("x-timestamp"));
    }

    program::run(swift(&server).args(["delete", "c"])).await;
    client.head("c").await.expect(404);
}

#[tokio::test]
async fn swiftclient_uploads_in_segments_where_the_server_knows_manifests() {
    let server = Server::start().await;
    let client = server.tester().await;
    let info = server
        .client()
        .request_at(http::Method::GET, "/info")
        .await
        .expect(200)
        .json();
    if info.get("slo").is_none() {
        println!(
            "/info tells of no slo: swiftclient would fall back to what the server does not know either"
        );
        return;
    }
    let source = tree();
    let upload = ["upload", "-S", "1000000", "--use-slo", "c", "large.bin"];
    program::run(swift(&server).args(upload).current_dir(source.path())).await;
    let content = fs::read(source.path().join("large.bin")).unwrap();
    client.get("c/large.bin").await.expect(200).expect_body(content);
}

#[tokio::test]
async fn rclone_carries_a_tree_in_and_out() {
    let server = Server::start().await;
    let home = tempfile::tempdir().unwrap();
    let source = tree();
    let target = tempfile::tempdir().unwrap();
    let rclone = || rclone(&server, home.path());

    program::run(rclone().arg("copy").arg(source.path()).arg("s:c/tree")).await;
    program::run(rclone().arg("check").arg(source.path()).arg("s:c/tree")).await;
    program::run(rclone().args(["copy", "s:c/tree"]).arg(target.path())).await;
    assert_same_files(source.path(), target.path());

    // Content and time are as they were: nothing is left to do.
    let again = program::finish(rclone().args(["copy", "-v"]).arg(source.path()).arg("s:c/tree")).await;
    let said = String::from_utf8_lossy(&again.stderr);
    assert!(
        again.status.success() && !said.contains("Copied (") && !said.contains("Updated"),
        "{said}"
    );

    // On the server, from one container into another.
    let copied = program::finish(rclone().args(["copy", "-v", "s:c/tree", "s:d/tree"])).await;
    let said = String::from_utf8_lossy(&copied.stderr);
    assert!(
        copied.status.success() && said.contains("server-side copy"),
        "{said}"
    );
    program::run(rclone().args(["check", "--download", "s:c/tree", "s:d/tree"])).await;
    let moved = program::finish(rclone().args(["moveto", "s:d/tree/plain.txt", "s:d/renamed#1"])).await;
    assert!(moved.status.success(), "{moved:?}");
    assert_eq!(
        program::run(rclone().args(["cat", "s:d/renamed#1"])).await,
        "plain\n"
    );

    let listed = program::run(rclone().args(["lsf", "-R", "--files-only", "s:c/tree"])).await;
    assert_eq!(listed.lines().count(), files(source.path()).len(), "{listed}");
    let size = program::run(rclone().args(["size", "s:c"])).await;
    assert!(
        size.contains(&format!("Total objects: {}", files(source.path()).len())),
        "{size}"
    );
    program::run(rclone().args(["about", "s:"])).await;

    fs::remove_file(source.path().join("plain.txt")).unwrap();
    program::run(rclone().arg("sync").arg(source.path()).arg("s:c/tree")).await;
    program::run(rclone().arg("check").arg(source.path()).arg("s:c/tree")).await;

    for container in ["s:c", "s:d"] {
        program::run(rclone().args(["purge", container])).await;
    }
    assert_eq!(program::run(rclone().args(["lsd", "s:"])).await, "");
}

/// A file of 1 GiB that is different everywhere, and quick to make.
fn large_file(path: &Path) {
    let file = File::create(path).expect("the directory is ours");
    file.set_len(LARGE).expect("the disk takes a sparse file");
    for offset in (0..LARGE).step_by(64 << 10) {
        file.write_all_at(&offset.to_le_bytes(), offset)
            .expect("the disk has room");
    }
}

#[tokio::test]
async fn a_large_file_goes_up_and_down_in_little_memory() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let directory = tempfile::tempdir().unwrap();
    let (source, target) = (directory.path().join("source"), directory.path().join("target"));
    large_file(&source);
    let url = format!("http://{}{}/c/large", server.address(), client.base());
    let token = format!("X-Auth-Token: {}", client.token());
    let curl = || {
        let mut curl = program::client("curl");
        curl.args(["-sS", "--fail", "-H", &token]);
        curl
    };
    program::run(curl().arg("--upload-file").arg(&source).arg(&url)).await;
    client
        .head("c/large")
        .await
        .expect(200)
        .expect_header("content-length", &LARGE.to_string());
    program::run(curl().arg("-o").arg(&target).arg(&url)).await;
    program::run(Command::new("cmp").args([&source, &target])).await;
    client.copy("c/large", "c/copied").await.expect(201);
    let memory = server.peak_memory();
    assert!(memory < MAX_MEMORY, "the server needed {} MiB", memory >> 20);
}
