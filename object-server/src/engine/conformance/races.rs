//! Many at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Etag;
use futures::future::join_all;
use tokio::sync::Mutex;

use super::ground::{Ground, attributes, etag, read_all};

/// Names that want each other's places.
const NAMES: [&str; 10] = [
    "a",
    "a/",
    "a/b",
    "a/b/",
    "a/b/c",
    "a/b/c/d/e",
    "a//",
    "a/%o",
    "a%o",
    "b/c",
];

/// One lock a name, and whether it is there.
type Locks = Arc<Vec<Mutex<bool>>>;

pub(super) async fn changes_of_many_names_do_not_meet(ground: &Ground) {
    // As the owner does: one change a name at a time, all names side by side.
    let locks: Locks = Arc::new(NAMES.iter().map(|_| Mutex::new(false)).collect());
    // The changes themselves run in threads of the engine; who asks for them may be one.
    join_all((0..24).map(|task| change(ground, Arc::clone(&locks), task))).await;
    let mut expected = Vec::new();
    for (name, lock) in NAMES.iter().zip(locks.iter()) {
        if *lock.lock().await {
            expected.push((*name).to_owned());
        }
    }
    expected.sort();
    assert_eq!(ground.names().await, expected);
}

pub(super) async fn readers_see_old_or_new(ground: &Ground) {
    let states: Vec<Vec<u8>> = [(b'a', 10), (b'b', 400_000), (b'c', 0), (b'd', 70_000)]
        .map(|(byte, size)| vec![byte; size])
        .into();
    ground.put("d/x", &states[0]).await;
    let is_done = AtomicBool::new(false);
    let etags: Vec<_> = states.iter().map(|state| etag(state)).collect();
    let readers = join_all((0..4).map(|_| read_until(ground, &is_done, &etags)));
    let writer = async {
        for round in 1..50 {
            let state = &states[round % states.len()];
            ground.put_with("d/x", state, attributes(state)).await;
        }
        is_done.store(true, Ordering::Relaxed);
    };
    tokio::join!(readers, writer);
}

async fn change(ground: &Ground, locks: Locks, task: usize) {
    let mut random = task as u64 + 1;
    for round in 0..30 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let draw = usize::try_from(random >> 33).unwrap_or(0);
        let at = draw % NAMES.len();
        let name = NAMES[at];
        let mut is_there = locks[at].lock().await;
        if (draw / NAMES.len()).is_multiple_of(2) {
            let data = format!("{name} of {task} in {round}").into_bytes();
            let changed = ground.put(name, &data).await;
            assert_eq!(changed.old.is_some(), *is_there, "{name}");
            *is_there = true;
            ground.expect(name, Some(&data)).await;
        } else {
            assert_eq!(ground.remove(name).await.is_some(), *is_there, "{name}");
            *is_there = false;
            ground.expect(name, None).await;
        }
    }
}

async fn read_until(ground: &Ground, is_done: &AtomicBool, etags: &[Etag]) {
    while !is_done.load(Ordering::Relaxed) {
        let (attributes, reader) = ground.open("d/x").await.expect("it is always there");
        let data = read_all(reader).await;
        assert_eq!(attributes.size, data.len() as u64);
        assert_eq!(attributes.etag, etag(&data));
        assert!(etags.contains(&attributes.etag));
        tokio::task::yield_now().await;
    }
}
