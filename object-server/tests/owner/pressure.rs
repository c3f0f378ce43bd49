//! A database that takes less than clients store.

use std::sync::Arc;
use std::time::Duration;

use common::config::{Period, Size};

use crate::World;

/// Clients that store one object after the other.
const CLIENTS: usize = 32;
/// Objects of each. All of them take twice the journal, and many times what the database takes meanwhile.
const OBJECTS: usize = 60;

#[tokio::test]
async fn clients_wait_for_a_slow_database_and_are_not_refused() {
    let mut world = World::new();
    world.settings.journal_size = Size(256 << 10);
    // The growth of the journal alone makes room in it.
    world.settings.checkpoint_interval = Period(Duration::from_secs(3600));
    let client = Arc::new(world.open().await);
    client.make_container("c").await.unwrap();
    world.mirror.set_slow(Duration::from_millis(1));
    let storing = (0..CLIENTS).map(|number| {
        let client = Arc::clone(&client);
        tokio::spawn(async move {
            for object in 0..OBJECTS {
                client.put("c", &format!("{number}/{object}"), "").await.unwrap();
            }
        })
    });
    for client in storing.collect::<Vec<_>>() {
        client.await.unwrap();
    }
    world.mirror.set_slow(Duration::ZERO);
    let client = Arc::into_inner(client).unwrap();
    client.server.close().await.unwrap();
    assert_eq!(world.mirror.objects().len(), CLIENTS * OBJECTS);
}
