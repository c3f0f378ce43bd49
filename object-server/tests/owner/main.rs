//! The owner, asked as a proxy asks it, on an engine in memory and with a mirror that misbehaves.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

mod account_move;
mod adoption;
mod check;
mod client;
mod copy;
mod copy_faults;
mod directory_quota;
mod faults;
mod filling;
mod jobs;
mod mirror;
mod pressure;
mod recovery;
mod scrubber;
mod tree;
mod tree_faults;
mod tree_model;
mod tree_races;
mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;

use client::{Client, context, path, put};
use common::functional::{Generations, ask, info, object};
use common::{Body, Outcome, Properties};
use mirror::Mirror;
use object_server::Settings;
use object_server::engine::ArcEngine;
use object_server::engine::memory::Memory;
use object_server::engine::posix::{self, Posix};
use object_server::failure_point::FailurePoints;
use proptest::prelude::*;
use tempfile::TempDir;

struct World {
    /// In memory; without it on the disk, where the state lies.
    engine: Option<ArcEngine>,
    mirror: Mirror,
    state: TempDir,
    /// Of the engine; those of the journal are in the settings.
    points: FailurePoints,
    settings: Settings,
}

impl World {
    fn new() -> Self {
        Self {
            engine: Some(Arc::new(Memory::default())),
            ..Self::on_disk()
        }
    }

    fn on_disk() -> Self {
        Self {
            engine: None,
            mirror: Mirror::default(),
            state: tempfile::tempdir().unwrap(),
            points: FailurePoints::new(),
            settings: Settings::default(),
        }
    }

    async fn open(&self) -> Client {
        let mirror = self.mirror.service();
        match &self.engine {
            Some(engine) => Client::open(engine, self.state.path(), &self.settings, mirror).await,
            None => {
                let settings = posix::Settings {
                    failure_points: self.points.clone(),
                    ..posix::Settings::default()
                };
                let engine = Posix::open(self.state.path(), &settings).unwrap();
                let state = engine.private_directory();
                Client::open(&(Arc::new(engine) as ArcEngine), &state, &self.settings, mirror).await
            }
        }
    }

    /// Runs `work` in a process of its own, which then ends without any farewell.
    fn crash_after<T>(&self, work: impl AsyncFnOnce(Client) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { work(self.open().await).await })
    }
}

/// Waits until it is so.
async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while !is_so().await {
        assert!(tokio::time::Instant::now() < deadline, "that never came true");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_object_is_stored_changed_and_removed() {
    let world = World::new();
    let client = world.open().await;
    assert_eq!(client.put("c", "a", "x").await.unwrap_err().status(), 404);
    assert!(client.make_container("c").await.unwrap());
    assert!(!client.make_container("c").await.unwrap());
    let stored = client.put("c", "a", "hello").await.unwrap();
    assert_eq!(stored.etag.as_str(), "5d41402abc4b2a76b9719d911017c592");
    let (info, data) = client.get("c", "a").await.unwrap();
    assert_eq!((info.timestamp, data.as_str()), (stored.timestamp, "hello"));

    let mut properties = Properties::new();
    properties.insert("x-object-meta-colour", "blue");
    let post = object::Post {
        path: path("c", "a"),
        content_type: None,
        delete_at: None,
        properties: properties.clone(),
        open_expired: false,
    };
    client.ask(post).await.unwrap();
    let (info, data) = client.get("c", "a").await.unwrap();
    assert!(info.timestamp > stored.timestamp);
    assert_eq!(
        (info.properties, info.content_type.as_str(), data.as_str()),
        (properties, "text/plain", "hello")
    );

    assert_eq!(client.remove_container("c").await.unwrap_err().status(), 409);
    client.delete("c", "a").await.unwrap();
    assert_eq!(client.delete("c", "a").await.unwrap_err().status(), 404);
    client.remove_container("c").await.unwrap();
    assert_eq!(client.head_container("c").await.unwrap_err().status(), 404);
    assert_eq!(client.head_account().await.unwrap().containers, 0);
}

#[tokio::test]
async fn a_wrong_etag_or_length_stores_nothing() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    let wrong = object::Put {
        etag: Some("wrong".into()),
        ..put(path("c", "a"))
    };
    let refused = ask(&client.service, wrong, context(), Body::full("x"))
        .await
        .unwrap_err();
    assert_eq!(refused.status(), 422);
    let short = object::Put {
        content_length: Some(5),
        ..put(path("c", "a"))
    };
    let refused = ask(&client.service, short, context(), Body::full("x"))
        .await
        .unwrap_err();
    assert_eq!(refused.status(), 499);
    let right = object::Put {
        etag: Some("9DD4E461268C8034F5C8564E155C67A6".into()),
        ..put(path("c", "b"))
    };
    ask(&client.service, right, context(), Body::full("x"))
        .await
        .unwrap();
    assert_eq!(client.list("c").await.unwrap(), [("b".to_owned(), 1)]);
}

#[tokio::test]
async fn a_write_that_comes_late_does_not_win() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    let early = context();
    client.put("c", "a", "later").await.unwrap();
    let (stored, _) = ask(
        &client.service,
        put(path("c", "a")),
        early.clone(),
        Body::full("early"),
    )
    .await
    .unwrap();
    assert!(!stored.is_current);
    assert_eq!(client.get("c", "a").await.unwrap().1, "later");
    let delete = object::Delete {
        path: path("c", "a"),
        if_delete_at: None,
    };
    assert_eq!(
        ask(&client.service, delete, early, Body::empty())
            .await
            .unwrap_err()
            .status(),
        409
    );
}

#[tokio::test]
async fn an_object_put_if_absent_has_one_winner() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    let attempts = (0..16).map(|number| {
        let put = object::Put {
            if_absent: true,
            ..put(path("c", "a"))
        };
        ask(&client.service, put, context(), Body::full(number.to_string()))
    });
    let results = futures::future::join_all(attempts).await;
    let won = results
        .iter()
        .filter(|result| result.as_ref().is_ok_and(|(stored, _)| stored.is_current))
        .count();
    assert_eq!(won, 1);
    assert_eq!(client.head_container("c").await.unwrap().objects, 1);
}

#[tokio::test]
async fn a_request_decided_under_an_old_generation_comes_back_with_its_body() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    let account = client::account();
    let get = || info::Get {
        account: account.clone(),
        container: Some(client::container_name("c")),
    };
    let before = client.ask(get()).await.unwrap();
    let post = common::functional::container::Post {
        account: account.clone(),
        container: client::container_name("c"),
        properties: Properties::new(),
    };
    client.ask(post).await.unwrap();
    let mut context = context();
    context.decided_under = Generations {
        account: Some(before.account.generation),
        container: before.container.map(|container| container.generation),
    };
    let stale = ask(
        &client.service,
        put(path("c", "a")),
        context.clone(),
        Body::full("data"),
    )
    .await
    .unwrap_err();
    assert!(matches!(stale.outcome(), Outcome::Stale(_)));
    let (found, body) = stale.into_stale().unwrap();
    assert_eq!(found, client.ask(get()).await.unwrap());
    context.decided_under.container = found.container.map(|container| container.generation);
    ask(&client.service, put(path("c", "a")), context, body)
        .await
        .unwrap();
    assert_eq!(client.get("c", "a").await.unwrap().1, "data");
}

#[tokio::test]
async fn an_absent_container_has_a_generation_that_its_making_changes() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("other").await.unwrap();
    let get = || info::Get {
        account: client::account(),
        container: Some(client::container_name("c")),
    };
    let absent = client.ask(get()).await.unwrap().container.unwrap();
    client.make_container("c").await.unwrap();
    let present = client.ask(get()).await.unwrap().container.unwrap();
    client.remove_container("c").await.unwrap();
    let gone = client.ask(get()).await.unwrap().container.unwrap();
    assert!(absent.generation < present.generation && present.generation < gone.generation);
}

#[tokio::test]
async fn first_posts_to_an_account_at_once_are_all_kept() {
    let world = World::new();
    let client = world.open().await;
    let posts = (0..8).map(|number| {
        let mut properties = Properties::new();
        properties.insert(&format!("x-account-meta-{number}"), "here");
        let account = client::account();
        client.ask(common::functional::account::Post { account, properties })
    });
    for posted in futures::future::join_all(posts).await {
        posted.unwrap();
    }
    assert_eq!(client.head_account().await.unwrap().properties.len(), 8);
}

#[tokio::test]
async fn listings_are_right_while_the_mirror_is_away_and_when_it_is_back() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    client.put("c", "a", "1").await.unwrap();
    assert_eq!(client.list("c").await.unwrap(), [("a".to_owned(), 1)]);
    let served = world.mirror.pages_served();
    assert!(served > 0, "the mirror serves while it is there");

    world.mirror.set_away(true);
    client.put("c", "a/b", "22").await.unwrap();
    assert_eq!(
        client.list("c").await.unwrap(),
        [("a".to_owned(), 1), ("a/b".to_owned(), 2)]
    );
    client.delete("c", "a").await.unwrap();
    assert_eq!(client.list("c").await.unwrap(), [("a/b".to_owned(), 2)]);
    assert_eq!(world.mirror.pages_served(), served);

    world.mirror.set_away(false);
    client.put("c", "z", "333").await.unwrap();
    client.server.close().await.unwrap();
    assert_eq!(
        world.mirror.objects(),
        [("c/a/b".to_owned(), 2), ("c/z".to_owned(), 3)]
    );
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let world = World::new();
    world.mirror.set_away(true);
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "a", "1").await.unwrap();
        client.put("c", "b", "22").await.unwrap();
        client.put("c", "b", "333").await.unwrap();
        client.delete("c", "a").await.unwrap();
    });
    world.mirror.set_away(false);
    world.crash_after(async |client| {
        let info = client.head_container("c").await.unwrap();
        assert_eq!((info.objects, info.bytes), (1, 3));
        assert_eq!(client.list("c").await.unwrap(), [("b".to_owned(), 3)]);
        client.server.close().await.unwrap();
    });
    assert_eq!(world.mirror.objects(), [("c/b".to_owned(), 3)]);
}

#[test]
fn counters_survive_the_loss_of_checkpoint_and_journal() {
    let world = World::new();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "a", "1").await.unwrap();
        client.server.close().await.unwrap();
    });
    std::fs::remove_dir_all(world.state.path()).unwrap();
    world.crash_after(async |client| {
        let info = client.head_container("c").await.unwrap();
        assert_eq!((info.objects, info.bytes), (1, 1));
        client.put("c", "b", "22").await.unwrap();
        assert_eq!(
            client.list("c").await.unwrap(),
            [("a".to_owned(), 1), ("b".to_owned(), 2)]
        );
    });
}

#[derive(Clone, Debug)]
enum Step {
    Put(String, usize),
    Delete(String),
    Away(bool),
    Forget,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let name = "[a-c]/?[a-b/]{0,2}";
    prop_oneof![
        6 => (name, 0..9_usize).prop_map(|(name, size)| Step::Put(name, size)),
        3 => name.prop_map(Step::Delete),
        1 => any::<bool>().prop_map(Step::Away),
        1 => Just(Step::Forget),
        1 => Just(Step::Crash),
    ]
}

async fn run(client: &Client, world: &World, step: &Step, model: &mut BTreeMap<String, u64>) {
    match step {
        Step::Put(name, size) => {
            client.put("c", name, &"x".repeat(*size)).await.unwrap();
            model.insert(name.clone(), *size as u64);
        }
        Step::Delete(name) => {
            let is_there = model.remove(name).is_some();
            assert_eq!(client.delete("c", name).await.is_ok(), is_there);
        }
        Step::Away(is_away) => world.mirror.set_away(*is_away),
        Step::Forget => world.mirror.forget_everything(),
        Step::Crash => {}
    }
    let info = client.head_container("c").await.unwrap();
    assert_eq!(
        (info.objects, info.bytes),
        (model.len() as u64, model.values().sum())
    );
    let listing: BTreeMap<_, _> = client.list("c").await.unwrap().into_iter().collect();
    assert_eq!(&listing, model);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever happens to the mirror and the process: counters and listing are right after every response.
    #[test]
    fn counters_and_listings_are_always_right(steps in prop::collection::vec(step(), 1..25)) {
        let world = World::new();
        let mut model = BTreeMap::new();
        world.crash_after(async |client| client.make_container("c").await.unwrap());
        for run_of_steps in steps.split(|step| matches!(step, Step::Crash)) {
            world.crash_after(async |client| {
                for step in run_of_steps {
                    run(&client, &world, step, &mut model).await;
                }
            });
        }
    }
}
