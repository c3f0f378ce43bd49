//! What is stored lies as a plain file under its own name.

use std::os::unix::fs::PermissionsExt as _;

use integration_tests::{Server, etag_of, program};
use tokio::process::Command;

#[tokio::test]
async fn an_object_is_a_file_of_its_name_byte_for_byte() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("photos", "").await.expect(201);
    let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    client
        .put("photos/2026/ä b.jpg", content.clone())
        .await
        .expect(201);
    let original = server.data().join("original");
    std::fs::write(&original, &content).unwrap();
    let stored = server.objects().join("AUTH_test/photos/2026/ä b.jpg");
    program::run(Command::new("cmp").args([&original, &stored])).await;
    client.delete("photos/2026/ä b.jpg").await.expect(204);
    assert!(
        !server.objects().join("AUTH_test/photos/2026").exists(),
        "the empty directory stays"
    );
    assert!(server.objects().join("AUTH_test/photos").is_dir());
}

#[tokio::test]
async fn a_file_beside_a_directory_of_its_name_is_kept() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let container = server.objects().join("AUTH_test/c");
    client.put("c/a", "file").await.expect(201);
    assert_eq!(std::fs::read(container.join("a")).unwrap(), b"file");
    client.put("c/a/b", "below").await.expect(201);
    assert_eq!(std::fs::read(container.join("a/b")).unwrap(), b"below");
    client.get("c/a").await.expect(200).expect_body("file");
    client.delete("c/a/b").await.expect(204);
    client.get("c/a").await.expect(200).expect_body("file");
}

#[tokio::test]
async fn a_file_put_there_by_cp_is_served() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/d/known", "x").await.expect(201);
    let directory = server.objects().join("AUTH_test/c/d");
    std::fs::write(server.data().join("source"), "by hand").unwrap();
    program::run(
        Command::new("cp")
            .arg(server.data().join("source"))
            .arg(directory.join("new.txt")),
    )
    .await;
    let get = client.get("c/d/new.txt").await.expect(200).expect_body("by hand");
    get.expect_header("content-type", "text/plain")
        .expect_header("content-length", "7");
    client
        .get("c/d/new.txt")
        .header("range", "bytes=3-")
        .await
        .expect(206)
        .expect_body("hand");
    client.put("c/d/new.txt", "by http").await.expect(201);
    client
        .get("c/d/new.txt")
        .await
        .expect(200)
        .expect_header("etag", &etag_of(b"by http"));
}

#[tokio::test]
async fn a_file_changed_by_hand_is_served_as_it_is() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "before").await.expect(201);
    let file = server.objects().join("AUTH_test/c/o");
    std::fs::write(&file, "changed by hand").unwrap();
    let get = client.get("c/o").await.expect(200).expect_body("changed by hand");
    assert_ne!(get.find_header("etag"), Some(etag_of(b"before").as_str()));
}

#[tokio::test]
async fn what_is_no_regular_file_is_not_opened() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let container = server.objects().join("AUTH_test/c");
    let secret = server.data().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink(&secret, container.join("link")).unwrap();
    std::os::unix::fs::symlink(server.data(), container.join("directory")).unwrap();
    program::run(Command::new("mkfifo").arg(container.join("pipe"))).await;
    for path in ["c/link", "c/directory/secret", "c/pipe", "c/directory/new"] {
        let get = client.get(path).await;
        assert!(get.status() >= 400 && !get.text().contains("secret"), "{get:?}");
    }
    let put = client.put("c/directory/new", "x").await;
    assert!(!server.data().join("new").exists(), "{put:?}");
    assert_eq!(std::fs::read(&secret).unwrap(), b"secret");
}

#[tokio::test]
async fn a_second_server_on_the_same_root_does_not_start() {
    let server = Server::start().await;
    let client = server.tester().await;
    // Until then it may be waiting for its account-server, to hear whether the root may be a new one.
    client.put("c", "").await.expect(201);
    let data = server.data();
    let mut command = Command::new(program::server());
    program::without_settings(&mut command);
    let second = command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(&data);
    let output = program::finish(second).await;
    assert!(!output.status.success());
    let message = String::from_utf8_lossy(&output.stderr).to_lowercase();
    assert!(message.contains("lock") || message.contains("use"), "{message}");
    client.put("c/o", "").await.expect(201);
}
