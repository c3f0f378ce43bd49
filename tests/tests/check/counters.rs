//! Counters that were changed on the disk while no server was running.

use std::path::PathBuf;

use common::name::{ContainerName, ObjectName};
use http::Method;
use integration_tests::client::Request;
use integration_tests::{Client, Server};
use object_server::checkpoint::{self, Checkpoint, Count, Loaded};
use object_server::journal::Footprint;
use object_server::lease::Lease;

use crate::{check, filled, found};

fn container(name: &str) -> ContainerName {
    ContainerName::new(name).unwrap()
}

fn directory(name: &str) -> ObjectName {
    ObjectName::new(name).unwrap()
}

fn limit(client: &Client, directory: &str, count: &str) -> Request {
    client.post(directory).header("x-directory-quota-count", count)
}

/// The server's own directory, and the number of the one account that has this container.
async fn counters_of(server: &Server, named: &str) -> (PathBuf, Checkpoint) {
    let private = server.objects().join(".stobj");
    for entry in std::fs::read_dir(private.join("accounts")).unwrap() {
        let name = entry.unwrap().file_name();
        let number = name.to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number
            && let Loaded::Good(checkpoint) = checkpoint::load(&private, number).await.unwrap()
            && checkpoint.containers.contains_key(&container(named))
        {
            return (private, checkpoint);
        }
    }
    panic!("no counters were written down")
}

/// Writes other counters down while the server is away.
async fn with_wrong(server: Server, change: impl FnOnce(&mut Checkpoint)) -> Server {
    // All of it is in the checkpoint then, and nothing in the journal that it lacks.
    let idle = server.stop().await.start().await;
    let (private, mut checkpoint) = counters_of(&idle, "c").await;
    let builder = idle.stop().await;
    change(&mut checkpoint);
    checkpoint::save(&private, &Lease::default(), checkpoint)
        .await
        .unwrap();
    builder.start().await
}

/// `c/` has five objects, three of them in the limited `c/d/` and one of these in the limited `c/d/e/`.
async fn limited(server: &Server) -> Client {
    let client = filled(server).await;
    for (name, count) in [("c/d/", "3"), ("c/d/e/", "9")] {
        let make = client.request(Method::from_bytes(b"MKCOL").unwrap(), name);
        make.await.expect_one_of(&[201, 405]);
        limit(&client, name, count).await.expect(204);
    }
    client.put("c/d/third", "third").await.expect(201);
    client.put("c/d/fourth", "fourth").await.expect(413);
    client
}

#[tokio::test]
async fn what_limited_directories_count_is_compared_and_mended() {
    let server = Server::start().await;
    limited(&server).await;
    check(&server, &[], 0).await;
    let server = with_wrong(server, |checkpoint| {
        let used = checkpoint.limited.get_mut(&container("c")).unwrap();
        // One too few, so that one more would get in, and many too many.
        used.get_mut(&directory("d/")).unwrap().objects -= 1;
        let bytes = 1 << 30;
        used.insert(directory("d/e/"), Footprint { objects: 9, bytes });
    })
    .await;
    let client = server.tester().await;
    client.put("c/d/e/new", "new").await.expect(413);
    let expected = ["counter c/d/", "counter c/d/e/"];
    let report = check(&server, &[], 1).await;
    assert_eq!(found(&report), expected);
    let examples = &report["accounts"][0]["kinds"][0]["examples"];
    assert_eq!(examples[0]["storage"], "3 objects, 16 bytes");
    assert_eq!(examples[0]["found"], "2 objects, 16 bytes");
    assert_eq!(found(&check(&server, &["--repair"], 0).await), expected);
    check(&server, &[], 0).await;
    client.put("c/d/fourth", "fourth").await.expect(413);
    limit(&client, "c/d/", "4").await.expect(204);
    client.put("c/d/e/new", "new").await.expect(201);
    client.put("c/d/fourth", "fourth").await.expect(413);
    // And it stays so over a restart.
    let server = server.kill().await.start().await;
    check(&server, &[], 0).await;
    server.tester().await.put("c/d/f4", "").await.expect(413);
}

#[tokio::test]
async fn limits_that_are_not_in_force_are_found_and_brought_into_force() {
    let small = "[object-server]\njournal_size = \"256KiB\"\ncheckpoint_interval = \"100ms\"";
    let server = Server::builder().setting(small).start().await;
    let client = limited(&server).await;
    // Until the journal has let go of the limits: with it, they are in force again after a start.
    for number in 0..150 {
        let post = client
            .post("c/z")
            .header("x-object-meta-number", &number.to_string());
        post.await.expect(202);
    }
    let server = with_wrong(server, |checkpoint| checkpoint.limited.clear()).await;
    let client = server.tester().await;
    let expected = ["counter c/d/", "counter c/d/e/"];
    assert_eq!(found(&check(&server, &[], 1).await), expected);
    assert_eq!(found(&check(&server, &["--repair"], 0).await), expected);
    check(&server, &[], 0).await;
    client.put("c/d/fourth", "fourth").await.expect(413);
    client.delete("c/d/third").await.expect(204);
    client.put("c/d/fourth", "fourth").await.expect(201);
    check(&server, &[], 0).await;
}

#[tokio::test]
async fn counters_of_containers_and_of_the_account_are_compared_and_mended() {
    let server = Server::start().await;
    let client = filled(&server).await;
    client.put("empty", "").await.expect(201);
    client.put("other", "").await.expect(201);
    client.put("other/o", "other").await.expect(201);
    let head = client.head("").await.expect(204);
    let of_account = |head: &integration_tests::Response| {
        ["container-count", "object-count", "bytes-used"].map(|of| head.number(&format!("x-account-{of}")))
    };
    let right = of_account(&head);
    assert_eq!(right[..2], [3, 6]);
    let server = with_wrong(server, |checkpoint| {
        let containers = &mut checkpoint.containers;
        containers.get_mut(&container("c")).unwrap().bytes += 1000;
        containers.remove(&container("empty")).unwrap();
        containers.remove(&container("other")).unwrap();
        let (objects, bytes) = (7, 70);
        containers.insert(container("ghost"), Count { objects, bytes });
    })
    .await;
    let client = server.tester().await;
    assert_ne!(of_account(&client.head("").await.expect(204)), right);
    let expected = [
        "counter empty",
        "counter other",
        "counter ghost",
        "counter c",
        "counter other",
    ];
    assert_eq!(found(&check(&server, &[], 1).await), expected);
    assert_eq!(found(&check(&server, &["--repair"], 0).await), expected);
    check(&server, &[], 0).await;
    assert_eq!(of_account(&client.head("").await.expect(204)), right);
    let head = client.head("other").await.expect(204);
    assert_eq!(head.number("x-container-object-count"), 1);
    client.put("empty/new", "new").await.expect(201);
    let server = server.kill().await.start().await;
    check(&server, &[], 0).await;
}
