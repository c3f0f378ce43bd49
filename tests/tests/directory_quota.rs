//! Limits of directories.

use http::Method;
use integration_tests::client::Request;
use integration_tests::{Client, Server};

fn limit(client: &Client, directory: &str, bytes: &str, count: &str) -> Request {
    let post = client.post(directory).header("x-directory-quota-bytes", bytes);
    post.header("x-directory-quota-count", count)
}

fn rename(client: &Client, from: &str, to: &str) -> Request {
    let request = client.request(Method::from_bytes(b"MOVE").expect("a method"), from);
    request.header("destination", to)
}

#[tokio::test]
async fn nothing_gets_into_a_directory_beyond_its_limit() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    limit(&client, "c/d/", "100", "3").await.expect(404);
    let make = client.request(Method::from_bytes(b"MKCOL").expect("a method"), "c/d/");
    make.await.expect(201);
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
    rename(&client, "c/outside", "c/d/x").await.expect(413);
    client.put("c/f/g", "").await.expect(201);
    rename(&client, "c/f/", "c/d/f/").await.expect(413);
    let names = ["d/a", "d/e/b", "d/x", "f/g", "outside"];
    client.list("c").await.expect(200).expect_entries(&names);

    // What is gone makes room, also after a kill.
    client.delete("c/d/a").await.expect(204);
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    client.put("c/d/a", vec![1; 61]).await.expect(413);
    rename(&client, "c/f/", "c/d/f/").await.expect(201);
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
