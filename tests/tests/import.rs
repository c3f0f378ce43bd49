//! `stobj import`: a tree of files becomes a container, by copying and in place; and files that others change are noticed.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

use std::path::Path;

use integration_tests::cluster::until;
use integration_tests::command_line::Ended;
use integration_tests::{CommandLine, Server, etag_of};
use serde_json::Value;

/// Runs `stobj import` as an administrator, into this account and container.
async fn run(server: &Server, directory: &Path, into: [&str; 2], more: &[&str]) -> Ended {
    let [account, container] = into;
    let directory = directory.to_str().unwrap();
    let into = ["--account", account, "--container", container];
    let all = [&["import", directory], &into[..], more].concat();
    CommandLine::of_administrator(server).run(&all).await
}

const INTO_C: [&str; 2] = ["AUTH_test", "c"];

/// What a whole import into `c` says of itself.
async fn import(server: &Server, directory: &Path, more: &[&str]) -> Value {
    let more = [&["--json"], more].concat();
    reported(&run(server, directory, INTO_C, &more).await.expect(0))
}

fn reported(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.out).unwrap()
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
    server.expect_agreement().await;
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
    server.expect_agreement().await;
    let server = server.kill().await.start().await;
    server.expect_agreement().await;
    let client = server.tester().await;
    assert_eq!(
        client
            .head("c")
            .await
            .expect(204)
            .number("x-container-bytes-used"),
        11
    );
}

/// What is said about an import in place that is refused.
async fn refused(server: &Server, directory: &Path, account: &str, container: &str) -> String {
    let ended = run(server, directory, [account, container], &["--in-place"]);
    ended.await.expect(2).error
}

#[tokio::test]
async fn a_directory_on_disk_is_found_by_what_it_is_and_not_by_how_it_is_called() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("100%", "").await.expect(201);
    // A name within the container that looks like a container of its own.
    for (container, below, name) in [
        ("100%25", "a%25b/%2E/%_", "a%b/.//file"),
        ("c", "x/AUTH_test/c/y", "x/AUTH_test/c/y/file"),
    ] {
        let directory = server.objects().join("AUTH_test").join(container).join(below);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("file"), "data").unwrap();
        // A link to the storage, a trailing slash, and a way with turns.
        let links = tempfile::tempdir().unwrap();
        let link = links.path().join("root");
        std::os::unix::fs::symlink(server.objects(), &link).unwrap();
        let by_link = link
            .join("AUTH_test")
            .join(container)
            .join(below)
            .join("../")
            .join(Path::new(below).file_name().unwrap());
        let plain = container.replace("%25", "%");
        for (times, way) in [(1, by_link.join("")), (0, directory.join(""))] {
            let in_place = ["--in-place", "--json"];
            let ended = run(&server, &way, ["AUTH_test", &plain], &in_place).await;
            let said = reported(&ended.expect(0));
            assert_eq!(said["imported"], times, "{}: {said}", way.display());
        }
        let listed = client.list(&plain).await.expect(200).entries();
        assert_eq!(listed, [name]);
    }

    let objects = server.objects();
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(elsewhere.path().join("AUTH_test/c")).unwrap();
    let why = refused(&server, &elsewhere.path().join("AUTH_test/c"), "AUTH_test", "c").await;
    assert!(
        why.contains("lies in no storage") && why.contains("leave --in-place out"),
        "{why}"
    );
    let why = refused(&server, &objects.join("AUTH_test"), "AUTH_test", "c").await;
    assert!(why.contains("above all containers"), "{why}");
    let why = refused(&server, &objects.join("AUTH_test/c/x"), "AUTH_test", "100%").await;
    assert!(why.contains("--container c"), "{why}");
    let why = refused(&server, &objects.join("AUTH_test/c/gone"), "AUTH_test", "c").await;
    assert!(
        why.contains("run this where the object-server keeps its data"),
        "{why}"
    );
    std::fs::create_dir(objects.join("AUTH_test/c/100%")).unwrap();
    let why = refused(&server, &objects.join("AUTH_test/c/100%"), "AUTH_test", "c").await;
    assert!(why.contains("is no name that the storage gave"), "{why}");
}

/// A server that ends at the hit of this number of a place.
async fn ends_at(server: Server, place: &str, hit: usize) -> Server {
    let armed = format!("{place}=abort@{hit}");
    server.stop().await.failure_points(&armed).start().await
}

#[tokio::test]
async fn an_import_in_place_that_is_cut_off_goes_on_by_itself() {
    let server = Server::start().await;
    server.tester().await.put("c", "").await.expect(201);
    let container = server.objects().join("AUTH_test/c");
    for number in 0..20 {
        std::fs::write(container.join(format!("{number:02}")), "data").unwrap();
    }
    // In the midst of the tenth file.
    let server = ends_at(server, "revise:after_write", 10).await;
    let ended = run(&server, &container, INTO_C, &["--in-place"]);
    ended.await.expect(2);

    let server = server.aborted().await.start().await;
    let client = server.tester().await;
    until("all are taken in", || async {
        client
            .head("c")
            .await
            .expect(204)
            .number("x-container-object-count")
            == 20
    })
    .await;
    let said = import(&server, &container, &["--in-place"]).await;
    assert_eq!((&said["imported"], &said["present"]), (&0.into(), &20.into()));
    assert_eq!(client.list("c").await.expect(200).entries().len(), 20);
    server.expect_agreement().await;
}

#[tokio::test]
async fn a_copy_that_is_cut_off_is_completed_by_the_next() {
    let server = Server::start().await;
    let source = tempfile::tempdir().unwrap();
    for number in 0..20 {
        std::fs::write(
            source.path().join(format!("{number:02}")),
            format!("data {number}"),
        )
        .unwrap();
    }
    server.tester().await.put("c", "").await.expect(201);
    // When everybody sees the tenth and nobody has been told.
    let server = ends_at(server, "publish:after", 10).await;
    let ended = run(&server, source.path(), INTO_C, &[]).await;
    assert!(matches!(ended.code, 1 | 2), "{ended:?}");

    let server = server.aborted().await.start().await;
    let said = import(&server, source.path(), &[]).await;
    let (imported, present) = (
        said["imported"].as_u64().unwrap(),
        said["present"].as_u64().unwrap(),
    );
    assert_eq!(imported + present, 20, "{said}");
    assert!(imported > 0 && present > 0, "{said}");
    let client = server.tester().await;
    assert_eq!(client.list("c").await.expect(200).entries().len(), 20);
    client.get("c/13").await.expect(200).expect_body("data 13");
    server.expect_agreement().await;
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
    server.expect_agreement().await;
}
