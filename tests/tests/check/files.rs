//! Files, counters and bytes that were changed on the disk.

use std::os::unix::fs::FileExt as _;
use std::path::Path;

use integration_tests::{Server, etag_of};

use crate::{check, filled, found};

/// Other bytes, as a disk would have them: of the same size, at the same time.
pub(crate) fn rot(file: &Path) {
    let modified = std::fs::metadata(file).unwrap().modified().unwrap();
    let open = std::fs::File::options().write(true).open(file).unwrap();
    open.write_all_at(b"!", 0).unwrap();
    open.set_modified(modified).unwrap();
}

#[tokio::test]
async fn files_that_were_changed_behind_the_servers_back_are_found_and_taken_in() {
    let server = Server::start().await;
    let client = filled(&server).await;
    let container = server.objects().join("AUTH_test/c");
    std::fs::remove_file(container.join("d/f")).unwrap();
    std::fs::write(container.join("z"), "written by hand").unwrap();
    std::fs::create_dir(container.join("new")).unwrap();
    std::fs::write(container.join("new/file.txt"), "put there by cp").unwrap();

    let expected = [
        "not_in_storage c/d/f",
        // Somebody made it by itself.
        "directory c/new/",
        "counter c",
        "foreign_file c/new/file.txt",
        "changed_file c/z",
    ];
    let report = check(&server, &[], 1).await;
    assert_eq!(found(&report), expected);

    let report = check(&server, &["--repair"], 0).await;
    assert_eq!(found(&report), expected);
    check(&server, &["--deep"], 0).await;
    let listed = client.list("c").await.expect(200).entries();
    assert_eq!(listed, ["a", "d/e/deep", "marker/", "new/file.txt", "z"]);
    let head = client.head("c").await.expect(204);
    let sizes = ["a", "d/e/deep", "marker/", "put there by cp", "written by hand"].map(str::len);
    assert_eq!(head.number("x-container-object-count"), 5);
    assert_eq!(
        head.number("x-container-bytes-used"),
        sizes.iter().sum::<usize>() as u64
    );
    let get = client.get("c/new/file.txt").await.expect(200);
    get.expect_header("etag", &etag_of(b"put there by cp"))
        .expect_header("content-type", "text/plain");
    let get = client.get("c/z").await.expect(200);
    get.expect_header("etag", &etag_of(b"written by hand"));

    // And it stays so over a restart.
    let server = server.kill().await.start().await;
    check(&server, &["--deep"], 0).await;
}

#[tokio::test]
async fn rot_is_found_by_a_deep_check_only_and_kept_aside() {
    let server = Server::start().await;
    let client = filled(&server).await;
    let container = server.objects().join("AUTH_test/c");
    rot(&container.join("d/e/deep"));
    check(&server, &[], 0).await;
    let report = check(&server, &["--deep"], 1).await;
    assert_eq!(found(&report), ["damaged c/d/e/deep"]);
    let examples = check(&server, &["--deep", "--examples", "0"], 1).await;
    assert_eq!(examples["differences"], 1);
    assert!(found(&examples).is_empty());

    let report = check(&server, &["--deep", "--repair"], 0).await;
    assert_eq!((found(&report).len(), &report["repaired"]), (1, &1.into()));
    check(&server, &["--deep"], 0).await;
    client.get("c/d/e/deep").await.expect(404);
    assert_eq!(
        client
            .head("c")
            .await
            .expect(204)
            .number("x-container-object-count"),
        4
    );
    let kept = std::fs::read_dir(server.objects().join(".stobj/quarantine")).unwrap();
    let mut kept = kept.map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    assert!(kept.any(|data| data == b"!/e/deep"), "the data is kept aside");
}
