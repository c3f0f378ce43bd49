//! Directories and objects that are moved to another account: a job that copies, and then removes what it copied, unless that
//! has changed meanwhile.

use common::functional::job::{Job, State};
use common::functional::object::Path;
use common::functional::{ask, container, fs, object};
use common::{Body, Error, Properties};
use object_server::failure_point::Failure;

use crate::World;
use crate::check::ended;
use crate::client::{Client, container_name, context, elsewhere, other_account, path, status};
use crate::copy::fill;

async fn move_to(
    client: &Client,
    from: (&str, &str),
    destination: Path,
    overwrite: bool,
) -> Result<Job, Error> {
    let call = fs::Move {
        source: path(from.0, from.1),
        destination,
        overwrite,
    };
    match client.ask(call).await? {
        fs::Moved::Job(job) => Ok(*job),
        fs::Moved::Done { .. } => panic!("a move to another account is a job"),
    }
}

async fn make_elsewhere(client: &Client, container: &str) {
    let put = container::Put {
        account: other_account(),
        container: container_name(container),
        storage_policy: None,
        properties: Properties::new(),
    };
    client.ask(put).await.unwrap();
}

#[tokio::test]
async fn a_directory_moves_to_another_account() {
    let world = World::new();
    let client = world.open().await;
    fill(&client).await;
    make_elsewhere(&client, "k").await;
    let refused = move_to(&client, ("c", "none/"), elsewhere("k", "n/"), true).await;
    assert_eq!(status(refused), 404);
    let refused = move_to(&client, ("c", "d/"), elsewhere("none", "n/"), true).await;
    assert_eq!(status(refused), 404);
    let job = move_to(&client, ("c", "d/"), elsewhere("k", "n/"), true)
        .await
        .unwrap();
    let job = ended(&client, &job).await;
    assert_eq!((job.state, job.kind.as_str()), (State::Done, "move"), "{job:?}");
    assert_eq!(job.destination.as_deref(), Some("AUTH_other/k/n/"));
    assert_eq!(client.names("c").await, ["d", "o"]);
    assert_eq!(client.counted("c").await, (2, 6));
    let head = container::Head {
        account: other_account(),
        container: container_name("k"),
    };
    let info = client.ask(head).await.unwrap();
    assert_eq!((info.objects, info.bytes), (4, 10));
    let refused = move_to(&client, ("c", "o"), elsewhere("k", "n/"), true).await;
    assert_eq!(status(refused), 400);
    client.server.close().await.unwrap();
    assert_eq!(world.mirror.objects().len(), 6);
    let records = world.mirror.records();
    let moves: Vec<_> = records.iter().filter(|record| record.0 == "fs/move").collect();
    let expected = (
        "fs/move".to_owned(),
        "AUTH_test/c/d/".to_owned(),
        Some("AUTH_other/k/n/".to_owned()),
    );
    assert_eq!(moves, [&expected]);
}

#[tokio::test]
async fn an_object_moves_to_another_account() {
    let world = World::new();
    let client = world.open().await;
    fill(&client).await;
    make_elsewhere(&client, "k").await;
    let job = move_to(&client, ("c", "o"), elsewhere("k", "p"), false)
        .await
        .unwrap();
    assert_eq!(ended(&client, &job).await.state, State::Done);
    assert_eq!(status(client.get("c", "o").await), 404);
    let get = object::Get {
        path: elsewhere("k", "p"),
        conditions: Default::default(),
        ranges: None,
        open_expired: false,
    };
    let (got, body) = ask(&client.service, get, context(), Body::empty()).await.unwrap();
    assert_eq!(got.info.content_type, "text/plain");
    assert_eq!(body.collect(100).await.unwrap(), "55555");
    client.put("c", "o", "again").await.unwrap();
    let refused = move_to(&client, ("c", "o"), elsewhere("k", "p"), false).await;
    assert_eq!(status(refused), 412);
    let job = move_to(&client, ("c", "o"), elsewhere("k", "p"), true)
        .await
        .unwrap();
    assert_eq!(ended(&client, &job).await.state, State::Done);
    assert_eq!(status(client.get("c", "o").await), 404);
}

/// Whatever changes in the source of a move while it is copied is in the copy, or the source stays.
#[test]
fn nothing_that_changes_during_a_move_is_lost() {
    let world = World::on_disk();
    world.crash_after(async |client| {
        fill(&client).await;
        make_elsewhere(&client, "k").await;
        world.points.arm("build:before_sync", Failure::Wait);
        let job = move_to(&client, ("c", "d/"), elsewhere("k", "n/"), true)
            .await
            .unwrap();
        world.points.reached("build:before_sync", 1).await;
        client.put("c", "d/a", "newer").await.unwrap();
        client.put("c", "d/new", "n").await.unwrap();
        client.delete("c", "d/e/b").await.unwrap();
        world.points.disarm("build:before_sync");
        assert_eq!(ended(&client, &job).await.state, State::Done);
        let list = container::List {
            account: other_account(),
            container: container_name("k"),
            query: Default::default(),
        };
        let entries = client.ask(list).await.unwrap().entries;
        let sizes = entries.into_iter().map(|entry| match entry {
            container::Entry::Object(object) => (object.name.to_string(), object.bytes),
            container::Entry::Subdir(name) => (name, 0),
        });
        let expected = [("n/", 3), ("n/a", 5), ("n/e/f/", 4), ("n/new", 1)];
        let expected = expected.map(|(name, bytes)| (name.to_owned(), bytes));
        assert_eq!(sizes.collect::<Vec<_>>(), expected);
        assert_eq!(client.names("c").await, ["d", "o"]);
    });
}
