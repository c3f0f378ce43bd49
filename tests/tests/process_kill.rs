//! Killed at any instant and at every place that has a name, a store has everything that it acknowledged, each change whole
//! or not at all, one record of each, and nothing left behind.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use integration_tests::cluster::until;
use integration_tests::storage::until_empty;
use integration_tests::{Chance, Client, Cluster, Process, Server, Shape, TreeWorker};
use serde_json::Value;
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

/// All workers at once, until nobody answers any more.
async fn work(workers: Vec<TreeWorker>, client: &Client) -> Vec<TreeWorker> {
    let working: Vec<_> = workers
        .into_iter()
        .map(|mut worker| {
            let client = client.clone();
            tokio::spawn(async move {
                worker.work(&client).await;
                worker
            })
        })
        .collect();
    let mut ended = Vec::new();
    for worker in working {
        ended.push(worker.await.expect("what a worker found wrong is told above"));
    }
    ended
}

async fn settle(workers: &mut [TreeWorker], client: &Client) {
    for worker in workers {
        assert!(worker.settle(client).await, "the server is there again");
    }
}

/// How many records there are of each action of each transaction: an account is made for its first container.
async fn recorded(client: &Client) -> BTreeMap<(String, String), usize> {
    let mut recorded = BTreeMap::new();
    let mut marker = String::new();
    loop {
        let page = client.get("").query("records", "").query("limit", "1000");
        let page = page.query("marker", &marker).await.expect(200).json();
        for record in page["records"].as_array().unwrap() {
            let text = |name: &str| record[name].as_str().unwrap().to_owned();
            let key = (text("transaction_id"), text("action"));
            *recorded.entry(key).or_default() += 1;
        }
        match &page["next"] {
            Value::String(next) => next.clone_into(&mut marker),
            _ => return recorded,
        }
    }
}

/// Each change that was answered has one record, none has two.
async fn expect_records(workers: &[TreeWorker], client: &Client) {
    let acknowledged: Vec<_> = workers.iter().flat_map(TreeWorker::acknowledged).collect();
    until("every change is recorded", || async {
        let recorded = recorded(client).await;
        let twice: Vec<_> = recorded.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "recorded twice: {twice:?}");
        let transactions: BTreeSet<_> = recorded.keys().map(|(transaction, _)| transaction).collect();
        acknowledged
            .iter()
            .all(|transaction| transactions.contains(transaction))
    })
    .await;
}

/// Kills a server of one process in each of these ways: at a place, at the hit of that number; or just so.
async fn survives(ways: Vec<Option<(String, usize)>>) {
    let mut chance = Chance::new(7);
    let mut server = Server::builder().shape(Shape::Single).start().await;
    let client = server.tester().await;
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(TreeWorker::start(&client, number).await);
    }
    for way in ways {
        let armed = way
            .as_ref()
            .map_or(String::new(), |(place, hit)| format!("{place}=abort@{hit}"));
        let builder = server.stop().await;
        let builder = builder.failure_points(&armed);
        server = builder.clone().start().await;
        let client = server.tester().await;
        let working = tokio::spawn(async move { work(workers, &client).await });
        // Not every place is reached by what happens to be done.
        sleep(Duration::from_millis(100 + chance.below(500) as u64)).await;
        let builder = server.kill().await;
        workers = working.await.unwrap();
        server = builder.failure_points("").start().await;
        let client = server.tester().await;
        settle(&mut workers, &client).await;
    }
    let client = server.tester().await;
    expect_records(&workers, &client).await;
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
    let mut workers = Vec::new();
    for number in 0..WORKERS {
        workers.push(TreeWorker::start(&client, number).await);
    }
    for round in 0..rounds() {
        let client = processes[PROXY].admin().await;
        let victim = round % PARTS.len();
        let working = tokio::spawn(async move { work(workers, &client).await });
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
        workers = working.await.unwrap();
        processes[PROXY] = cluster.start(PARTS[PROXY]).await;
        let client = processes[PROXY].admin().await;
        settle(&mut workers, &client).await;
    }
    let client = processes[PROXY].admin().await;
    expect_records(&workers, &client).await;
    for process in processes.into_iter().rev() {
        process.end().await;
    }
}
