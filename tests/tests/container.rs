//! Containers.

use integration_tests::Server;

#[tokio::test]
async fn a_container_is_made_once_and_again() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.head("c").await.expect(404);
    client.put("c", "").await.expect(201).expect_body("");
    client.put("c", "").await.expect(202);
    let head = client.head("c").await.expect(204);
    assert_eq!(head.number("x-container-object-count"), 0);
    assert_eq!(head.number("x-container-bytes-used"), 0);
    assert!(!head.header("x-storage-policy").is_empty());
    assert_eq!(head.header("accept-ranges"), "bytes");
    assert_eq!(head.header("x-timestamp").len(), 16);
    client.delete("c").await.expect(204);
    client.delete("c").await.expect(404);
    client.get("c").await.expect(404);
}

#[tokio::test]
async fn only_an_empty_container_is_deleted() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/d/o", "x").await.expect(201);
    client.delete("c").await.expect(409);
    client.get("c/d/o").await.expect(200).expect_body("x");
    client.delete("c/d/o").await.expect(204);
    client.delete("c").await.expect(204);
}

#[tokio::test]
async fn a_container_made_again_has_nothing_of_the_old_one() {
    let server = Server::start().await;
    let client = server.tester().await;
    client
        .put("c", "")
        .header("x-container-meta-a", "1")
        .header("x-container-read", ".r:*")
        .await
        .expect(201);
    client.delete("c").await.expect(204);
    client.put("c", "").await.expect(201);
    let head = client.head("c").await.expect(204);
    head.expect_no_header("x-container-meta-a")
        .expect_no_header("x-container-read");
}

#[tokio::test]
async fn metadata_is_merged() {
    let server = Server::start().await;
    let client = server.tester().await;
    client
        .put("c", "")
        .header("x-container-meta-one", "1")
        .await
        .expect(201);
    client
        .post("c")
        .header("x-container-meta-two", "zwei \u{fc}")
        .await
        .expect(204);
    let head = client.head("c").await.expect(204);
    let head = head
        .expect_header("x-container-meta-one", "1")
        .expect_header("x-container-meta-two", "zwei \u{fc}");
    drop(head);
    client
        .put("c", "")
        .header("x-container-meta-one", "")
        .await
        .expect(202);
    client
        .post("c")
        .header("x-remove-container-meta-two", "x")
        .header("x-container-meta-three", "3")
        .await
        .expect(204);
    let head = client.head("c").await.expect(204);
    head.expect_no_header("x-container-meta-one")
        .expect_no_header("x-container-meta-two")
        .expect_header("x-container-meta-three", "3");
}

#[tokio::test]
async fn metadata_over_a_limit_is_400_and_changes_nothing() {
    let server = Server::start().await;
    let client = server.tester().await;
    client
        .put("c", "")
        .header("x-container-meta-kept", "yes")
        .await
        .expect(201);
    let long_name = format!("x-container-meta-{}", "n".repeat(129));
    client.post("c").header(&long_name, "v").await.expect(400);
    client
        .post("c")
        .header("x-container-meta-v", &"v".repeat(257))
        .await
        .expect(400);
    client
        .post("c")
        .header("x-container-meta-", "v")
        .await
        .expect(400);
    let mut many = client.post("c");
    for at in 0..91 {
        many = many.header(&format!("x-container-meta-{at}"), "v");
    }
    many.await.expect(400);
    let full = "v".repeat(256);
    for at in 0..15 {
        client
            .post("c")
            .header(&format!("x-container-meta-{at:03}"), &full)
            .await
            .expect(204);
    }
    client
        .post("c")
        .header("x-container-meta-last", &full)
        .await
        .expect(400);
    let head = client.head("c").await.expect(204);
    head.expect_header("x-container-meta-kept", "yes")
        .expect_no_header("x-container-meta-last");
}

#[tokio::test]
async fn counters_are_exact_after_every_response() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let steps: [(&str, Option<&str>, u64, u64); 6] = [
        ("a", Some("12345"), 1, 5),
        ("d/b", Some("123"), 2, 8),
        ("a", Some("1"), 2, 4),
        ("d/b", None, 1, 1),
        ("d/", Some(""), 2, 1),
        ("a", None, 1, 0),
    ];
    for (name, content, objects, bytes) in steps {
        let path = format!("c/{name}");
        match content {
            Some(content) => client.put(&path, content.to_owned()).await.expect(201),
            None => client.delete(&path).await.expect(204),
        };
        let head = client.head("c").await.expect(204);
        assert_eq!(head.number("x-container-object-count"), objects, "{name}");
        assert_eq!(head.number("x-container-bytes-used"), bytes, "{name}");
    }
}

#[tokio::test]
async fn a_storage_policy_is_the_known_one_or_none() {
    let server = Server::start().await;
    let client = server.tester().await;
    client
        .put("c", "")
        .header("x-storage-policy", "nonesuch")
        .await
        .expect(400);
    client.head("c").await.expect(404);
    client
        .put("c", "")
        .header("x-storage-policy", "")
        .await
        .expect(201);
    let policy = client
        .head("c")
        .await
        .expect(204)
        .header("x-storage-policy")
        .to_owned();
    client
        .put("c", "")
        .header("x-storage-policy", &policy)
        .await
        .expect(202);
    client
        .post("c")
        .header("x-storage-policy", "nonesuch")
        .await
        .expect(204);
}

#[tokio::test]
async fn a_name_is_at_most_256_bytes() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put(&"n".repeat(256), "").await.expect(201);
    let long = client.put(&"n".repeat(257), "").await.expect(400);
    long.expect_header("content-type", "text/html; charset=UTF-8");
}

#[tokio::test]
async fn a_new_container_is_usable_though_it_was_just_looked_for() {
    let server = Server::start().await;
    let client = server.tester().await;
    for _ in 0..5 {
        client.put("c/o", "x").await.expect(404);
        client.get("c").await.expect(404);
        client.put("c", "").await.expect(201);
        client.put("c/o", "x").await.expect(201);
        client.delete("c/o").await.expect(204);
        client.delete("c").await.expect(204);
    }
}

#[tokio::test]
async fn its_last_modified_moves_with_itself_and_not_with_its_objects() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let made = client.head("c").await.header("last-modified").to_owned();
    client.put("c/o", "x").await.expect(201);
    client.head("c").await.expect_header("last-modified", &made);
}
