//! `a` beside `a/` beside `a/b`: what a file system cannot hold, and a flat name space does.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::ground::Ground;

/// All orders of three.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// Puts in every order, and removes in so many orders.
async fn in_every_order(ground: &Ground, names: [&str; 3], remove_orders: usize) {
    let mut round = 0;
    for (at, puts) in ORDERS.into_iter().enumerate() {
        for removes in ORDERS.into_iter().cycle().skip(at).take(remove_orders) {
            let mut present: [Option<Vec<u8>>; 3] = [None, None, None];
            for at in puts {
                round += 1;
                let data = format!("{} {round}", names[at]).into_bytes();
                // The second put finds whatever form the first one took.
                for data in [b"before".to_vec(), data] {
                    ground.put(names[at], &data).await;
                    present[at] = Some(data);
                    for (name, data) in names.iter().zip(&present) {
                        ground.expect(name, data.as_deref()).await;
                    }
                }
            }
            for at in removes {
                assert!(ground.remove(names[at]).await.is_some());
                present[at] = None;
                for (name, data) in names.iter().zip(&present) {
                    ground.expect(name, data.as_deref()).await;
                }
            }
            assert_eq!(ground.names().await, Vec::<String>::new());
        }
    }
}

pub(super) async fn objects_stand_beside_directories_in_every_order(ground: &Ground) {
    in_every_order(ground, ["a", "a/", "a/b"], 6).await;
    in_every_order(ground, ["a", "a/b", "a/b/c"], 6).await;
    in_every_order(ground, ["/", "//", "//b"], 1).await;
}

pub(super) async fn long_names_stand_beside_directories(ground: &Ground) {
    // The escaped form of these lies in a directory of its own.
    for length in [254, 255, 600] {
        let name = "x".repeat(length);
        in_every_order(ground, [&name, &format!("{name}/"), &format!("{name}/b")], 1).await;
    }
}

pub(super) async fn an_object_is_there_while_directories_come_and_go(ground: &Ground) {
    let names: Vec<_> = (0..20).map(|number| format!("a{number}")).collect();
    for name in &names {
        ground.put(name, b"always").await;
    }
    let current = AtomicUsize::new(0);
    let reader = async {
        while let Some(name) = names.get(current.load(Ordering::Relaxed)) {
            assert!(ground.stat(name).await.is_some(), "a directory hides {name}");
            tokio::task::yield_now().await;
        }
    };
    let writer = async {
        for (at, name) in names.iter().enumerate() {
            current.store(at, Ordering::Relaxed);
            ground.put(&format!("{name}/b"), b"x").await;
            ground.put(&format!("{name}/"), b"x").await;
            ground.remove(&format!("{name}/b")).await;
            ground.remove(&format!("{name}/")).await;
            ground.put(name, b"always").await;
        }
        current.store(names.len(), Ordering::Relaxed);
    };
    tokio::join!(reader, writer);
}
