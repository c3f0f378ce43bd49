//! Killed at any instant, a store has exactly one record of each change that happened, and none of any other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use integration_tests::cluster::until;
use integration_tests::{Client, Server, Shape};
use parking_lot::Mutex;
use serde_json::Value;

const WRITERS: usize = 6;
const KILLS: usize = 5;
/// Changes that are acknowledged between two kills.
const CHANGES: usize = 120;

/// A change of one path, which is changed so only once: `put` or `delete`.
type Change = (String, &'static str);

/// Of each change that was asked for whether it was acknowledged.
type Told = Arc<Mutex<BTreeMap<Change, bool>>>;

/// Puts each name once, and deletes every third of them once.
async fn write(client: Client, prefix: String, told: Told, acknowledged: Arc<AtomicUsize>) {
    for number in 0.. {
        let path = format!("c/{prefix}/{number}");
        let mut changes = vec!["object/put"];
        changes.extend((number % 3 == 0).then_some("object/delete"));
        for action in changes {
            let change = (path.clone(), action);
            told.lock().insert(change.clone(), false);
            let request = match action {
                "object/put" => client.put(&path, "content"),
                _ => client.delete(&path),
            };
            let Ok(response) = request.send().await else {
                return;
            };
            response.expect_one_of(&[201, 204]);
            told.lock().insert(change, true);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What happened, as storage shows it.
async fn happened(client: &Client, told: &Told) -> BTreeSet<Change> {
    let told = told.lock().clone();
    let present: BTreeSet<String> = client.list("c").await.expect(200).entries().into_iter().collect();
    let mut happened = BTreeSet::new();
    for ((path, action), is_acknowledged) in &told {
        let is_present = present.contains(&path["c/".len()..]);
        let was_deleted = told.contains_key(&(path.clone(), "object/delete"));
        let is_done = match *action {
            // Deleting was asked for only when the put had been acknowledged.
            "object/put" => is_present || was_deleted,
            _ => !is_present,
        };
        if !is_done && *is_acknowledged {
            let now = client.head(path).await.status();
            panic!("{action} of {path} was acknowledged and is not listed; HEAD: {now}");
        }
        if is_done {
            happened.insert((path.clone(), *action));
        }
    }
    happened
}

/// Of each change how many records there are that say that it happened.
async fn recorded(client: &Client) -> BTreeMap<Change, usize> {
    let mut recorded = BTreeMap::new();
    for action in ["object/put", "object/delete"] {
        let mut marker = String::new();
        loop {
            let page = client.get("").query("records", "").query("action", action);
            let page = page
                .query("limit", "1000")
                .query("marker", &marker)
                .await
                .expect(200)
                .json();
            for record in page["records"].as_array().expect("a list") {
                let says_so = record["changed"] == true || record["result"].as_u64() < Some(400);
                if says_so {
                    let path = record["path"].as_str().expect("a text");
                    let path = path["AUTH_test/".len()..].to_owned();
                    *recorded.entry((path, action)).or_default() += 1;
                }
            }
            match &page["next"] {
                Value::String(next) => next.clone_into(&mut marker),
                _ => break,
            }
        }
    }
    recorded
}

async fn compare(client: &Client, told: &Told) {
    let happened = happened(client, told).await;
    until("each change that happened is recorded", || async {
        let recorded = recorded(client).await;
        let made_up: Vec<_> = recorded
            .keys()
            .filter(|change| !happened.contains(*change))
            .collect();
        assert!(made_up.is_empty(), "these did not happen: {made_up:?}");
        let twice: Vec<_> = recorded.iter().filter(|(_, count)| **count > 1).collect();
        assert!(twice.is_empty(), "these are there twice: {twice:?}");
        happened.iter().all(|change| recorded.contains_key(change))
    })
    .await;
}

async fn survives_kills(shape: Shape) {
    let mut server = Server::builder().shape(shape).start().await;
    server.tester().await.put("c", "").await.expect(201);
    let told = Told::default();
    for round in 0..KILLS {
        let client = server.tester().await;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let prefix = format!("{round}-{writer}");
                let (told, acknowledged) = (Arc::clone(&told), Arc::clone(&acknowledged));
                tokio::spawn(write(client.clone(), prefix, told, acknowledged))
            })
            .collect();
        // A little later each time, so that some of it is recorded already.
        while acknowledged.load(Ordering::Relaxed) < CHANGES * (round + 1) {
            tokio::task::yield_now().await;
        }
        let killed = server.kill().await;
        for writer in writers {
            writer.await.expect("a writer ends with the server");
        }
        server = killed.start().await;
    }
    let client = server.tester().await;
    compare(&client, &told).await;
    // What the journal still holds is read again at each start.
    let server = server.stop().await.start().await;
    compare(&server.tester().await, &told).await;
}

#[tokio::test]
async fn one_process_has_one_record_of_each_change() {
    survives_kills(Shape::Single).await;
}

#[tokio::test]
async fn three_processes_have_one_record_of_each_change() {
    survives_kills(Shape::Split).await;
}
