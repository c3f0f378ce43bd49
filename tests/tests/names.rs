//! Names that a file system would rather not hold.

use std::collections::BTreeSet;

use integration_tests::{Client, Server};

async fn with_container(server: &Server) -> Client {
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client
}

/// Stores, reads back, lists and removes every name, each with itself as content.
async fn hold(client: &Client, names: &[String]) {
    for name in names {
        client.put(&format!("c/{name}"), name.clone()).await.expect(201);
    }
    for name in names {
        client
            .get(&format!("c/{name}"))
            .await
            .expect(200)
            .expect_body(name);
    }
    let sorted: BTreeSet<_> = names.iter().collect();
    let sorted: Vec<_> = sorted.into_iter().collect();
    client.list("c").await.expect(200).expect_entries(&sorted);
    for name in names {
        client.delete(&format!("c/{name}")).await.expect(204);
        client.get(&format!("c/{name}")).await.expect(404);
    }
    client.list("c").await.expect(200).expect_body("[]");
    assert_eq!(client.head("c").await.number("x-container-object-count"), 0);
}

#[tokio::test]
async fn a_name_and_names_below_it_live_together_in_every_order() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let names = ["a", "a/", "a/b", "a/b/"].map(ToOwned::to_owned);
    for first in 0..4 {
        for second in 0..4 {
            for third in 0..4 {
                let order: BTreeSet<_> = [first, second, third].into();
                let fourth = (0..4).find(|at| !order.contains(at));
                let (3, Some(fourth)) = (order.len(), fourth) else {
                    continue;
                };
                let order = [first, second, third, fourth].map(|at: usize| names[at].clone());
                hold(&client, &order).await;
            }
        }
    }
}

#[tokio::test]
async fn a_name_and_names_below_it_come_and_go_at_once() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let names = ["a", "a/", "a/b", "a/b/c"];
    let workers = names.map(|name| {
        let client = client.clone();
        let path = format!("c/{name}");
        async move {
            for round in 0..40 {
                let body = format!("{name} {round}");
                client.put(&path, body.clone()).await.expect(201);
                client.get(&path).await.expect(200).expect_body(body);
                client.delete(&path).await.expect(204);
                client.get(&path).await.expect(404);
            }
            client.put(&path, name).await.expect(201);
        }
    });
    futures::future::join_all(workers).await;
    client.list("c").await.expect(200).expect_entries(&names);
    for name in names {
        client
            .get(&format!("c/{name}"))
            .await
            .expect(200)
            .expect_body(name);
    }
    let head = client.head("c").await.expect(204);
    assert_eq!(head.number("x-container-object-count"), 4);
    assert_eq!(head.number("x-container-bytes-used"), 11);
}

#[tokio::test]
async fn names_of_many_slashes_and_segments() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let segments = vec!["s"; 512].join("/");
    let names = [
        "/".repeat(1024),
        segments[..1023].to_owned(),
        format!("{}x", "/".repeat(1000)),
        "é/".repeat(341),
    ];
    hold(&client, &names).await;
}

#[tokio::test]
async fn names_that_posix_cannot_hold() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let long = "l".repeat(300);
    let names = [
        ".".to_owned(),
        "..".to_owned(),
        "./..".to_owned(),
        "a/../b".to_owned(),
        "a/./b".to_owned(),
        "//".to_owned(),
        "a//b".to_owned(),
        long.clone(),
        format!("{long}/{long}/{long}"),
        "n".repeat(1024),
        "ü".repeat(512),
        "\u{1f600}".repeat(100),
        "line\nbreak\r\tand \u{7f} control \u{1}".to_owned(),
        " ".to_owned(),
        " lead and trail ".to_owned(),
    ];
    hold(&client, &names).await;
}

#[tokio::test]
async fn names_that_look_like_our_own() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let own = [
        ".stobj",
        ".stobj/journal",
        ".stobj-x",
        ".stobjx/y",
        "%",
        "%%",
        "%2F",
        "%25",
        "%00",
        "a%",
        "%7E",
        "~",
        "a~b",
        "\\",
        "lost+found",
        ".nfs0000",
        "a/.stobj",
        "%5Fself",
        "con",
        "*?<>|\":",
        "-rf",
        "$HOME `x` 'y'",
    ];
    hold(&client, &own.map(ToOwned::to_owned)).await;
    for container in [".stobj", "%", "..", "%2e", "~", "a b", "ü"] {
        client.put(container, "").await.expect(201);
        client
            .put(&format!("{container}/o"), container.to_owned())
            .await
            .expect(201);
        client
            .get(&format!("{container}/o"))
            .await
            .expect(200)
            .expect_body(container);
        client.delete(&format!("{container}/o")).await.expect(204);
        client.delete(container).await.expect(204);
    }
}

#[tokio::test]
async fn names_that_differ_in_case_or_form_are_different() {
    let server = Server::start().await;
    let client = with_container(&server).await;
    let names = [
        "name",
        "Name",
        "NAME",
        "n\u{e4}me",
        "na\u{308}me",
        "name ",
        "name/",
        "name%20",
    ];
    hold(&client, &names.map(ToOwned::to_owned)).await;
}
