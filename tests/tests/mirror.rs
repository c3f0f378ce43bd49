//! A database that is slow or away: nobody notices but by the clock.

use std::time::Duration;

use integration_tests::fault::HeldDatabase;
use integration_tests::stopwatch::within;
use integration_tests::{Client, Server};

/// No change waits for SQL, and a listing no longer than half a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Within the time in which everything must go on.
async fn soon<F: IntoFuture>(request: F) -> F::Output {
    within(PATIENCE, "nobody waits for SQL", request).await
}

async fn work(client: &Client, container: &str) {
    soon(client.put(container, "")).await.expect(201);
    for name in ["a", "d/b", "d/c", "e/"] {
        soon(client.put(&format!("{container}/{name}"), "12345"))
            .await
            .expect(201);
        soon(client.get(&format!("{container}/{name}")))
            .await
            .expect(200)
            .expect_body("12345");
    }
    soon(client.delete(&format!("{container}/d/b"))).await.expect(204);
    soon(
        client
            .post(&format!("{container}/a"))
            .header("content-type", "text/new"),
    )
    .await
    .expect(202);
    check(client, container).await;
}

async fn check(client: &Client, container: &str) {
    let listing = soon(client.list(container))
        .await
        .expect(200)
        .expect_entries(&["a", "d/c", "e/"]);
    assert_eq!(listing.json()[0]["content_type"], "text/new");
    soon(client.list(container).query("delimiter", "/"))
        .await
        .expect_entries(&["a", "d/", "e/"]);
    soon(
        client
            .list(container)
            .query("reverse", "true")
            .query("limit", "2"),
    )
    .await
    .expect_entries(&["e/", "d/c"]);
    let head = soon(client.head(container)).await.expect(204);
    assert_eq!(head.number("x-container-object-count"), 3);
    assert_eq!(head.number("x-container-bytes-used"), 15);
}

#[tokio::test]
async fn everything_goes_on_while_the_database_hangs() {
    let server = Server::builder().impatient().start().await;
    let client = server.tester().await;
    work(&client, "before").await;
    let held = HeldDatabase::hold(&server).await;
    work(&client, "during").await;
    check(&client, "before").await;
    soon(client.delete("before/a")).await.expect(204);
    soon(client.list("before")).await.expect_entries(&["d/c", "e/"]);
    soon(client.list("")).await.expect_entries(&["before", "during"]);
    let again = soon(server.login("test:tester", "testing")).await;
    check(&again, "during").await;
    held.release().await;
    check(&client, "during").await;
    work(&client, "then").await;
    let server = server.stop().await.start().await;
    let client = server.tester().await;
    check(&client, "during").await;
    client.list("before").await.expect_entries(&["d/c", "e/"]);
}

#[tokio::test]
async fn what_the_database_missed_reaches_it_after_a_kill() {
    let server = Server::builder().impatient().start().await;
    let client = server.tester().await;
    let held = HeldDatabase::hold(&server).await;
    work(&client, "c").await;
    let killed = server.kill().await;
    held.release().await;
    let server = killed.start().await;
    check(&server.tester().await, "c").await;
}
