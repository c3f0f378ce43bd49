//! Who may do what: container and account ACLs.

use integration_tests::{Client, Server};

struct People {
    owner: Client,
    /// Of the same account, without rights.
    member: Client,
    /// The administrator of another account.
    stranger: Client,
    anonymous: Client,
}

async fn people(server: &Server) -> People {
    let owner = server.tester().await;
    owner.put("c", "").await.expect(201);
    owner.put("c/o", "content").await.expect(201);
    let member = server.login("test:tester3", "testing3").await;
    let stranger = server
        .login("test2:tester2", "testing2")
        .await
        .at_account("AUTH_test");
    People {
        anonymous: owner.anonymous(),
        owner,
        member,
        stranger,
    }
}

#[tokio::test]
async fn without_acls_only_the_owner_enters() {
    let server = Server::start().await;
    let people = people(&server).await;
    for (client, status) in [
        (&people.member, 403),
        (&people.stranger, 403),
        (&people.anonymous, 401),
    ] {
        for path in ["", "c", "c/o", "none", "none/o"] {
            client.get(path).await.expect(status);
            client.head(path).await.expect(status);
            client.post(path).await.expect(status);
        }
        client.put("c/o", "mine").await.expect(status);
        client.delete("c/o").await.expect(status);
        client.put("d", "").await.expect(status);
        client.delete("c").await.expect(status);
    }
    people.owner.get("c/o").await.expect(200).expect_body("content");
}

#[tokio::test]
async fn a_read_acl_lets_read_and_no_more() {
    let server = Server::start().await;
    let people = people(&server).await;
    for acl in ["test:tester3", "test", "test2:tester2, test:tester3"] {
        people
            .owner
            .post("c")
            .header("x-container-read", acl)
            .await
            .expect(204);
        people.member.get("c/o").await.expect(200).expect_body("content");
        people
            .member
            .get("c")
            .await
            .expect(200)
            .expect_no_header("x-container-read");
        people.member.put("c/p", "x").await.expect(403);
        people.member.post("c/o").await.expect(403);
        people.member.delete("c/o").await.expect(403);
        people.member.post("c").await.expect(403);
        people.member.get("").await.expect(403);
        people.anonymous.get("c/o").await.expect(401);
    }
    people.stranger.get("c/o").await.expect(200);
    people
        .owner
        .head("c")
        .await
        .expect_header("x-container-read", "test2:tester2,test:tester3");
}

#[tokio::test]
async fn a_write_acl_lets_write_and_no_more() {
    let server = Server::start().await;
    let people = people(&server).await;
    people
        .owner
        .post("c")
        .header("x-container-write", "test:tester3")
        .await
        .expect(204);
    people.member.put("c/p", "x").await.expect(201);
    people.member.post("c/p").await.expect(202);
    people.member.get("c/p").await.expect(403);
    people.member.get("c").await.expect(403);
    people.member.copy("c/o", "c/q").await.expect(403);
    people.member.delete("c/p").await.expect(204);
    people.stranger.put("c/p", "x").await.expect(403);
    people
        .owner
        .post("c")
        .header("x-container-write", ".r:*")
        .await
        .expect(400);
}

#[tokio::test]
async fn an_acl_change_governs_the_next_request() {
    let server = Server::start().await;
    let people = people(&server).await;
    for _ in 0..10 {
        people
            .owner
            .post("c")
            .header("x-container-read", "test:tester3")
            .await
            .expect(204);
        people.member.get("c/o").await.expect(200);
        people
            .owner
            .post("c")
            .header("x-remove-container-read", "x")
            .await
            .expect(204);
        people.member.get("c/o").await.expect(403);
    }
}

#[tokio::test]
async fn a_public_container_is_read_by_anybody() {
    let server = Server::start().await;
    let people = people(&server).await;
    people
        .owner
        .post("c")
        .header("x-container-read", ".r:*")
        .await
        .expect(204);
    people
        .anonymous
        .get("c/o")
        .await
        .expect(200)
        .expect_body("content");
    people.anonymous.get("c/none").await.expect(404);
    people.anonymous.get("c").await.expect(401);
    people.anonymous.put("c/o", "x").await.expect(401);
    people
        .owner
        .post("c")
        .header("x-container-read", ".r:*,.rlistings")
        .await
        .expect(204);
    people
        .anonymous
        .list("c")
        .await
        .expect(200)
        .expect_entries(&["o"]);
    let bad = people.anonymous.get("c/o").header("x-auth-token", "AUTH_tkbad");
    bad.await.expect(401);
}

#[tokio::test]
async fn referrers_are_let_in_and_kept_out() {
    let server = Server::start().await;
    let people = people(&server).await;
    people
        .owner
        .post("c")
        .header("x-container-read", ".r:.example.com,.r:-bad.example.com")
        .await
        .expect(204);
    for (referrer, status) in [
        ("http://www.example.com/index.html", 200),
        ("http://bad.example.com/", 401),
        ("http://example.org/", 401),
        ("nonsense", 401),
    ] {
        people
            .anonymous
            .get("c/o")
            .header("referer", referrer)
            .await
            .expect(status);
    }
    people.anonymous.get("c/o").await.expect(401);
    people
        .owner
        .post("c")
        .header("x-container-read", ".r:")
        .await
        .expect(400);
}

#[tokio::test]
async fn an_account_acl_opens_the_account() {
    let server = Server::start().await;
    let people = people(&server).await;
    let set = |acl: &str| people.owner.post("").header("x-account-access-control", acl);

    set(r#"{"read-only":["test:tester3"]}"#).await.expect(204);
    people
        .member
        .get("")
        .await
        .expect(200)
        .expect_no_header("x-account-access-control");
    people.member.get("c/o").await.expect(200);
    people.member.put("c/p", "x").await.expect(403);
    people.member.post("").await.expect(403);

    set(r#"{"read-write":["test:tester3"]}"#).await.expect(204);
    people.member.put("c/p", "x").await.expect(201);
    people.member.put("d", "").await.expect(201);
    people
        .member
        .post("c")
        .header("x-container-read", ".r:*")
        .await
        .expect(204);
    people
        .owner
        .head("c")
        .await
        .expect(204)
        .expect_no_header("x-container-read");
    people
        .member
        .post("")
        .header("x-account-meta-a", "1")
        .await
        .expect(403);

    set(r#"{"admin":["test:tester3"]}"#).await.expect(204);
    people
        .member
        .post("")
        .header("x-account-meta-a", "1")
        .await
        .expect(204);
    let head = people.member.head("").await.expect(204);
    assert!(head.header("x-account-access-control").contains("tester3"));

    set("{}").await.expect(204);
    people.member.get("").await.expect(403);
    people
        .owner
        .head("")
        .await
        .expect(204)
        .expect_no_header("x-account-access-control");
    for malformed in [
        "{",
        "[]",
        r#"{"other":[]}"#,
        r#"{"admin":"x"}"#,
        r#"{"admin":[1]}"#,
    ] {
        set(malformed).await.expect(400);
    }
}
