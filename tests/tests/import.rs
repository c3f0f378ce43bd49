//! `stobj import`: a tree of files becomes a container, by copying and in place; and files that others change are noticed.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

use std::path::Path;
use std::process::Output;

use integration_tests::cluster::until;
use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::{Server, etag_of, program};
use serde_json::Value;
use tokio::process::Command;

/// Runs `stobj` as an administrator.
async fn stobj(server: &Server, arguments: &[&str]) -> Output {
    let mut command = Command::new(program::server());
    program::without_settings(&mut command)
        .args(arguments)
        .env("ST_AUTH", server.auth_url())
        .env("ST_USER", "admin:admin")
        .env("ST_KEY", ADMIN_PASSWORD);
    program::finish(&mut command).await
}

async fn import(server: &Server, directory: &Path, arguments: &[&str]) -> Value {
    let directory = directory.to_str().unwrap();
    let all = [
        &[
            "import",
            directory,
            "--account",
            "AUTH_test",
            "--container",
            "c",
            "--json",
        ],
        arguments,
    ]
    .concat();
    let output = stobj(server, &all).await;
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Files as people have them, and the names that they get.
fn tree(directory: &Path) -> Vec<&'static str> {
    for (name, data) in [
        ("2025/ä b.txt", "one"),
        ("2025/12/deep", "two"),
        ("empty", ""),
        ("z.jpg", "three"),
    ] {
        let file = directory.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, data).unwrap();
    }
    vec!["2025/12/deep", "2025/ä b.txt", "empty", "z.jpg"]
}

async fn check(server: &Server) {
    let output = stobj(server, &["check", "--account", "AUTH_test", "--deep"]).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_copied_tree_is_there_and_copied_once() {
    let server = Server::start().await;
    let client = server.tester().await;
    let source = tempfile::tempdir().unwrap();
    let names = tree(source.path());
    let said = import(&server, source.path(), &[]).await;
    assert_eq!((&said["imported"], &said["bytes"]), (&4.into(), &11.into()));
    assert_eq!(client.list("c").await.expect(200).entries(), names);
    let get = client.get("c/2025/ä b.txt").await.expect(200).expect_body("one");
    get.expect_header("content-type", "text/plain");

    std::fs::write(source.path().join("z.jpg"), "THREE").unwrap();
    std::fs::write(source.path().join("new"), "4").unwrap();
    let said = import(&server, source.path(), &[]).await;
    assert_eq!((&said["imported"], &said["present"]), (&2.into(), &3.into()));
    client.get("c/z.jpg").await.expect(200).expect_body("THREE");
    let said = import(&server, source.path(), &[]).await;
    assert_eq!((&said["imported"], &said["present"]), (&0.into(), &5.into()));
    check(&server).await;
}

#[tokio::test]
async fn a_tree_in_the_containers_directory_is_adopted_where_it_lies() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let container = server.objects().join("AUTH_test/c");
    let names = tree(&container);
    let said = import(&server, &container.join("2025"), &["--in-place"]).await;
    assert_eq!(said["imported"], 2);
    assert_eq!(client.list("c").await.expect(200).entries(), names[..2]);
    let said = import(&server, &container, &["--in-place"]).await;
    assert_eq!((&said["imported"], &said["present"]), (&2.into(), &2.into()));
    assert_eq!(client.list("c").await.expect(200).entries(), names);
    let head = client.head("c").await.expect(204);
    assert_eq!(head.number("x-container-bytes-used"), 11);
    let get = client.get("c/2025/12/deep").await.expect(200).expect_body("two");
    get.expect_header("etag", &etag_of(b"two"));
    check(&server).await;
    let server = server.kill().await.start().await;
    check(&server).await;
    let client = server.tester().await;
    assert_eq!(
        client
            .head("c")
            .await
            .expect(204)
            .number("x-container-bytes-used"),
        11
    );

    let elsewhere = tempfile::tempdir().unwrap();
    let elsewhere = elsewhere.path().to_str().unwrap();
    let arguments = [
        "import",
        elsewhere,
        "--account",
        "AUTH_test",
        "--container",
        "c",
        "--in-place",
    ];
    let output = stobj(&server, &arguments).await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[tokio::test]
async fn a_read_notices_what_others_changed_and_has_it_hashed() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "before").await.expect(201);
    let container = server.objects().join("AUTH_test/c");
    for (name, data) in [("o", "changed by hand"), ("new", "put there")] {
        std::fs::write(container.join(name), data).unwrap();
        let path = format!("c/{name}");
        let get = client.get(&path).await.expect(200).expect_body(data);
        assert_ne!(get.find_header("etag"), Some(etag_of(b"before").as_str()));
        until("the file is hashed", || async {
            let head = client.head(&path).await.expect(200);
            head.find_header("etag") == Some(etag_of(data.as_bytes()).as_str())
        })
        .await;
    }
    until("both are listed and counted", || async {
        let head = client.head("c").await.expect(204);
        let used = head.number("x-container-bytes-used");
        used == 24 && client.list("c").await.expect(200).entries() == ["new", "o"]
    })
    .await;
    check(&server).await;
}
