//! Files that others put into the storage, or changed there, where there are limits: what does not fit is not taken in.

use common::functional::check::{Adopt, Kind, Report};
use common::functional::firewall::State;
use common::functional::job::State as JobState;
use common::functional::quota::{Set, Show};
use common::functional::{container, object};
use common::{Outcome, Properties};

use crate::check::{check, ended, run};
use crate::client::{Client, account, administrator, container_name, path};
use crate::{World, until};

/// A node that limits are set on: the account, a container or a directory in it.
type Node = (Option<&'static str>, Option<&'static str>);

const NODES: [Node; 3] = [(None, None), (Some("c"), None), (Some("c"), Some("d/"))];

async fn limit(client: &Client, node: Node, bytes: Option<u64>, objects: Option<u64>) {
    let set = Set {
        account: account(),
        container: node.0.map(container_name),
        directory: node.1.map(|name| path("c", name).object),
        bytes: Some(bytes),
        objects: Some(objects),
    };
    client.ask(set).await.unwrap();
}

/// The bytes and objects that the node holds.
async fn used(client: &Client, node: Node) -> (u64, u64) {
    let show = Show {
        account: account(),
        container: node.0.map(container_name),
        directory: node.1.map(|name| path("c", name).object),
    };
    let quota = client.ask(show).await.unwrap();
    (quota.bytes.used, quota.objects.used)
}

/// A container with a file of 5 bytes in a directory, and one beside that somebody else put there, of 6.
async fn filled(world: &World) -> Client {
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    client.put("c", "d/own", "12345").await.unwrap();
    write(world, "d/theirs", "123456");
    client
}

fn write(world: &World, name: &str, data: &str) {
    std::fs::write(world.state.path().join("AUTH_test/c").join(name), data).unwrap();
}

/// Kinds with what is said of each, and how many are mended.
fn told(report: &Report) -> Vec<(Kind, &str, bool, u64)> {
    let kinds = report.kinds.iter().flat_map(|of_kind| {
        let examples = of_kind.examples.iter();
        examples.map(|example| {
            let has_reason = example.reason.is_some();
            (of_kind.kind, example.path.as_str(), has_reason, of_kind.repaired)
        })
    });
    kinds.collect()
}

#[tokio::test]
async fn a_file_that_does_not_fit_stays_as_it_was_put_there() {
    for node in NODES {
        for (bytes, objects) in [(Some(10), None), (None, Some(1))] {
            let world = World::on_disk();
            let client = filled(&world).await;
            limit(&client, node, bytes, objects).await;
            for repair in [false, true] {
                let report = check(&client, run(repair)).await;
                let expected = [(Kind::ForeignFile, "c/d/theirs", true, 0)];
                assert_eq!(told(&report), expected, "{node:?} {repair}");
            }
            let adopt = Adopt {
                account: account(),
                container: container_name("c"),
                directory: None,
            };
            let job = client.ask_as(adopt, administrator()).await.unwrap();
            let job = ended(&client, &job).await;
            assert_eq!((job.state, job.errors), (JobState::Done, 1), "{job:?}");
            assert_eq!(
                told(&job.report.unwrap()),
                [(Kind::ForeignFile, "c/d/theirs", true, 0)]
            );
            assert_eq!(used(&client, node).await, (5, 1), "{node:?}");
            assert_eq!(client.list("c").await.unwrap(), [("d/own".to_owned(), 5)]);

            limit(&client, node, bytes.map(|_| 11), objects.map(|_| 2)).await;
            let report = check(&client, run(true)).await;
            assert_eq!(told(&report), [(Kind::ForeignFile, "c/d/theirs", false, 1)]);
            assert_eq!(used(&client, node).await, (11, 2), "{node:?}");
            assert_eq!(check(&client, run(false)).await.differences, 0);
        }
    }
}

#[tokio::test]
async fn a_file_that_grew_beyond_a_limit_is_counted_as_it_was() {
    for node in NODES {
        let world = World::on_disk();
        let client = filled(&world).await;
        std::fs::remove_file(world.state.path().join("AUTH_test/c/d/theirs")).unwrap();
        limit(&client, node, Some(10), None).await;
        write(&world, "d/own", "12345678901");
        let report = check(&client, run(true)).await;
        assert_eq!(told(&report), [(Kind::ChangedFile, "c/d/own", true, 0)]);
        assert_eq!(used(&client, node).await, (5, 1), "{node:?}");
        write(&world, "d/own", "1234567890");
        let report = check(&client, run(true)).await;
        assert_eq!(told(&report), [(Kind::ChangedFile, "c/d/own", false, 1)]);
        assert_eq!(used(&client, node).await, (10, 1), "{node:?}");
        client.delete("c", "d/own").await.unwrap();
        assert_eq!(used(&client, node).await, (0, 0), "{node:?}");
    }
}

#[tokio::test]
async fn neither_a_read_nor_a_post_nor_a_switch_takes_in_what_does_not_fit() {
    for node in NODES {
        let world = World::on_disk();
        let client = filled(&world).await;
        limit(&client, node, Some(10), None).await;
        let post = || object::Post {
            path: path("c", "d/theirs"),
            content_type: None,
            delete_at: None,
            properties: Properties::new(),
            open_expired: false,
        };
        let refused = client.ask(post()).await.unwrap_err();
        assert!(matches!(refused.outcome(), Outcome::TooLarge), "{refused:?}");
        let refused = client
            .set_state("c", "d/theirs", State::Disable)
            .await
            .unwrap_err();
        assert!(matches!(refused.outcome(), Outcome::TooLarge), "{refused:?}");
        // Both are met by a read; they are taken in in the order of their meeting, so the second one was refused.
        let (info, data) = client.get("c", "d/theirs").await.unwrap();
        assert_eq!((info.etag.as_str(), data.as_str()), ("", "123456"));
        write(&world, "d/small", "12345");
        client.get("c", "d/small").await.unwrap();
        until(async || used(&client, node).await == (10, 2)).await;
        let listed = client.list("c").await.unwrap();
        assert_eq!(listed, [("d/own".to_owned(), 5), ("d/small".to_owned(), 5)]);

        limit(&client, node, Some(16), None).await;
        client.ask(post()).await.unwrap();
        assert_eq!(used(&client, node).await, (16, 3), "{node:?}");
        assert_eq!(client.put("c", "d/x", "1").await.unwrap_err().status(), 413);
    }
}

/// What is held while a file is read cannot be given to somebody else, and what somebody else took is not there for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn adoptions_and_uploads_at_the_end_of_the_room_never_exceed_it() {
    for node in NODES {
        let world = World::on_disk();
        let client = filled(&world).await;
        limit(&client, node, Some(60), None).await;
        for number in 0..8 {
            write(&world, &format!("d/{number}"), "1234567");
        }
        let checking = async {
            for _ in 0..2 {
                check(&client, run(true)).await;
            }
        };
        let putting = async {
            for number in 0..20 {
                let _maybe_refused = client.put("c", &format!("d/put/{number}"), "123").await;
            }
        };
        tokio::join!(checking, putting);
        let (bytes, objects) = used(&client, node).await;
        assert!(bytes <= 60, "{bytes} bytes in {node:?}");
        let listed = client.list("c").await.unwrap();
        assert_eq!(listed.iter().map(|(_, bytes)| bytes).sum::<u64>(), bytes);
        assert_eq!(listed.len() as u64, objects);
        let head = container::Head {
            account: account(),
            container: container_name("c"),
        };
        assert_eq!(client.ask(head).await.unwrap().bytes, bytes);
        let rest = usize::try_from(60 - bytes).unwrap();
        assert_eq!(
            client
                .put("c", "d/rest", &"x".repeat(rest + 1))
                .await
                .unwrap_err()
                .status(),
            413
        );
        client.put("c", "d/rest", &"x".repeat(rest)).await.unwrap();
    }
}
