//! Limits of directories.

use http::Method;
use integration_tests::client::Request;
use integration_tests::{Client, Server};

fn limit(client: &Client, directory: &str, bytes: &str, count: &str) -> Request {
    let post = client.post(directory).header("x-directory-quota-bytes", bytes);
    post.header("x-directory-quota-count", count)
}

#[tokio::test]
async fn nothing_gets_into_a_directory_beyond_its_limit() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    limit(&client, "c/d/", "100", "3").await.expect(404);
    client.make_directory("c/d/").await.expect(201);
    limit(&client, "c/d/", "100", "3").await.expect(204);
    client.put("c/d/a", vec![1; 60]).await.expect(201);
    client.put("c/d/e/b", vec![1; 41]).await.expect(413);
    client.put("c/d/e/b", vec![1; 40]).await.expect(201);
    client.put("c/d/a", vec![1; 61]).await.expect(413);
    client.put("c/d/x", vec![1; 1]).await.expect(413);
    client.put("c/d/x", "").await.expect(201);
    client.put("c/d/y", "").await.expect(413);
    client.put("c/outside", vec![1; 1000]).await.expect(201);
    client.copy("c/outside", "c/d/x").await.expect(413);
    client.rename("c/outside", "c/d/x").await.expect(413);
    client.put("c/f/g", "").await.expect(201);
    client.rename("c/f/", "c/d/f/").await.expect(413);
    let names = ["d/a", "d/e/b", "d/x", "f/g", "outside"];
    client.list("c").await.expect(200).expect_entries(&names);

    // What is gone makes room, also after a kill.
    client.delete("c/d/a").await.expect(204);
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    client.put("c/d/a", vec![1; 61]).await.expect(413);
    client.rename("c/f/", "c/d/f/").await.expect(201);
    client.put("c/d/y", "").await.expect(413);
    limit(&client, "c/d/", "", "").await.expect(204);
    client.put("c/d/y", vec![1; 1000]).await.expect(201);
}

#[tokio::test]
async fn who_may_not_change_the_container_limits_nothing_in_it() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let post = client.post("c").header("x-container-write", "test:tester3");
    post.await.expect(204);
    let user = server.login("test:tester3", "testing3").await;
    limit(&user, "c/d/", "1", "1").await.expect(403);
    limit(&client, "c/d/", "many", "1").await.expect(400);
    limit(&client, "c/d", "1", "1").await.expect(400);
    limit(&client, "none/d/", "1", "1").await.expect(404);
    user.put("c/d/a", vec![1; 10]).await.expect(201);
}

/// Else they could take the directory with its limit away, and make it anew.
#[tokio::test]
async fn who_may_not_change_a_limit_cannot_take_it_away() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("other", "").await.expect(201);
    for container in ["c", "other"] {
        let post = client.post(container).header("x-container-write", "test:tester3");
        let post = post.header("x-container-read", "test:tester3");
        post.await.expect(204);
    }
    let user = server.login("test:tester3", "testing3").await;
    let make = client.make_directory("c/a/d/");
    make.header("x-create-parents", "true").await.expect(201);
    limit(&client, "c/a/d/", "", "2").await.expect(204);
    user.put("c/new/x", "").await.expect(201);

    // Empty, and then with something in it; itself, and what it lies in.
    for _ in 0..2 {
        for path in ["c/a/d/", "c/a/"] {
            let refused = user.remove_directory(path).await.expect(403);
            assert!(refused.text().contains("limit"), "{}", refused.text());
            user.rename(path, "c/away/").await.expect(403);
            user.rename(path, "other/away/").await.expect(403);
            user.rename("c/new/", path).await.expect(403);
        }
        let status = user.delete("c/a/d/").await.status();
        let is_empty = client.list("c").await.expect(200).entries() == ["new/x"];
        assert_eq!(status, if is_empty { 403 } else { 409 });
        user.put("c/a/d/x", "").await.expect(201);
    }
    // What lies in it is theirs, and what lies beside it too.
    user.put("c/a/d/y", "").await.expect(201);
    user.put("c/a/d/z", "").await.expect(413);
    user.rename("c/a/d/x", "c/a/e/x").await.expect(201);
    user.rename("c/a/e/", "c/a/d/e/").await.expect(201);
    user.remove_directory("c/a/d/e/").await.expect(204);
    user.remove_directory("c/new/").await.expect(204);

    // Who may change it takes it along, and away.
    client.rename("c/a/", "other/b/").await.expect(201);
    user.put("other/b/d/z", "").await.expect(201);
    user.put("other/b/d/zz", "").await.expect(413);
    user.remove_directory("other/b/").await.expect(403);
    limit(&client, "other/b/d/", "", "").await.expect(204);
    user.remove_directory("other/b/").await.expect(204);
}

#[tokio::test]
async fn limits_of_directories_are_shown() {
    let server = Server::start().await;
    let client = server.tester().await;
    for path in ["c", "c/a/b/x", "c/a/y", "c/z/x", "d", "d/e/x"] {
        client.put(path, "12345").await.expect(201);
    }
    for (directory, bytes, count) in [("c/a/", "100", ""), ("c/a/b/", "50", "7"), ("d/e/", "", "3")] {
        limit(&client, directory, bytes, count).await.expect(204);
    }
    let tree = client.get("c").query("tree", "true").query("depth", "3");
    let tree = tree.await.expect(200).json();
    let a = &tree["children"][0];
    assert_eq!(
        (&tree["quota"], &a["name"]),
        (&serde_json::Value::Null, &"a/".into())
    );
    assert_eq!(a["quota"], serde_json::json!({"bytes": 100}));
    assert_eq!(
        a["children"][0]["quota"],
        serde_json::json!({"bytes": 50, "objects": 7})
    );
    assert_eq!(a["children"][0]["children"][0].get("quota"), None);
    assert_eq!(tree["children"][1].get("quota"), None);
    let below = client
        .get("c/a/b/")
        .query("tree", "true")
        .await
        .expect(200)
        .json();
    assert_eq!(below["quota"], serde_json::json!({"bytes": 50, "objects": 7}));

    // Page by page, after a start that has taken no account into memory.
    let server = server.stop().await.start().await;
    let admin = server.admin().await;
    let mut listed = Vec::new();
    let mut from = serde_json::Value::Null;
    loop {
        let page = serde_json::json!({"from": from, "limit": 1});
        let list = admin
            .request_at(Method::POST, "/f/quota/list")
            .body(page.to_string());
        let page = list.await.expect(200).json();
        let quotas = page["quotas"].as_array().cloned().unwrap_or_default();
        listed.extend(quotas.iter().map(|quota| {
            let text = |name: &str| quota[name].as_str().unwrap_or_default().to_owned();
            let used = (quota["bytes"]["used"].as_u64(), quota["objects"]["used"].as_u64());
            (text("container") + "/" + &text("directory"), used)
        }));
        from = page["next"].clone();
        if from.is_null() {
            break;
        }
    }
    let expected = [("c/a/", 10, 2), ("c/a/b/", 5, 1), ("d/e/", 5, 1)];
    let expected = expected.map(|(name, bytes, count)| (name.to_owned(), (Some(bytes), Some(count))));
    assert_eq!(listed, expected);
}
