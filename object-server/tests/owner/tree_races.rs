//! Readers, writers and listings beside a tree that is moved to and fro: every object is at exactly one place for whoever
//! lists it, and nothing that was acknowledged is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::Properties;
use common::functional::{fs, object};

use crate::World;
use crate::client::{Client, path};

const OBJECTS: usize = 30;
const MOVES: usize = 60;

/// The worlds that must behave alike.
fn worlds() -> [World; 2] {
    [World::new(), World::on_disk()]
}

/// Ends the others when the mover has ended, also when it fails.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

async fn list_until(client: &Client, container: &str, is_over: &AtomicBool) -> usize {
    let mut listings = 0;
    let expected: BTreeSet<_> = (0..OBJECTS).map(|number| format!("s/{number}")).collect();
    while !is_over.load(Ordering::Acquire) {
        let names: Vec<_> = client.list(container).await.unwrap();
        let inner: Vec<_> = names.iter().map(|(name, _)| name[2..].to_owned()).collect();
        let unique: BTreeSet<_> = inner.iter().cloned().collect();
        assert_eq!((inner.len(), &unique), (OBJECTS, &expected), "{names:?}");
        let tops: BTreeSet<_> = names.iter().map(|(name, _)| &name[..2]).collect();
        assert_eq!(tops.len(), 1, "{names:?}");
        listings += 1;
        tokio::task::yield_now().await;
    }
    listings
}

async fn read_until(client: &Client, is_over: &AtomicBool) {
    let mut number = 0;
    while !is_over.load(Ordering::Acquire) {
        number = (number + 7) % OBJECTS;
        for top in ["f", "g"] {
            let name = format!("{top}/s/{number}");
            match client.get("c", &name).await {
                Ok((_, data)) => assert_eq!(data, number.to_string()),
                Err(error) => assert_eq!(error.status(), 404, "{error:?}"),
            }
            let post = object::Post {
                path: path("c", &name),
                content_type: None,
                delete_at: None,
                properties: Properties::new(),
                open_expired: false,
            };
            if let Err(error) = client.ask(post).await {
                assert_eq!(error.status(), 404, "{error:?}");
            }
        }
        tokio::task::yield_now().await;
    }
}

async fn move_to_and_fro(client: &Client, is_over: Ends) {
    for _ in 0..MOVES / 2 {
        client.rename(("c", "f/"), ("c", "g/")).await.unwrap();
        client.rename(("c", "g/"), ("c", "f/")).await.unwrap();
    }
    drop(is_over);
}

#[test]
fn an_object_is_at_one_place_for_whoever_lists_it() {
    for world in worlds() {
        for is_away in [false, true] {
            world.crash_after(async |client| {
                client.make_container("c").await.unwrap();
                for number in 0..OBJECTS {
                    let name = format!("f/s/{number}");
                    client.put("c", &name, &number.to_string()).await.unwrap();
                }
                world.mirror.set_away(is_away);
                let is_over = Arc::<AtomicBool>::default();
                let mover = move_to_and_fro(&client, Ends(Arc::clone(&is_over)));
                let listing = list_until(&client, "c", &is_over);
                let reading = read_until(&client, &is_over);
                let ((), listings, ()) = tokio::join!(mover, listing, reading);
                assert!(listings > 0, "nobody listed anything");
            });
        }
    }
}

/// Writes, overwrites and removes objects in `t/` until the mover has ended; answers what was acknowledged last of each.
async fn write_until(client: &Client, writer: usize, is_over: &AtomicBool) -> BTreeMap<String, String> {
    let mut written = BTreeMap::new();
    let mut number = 0;
    while !is_over.load(Ordering::Acquire) {
        let name = format!("{writer}-{number}");
        let data = format!("{writer} wrote {number}");
        client.put("c", &format!("t/x/{name}"), &data).await.unwrap();
        written.insert(name, data);
        number += 1;
        tokio::task::yield_now().await;
    }
    written
}

#[test]
fn no_acknowledged_write_is_lost_beside_moves() {
    for world in worlds() {
        let written = world.crash_after(async |client| {
            client.make_container("c").await.unwrap();
            client.make_container("k").await.unwrap();
            let is_over = Arc::<AtomicBool>::default();
            let ends = Ends(Arc::clone(&is_over));
            let mover = async {
                let _ends = ends;
                let mut moves = 0;
                while moves < MOVES {
                    let call = fs::Move {
                        source: path("c", "t/"),
                        destination: path(if moves % 2 == 0 { "c" } else { "k" }, &format!("u/{moves}/")),
                        overwrite: false,
                    };
                    match client.ask(call).await {
                        Ok(_) => moves += 1,
                        // Nobody has written anything since the last move; or the mirror is late.
                        Err(error) => assert!([404, 503].contains(&error.status().as_u16()), "{error:?}"),
                    }
                    tokio::task::yield_now().await;
                }
            };
            let (first, second) = (
                write_until(&client, 1, &is_over),
                write_until(&client, 2, &is_over),
            );
            let ((), mut first, second) = tokio::join!(mover, first, second);
            first.extend(second);
            first
        });
        world.crash_after(async |client| {
            let mut found = BTreeMap::new();
            for container in ["c", "k"] {
                let listing = client.list(container).await.unwrap();
                let bytes = listing.iter().map(|(_, bytes)| bytes).sum();
                assert_eq!(client.counted(container).await, (listing.len() as u64, bytes));
                for (name, _) in listing {
                    let data = client.get(container, &name).await.unwrap().1;
                    let last = name.rsplit('/').next().unwrap().to_owned();
                    assert!(found.insert(last, data).is_none(), "{name} is there twice");
                }
            }
            assert_eq!(found, written);
            client.server.close().await.unwrap();
        });
        let rows = world.mirror.objects();
        assert_eq!(rows.len(), written.len());
    }
}

#[test]
fn a_mirror_that_is_filled_anew_beside_moves_has_everything() {
    for world in worlds() {
        world.crash_after(async |client| {
            client.make_container("c").await.unwrap();
            for number in 0..OBJECTS {
                let name = format!("f/s/{number}");
                client.put("c", &name, &number.to_string()).await.unwrap();
            }
            let is_over = Arc::<AtomicBool>::default();
            let mover = move_to_and_fro(&client, Ends(Arc::clone(&is_over)));
            let forgetting = async {
                while !is_over.load(Ordering::Acquire) {
                    world.mirror.forget_everything();
                    let name = format!("{}", world.mirror.fillings());
                    client.put("c", &name, "1").await.unwrap();
                    client.list("c").await.unwrap();
                    client.delete("c", &name).await.unwrap();
                }
            };
            tokio::join!(mover, forgetting);
            crate::until(async || {
                client.list("c").await.unwrap();
                world.mirror.objects().len() == OBJECTS
            })
            .await;
            client.server.close().await.unwrap();
        });
        let names = world.mirror.objects();
        assert!(
            names.iter().all(|(name, _)| name.starts_with("c/f/s/")),
            "{names:?}"
        );
        assert!(world.mirror.fillings() > 1, "nothing was filled anew");
    }
}
