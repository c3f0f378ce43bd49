//! Killed at any instant and at every place that has a name, a store has everything that it acknowledged, each change whole
//! or not at all, one record of each, and nothing left behind.

use std::collections::BTreeSet;
use std::time::Duration;

use integration_tests::storage::until_empty;
use integration_tests::{Chance, Cluster, Process, Server, Shape, TreeWorkers};
use tokio::time::sleep;

const WORKERS: usize = 4;

/// The processes of a store.
const PARTS: [&str; 3] = ["account-server", "object-server", "proxy"];
const OBJECT_SERVER: usize = 1;
const PROXY: usize = 2;

/// The places where the program can be made to end, as the README of each part lists them.
fn places() -> Vec<String> {
    let texts = [
        include_str!("../../object-server/src/engine/posix/README.md"),
        include_str!("../../object-server/src/journal/README.md"),
    ];
    let is_place = |word: &&str| {
        let is_lower = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        word.split_once(':')
            .is_some_and(|(part, place)| is_lower(part) && is_lower(place))
    };
    let places: BTreeSet<_> = texts
        .iter()
        .flat_map(|text| text.split('`'))
        .filter(is_place)
        .map(str::to_owned)
        .collect();
    assert!(places.len() > 20, "{places:?}");
    places.into_iter().collect()
}

/// So often a server is killed; `STOBJ_TEST_LONG` makes it 200.
fn rounds() -> usize {
    let is_long = std::env::var_os("STOBJ_TEST_LONG").is_some();
    if is_long { 200 } else { 20 }
}

/// Kills a server of one process in each of these ways: at a place, at the hit of that number; or just so.
async fn survives(ways: Vec<Option<(String, usize)>>) {
    let mut chance = Chance::new(7);
    let mut server = Server::builder().shape(Shape::Single).start().await;
    let client = server.tester().await;
    let mut workers = TreeWorkers::start(&client, WORKERS).await;
    for way in ways {
        let armed = way
            .as_ref()
            .map_or(String::new(), |(place, hit)| format!("{place}=abort@{hit}"));
        let builder = server.stop().await;
        let builder = builder.failure_points(&armed);
        server = builder.clone().start().await;
        let client = server.tester().await;
        let working = workers.begin(&client);
        // Not every place is reached by what happens to be done.
        sleep(Duration::from_millis(100 + chance.below(500) as u64)).await;
        let builder = server.kill().await;
        workers = working.ended().await;
        server = builder.failure_points("").start().await;
        let client = server.tester().await;
        workers.settle(&client).await;
    }
    let client = server.tester().await;
    workers.expect_records(&client).await;
    until_empty(&server.objects(), &["temporary", "trash", "build"]).await;
}

#[tokio::test]
async fn killed_at_any_instant() {
    survives(vec![None; rounds()]).await;
}

#[tokio::test]
async fn killed_at_each_of_the_first_half_of_all_places() {
    let places = places();
    survives(at(&places[..places.len() / 2])).await;
}

#[tokio::test]
async fn killed_at_each_of_the_second_half_of_all_places() {
    let places = places();
    survives(at(&places[places.len() / 2..])).await;
}

/// At each place, the first time or somewhat later.
fn at(places: &[String]) -> Vec<Option<(String, usize)>> {
    let mut chance = Chance::new(places.len() as u64);
    let way = |place: &String| Some((place.clone(), 1 + chance.below(8)));
    places.iter().map(way).collect()
}

/// The three processes of a store, one of which is killed at a time.
#[tokio::test]
async fn each_of_three_processes_killed_at_any_instant() {
    let cluster = Cluster::new().await;
    let mut chance = Chance::new(11);
    let mut processes: Vec<Process> = Vec::new();
    for part in PARTS {
        processes.push(cluster.start(part).await);
    }
    let client = processes[PROXY].admin().await;
    let mut workers = TreeWorkers::start(&client, WORKERS).await;
    for round in 0..rounds() {
        let client = processes[PROXY].admin().await;
        let victim = round % PARTS.len();
        let working = workers.begin(&client);
        sleep(Duration::from_millis(100 + chance.below(500) as u64)).await;
        processes[victim].kill().await;
        if victim != PROXY {
            sleep(Duration::from_millis(chance.below(300) as u64)).await;
            // Who works, ends with the proxy.
            processes[PROXY].kill().await;
            processes[victim] = cluster.start(PARTS[victim]).await;
        }
        if victim != OBJECT_SERVER {
            // What the proxy had asked for is done, or never will be.
            processes[OBJECT_SERVER].terminate();
            assert!(processes[OBJECT_SERVER].ended().await.success());
            processes[OBJECT_SERVER] = cluster.start(PARTS[OBJECT_SERVER]).await;
        }
        workers = working.ended().await;
        processes[PROXY] = cluster.start(PARTS[PROXY]).await;
        let client = processes[PROXY].admin().await;
        workers.settle(&client).await;
    }
    let client = processes[PROXY].admin().await;
    workers.expect_records(&client).await;
    for process in processes.into_iter().rev() {
        process.end().await;
    }
}
