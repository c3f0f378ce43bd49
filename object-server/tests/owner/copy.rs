//! Directories that are copied: what is copied, refused, held, taken back and begun anew; and that storage, counters, listings,
//! mirror and records agree afterwards.

use common::functional::firewall::State as Switch;
use common::functional::job::{Cancel, Job, State};
use common::functional::object::Path;
use common::functional::quota::Set;
use common::functional::{Context, ask, fs};
use common::{Body, Error, Properties, Timestamp};
use object_server::failure_point::Failure;

use crate::World;
use crate::check::ended;
use crate::client::{Client, account, container_name, context, elsewhere, path, put, status};

pub(crate) async fn copy_to(
    client: &Client,
    from: (&str, &str),
    destination: Path,
    overwrite: bool,
) -> Result<Job, Error> {
    let call = fs::CopyDirectory {
        source: path(from.0, from.1),
        destination,
        overwrite,
    };
    client.ask(call).await
}

/// Copies, and waits until that has ended.
async fn copy(client: &Client, from: (&str, &str), to: (&str, &str)) -> Job {
    let job = copy_to(client, from, path(to.0, to.1), true).await.unwrap();
    ended(client, &job).await
}

pub(crate) async fn fill(client: &Client) {
    client.make_container("c").await.unwrap();
    for (name, data) in [
        ("d/a", "1"),
        ("d/e/b", "22"),
        ("d/", "333"),
        ("d/e/f/", "4444"),
        ("d", "-"),
        ("o", "55555"),
    ] {
        client.put("c", name, data).await.unwrap();
    }
    client.make_directory("c", "d/empty/").await.unwrap();
}

/// Neither what was built nor what was to be reaped.
pub(crate) async fn nothing_is_left(world: &World) {
    for private in ["build", "trash"] {
        let directory = world.state.path().join(".stobj").join(private);
        crate::until(async || std::fs::read_dir(&directory).unwrap().next().is_none()).await;
    }
}

async fn limit(client: &Client, container: Option<&str>, directory: Option<&str>, bytes: u64) {
    let set = Set {
        account: account(),
        container: container.map(container_name),
        directory: directory.map(|name| path("c", name).object),
        bytes: Some(Some(bytes)),
        objects: None,
    };
    client.ask(set).await.unwrap();
}

#[tokio::test]
async fn a_copy_has_all_that_its_source_has() {
    let world = World::new();
    let client = world.open().await;
    fill(&client).await;
    let mut properties = Properties::new();
    properties.insert("x-object-meta-colour", "blue");
    let mut with = put(path("c", "d/with"));
    with.properties = properties.clone();
    with.content_type = Some("image/x".into());
    with.delete_at = Some(Timestamp::from_seconds(4_000_000_000));
    ask(&client.service, with, context(), Body::full("w"))
        .await
        .unwrap();
    let mut gone = put(path("c", "d/gone"));
    gone.delete_at = Some(Timestamp::from_seconds(1));
    ask(&client.service, gone, context(), Body::full("g"))
        .await
        .unwrap();

    let job = copy(&client, ("c", "d/"), ("c", "x/y/")).await;
    assert_eq!(
        (job.state, job.kind.as_str(), job.errors),
        (State::Done, "copy", 0),
        "{job:?}"
    );
    assert_eq!((job.done, job.bytes), (5, 11));
    assert_eq!(
        (job.source.as_deref(), job.destination.as_deref()),
        (Some("c/d/"), Some("c/x/y/"))
    );
    for (name, data) in [
        ("x/y/a", "1"),
        ("x/y/e/b", "22"),
        ("x/y/", "333"),
        ("x/y/e/f/", "4444"),
        ("d/a", "1"),
    ] {
        assert_eq!(client.get("c", name).await.unwrap().1, data);
    }
    let (info, data) = client.get("c", "x/y/with").await.unwrap();
    assert_eq!((info.properties, data.as_str()), (properties, "w"));
    assert_eq!(info.content_type, "image/x");
    assert_eq!(info.delete_at, Some(Timestamp::from_seconds(4_000_000_000)));
    assert_eq!(status(client.get("c", "x/y/gone").await), 404);
    let make = fs::MakeDirectory {
        path: path("c", "x/y/empty/"),
        create_parents: false,
    };
    assert_eq!(status(client.ask(make).await), 405);
    assert_eq!(client.counted("c").await, (13, 29));
    client.put("c", "x/y/a", "changed").await.unwrap();
    assert_eq!(client.get("c", "d/a").await.unwrap().1, "1");
    client.server.close().await.unwrap();
    let objects = world.mirror.objects();
    let copied: Vec<_> = objects
        .iter()
        .filter(|(name, _)| name.starts_with("c/x/"))
        .collect();
    assert_eq!(copied.len(), 5, "{objects:?}");
    assert_eq!(world.mirror.directories(), ["c/d/empty/", "c/x/y/empty/"]);
    let records = world.mirror.records();
    let copies: Vec<_> = records
        .iter()
        .filter(|record| record.0 == "fs/copy_directory")
        .collect();
    let expected = (
        "fs/copy_directory".to_owned(),
        "AUTH_test/c/d/".to_owned(),
        Some("AUTH_test/c/x/y/".to_owned()),
    );
    assert_eq!(copies, [&expected]);
}

#[tokio::test]
async fn a_copy_replaces_and_never_merges_and_knows_what_it_is_not_to_do() {
    let world = World::new();
    let client = world.open().await;
    fill(&client).await;
    client.put("c", "t/old", "x").await.unwrap();
    client.put("c", "t", "file").await.unwrap();
    for (from, to, overwrite, expected) in [
        (("c", "d/"), path("c", "t/"), false, 412),
        (("c", "d/"), path("c", "d/e/x/"), true, 403),
        (("c", "d/e/"), path("c", "d/"), true, 403),
        (("c", "d/"), path("c", "d/"), true, 403),
        (("c", "none/"), path("c", "n/"), true, 404),
        (("c", "d/"), path("none", "n/"), true, 404),
        (("none", "d/"), path("c", "n/"), true, 404),
        (("c", "d/"), elsewhere("c", "n/"), true, 404),
        (("c", "o"), path("c", "n/"), true, 400),
        (("c", "d/"), path("c", "n"), true, 400),
        (
            ("c", "d/"),
            path("c", &format!("{}/", "n".repeat(1020))),
            true,
            400,
        ),
    ] {
        let refused = copy_to(&client, from, to.clone(), overwrite).await;
        assert_eq!(status(refused), expected, "{from:?} to {to:?}");
    }
    for name in ["d/e/b", "t/old"] {
        client.set_state("c", name, Switch::Disable).await.unwrap();
        let refused = copy_to(&client, ("c", "d/"), path("c", "t/"), true).await;
        assert_eq!(status(refused), 403);
        client.set_state("c", name, Switch::Enable).await.unwrap();
    }
    assert_eq!(copy(&client, ("c", "d/"), ("c", "t/")).await.state, State::Done);
    assert_eq!(
        client.names("c").await,
        [
            "d", "d/", "d/a", "d/e/b", "d/e/f/", "o", "t", "t/", "t/a", "t/e/b", "t/e/f/"
        ]
    );
    assert_eq!(client.counted("c").await, (11, 30));
}

#[tokio::test]
async fn the_same_request_twice_is_one_job() {
    let world = World::new();
    let client = world.open().await;
    fill(&client).await;
    let context: Context = context();
    let call = || fs::CopyDirectory {
        source: path("c", "d/"),
        destination: path("c", "n/"),
        overwrite: false,
    };
    let job = client.ask_as(call(), context.clone()).await.unwrap();
    let again = client.ask_as(call(), context).await.unwrap();
    assert_eq!(job.id, again.id);
    assert_eq!(ended(&client, &job).await.state, State::Done);
}

#[tokio::test]
async fn no_copy_exceeds_a_limit() {
    let world = World::new();
    let client = world.open().await;
    fill(&client).await;
    client.put("c", "l/x", "12345").await.unwrap();
    let before = client.names("c").await;
    // 10 bytes in d/, 21 in all.
    for (container, directory) in [(None, None), (Some("c"), None), (Some("c"), Some("l/"))] {
        let used = if directory.is_some() { 5 } else { 21 };
        limit(&client, container, directory, used + 9).await;
        let job = copy(&client, ("c", "d/"), ("c", "l/n/")).await;
        assert_eq!(job.state, State::Failed, "{container:?} {directory:?}");
        assert!(job.error.unwrap().contains("quota"));
        assert_eq!(client.names("c").await, before);
        assert_eq!(client.counted("c").await, (7, 21));
        limit(&client, container, directory, used + 10).await;
        assert_eq!(copy(&client, ("c", "d/"), ("c", "l/n/")).await.state, State::Done);
        assert_eq!(client.counted("c").await, (11, 31));
        // What is replaced makes room.
        assert_eq!(copy(&client, ("c", "d/"), ("c", "l/n/")).await.state, State::Done);
        assert_eq!(status(client.put("c", "l/more", "1").await), 413);
        client.remove_directory("c", "l/n/").await.unwrap();
        limit(&client, container, directory, 1000).await;
    }
}

#[test]
fn a_copy_is_not_seen_before_it_is_complete_and_can_be_taken_back() {
    let world = World::on_disk();
    world.crash_after(async |client| {
        fill(&client).await;
        let before = client.names("c").await;
        world.points.arm("build:before_place", Failure::Wait);
        let job = copy_to(&client, ("c", "d/"), path("c", "n/"), true)
            .await
            .unwrap();
        world.points.reached("build:before_place", 1).await;
        assert_eq!(client.names("c").await, before);
        assert_eq!(client.counted("c").await, (6, 16));
        let cancel = Cancel {
            account: account(),
            id: job.id.clone(),
        };
        let cancelling = client.ask(cancel);
        let letting_go = async {
            // The word is said before anybody waits for its end.
            tokio::task::yield_now().await;
            world.points.disarm("build:before_place");
        };
        tokio::join!(cancelling, letting_go).0.unwrap();
        assert_eq!(ended(&client, &job).await.state, State::Cancelled);
        assert_eq!(client.names("c").await, before);
        nothing_is_left(&world).await;
    });
}

/// The mirror is away, and what is to be replaced can only be counted by it: the job waits, complete but for its name.
#[test]
fn a_job_that_a_restart_interrupts_is_done_in_the_end() {
    for is_killed in [true, false] {
        let world = World::on_disk();
        let job = world.crash_after(async |client| {
            fill(&client).await;
            client.put("c", "n/old", "x").await.unwrap();
            world.mirror.set_away(true);
            let job = copy_to(&client, ("c", "d/"), path("c", "n/"), true)
                .await
                .unwrap();
            world.points.reached("build:before_sync", 1).await;
            if !is_killed {
                client.server.close().await.unwrap();
            }
            job
        });
        world.mirror.set_away(false);
        world.crash_after(async |client| {
            let job = ended(&client, &job).await;
            assert_eq!((job.state, job.done), (State::Done, 4), "{job:?}");
            assert_eq!(
                client.names("c").await,
                [
                    "d", "d/", "d/a", "d/e/b", "d/e/f/", "n/", "n/a", "n/e/b", "n/e/f/", "o"
                ]
            );
            assert_eq!(client.counted("c").await, (10, 26));
            client.server.close().await.unwrap();
        });
        assert_eq!(world.mirror.objects().len(), 10);
        let records = world.mirror.records();
        assert_eq!(
            records
                .iter()
                .filter(|record| record.0 == "fs/copy_directory")
                .count(),
            1
        );
    }
}

/// What is moved about after a copy, while the mirror knows nothing of either yet.
#[tokio::test]
async fn the_mirror_follows_what_is_moved_out_of_a_copy() {
    let world = World::new();
    let client = world.open().await;
    fill(&client).await;
    client.make_container("k").await.unwrap();
    client.list("c").await.unwrap();
    world.mirror.set_away(true);
    assert_eq!(copy(&client, ("c", "d/"), ("c", "n/")).await.state, State::Done);
    client.rename(("c", "n/e/"), ("c", "p/")).await.unwrap();
    client.put("c", "n/e/new", "1").await.unwrap();
    client.rename(("c", "n/a"), ("c", "q")).await.unwrap();
    client.rename(("c", "n/"), ("c", "m/")).await.unwrap();
    client.put("c", "m/late", "1").await.unwrap();
    client.delete("c", "m/").await.unwrap();
    let expected = client.names("c").await;
    world.mirror.set_away(false);
    client.server.close().await.unwrap();
    let mirrored: Vec<_> = world.mirror.objects().into_iter().map(|(name, _)| name).collect();
    let expected: Vec<_> = expected.iter().map(|name| format!("c/{name}")).collect();
    assert_eq!(mirrored, expected);
    assert_eq!(world.mirror.directories(), ["c/d/empty/", "c/m/empty/"]);
    assert_eq!(world.mirror.fillings(), 1);
}

#[tokio::test]
async fn more_than_a_batch_is_copied_and_mirrored() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    for number in 0..2_345 {
        client
            .put("c", &format!("d/{}/{number}", number % 7), "x")
            .await
            .unwrap();
    }
    let deep = format!("{}last", "z/".repeat(500));
    client.put("c", &format!("d/{deep}"), "deep").await.unwrap();
    let job = copy(&client, ("c", "d/"), ("c", "n/")).await;
    assert_eq!(
        (job.state, job.done, job.total),
        (State::Done, 2_346, Some(2_346))
    );
    assert_eq!(client.get("c", &format!("n/{deep}")).await.unwrap().1, "deep");
    assert_eq!(client.counted("c").await, (4_692, 4_698));
    client.server.close().await.unwrap();
    assert_eq!(world.mirror.objects().len(), 4_692);
    assert_eq!(world.mirror.fillings(), 1);
}
