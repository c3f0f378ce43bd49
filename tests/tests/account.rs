//! Accounts.

use integration_tests::Server;

#[tokio::test]
async fn an_account_counts_what_is_in_it() {
    let server = Server::start().await;
    let client = server.tester().await;
    for container in ["c", "d"] {
        client.put(container, "").await.expect(201);
        client.put(&format!("{container}/o"), "12345").await.expect(201);
    }
    let head = client.head("").await.expect(204);
    assert_eq!(head.number("x-account-container-count"), 2);
    assert_eq!(head.number("x-account-object-count"), 2);
    assert_eq!(head.number("x-account-bytes-used"), 10);
    let entry = client.list("").await.expect(200).json()[0].clone();
    assert_eq!(
        (&entry["name"], &entry["count"], &entry["bytes"]),
        (&"c".into(), &1.into(), &5.into())
    );
    client.delete("c/o").await.expect(204);
    client.delete("c").await.expect(204);
    let head = client.head("").await.expect(204);
    assert_eq!(head.number("x-account-container-count"), 1);
    assert_eq!(head.number("x-account-object-count"), 1);
    assert_eq!(head.number("x-account-bytes-used"), 5);
}

#[tokio::test]
async fn an_account_that_was_never_written_looks_empty() {
    let server = Server::start().await;
    let client = server.login("test2:tester2", "testing2").await;
    let head = client.head("").await.expect_one_of(&[200, 204]);
    for counter in ["container-count", "object-count", "bytes-used"] {
        assert_eq!(head.number(&format!("x-account-{counter}")), 0);
    }
    client.list("").await.expect(200).expect_body("[]");
    client.get("").await.expect(204);
    client.get("c").await.expect(404);
}

#[tokio::test]
async fn metadata_is_merged() {
    let server = Server::start().await;
    let client = server.tester().await;
    client
        .post("")
        .header("x-account-meta-one", "1")
        .await
        .expect(204);
    client
        .post("")
        .header("x-account-meta-two", "\u{fc}")
        .await
        .expect(204);
    let head = client.head("").await.expect(204);
    head.expect_header("x-account-meta-one", "1")
        .expect_header("x-account-meta-two", "\u{fc}");
    client
        .post("")
        .header("x-account-meta-one", "")
        .header("x-remove-account-meta-two", "x")
        .await
        .expect(204);
    let head = client.head("").await.expect(204);
    head.expect_no_header("x-account-meta-one")
        .expect_no_header("x-account-meta-two");
}

#[tokio::test]
async fn account_management_is_off_by_default() {
    let server = Server::start().await;
    let client = server.admin().await.at_account("AUTH_new");
    client.put("", "").await.expect(405);
    client.delete("").await.expect(405);
}

#[tokio::test]
async fn a_managed_account_is_made_and_deleted_by_an_administrator_only() {
    let server = Server::builder()
        .setting("[constraints]\nallow_account_management = true\n[object-server]\ndelay_reaping = \"1h\"")
        .start()
        .await;
    let tester = server.tester().await;
    tester.put("", "").await.expect(403);
    tester.delete("").await.expect(403);
    let client = server.admin().await.at_account("AUTH_managed");
    client
        .put("", "")
        .header("x-account-meta-a", "1")
        .await
        .expect(201);
    client.put("", "").await.expect(202);
    client.put("c", "").await.expect(201);
    client.delete("").query("force", "yes").await.expect(400);
    client.delete("").await.expect(204);
    client.head("").await.expect(410);
    client.put("", "").await.expect(403);
}

#[tokio::test]
async fn without_autocreate_an_account_must_be_made_first() {
    let server = Server::builder()
        .setting("[constraints]\naccount_autocreate = false\nallow_account_management = true")
        .start()
        .await;
    let client = server.tester().await;
    client.head("").await.expect(404);
    client.put("c", "").await.expect(404);
    let admin = server.admin().await.at_account("AUTH_test");
    admin.put("", "").await.expect(201);
    client.put("c", "").await.expect(201);
    client.head("").await.expect(204);
}
