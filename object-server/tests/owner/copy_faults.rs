//! Copies of a directory on a disk, cut short at every named place of the engine and at every write of the journal: each is
//! whole or not there at all, with one record if it is, and nothing is left behind.

use common::functional::job::{Job, Show, State};
use object_server::failure_point::Failure;

use crate::World;
use crate::check::ended;
use crate::client::{Client, account, path};
use crate::copy::{copy_to, fill, nothing_is_left};

/// Every named place on the way of a copy.
const POINTS: &[&str] = &[
    "build:before_copy",
    "build:before_place",
    "build:before_sync",
    "directory:before_write",
    "rename:before",
    "rename:before_trash",
    "rename:after",
    "rename:before_prune",
    "sync:before",
];

/// All of it or nothing; and once it is there, it is there for ever, with one record.
async fn expect_whole(client: &Client, job: &Job, at: &str) -> bool {
    let mut before = vec!["d", "d/", "d/a", "d/e/b", "d/e/f/", "n/old", "o"];
    let after = [
        "d", "d/", "d/a", "d/e/b", "d/e/f/", "n/", "n/a", "n/e/b", "n/e/f/", "o",
    ];
    let shown = client.names("c").await;
    let is_there = shown == after;
    if !is_there {
        before.sort_unstable();
        assert_eq!(shown, before, "{at}: {job:?}");
    }
    let expected = if is_there { (10, 26) } else { (7, 17) };
    assert_eq!(client.counted("c").await, expected, "{at}");
    match job.state {
        State::Done => assert!(is_there, "{at}: {job:?}"),
        _ => assert!(!is_there, "{at}: {job:?}"),
    }
    is_there
}

fn expect_after_a_restart(world: &World, job: &Job, at: &str) {
    let is_there = world.crash_after(async |client| {
        let job = ended(&client, job).await;
        let is_there = expect_whole(&client, &job, at).await;
        nothing_is_left(world).await;
        client.server.close().await.unwrap();
        is_there
    });
    assert_eq!(
        world.mirror.objects().len(),
        if is_there { 10 } else { 7 },
        "{at}"
    );
    let records = world.mirror.records();
    let copies = records.iter().filter(|record| record.0 == "fs/copy_directory");
    assert_eq!(copies.count(), usize::from(is_there), "{at}");
}

async fn fill_with_old(client: &Client) {
    fill(client).await;
    client.put("c", "n/old", "x").await.unwrap();
}

#[test]
fn a_fault_anywhere_leaves_a_whole_copy_or_none() {
    for point in POINTS {
        for skip in [0, 1, 3] {
            let at = format!("{point} after {skip}");
            let world = World::on_disk();
            let job = world.crash_after(async |client| {
                fill_with_old(&client).await;
                let error = Failure::Error(std::io::ErrorKind::PermissionDenied);
                world.points.arm_later(point, error, skip, 1);
                let job = copy_to(&client, ("c", "d/"), path("c", "n/"), true)
                    .await
                    .unwrap();
                let job = ended(&client, &job).await;
                world.points.disarm(point);
                expect_whole(&client, &job, &at).await;
                job
            });
            expect_after_a_restart(&world, &job, &at);
        }
    }
}

#[test]
fn a_journal_that_ends_anywhere_leaves_a_whole_copy_or_none() {
    for point in [
        "journal:before_write",
        "journal:after_write_before_sync",
        "journal:after_sync",
    ] {
        for number in 1..=4 {
            let at = format!("{point} at {number}");
            let mut world = World::on_disk();
            world.crash_after(async |client| {
                fill_with_old(&client).await;
                client.server.close().await.unwrap();
            });
            world.settings.failure_points = format!("{point}=error@{number}");
            let job = world.crash_after(async |client| {
                let job = copy_to(&client, ("c", "d/"), path("c", "n/"), true)
                    .await
                    .unwrap();
                // It ends, or waits for a restart.
                crate::until(async || {
                    let shown = client.ask(Show {
                        account: account(),
                        id: job.id.clone(),
                    });
                    let has_ended = shown.await.unwrap().state.has_ended();
                    has_ended
                        || client.names("c").await.len() == 10
                        || client.put("c", "o", "55555").await.is_err()
                })
                .await;
                job
            });
            world.settings.failure_points.clear();
            expect_after_a_restart(&world, &job, &at);
        }
    }
}
