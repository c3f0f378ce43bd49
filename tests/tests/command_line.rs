//! The command line of users: files go in and come out, and scripts are told why when they do not.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use integration_tests::cluster::until;
use integration_tests::relay::{Fault, Relay};
use integration_tests::{CommandLine, Server, etag_of, program};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

fn directory_with(files: &[(&str, &[u8])]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
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
            match path.is_dir() {
                true => directories.push(path),
                false => {
                    let name = path.strip_prefix(root).expect("it lies below").to_owned();
                    files.insert(name, fs::read(&path).expect("the directory is ours"));
                }
            }
        }
    }
    files
}

fn large() -> Vec<u8> {
    (0..2_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

#[tokio::test]
async fn a_tree_of_files_goes_in_and_comes_out() {
    let server = Server::start().await;
    let stobj = CommandLine::of(&server);
    let large = large();
    let directory = directory_with(&[
        ("tree/plain.txt", b"plain"),
        ("tree/empty", b""),
        ("tree/with space%20and?#.txt", b"odd"),
        ("tree/.hidden/ünï/日本語", b"unicode"),
        ("tree/deep/er/and/er/large", &large),
        ("tree/line\nbreak", b"control"),
    ]);
    let root = directory.path().join("tree");
    let written = fs::metadata(root.join("plain.txt")).and_then(|file| file.modified());
    let written = written.expect("it is there");

    let put = stobj
        .run_in(
            directory.path(),
            &["put", "tree", "c/in/", "--json", "--jobs", "3"],
        )
        .await;
    let mut stored = put.expect(0).json();
    stored.sort_by_key(|object| object["path"].to_string());
    assert_eq!(stored.len(), 6);
    let plain = stored
        .iter()
        .find(|object| object["path"] == "c/in/tree/plain.txt");
    assert_eq!(plain.expect("it was stored")["etag"], etag_of(b"plain"));

    let get = stobj
        .run_in(directory.path(), &["get", "c/in/tree/", "out"])
        .await
        .expect(0);
    assert_eq!(
        (get.out.as_slice(), get.error.as_str()),
        (&b""[..], ""),
        "nothing for scripts to read"
    );
    assert!(files(&directory.path().join("out")) == files(&root));
    let fetched = fs::metadata(directory.path().join("out/plain.txt")).and_then(|file| file.modified());
    let apart = fetched.expect("it is there").duration_since(written);
    let apart = apart.unwrap_or_else(|error| error.duration());
    assert!(apart.as_millis() == 0, "the time of the file came along");

    // A directory that ends in a slash is what is in it; a container comes out under its name.
    stobj
        .run_in(directory.path(), &["put", "-q", "tree/deep/", "tree/empty", "d"])
        .await
        .expect(0);
    stobj.run_in(&root, &["get", "d"]).await.expect(0);
    let names: Vec<_> = files(&root.join("d")).into_keys().collect();
    assert_eq!(names, [PathBuf::from("empty"), "er/and/er/large".into()]);
}

#[tokio::test]
async fn listings_are_for_people_and_for_programs() {
    let server = Server::start().await;
    let stobj = CommandLine::of(&server);
    let client = server.tester().await;
    assert_eq!(stobj.run(&["ls"]).await.expect(0).text(), "");
    client.put("c", "").await.expect(201);
    client.put("empty", "").await.expect(201);
    for name in ["a", "d/b", "d/e/f", "d/g h"] {
        client
            .put(&format!("c/{name}"), name)
            .header("x-object-meta-color", "blue")
            .await
            .expect(201);
    }
    assert_eq!(stobj.run(&["ls"]).await.expect(0).lines(), ["c", "empty"]);
    assert_eq!(stobj.run(&["ls", "c"]).await.expect(0).lines(), ["a", "d/"]);
    assert_eq!(
        stobj.run(&["ls", "c/d/"]).await.expect(0).lines(),
        ["b", "e/", "g h"]
    );
    let all = stobj.run(&["ls", "--recursive", "c/d/"]).await.expect(0).lines();
    assert_eq!(all, ["b", "e/f", "g h"]);
    assert_eq!(stobj.run(&["ls", "empty"]).await.expect(0).text(), "");
    let long = stobj.run(&["ls", "-l", "c"]).await.expect(0).lines();
    assert!(
        long[0].trim_start().starts_with("1  20") && long[0].ends_with("  a"),
        "{long:?}"
    );
    assert!(
        long[1].trim_start().starts_with('-') && long[1].ends_with("  d/"),
        "{long:?}"
    );
    let one = stobj.run(&["ls", "--json", "c/d/b"]).await.expect(0).json();
    assert_eq!(one[0]["metadata"], json!({"color": "blue"}));
    assert_eq!(one[0]["hash"], etag_of(b"d/b"));
    let entries = stobj.run(&["ls", "--json", "c/d/"]).await.expect(0).json();
    assert_eq!(
        (&entries[0]["name"], &entries[1]["subdir"]),
        (&json!("d/b"), &json!("d/e/"))
    );
    let containers = stobj.run(&["ls", "--json"]).await.expect(0).json();
    assert_eq!(
        (&containers[0]["name"], &containers[0]["count"]),
        (&json!("c"), &json!(4))
    );
}

#[tokio::test]
async fn standard_input_and_output_are_files_too() {
    let server = Server::start().await;
    let stobj = CommandLine::of(&server);
    let large = large();
    let put = stobj
        .run_with(
            &large,
            &["put", "-", "c/large", "--json", "-H", "X-Object-Meta-Color: red"],
        )
        .await;
    assert_eq!(put.expect(0).json()[0]["bytes"], large.len());
    let head = server.tester().await.head("c/large").await.expect(200);
    assert_eq!(head.header("x-object-meta-color"), "red");
    assert!(stobj.run(&["get", "c/large", "-"]).await.expect(0).out == large);
    let part = stobj
        .run(&["get", "c/large", "-", "--range", "4-7"])
        .await
        .expect(0);
    assert_eq!(part.out, 1_u32.to_le_bytes());
    let last = stobj
        .run(&["get", "c/large", "-", "--range", "-4"])
        .await
        .expect(0);
    assert_eq!(last.out, 1_999_999_u32.to_le_bytes());
    stobj
        .run_with(b"x", &["put", "-", "c/directory/"])
        .await
        .expect(2)
        .expect_error("CONTAINER/NAME");

    // Whoever reads has enough after ten bytes: that is no failure, and nothing is said.
    let mut command = stobj.command(&["get", "c/large", "-"]);
    let piped = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut process = piped.spawn().expect("the binary can be started");
    let mut output = process.stdout.take().expect("it is a pipe");
    output
        .read_exact(&mut [0; 10])
        .await
        .expect("there are ten bytes");
    drop(output);
    let ended = process.wait_with_output().await.expect("it ends");
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(0), &b""[..])
    );
}

#[tokio::test]
async fn exit_codes_tell_scripts_why() {
    let server = Server::start().await;
    let stobj = CommandLine::of(&server);
    let directory = directory_with(&[("a", b"a"), ("b", b"b")]);
    let run = async |arguments: &[&str]| stobj.run_in(directory.path(), arguments).await;
    run(&["put", "a", "b", "c"]).await.expect(0);
    for missing in [
        &["get", "c/missing"][..],
        &["get", "c/missing/"],
        &["get", "missing"],
        &["ls", "c/missing"],
        &["ls", "c/missing/"],
        &["ls", "missing"],
        &["rm", "c/missing"],
        &["cp", "c/missing", "c/x"],
        &["mv", "c/missing", "c/x"],
        &["cp", "c/a", "missing/x"],
    ] {
        run(missing).await.expect(3).expect_error("no such thing");
    }
    run(&["rm", "--force", "c/missing"]).await.expect(0);
    run(&["rm", "c"]).await.expect(4).expect_error("409");
    run(&["put", "a", "c", "--no-overwrite"])
        .await
        .expect(4)
        .expect_error("there already");
    run(&["mkdir", "c"]).await.expect(4);
    run(&["get", "c/a", "--no-overwrite"]).await.expect(1);
    run(&["put", "a", "missing", "c"])
        .await
        .expect(1)
        .expect_error("1 of 2 failed");
    run(&["put", "a", "b", "c/one"])
        .await
        .expect(2)
        .expect_error("ends in a slash");
    run(&["mv", "c", "d"]).await.expect(2);
    run(&["get", "c/a", "-", "--range", "5-"])
        .await
        .expect(4)
        .expect_error("no such part");
    run(&["rm", "c/a", "c/missing", "c/b"])
        .await
        .expect(1)
        .expect_error("c/missing");
    assert_eq!(run(&["ls", "c"]).await.expect(0).text(), "");

    let guess = CommandLine::at(&server.auth_url(), "test:tester", "guessed-key");
    let refused = guess.run(&["ls"]).await.expect(4).expect_error("ST_KEY");
    assert!(!refused.error.contains("guessed-key"), "{refused:?}");
    let other = CommandLine::at(&server.auth_url(), "test2:tester2", "testing2");
    let foreign = format!("http://{}/v1/AUTH_test", server.address());
    let mut command = other.command(&["ls"]);
    let output = program::finish(command.env("OS_STORAGE_URL", &foreign)).await;
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[tokio::test]
async fn the_account_is_that_of_flags_or_of_a_token_too() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let nobody = CommandLine::at("", "", "");
    nobody.run(&["ls"]).await.expect(2).expect_error("set ST_AUTH");
    let url = server.auth_url();
    let flags = ["ls", "--auth", &url, "--user", "test:tester", "--key", "testing"];
    assert_eq!(nobody.run(&flags).await.expect(0).lines(), ["c"]);
    let mut command = nobody.command(&["ls"]);
    let storage_url = format!("http://{}{}", server.address(), client.base());
    let by_token = command
        .env("OS_STORAGE_URL", storage_url)
        .env("OS_AUTH_TOKEN", client.token());
    assert_eq!(program::run(by_token).await, "c\n");
    command.env("OS_AUTH_TOKEN", "AUTH_tkinvented");
    assert_eq!(program::finish(&mut command).await.status.code(), Some(4));
    nobody
        .run(&[
            "ls",
            "--auth",
            "http://127.0.0.1:1/auth/v1.0",
            "--user",
            "a:b",
            "--key",
            "k",
        ])
        .await
        .expect(1)
        .expect_error("no answer");
}

#[tokio::test]
async fn names_do_nothing_to_a_terminal() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/\u{1b}[2Jx\u{202e}y", "").await.expect(201);
    let stobj = CommandLine::of(&server);
    assert_eq!(
        stobj.run(&["ls", "c"]).await.expect(0).text(),
        "\u{1b}[2Jx\u{202e}y\n"
    );
    // `script` gives the command a terminal.
    let mut command = stobj.command(&[]);
    let environment: Vec<_> = command
        .as_std()
        .get_envs()
        .map(|(name, value)| (name.to_owned(), value.map(ToOwned::to_owned)))
        .collect();
    let line = format!("{} ls c", program::server().display());
    command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]);
    for (name, value) in environment {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    assert_eq!(
        program::run(&mut command).await.trim_end(),
        "\\u{1b}[2Jx\\u{202e}y"
    );
}

#[tokio::test]
async fn broken_connections_are_nobodys_concern() {
    let server = Server::start().await;
    let large = large();
    let directory = directory_with(&[("large", &large)]);
    for times in [1, 2] {
        let relay = Relay::start(server.address(), Fault::Cut, times, 3_000_000).await;
        let stobj = CommandLine::at(&relay.auth_url(), "test:tester", "testing");
        stobj
            .run_in(directory.path(), &["put", "large", "c"])
            .await
            .expect(0);
        assert_eq!(relay.faults_left(), 0);
        let relay = Relay::start(server.address(), Fault::Cut, times, 3_000_000).await;
        let stobj = CommandLine::at(&relay.auth_url(), "test:tester", "testing");
        assert!(stobj.run(&["get", "c/large", "-"]).await.expect(0).out == large);
        assert_eq!(relay.faults_left(), 0);
        let most = large.len() as u64 + 2_000_000;
        assert!(
            relay.carried() < most,
            "what was here was not sent again: {}",
            relay.carried()
        );
    }
}

#[tokio::test]
async fn a_download_that_was_killed_goes_on_the_next_time() {
    let server = Server::start().await;
    let large = large();
    let directory = directory_with(&[("source", &large)]);
    let direct = CommandLine::of(&server);
    direct
        .run_in(directory.path(), &["put", "source", "c/large"])
        .await
        .expect(0);
    let here = tempfile::tempdir().expect("a temporary directory can be made");
    let part = || {
        let entries = fs::read_dir(here.path()).expect("the directory is ours");
        let entry = entries
            .map(|entry| entry.expect("the directory is ours"))
            .next()?;
        Some((entry.path(), entry.metadata().expect("it is there").len()))
    };

    let stalling = Relay::start(server.address(), Fault::Stall, 1, 5_000_000).await;
    let stobj = CommandLine::at(&stalling.auth_url(), "test:tester", "testing");
    let mut command = stobj.command(&["get", "c/large"]);
    let mut process = command
        .current_dir(here.path())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary can be started");
    until("most of what came is in the file", || async {
        part().is_some_and(|(_, length)| length > 4_000_000)
    })
    .await;
    direct
        .run_in(here.path(), &["get", "c/large"])
        .await
        .expect(1)
        .expect_error("another download");
    process.kill().await.expect("it runs");
    let (path, length) = part().expect("what came is kept");
    assert!(
        path.to_string_lossy().ends_with(".part"),
        "the file has not its name yet: {path:?}"
    );

    direct.run_in(here.path(), &["get", "c/large"]).await.expect(0);
    assert!(files(here.path()) == BTreeMap::from([(PathBuf::from("large"), large.clone())]));
    let rest = format!(" {} ", large.len() as u64 - length);
    let is_rest =
        |line: &String| line.contains("GET /v1/AUTH_test/c/large HTTP/1.1 206 ") && line.contains(&rest);
    until("the server says that it sent the rest only", || async {
        server.log().lines().iter().any(is_rest)
    })
    .await;
}
