//! What a start makes of what the last process left undecided, with others at work beside a tree operation: names, counters and
//! mirror agree, and go on doing so when it is started again.

use common::Error;
use object_server::failure_point::Failure;

use crate::World;
use crate::client::Client;

type Names = Vec<(String, u64)>;

fn names(expected: &[(&str, u64)]) -> Names {
    let owned = |(name, size): &(&str, u64)| ((*name).to_owned(), *size);
    expected.iter().map(owned).collect()
}

/// Starts it again and again: each time there is just this.
fn expect_from_now_on(world: &World, expected: &[(&str, u64)]) {
    for start in 1..=3 {
        world.crash_after(async |client| {
            let listing = client.list("c").await.unwrap();
            assert_eq!(listing, names(expected), "start {start}: the listing");
            for (name, size) in &listing {
                let data = client.get("c", name).await.unwrap().1;
                assert_eq!(data.len() as u64, *size, "start {start}: {name}");
            }
            let bytes = expected.iter().map(|(_, size)| size).sum();
            let counted = client.counted("c").await;
            assert_eq!(
                counted,
                (expected.len() as u64, bytes),
                "start {start}: the counters"
            );
            client.server.close().await.unwrap();
        });
        let shown: Names = world.mirror.objects();
        let full: Names = expected
            .iter()
            .map(|(name, size)| (format!("c/{name}"), *size))
            .collect();
        assert_eq!(shown, full, "start {start}: the mirror");
    }
}

fn fill(world: &World, objects: &[(&str, &str)]) {
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        for (name, data) in objects {
            client.put("c", name, data).await.unwrap();
        }
        client.server.close().await.unwrap();
    });
}

/// How often the journal has this text; its writer syncs before it writes anything else.
fn in_journal(world: &World, text: &str) -> usize {
    let directory = world.state.path().join(".stobj/journal/0");
    let files = std::fs::read_dir(directory).unwrap();
    let contents = files.filter_map(|file| std::fs::read(file.unwrap().path()).ok());
    let count = |content: Vec<u8>| {
        let parts = content.windows(text.len());
        parts.filter(|part| *part == text.as_bytes()).count()
    };
    contents.map(count).sum()
}

/// An operation that is cut short, and another change that is announced meanwhile.
struct Cut<O, C> {
    operation: O,
    /// Where the operation waits until the other change is announced.
    point: &'static str,
    other: C,
    /// What the journal has of the other change.
    announced: &'static str,
}

impl<O, C> Cut<O, C>
where
    O: AsyncFn(&Client) -> Result<(), Error>,
    C: AsyncFn(&Client) -> Result<(), Error>,
{
    /// The journal takes both announcements and not the end of the operation, and then the process ends: what that leaves of these
    /// objects.
    fn of(&self, objects: &[(&str, &str)]) -> World {
        for _ in 0..10 {
            let mut world = World::on_disk();
            fill(&world, objects);
            world.settings.failure_points = "journal:before_write=error@3".to_owned();
            world.points.arm(self.point, Failure::Wait);
            let results = world.crash_after(async |client| self.run(&world, &client).await);
            world.settings.failure_points.clear();
            // After half a second the journal goes on. Who comes so late is not refused, and all is as it should be.
            let is_refused = |result: Result<(), Error>| result.is_err_and(|error| error.status() == 503);
            if is_refused(results.0) && is_refused(results.1) {
                return world;
            }
        }
        panic!("not both were refused, ten times");
    }

    async fn run(&self, world: &World, client: &Client) -> (Result<(), Error>, Result<(), Error>) {
        let before = in_journal(world, self.announced);
        let beside = async {
            world.points.reached(self.point, 1).await;
            let go_on = async {
                crate::until(async || in_journal(world, self.announced) > before).await;
                world.points.disarm(self.point);
            };
            tokio::join!((self.other)(client), go_on).0
        };
        tokio::join!((self.operation)(client), beside)
    }
}

#[test]
fn what_is_gone_without_a_word_is_counted_off_once() {
    let world = World::on_disk();
    fill(&world, &[("a", "1"), ("b", "22"), ("d/x", "333")]);
    for name in ["a", "d/x"] {
        std::fs::remove_file(world.state.path().join("AUTH_test/c").join(name)).unwrap();
    }
    expect_from_now_on(&world, &[("b", 2)]);
}

#[test]
fn a_removal_that_waited_for_a_move_is_not_taken_for_made() {
    let cut = Cut {
        operation: async |client: &Client| client.rename(("c", "d/"), ("c", "e/")).await.map(drop),
        point: "rename:before",
        other: async |client: &Client| client.delete("c", "d/x").await,
        announced: "object/delete",
    };
    let world = cut.of(&[("a", "1"), ("d/x", "333")]);
    expect_from_now_on(&world, &[("a", 1), ("e/x", 3)]);
    let removals = world
        .mirror
        .records()
        .into_iter()
        .filter(|record| record.0 == "object/delete");
    assert_eq!(removals.count(), 0);
}

#[test]
fn a_removal_that_waited_for_that_of_its_directory_is_not_counted() {
    let cut = Cut {
        operation: async |client: &Client| client.remove_directory("c", "d/").await.map(drop),
        point: "detach:before",
        other: async |client: &Client| client.delete("c", "d/x").await,
        announced: "object/delete",
    };
    let world = cut.of(&[("a", "1"), ("b", "22"), ("d/x", "1")]);
    expect_from_now_on(&world, &[("a", 1), ("b", 2)]);
}

#[test]
fn nothing_replaces_what_was_moved_before_the_journal_says_so() {
    let cut = Cut {
        operation: async |client: &Client| client.rename(("c", "a"), ("c", "b")).await.map(drop),
        point: "rename:before",
        other: async |client: &Client| client.put("c", "b", "4444").await.map(drop),
        announced: "object/put",
    };
    let world = cut.of(&[("a", "1"), ("b", "22")]);
    expect_from_now_on(&world, &[("b", 1)]);
}

#[test]
fn nothing_empties_what_was_moved_before_the_journal_says_so() {
    let cut = Cut {
        operation: async |client: &Client| client.rename(("c", "d/"), ("c", "e/")).await.map(drop),
        point: "rename:before",
        other: async |client: &Client| client.delete("c", "e/x").await,
        announced: "object/delete",
    };
    let world = cut.of(&[("d/x", "1"), ("e/x", "22"), ("e/y", "333")]);
    expect_from_now_on(&world, &[("e/x", 1)]);
}

#[test]
fn nothing_is_stored_where_something_was_removed_before_the_journal_says_so() {
    let cut = Cut {
        operation: async |client: &Client| client.remove_directory("c", "d/").await.map(drop),
        point: "detach:before",
        other: async |client: &Client| client.put("c", "d/x", "4444").await.map(drop),
        announced: "object/put",
    };
    let world = cut.of(&[("a", "1"), ("d/x", "22"), ("d/y", "333")]);
    expect_from_now_on(&world, &[("a", 1)]);
}

/// Who was not answered asks again; what was announced first is not taken for made because of that.
#[test]
fn a_removal_that_failed_is_not_taken_for_made_when_another_one_was() {
    let world = World::on_disk();
    fill(&world, &[("a", "1"), ("b", "22")]);
    world.crash_after(async |client| {
        let error = Failure::Error(std::io::ErrorKind::Other);
        world.points.arm("remove:before_unlink", error);
        client.delete("c", "a").await.unwrap_err();
        // The process ends before the journal has that it failed.
    });
    world.points.disarm("remove:before_unlink");
    world.crash_after(async |client| client.delete("c", "a").await.unwrap());
    expect_from_now_on(&world, &[("b", 2)]);
    let records = world.mirror.records();
    let removals = records.iter().filter(|record| record.0 == "object/delete");
    assert_eq!(removals.count(), 1, "{records:?}");
}
