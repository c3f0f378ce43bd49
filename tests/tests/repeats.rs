//! Who got no answer asks again: also when the server was killed meanwhile, what was done is not done once more.

use integration_tests::client::Request;
use integration_tests::contents::fill;
use integration_tests::job::begun;
use integration_tests::{Client, Server, Shape};

/// The same request whenever it is made with the same number and key.
fn asked(client: &Client, number: usize, key: &str) -> Request {
    let request = match number {
        0 => client.make_directory("c/made"),
        1 => client.rename("c/d/", "c/e/"),
        2 => client.rename("c/o", "c/p"),
        3 => client.rename("c/x/", "c/y/"),
        _ => client.remove_directory("c/z/"),
    };
    request.header("idempotency-key", &format!("{key}-{number}"))
}

/// What each is answered with, when it is done once.
const ANSWERS: [u16; 5] = [201, 201, 201, 204, 204];

const BEFORE: [&str; 5] = ["d/a", "o", "x/a", "y/b", "z/a"];

const AFTER: [&str; 3] = ["e/a", "p", "y/a"];

#[tokio::test]
async fn what_was_answered_before_a_kill_is_answered_again() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    fill(&client, &BEFORE).await;
    for (number, answer) in ANSWERS.iter().enumerate() {
        asked(&client, number, "key").await.expect(*answer);
    }
    let copy = |client: &Client| {
        let copy = client.copy_directory("c/e/", "c/f/");
        copy.header("idempotency-key", "copy")
    };
    let job = begun(copy(&client)).await;
    let mut server = server.kill().await.start().await;
    for _ in 0..2 {
        let client = server.tester().await;
        for (number, answer) in ANSWERS.iter().enumerate() {
            asked(&client, number, "key").await.expect(*answer);
        }
        assert_eq!(begun(copy(&client)).await, job);
        // Without the key it is another request.
        client.make_directory("c/made").await.expect(405);
        client.rename("c/d/", "c/e/").await.expect(404);
        client.remove_directory("c/z/").await.expect(404);
        server = server.stop().await.start().await;
    }
}

#[tokio::test]
async fn what_was_made_and_not_answered_is_answered_when_it_is_asked_again() {
    let mut builder = Server::builder().shape(Shape::Single);
    for place in [
        "journal:after_sync=abort@1",
        "journal:after_sync=abort@2",
        "journal:before_write=abort@2",
    ] {
        let server = builder.start().await;
        let client = server.tester().await;
        client.put("c", "").await.expect_one_of(&[201, 202]);
        for name in AFTER.iter().chain(&["y/b"]) {
            client
                .delete(&format!("c/{name}"))
                .await
                .expect_one_of(&[204, 404]);
        }
        client.delete("c/made/").await.expect_one_of(&[204, 404]);
        fill(&client, &BEFORE).await;
        let mut stopped = server.stop().await;
        for (number, answer) in ANSWERS.iter().enumerate() {
            let server = stopped.failure_points(place).start().await;
            let client = server.tester().await;
            let unanswered = asked(&client, number, place).send().await;
            assert!(unanswered.is_err(), "{place} {number}");
            let server = server.aborted().await.start().await;
            let client = server.tester().await;
            for _ in 0..2 {
                asked(&client, number, place).await.expect(*answer);
            }
            stopped = server.stop().await;
        }
        let server = stopped.start().await;
        let client = server.tester().await;
        client.list("c").await.expect(200).expect_entries(&AFTER);
        builder = server.stop().await;
    }
}
