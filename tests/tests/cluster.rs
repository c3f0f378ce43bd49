//! The store as processes of its own: how they find each other, how they are coherent, what they refuse.

use integration_tests::cluster::until;
use integration_tests::{Client, Cluster, Connection};

#[tokio::test]
async fn a_proxy_and_an_object_server_start_before_those_they_need() {
    let cluster = Cluster::new().await;
    let proxy = cluster.start("proxy").await;
    let says = |part: &str, address| {
        let line = format!("waiting for the {part} at {address}");
        let log = proxy.log().clone();
        async move { until(&line, || async { !log.lines_with(&line).is_empty() }).await }
    };
    says("object-server", cluster.object_server()).await;
    says("account-server", cluster.account_server()).await;
    Client::of(&proxy)
        .ask_for_token("admin:admin", "admin")
        .await
        .expect(503);
    let object_server = cluster.start("object-server").await;
    let account_server = cluster.start("account-server").await;
    let client = proxy.admin().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "hello").await.expect(201);
    account_server.end().await;
    object_server.end().await;
    // Once more without the account-server: objects and listings need none.
    let object_server = cluster.start("object-server").await;
    client.get("c/o").await.expect(200).expect_body("hello");
    client.put("c/p", "there").await.expect(201);
    client.list("c").await.expect(200).expect_entries(&["o", "p"]);
    let there = format!("the object-server at {} is there", cluster.object_server());
    let said = || proxy.log().lines_with(&there).len();
    until(&there, || async { said() > 0 }).await;
    assert_eq!(said(), 1);
    for process in [proxy, object_server] {
        process.end().await;
    }
}

#[tokio::test]
async fn two_proxies_see_each_others_changes_at_once() {
    let cluster = Cluster::new().await;
    let account_server = cluster.start("account-server").await;
    let object_server = cluster.start("object-server").await;
    let (one, other) = (cluster.start("proxy").await, cluster.start("proxy").await);
    let (a, b) = (one.admin().await, other.admin().await);
    let nobody = b.anonymous();
    for _ in 0..3 {
        // The other proxy remembers at each step what was true before it.
        b.head("c").await.expect(404);
        b.put("c/o", "early").await.expect(404);
        a.put("c", "").await.expect(201);
        b.put("c/o", "hello").await.expect(201);
        nobody.get("c/o").await.expect(401);
        a.post("c").header("x-container-read", ".r:*").await.expect(204);
        nobody.get("c/o").await.expect(200).expect_body("hello");
        a.post("c").header("x-container-read", "").await.expect(204);
        nobody.get("c/o").await.expect(401);
        a.get("c/o").await.expect(200);
        a.delete("c/o").await.expect(204);
        b.get("c/o").await.expect(404);
        a.delete("c").await.expect(204);
        b.put("c/o", "late").await.expect(404);
        b.list("c").await.expect(404);
    }
    for process in [one, other, object_server, account_server] {
        process.end().await;
    }
}

#[tokio::test]
async fn inner_servers_know_no_resource_urls_and_nobody_without_the_key() {
    let cluster = Cluster::new().await;
    let account_server = cluster.start("account-server").await;
    let object_server = cluster.start("object-server").await;
    let proxy = cluster.start("proxy").await;
    let admin = proxy.admin().await;
    admin.put("c", "").await.expect(201);
    admin.put("c/o", "hello").await.expect(201);
    for server in [&account_server, &object_server] {
        let client = Client::of(server);
        for target in [
            "/v1/AUTH_admin/c/o",
            "/info",
            "/healthcheck",
            "/auth/v1.0",
            "/object/get",
        ] {
            let request = client.request_at(http::Method::GET, target);
            request.header("x-auth-token", admin.token()).await.expect(404);
        }
        for action in ["/object/get", "/object/delete", "/user/put", "/policy/fetch"] {
            let request = client.request_at(http::Method::POST, action);
            let request = request
                .header("x-stobj-arguments", "e30")
                .header("x-stobj-context", "e30");
            request.header("x-stobj-cluster-key", "1:AAAA").await.expect(403);
        }
    }
    for process in [proxy, object_server, account_server] {
        process.end().await;
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_end_says_so_on_connections_that_rest() {
    let cluster = Cluster::with_settings("[proxy]\nlame_duck_timeout = \"30s\"").await;
    let mut proxy = cluster.start("proxy").await;
    let mut connection = Connection::to(&proxy).await;
    const REQUEST: &str = "GET /healthcheck HTTP/1.1\r\nHost: h\r\n\r\n";
    connection
        .send(REQUEST)
        .await
        .response()
        .await
        .expect(200)
        .expect_no_header("connection");
    proxy.terminate();
    until("the proxy says that it ends", || async {
        !proxy.log().lines_with("ending, as soon as").is_empty()
    })
    .await;
    let last = connection.send(REQUEST).await.response().await;
    last.expect(200).expect_header("connection", "close");
    assert!(connection.closed().await.is_empty());
    // Nobody is left, so nothing is waited for.
    assert!(proxy.ended().await.success());
}
