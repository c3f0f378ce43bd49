//! Tree operations on a disk, cut short at every named place of the engine and at every write of the journal: each is whole
//! or not at all, with one record if it is, and storage, counters, listings and mirror agree before and after a restart.

use std::collections::BTreeMap;
use std::time::Duration;

use common::config::Period;
use object_server::failure_point::Failure;
use tokio::time::Instant;

use crate::World;
use crate::client::Client;
use crate::tree_model::Model;

/// Every named place on the way of a tree operation.
const POINTS: &[&str] = &[
    "rename:before",
    "rename:before_trash",
    "rename:after",
    "rename:before_prune",
    "detach:before",
    "detach:after",
    "directory:after",
    "directory:before_remove",
    "directory:before_prune",
    "reap:before_unlink",
    "reap:before_rmdir",
    "sync:before",
];

/// The journal writes and syncs about so often while all operations are done.
const JOURNAL_WRITES: usize = 48;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Make(&'static str, &'static str),
    Unmake(&'static str, &'static str),
    Move((&'static str, &'static str), (&'static str, &'static str)),
    Remove(&'static str, &'static str),
}

use Operation::{Make, Move, Remove, Unmake};

const OPERATIONS: &[Operation] = &[
    Make("c", "d/"),
    Move(("c", "a/"), ("c", "e/f/")),
    Move(("c", "e/f/"), ("c", "b/")),
    Move(("c", "b/"), ("k", "x/")),
    Move(("c", "o"), ("k", "x/1")),
    Move(("k", "x/1"), ("c", "p")),
    Make("c", "d/z/"),
    Unmake("c", "d/z/"),
    Move(("c", "d/"), ("k", "g/")),
    Remove("k", "x/"),
];

async fn fill(client: &Client) -> Model {
    let mut model = Model::default();
    for container in ["c", "k"] {
        client.make_container(container).await.unwrap();
    }
    for (container, name, data) in [
        ("c", "a/1", "1"),
        ("c", "a/2/3", "22"),
        ("c", "b/4", "333"),
        ("c", "o", "4444"),
        ("k", "x/5", "55555"),
    ] {
        client.put(container, name, data).await.unwrap();
        let at = (container.to_owned(), name.to_owned());
        model.objects.insert(at, data.to_owned());
    }
    model
}

async fn run(client: &Client, operation: Operation) -> Result<(), common::Error> {
    match operation {
        Make(container, name) => client.make_directory(container, name).await,
        Unmake(container, name) => client.delete(container, name).await,
        Move(from, to) => client.rename(from, to).await.map(|_| ()),
        Remove(container, name) => client.remove_directory(container, name).await.map(|_| ()),
    }
}

/// What there is when it was done.
fn after(model: &Model, operation: Operation) -> Model {
    let mut model = model.clone();
    let owned = |(container, name): (&str, &str)| (container.to_owned(), name.to_owned());
    match operation {
        Make(container, name) => drop(model.directories.insert(owned((container, name)))),
        Unmake(container, name) => drop(model.directories.remove(&owned((container, name)))),
        Move(from, to) => drop(model.rename(&owned(from), &owned(to))),
        Remove(container, name) => drop(model.take(container, name)),
    }
    model
}

/// What can be read; listings and counters have to agree with it.
async fn shown(client: &Client, at: &str) -> BTreeMap<(String, String), String> {
    let mut objects = BTreeMap::new();
    for container in ["c", "k"] {
        let mut bytes = 0;
        let listing = client.list(container).await.unwrap();
        for (name, size) in &listing {
            let data = client.get(container, name).await.unwrap().1;
            assert_eq!(data.len() as u64, *size, "{at}: {container}/{name}");
            bytes += size;
            objects.insert((container.to_owned(), name.clone()), data);
        }
        let held = (listing.len() as u64, bytes);
        assert_eq!(
            client.counted(container).await,
            held,
            "{at}: the counters of {container}"
        );
    }
    objects
}

/// Does everything, and is told what fails: what there is after each step is what was before it or what it leads to.
/// Answers what there may be, the likeliest first.
async fn run_all(client: &Client, mut model: Model, at: &str) -> Vec<Model> {
    let mut possible = Vec::new();
    for operation in OPERATIONS {
        let done = after(&model, *operation);
        let result = run(client, *operation).await;
        let shown = shown(client, at).await;
        if result.is_ok() {
            assert_eq!(shown, done.objects, "{at}: {operation:?} was acknowledged");
            model = done;
            possible.clear();
        } else if shown == done.objects && done.objects != model.objects {
            possible = vec![std::mem::replace(&mut model, done)];
        } else {
            assert_eq!(shown, model.objects, "{at}: {operation:?} was refused");
            possible.push(done);
        }
    }
    possible.insert(0, model);
    possible
}

/// After a restart: nothing is torn, everything agrees, and all goes on.
fn restart(world: &World, possible: &[Model], at: &str) {
    let objects = world.crash_after(async |client| {
        let objects = shown(&client, at).await;
        assert!(
            possible.iter().any(|possible| possible.objects == objects),
            "{at}: after the restart there is {objects:?}"
        );
        crate::until(async || client.put("c", "last", "1").await.is_ok()).await;
        client.rename(("c", "last"), ("c", "y/last")).await.unwrap();
        client.rename(("c", "y/"), ("c", "z/")).await.unwrap();
        let objects = shown(&client, at).await;
        let trash = world.state.path().join(".stobj/trash");
        crate::until(async || std::fs::read_dir(&trash).unwrap().next().is_none()).await;
        client.server.close().await.unwrap();
        objects
    });
    let named = objects
        .iter()
        .map(|((container, name), data)| (format!("{container}/{name}"), data.len() as u64));
    assert_eq!(
        world.mirror.objects(),
        named.collect::<Vec<_>>(),
        "{at}: the mirror"
    );
    let mut records = BTreeMap::<_, usize>::new();
    for record in world.mirror.records() {
        *records.entry(record).or_default() += 1;
    }
    let twice: Vec<_> = records
        .iter()
        .filter(|((action, ..), count)| action.starts_with("fs/") && **count > 1)
        .collect();
    assert!(twice.is_empty(), "{at}: recorded twice: {twice:?}");
}

#[test]
fn a_fault_anywhere_leaves_the_tree_whole() {
    for point in POINTS {
        for skip in [0, 1, 2, 4] {
            let at = format!("{point} after {skip}");
            let world = World::on_disk();
            let possible = world.crash_after(async |client| {
                let model = fill(&client).await;
                let error = Failure::Error(std::io::ErrorKind::Other);
                world.points.arm_later(point, error, skip, 1);
                let possible = run_all(&client, model, &at).await;
                // The trash is emptied in the background.
                crate::until(async || world.points.hits(point) > 0).await;
                world.points.disarm(point);
                possible
            });
            restart(&world, &possible, &at);
        }
    }
}

#[test]
fn a_journal_that_ends_anywhere_leaves_the_tree_whole() {
    for point in [
        "journal:before_write",
        "journal:after_write_before_sync",
        "journal:after_sync",
    ] {
        for number in (1..=JOURNAL_WRITES).step_by(3) {
            let at = format!("{point} at {number}");
            let mut world = World::on_disk();
            let model = world.crash_after(async |client| fill(&client).await);
            world.settings.failure_points = format!("{point}=error@{number}");
            let possible = world.crash_after(async |client| run_all(&client, model, &at).await);
            world.settings.failure_points.clear();
            restart(&world, &possible, &at);
        }
    }
}

/// A start that finds in the journal that a directory was to leave the tree looks for it in the trash.
#[test]
fn what_left_the_tree_is_reaped_only_when_the_journal_says_so() {
    let mut world = World::on_disk();
    // It is the journal that shall fail, not the mirror that is late.
    world.settings.listing_wait = Period::seconds(60);
    world.settings.listing_timeout = Period::seconds(60);
    let at = "the journal does not say so";
    let model = world.crash_after(async |client| fill(&client).await);
    // And it stays so: were it written again, the directory would be let go at once.
    world.settings.failure_points =
        "journal:before_write=error@2,journal:before_recovery=error@1+".to_owned();
    let trash = world.state.path().join(".stobj/trash");
    world.crash_after(async |client| {
        run(&client, Remove("k", "x/")).await.unwrap_err();
        // Whoever would touch it all the same has had time to.
        let seen = Instant::now();
        while seen.elapsed() < Duration::from_millis(100) {
            assert_eq!(std::fs::read_dir(&trash).unwrap().count(), 1);
            tokio::task::yield_now().await;
        }
    });
    world.settings.failure_points.clear();
    restart(&world, &[after(&model, Remove("k", "x/"))], at);
    let records = world.mirror.records();
    let removals = records
        .iter()
        .filter(|(action, ..)| action == "fs/remove_directory");
    assert_eq!(removals.count(), 1);
    // Now it is reaped.
    assert_eq!(std::fs::read_dir(&trash).unwrap().count(), 0);
}
