//! What lies between two steps of a change when the process ends or the power is cut, and what others did meanwhile: what the next
//! start, and the one after it, makes of that.

use std::sync::Arc;
use std::time::Duration;

use common::config::Size;
use common::functional::{Context, ask};
use common::{Body, Error};
use object_server::failure_point::Failure;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::World;
use crate::client::{Client, context, path, put};

const FAILURE: Failure = Failure::Error(std::io::ErrorKind::Other);

/// A journal of small files, so that what nobody needs of it is soon gone.
const SMALL_JOURNAL: Size = Size(256 << 10);
/// The journal goes on a second later.
const ILL_FROM_THE_THIRD_WRITE: &str = "journal:before_write=error@3,journal:before_recovery=error";
/// So many changes fill several of these files.
const MANY: usize = 200;

/// What a power cut does to a name that was not synced.
fn lose(world: &World, name: &str) {
    std::fs::remove_file(world.state.path().join("AUTH_test/c").join(name)).unwrap();
}

/// Stores an object beside other requests.
fn begin_put(client: &Client, name: &str, data: &str, context: Context) -> JoinHandle<Result<(), Error>> {
    let (service, put, body) = (
        client.service.clone(),
        put(path("c", name)),
        Body::full(data.to_owned()),
    );
    tokio::spawn(async move { ask(&service, put, context, body).await.map(drop) })
}

/// Waits until the journal has been given an entry of this transaction.
async fn journaled(world: &World, transaction_id: &str) {
    let journal = world.state.path().join(".stobj/journal/0");
    crate::until(async || {
        let files = std::fs::read_dir(&journal).unwrap();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .any(|bytes| {
                let id = transaction_id.as_bytes();
                bytes.windows(id.len()).any(|window| window == id)
            })
    })
    .await;
}

/// Twice, as what one start finds out the next one has to know: counters, listing and mirror have these.
fn restart(world: &mut World, expected: &[(&str, u64)]) {
    world.settings.failure_points.clear();
    let bytes = expected.iter().map(|(_, size)| size).sum();
    let named = expected.iter().map(|(name, size)| (format!("c/{name}"), *size));
    let named: Vec<_> = named.collect();
    for life in 1..=3 {
        world.crash_after(async |client| {
            let listed = client.list("c").await.unwrap();
            let listed: Vec<_> = listed.iter().map(|(name, size)| (name.as_str(), *size)).collect();
            assert_eq!(listed, expected, "start {life}: the listing");
            let counted = client.counted("c").await;
            assert_eq!(
                counted,
                (expected.len() as u64, bytes),
                "start {life}: the counters"
            );
            // It may be being filled anew.
            crate::until(async || world.mirror.objects() == named).await;
            client.server.close().await.unwrap();
        });
    }
}

#[test]
fn what_a_power_cut_took_back_is_counted_once() {
    let mut world = World::on_disk();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        for name in ["a", "b", "c"] {
            client.put("c", name, "1").await.unwrap();
        }
    });
    lose(&world, "b");
    restart(&mut world, &[("a", 1), ("c", 1)]);
}

#[test]
fn a_removal_that_was_not_made_is_not_recorded_when_a_later_one_is() {
    let mut world = World::on_disk();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        for name in ["a", "b"] {
            client.put("c", name, "1").await.unwrap();
        }
    });
    world.points.arm_later("remove:before_unlink", FAILURE, 0, 1);
    world.crash_after(async |client| client.delete("c", "a").await.unwrap_err());
    world.crash_after(async |client| client.delete("c", "a").await.unwrap());
    restart(&mut world, &[("b", 1)]);
    let records = world.mirror.records();
    let removals = records.iter().filter(|(action, ..)| action == "object/delete");
    assert_eq!(removals.count(), 1);
}

#[test]
fn the_journal_keeps_a_change_until_its_name_is_durable() {
    let mut world = World::on_disk();
    world.settings.journal_size = SMALL_JOURNAL;
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        world.points.arm_later("sync:before", Failure::Wait, 0, 1);
        let hits = world.points.hits("sync:before");
        let late = begin_put(&client, "late", "1", context());
        world.points.reached("sync:before", hits + 1).await;
        for number in 0..MANY {
            client.put("c", &format!("{number:03}"), "1").await.unwrap();
        }
        client.server.close().await.unwrap();
        world.points.disarm("sync:before");
        late.await.unwrap().unwrap();
    });
    lose(&world, "late");
    let names: Vec<_> = (0..MANY).map(|number| format!("{number:03}")).collect();
    let expected: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    restart(&mut world, &expected);
}

/// The second one finds what the first one made, which has no place in the order yet.
#[test]
fn two_changes_of_a_name_that_the_journal_did_not_take_are_counted_as_one() {
    let mut world = World::on_disk();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "a", "1").await.unwrap();
    });
    // Both announcements are taken, and no commit.
    world.settings.failure_points = ILL_FROM_THE_THIRD_WRITE.to_owned();
    world.crash_after(async |client| {
        world.points.arm_later("publish:after", Failure::Wait, 0, 1);
        let hits = world.points.hits("publish:after");
        let first = begin_put(&client, "b", "22", context());
        world.points.reached("publish:after", hits + 1).await;
        let context = context();
        let transaction_id = Arc::clone(&context.transaction_id);
        let second = begin_put(&client, "b", "333", context);
        journaled(&world, &transaction_id).await;
        world.points.arm("sync:before", FAILURE);
        world.points.disarm("publish:after");
        // Acknowledged or not, they are there.
        let _ = (first.await.unwrap(), second.await.unwrap());
        world.points.disarm("sync:before");
    });
    restart(&mut world, &[("a", 1), ("b", 3)]);
}

#[test]
fn a_change_that_was_announced_beside_a_move_is_not_made_before_the_journal_has_that() {
    let mut world = World::on_disk();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "d/x", "1").await.unwrap();
    });
    // Both announcements are taken, and no end.
    world.settings.failure_points = ILL_FROM_THE_THIRD_WRITE.to_owned();
    world.crash_after(async |client| {
        world
            .points
            .arm_later("stage:before_attributes", Failure::Wait, 0, 1);
        let context = context();
        let transaction_id = Arc::clone(&context.transaction_id);
        let late = begin_put(&client, "d/x", "22", context);
        journaled(&world, &transaction_id).await;
        client.rename(("c", "d/"), ("c", "e/")).await.unwrap_err();
        world.points.disarm("stage:before_attributes");
        late.await.unwrap().unwrap_err();
    });
    restart(&mut world, &[("e/x", 1)]);
    // In storage it could be without counters and mirror knowing of it.
    assert!(!world.state.path().join("AUTH_test/c/d").exists());
}

#[test]
fn a_change_that_fails_half_way_is_counted_by_what_it_replaced() {
    let mut world = World::on_disk();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        world
            .points
            .arm_later("stage:before_attributes", Failure::Wait, 0, 1);
        let (earlier, later) = (context(), context());
        let late = begin_put(&client, "a", "22", later);
        world.points.reached("stage:before_attributes", 1).await;
        begin_put(&client, "a", "1", earlier).await.unwrap().unwrap();
        world.points.arm_later("publish:after", FAILURE, 0, 1);
        world.points.disarm("stage:before_attributes");
        late.await.unwrap().unwrap_err();
        assert_eq!(client.counted("c").await, (1, 2));
        client.server.close().await.unwrap();
    });
    restart(&mut world, &[("a", 2)]);
}

/// The counters are written down while nobody knows what the mirror has; then it comes back empty.
#[test]
fn a_mirror_that_was_away_and_is_emptied_is_filled_anew() {
    let mut world = World::on_disk();
    world.settings.journal_size = SMALL_JOURNAL;
    let names: Vec<_> = (0..MANY).map(|number| format!("{number:03}")).collect();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        for name in &names {
            client.put("c", name, "1").await.unwrap();
        }
        client.server.close().await.unwrap();
    });
    world.mirror.set_away(true);
    world.crash_after(async |client| {
        client.put("c", "x", "1").await.unwrap();
        client.server.close().await.unwrap();
    });
    world.mirror.forget_everything();
    world.mirror.set_away(false);
    let expected: Vec<_> = names.iter().map(|name| (name.as_str(), 1)).collect();
    restart(&mut world, &[&expected[..], &[("x", 1)]].concat());
}

#[test]
fn a_mirror_that_is_filled_anew_hears_of_no_change_that_can_be_taken_back() {
    let mut world = World::on_disk();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "a", "1").await.unwrap();
        client.server.close().await.unwrap();
    });
    world.mirror.set_away(true);
    world.settings.failure_points = "journal:before_write=error@2,journal:before_recovery=error".to_owned();
    world.crash_after(async |client| {
        client.put("c", "b", "22").await.unwrap_err();
        let seen = Instant::now();
        world.mirror.forget_everything();
        world.mirror.set_away(false);
        // The journal goes on after a second, and until then nobody may be told.
        crate::until(async || seen.elapsed() > Duration::from_millis(800)).await;
    });
    lose(&world, "b");
    restart(&mut world, &[("a", 1)]);
}
