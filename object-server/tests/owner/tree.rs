//! Tree operations: what each does and refuses, and that storage, counters, listings, mirror and records agree after each.

use std::collections::{BTreeMap, BTreeSet};

use common::functional::firewall::State;
use common::functional::{Context, ask, container, fs};
use common::{Body, Properties};
use proptest::prelude::*;

use crate::World;
use crate::client::{Client, account, container_name, context, path};

async fn filled(client: &Client, objects: &[(&str, &str, &str)]) {
    for (container, name, data) in objects {
        client.make_container(container).await.unwrap();
        client.put(container, name, data).await.unwrap();
    }
}

async fn names(client: &Client, container: &str) -> Vec<String> {
    let listing = client.list(container).await.unwrap();
    listing.into_iter().map(|(name, _)| name).collect()
}

pub(crate) async fn counted(client: &Client, container: &str) -> (u64, u64) {
    let info = client.head_container(container).await.unwrap();
    (info.objects, info.bytes)
}

fn status<T: std::fmt::Debug>(result: Result<T, common::Error>) -> u16 {
    result.unwrap_err().status().as_u16()
}

#[tokio::test]
async fn an_explicit_directory_is_made_once_and_removed_when_it_is_empty() {
    let world = World::new();
    let client = world.open().await;
    assert_eq!(status(client.make_directory("c", "d/").await), 404);
    filled(&client, &[("c", "x/y", "1")]).await;
    let make = |name: &str| fs::MakeDirectory {
        path: path("c", name),
        create_parents: false,
    };
    assert_eq!(status(client.ask(make("d")).await), 400);
    assert_eq!(status(client.ask(make("d/e/")).await), 409);
    assert_eq!(status(client.ask(make("x/")).await), 405);
    client.ask(make("x/d/")).await.unwrap();
    client.ask(make("d/")).await.unwrap();
    assert_eq!(status(client.ask(make("d/")).await), 405);
    client.ask(make("d/e/")).await.unwrap();

    assert_eq!(names(&client, "c").await, ["x/y"]);
    assert_eq!(status(client.get("c", "d/").await), 404);
    assert_eq!(counted(&client, "c").await, (1, 1));
    assert_eq!(status(client.delete("c", "d/").await), 409);
    assert_eq!(status(client.delete("c", "x/").await), 409);
    assert_eq!(status(client.delete("c", "none/").await), 404);
    assert_eq!(status(client.remove_container("c").await), 409);
    client.delete("c", "d/e/").await.unwrap();
    client.delete("c", "x/d/").await.unwrap();

    client.put("c", "d/", "own").await.unwrap();
    client.delete("c", "d/").await.unwrap();
    assert_eq!(status(client.get("c", "d/").await), 404);
    client.delete("c", "d/").await.unwrap();
    assert_eq!(status(client.delete("c", "d/").await), 404);
    client.server.close().await.unwrap();
    assert_eq!(world.mirror.directories(), Vec::<String>::new());
}

#[tokio::test]
async fn a_directory_is_moved_with_all_that_lies_in_it() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/b/1", "1"),
            ("c", "a/b/2/3", "22"),
            ("c", "a/", "own"),
            ("c", "ab", "-"),
        ],
    )
    .await;
    client.make_directory("c", "a/empty/").await.unwrap();
    assert!(!client.rename(("c", "a/"), ("c", "x/y/")).await.unwrap());
    assert_eq!(names(&client, "c").await, ["ab", "x/y/", "x/y/b/1", "x/y/b/2/3"]);
    assert_eq!(client.get("c", "x/y/b/2/3").await.unwrap().1, "22");
    assert_eq!(status(client.get("c", "a/b/1").await), 404);
    assert_eq!(counted(&client, "c").await, (4, 7));

    client.make_container("k").await.unwrap();
    assert!(!client.rename(("c", "x/y/"), ("k", "z/")).await.unwrap());
    assert_eq!(
        (counted(&client, "c").await, counted(&client, "k").await),
        ((1, 1), (3, 6))
    );
    assert_eq!(names(&client, "k").await, ["z/", "z/b/1", "z/b/2/3"]);
    assert_eq!(client.head_account().await.unwrap().objects, 4);
    client.delete("k", "z/empty/").await.unwrap();
    client.server.close().await.unwrap();
    assert_eq!(
        world.mirror.objects(),
        [
            ("c/ab".to_owned(), 1),
            ("k/z/".to_owned(), 3),
            ("k/z/b/1".to_owned(), 1),
            ("k/z/b/2/3".to_owned(), 2)
        ]
    );
}

#[tokio::test]
async fn a_move_replaces_and_never_merges() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "1"),
            ("c", "b/2", "22"),
            ("c", "b/3", "333"),
            ("c", "o", "4444"),
            ("k", "p", "55555"),
        ],
    )
    .await;
    for to in ["b/", "b/2/"] {
        let call = fs::Move {
            source: path("c", "a/"),
            destination: path("c", to),
            overwrite: false,
        };
        let moved = client.ask(call).await;
        match to {
            "b/" => assert_eq!(status(moved), 412),
            _ => drop(client.rename(("c", "b/2/"), ("c", "a/")).await.unwrap()),
        }
    }
    assert!(client.rename(("c", "a/"), ("c", "b/")).await.unwrap());
    assert_eq!(names(&client, "c").await, ["b/1", "o"]);
    assert_eq!(counted(&client, "c").await, (2, 5));
    assert!(client.rename(("c", "o"), ("k", "p")).await.unwrap());
    assert_eq!(client.get("k", "p").await.unwrap().1, "4444");
    assert_eq!(
        (counted(&client, "c").await, counted(&client, "k").await),
        ((1, 1), (1, 4))
    );
    assert!(!client.rename(("k", "p"), ("k", "q/r")).await.unwrap());
    assert_eq!(names(&client, "k").await, ["q/r"]);
    client.server.close().await.unwrap();
    assert_eq!(
        world.mirror.objects(),
        [("c/b/1".to_owned(), 1), ("k/q/r".to_owned(), 4)]
    );
}

#[tokio::test]
async fn a_directory_is_removed_with_all_that_lies_in_it() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "1"),
            ("c", "a/b/2", "22"),
            ("c", "a/", "333"),
            ("c", "b", "4444"),
        ],
    )
    .await;
    client.make_directory("c", "a/d/").await.unwrap();
    assert_eq!(status(client.remove_directory("c", "a").await), 400);
    assert_eq!(status(client.remove_directory("c", "b/").await), 404);
    assert_eq!(client.remove_directory("c", "a/").await.unwrap(), (3, 6));
    assert_eq!(names(&client, "c").await, ["b"]);
    assert_eq!(counted(&client, "c").await, (1, 4));
    assert_eq!(status(client.remove_directory("c", "a/").await), 404);
    client.delete("c", "b").await.unwrap();
    client.remove_container("c").await.unwrap();
    client.server.close().await.unwrap();
    assert_eq!(world.mirror.objects(), []);
}

#[tokio::test]
async fn what_cannot_be_moved_stays() {
    let world = World::new();
    let client = world.open().await;
    let long = format!("a/{}", "n".repeat(1000));
    filled(
        &client,
        &[("c", "a/b/1", "1"), ("c", "o", "2"), ("c", &long, "3")],
    )
    .await;
    for (from, to, expected) in [
        (("c", "none/"), ("c", "x/"), 404),
        (("c", "a"), ("c", "x"), 404),
        (("c", "a/"), ("k", "x/"), 404),
        (("k", "a/"), ("c", "x/"), 404),
        (("c", "a/"), ("c", "a/b/c/"), 403),
        (("c", "a/b/"), ("c", "a/"), 403),
        (("c", "a/"), ("c", "a/"), 403),
        (("c", "o"), ("c", "o"), 403),
        (("c", "o"), ("c", "d/"), 400),
        (("c", "a/"), ("c", "d"), 400),
        (("c", "a/"), ("c", "a-name-that-is-far-too-long/"), 400),
    ] {
        assert_eq!(status(client.rename(from, to).await), expected, "{from:?} {to:?}");
    }
    let elsewhere = fs::Move {
        source: path("c", "a/"),
        destination: common::functional::object::Path {
            account: common::name::AccountName::new("AUTH_other").unwrap(),
            ..path("c", "a/")
        },
        overwrite: true,
    };
    assert_eq!(status(client.ask(elsewhere).await), 404);

    client.set_state("c", "a/b/1", State::Disable).await.unwrap();
    assert_eq!(status(client.rename(("c", "a/"), ("c", "x/")).await), 403);
    assert_eq!(status(client.rename(("c", "a/b/1"), ("c", "x")).await), 403);
    assert_eq!(status(client.rename(("c", "o"), ("c", "a/b/1")).await), 403);
    assert_eq!(status(client.remove_directory("c", "a/").await), 403);
    client.set_state("c", "a/b/1", State::Enable).await.unwrap();
    assert_eq!(counted(&client, "c").await, (3, 3));
    client.delete("c", &long).await.unwrap();
    // The longest name there ever was is remembered, so it is looked what is there now.
    client
        .rename(("c", "a/"), ("c", "a-name-that-is-far-too-long/"))
        .await
        .unwrap();
}

#[test]
fn what_is_switched_off_is_known_after_a_restart() {
    let world = World::new();
    world.crash_after(async |client| {
        filled(&client, &[("c", "a/1", "1"), ("c", "b/1", "1")]).await;
        client.set_state("c", "a/1", State::Disable).await.unwrap();
        client.set_state("c", "b/1", State::Disable).await.unwrap();
    });
    world.crash_after(async |client| {
        assert_eq!(status(client.rename(("c", "a/"), ("c", "x/")).await), 403);
        client.set_state("c", "b/1", State::Enable).await.unwrap();
        // It is written down.
        client.server.close().await.unwrap();
    });
    world.crash_after(async |client| {
        assert_eq!(status(client.rename(("c", "a/"), ("c", "x/")).await), 403);
        client.rename(("c", "b/"), ("c", "x/")).await.unwrap();
    });
    std::fs::remove_dir_all(world.state.path()).unwrap();
    world.crash_after(async |client| {
        assert_eq!(status(client.rename(("c", "a/"), ("c", "y/")).await), 403);
    });
}

#[tokio::test]
async fn without_the_mirror_only_what_needs_no_totals_goes_on() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "1"),
            ("c", "b/2", "22"),
            ("c", "o", "3"),
            ("c", "p", "4"),
            ("k", "q", "5"),
        ],
    )
    .await;
    assert_eq!(names(&client, "c").await.len(), 4);
    world.mirror.set_away(true);
    client.rename(("c", "a/"), ("c", "x/y/")).await.unwrap();
    client.rename(("c", "o"), ("c", "p")).await.unwrap();
    client.make_directory("c", "d/").await.unwrap();
    client.rename(("c", "x/"), ("c", "d/")).await.unwrap();
    let before = names(&client, "c").await;
    assert_eq!(before, ["b/2", "d/y/1", "p"]);
    for (from, to) in [
        (("c", "b/"), ("c", "d/y/")),
        (("c", "b/"), ("k", "b/")),
        (("c", "p"), ("k", "p")),
    ] {
        let refused = client.rename(from, to).await.unwrap_err();
        assert_eq!(
            refused.outcome(),
            &common::Outcome::Unavailable(Some(5)),
            "{from:?} {to:?}"
        );
    }
    let refused = client.remove_directory("c", "b/").await.unwrap_err();
    assert_eq!(refused.outcome(), &common::Outcome::Unavailable(Some(5)));
    let tree = || fs::Tree {
        account: account(),
        container: container_name("c"),
        directory: None,
        depth: None,
        limit: None,
        marker: None,
    };
    assert_eq!(status(client.ask(tree()).await), 503);
    assert_eq!(names(&client, "c").await, before);
    world.mirror.set_away(false);
    crate::until(async || client.remove_directory("c", "b/").await.is_ok()).await;
    let shown = client.ask(tree()).await.unwrap();
    assert_eq!((shown.objects, shown.bytes), (2, 2));
    assert_eq!(names(&client, "c").await, ["d/y/1", "p"]);
}

#[tokio::test]
async fn a_move_takes_no_more_than_there_is_room_for() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "12345"),
            ("c", "o", "123"),
            ("k", "x", "12345"),
            ("k", "d/y", "1"),
        ],
    )
    .await;
    let mut properties = Properties::new();
    properties.insert("x-container-meta-quota-bytes", "8");
    properties.insert("x-container-meta-quota-count", "3");
    let post = container::Post {
        account: account(),
        container: container_name("k"),
        properties,
    };
    client.ask(post).await.unwrap();
    assert_eq!(status(client.rename(("c", "a/"), ("k", "b/")).await), 413);
    assert_eq!(status(client.rename(("c", "o"), ("k", "b")).await), 413);
    assert_eq!(
        (counted(&client, "c").await, counted(&client, "k").await),
        ((2, 8), (2, 6))
    );
    client.rename(("c", "o"), ("k", "x")).await.unwrap();
    client.rename(("c", "a/"), ("k", "d/")).await.unwrap();
    assert_eq!(
        (counted(&client, "c").await, counted(&client, "k").await),
        ((0, 0), (2, 8))
    );
    assert_eq!(status(client.put("k", "z", "1").await), 413);
    client.rename(("k", "d/"), ("k", "e/")).await.unwrap();
}

#[tokio::test]
async fn an_operation_that_is_asked_for_twice_is_done_once_with_one_record() {
    let world = World::new();
    let client = world.open().await;
    filled(&client, &[("c", "a/1", "1"), ("c", "o", "1")]).await;
    let at: Context = context();
    let call = || fs::Move {
        source: path("c", "a/"),
        destination: path("c", "b/"),
        overwrite: true,
    };
    let mut answers = Vec::new();
    for _ in 0..2 {
        let asked = ask(&client.service, call(), at.clone(), Body::empty()).await;
        answers.push(asked.unwrap().0);
    }
    assert_eq!(answers[0], answers[1]);
    client.rename(("c", "o"), ("c", "p")).await.unwrap();
    client.make_directory("c", "d/").await.unwrap();
    client.delete("c", "d/").await.unwrap();
    client.remove_directory("c", "b/").await.unwrap();
    client.server.close().await.unwrap();
    let records: Vec<_> = world.mirror.records().into_iter().skip(5).collect();
    let shown = |action: &str, path: &str, destination: Option<&str>| {
        let whole = |path: &str| format!("AUTH_test/c/{path}");
        (action.to_owned(), whole(path), destination.map(whole))
    };
    assert_eq!(
        records,
        [
            shown("fs/move", "a/", Some("b/")),
            shown("fs/move", "o", Some("p")),
            shown("fs/make_directory", "d/", None),
            shown("object/delete", "d/", None),
            shown("fs/remove_directory", "b/", None),
        ]
    );
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Put(String, String, usize),
    Post(String, String),
    Delete(String, String),
    MakeDirectory(String, String),
    Rename((String, String), (String, String)),
    RemoveDirectory(String, String),
    Away(bool),
    Forget,
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    let container = || "[ck]";
    let object = || "([ab]/){0,2}[ab]/?";
    let directory = || "([ab]/){1,3}";
    let either = move || prop_oneof![object(), directory()];
    prop_oneof![
        6 => (container(), object(), 0..9_usize).prop_map(|(c, name, size)| Step::Put(c, name, size)),
        1 => (container(), object()).prop_map(|(c, name)| Step::Post(c, name)),
        3 => (container(), either()).prop_map(|(c, name)| Step::Delete(c, name)),
        2 => (container(), directory()).prop_map(|(c, name)| Step::MakeDirectory(c, name)),
        6 => ((container(), either()), (container(), either())).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (container(), directory()).prop_map(|(c, name)| Step::RemoveDirectory(c, name)),
        1 => any::<bool>().prop_map(Step::Away),
        1 => Just(Step::Forget),
        1 => Just(Step::Crash),
    ]
}

/// What there is: data of objects, and explicit directories, each as `(container, name)`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Model {
    pub(crate) objects: BTreeMap<(String, String), String>,
    pub(crate) directories: BTreeSet<(String, String)>,
    is_away: bool,
}

impl Model {
    fn has_directory(&self, container: &str, name: &str) -> bool {
        let is_in = |(of, other): &(String, String)| of == container && other.starts_with(name);
        self.objects.keys().any(is_in) || self.directories.iter().any(is_in)
    }

    fn is_empty(&self, container: &str, name: &str) -> bool {
        let is_in = |(of, other): &(String, String)| of == container && other.starts_with(name);
        !self.objects.keys().any(is_in) && !self.directories.iter().any(|at| is_in(at) && at.1 != name)
    }

    pub(crate) fn take(&mut self, container: &str, name: &str) -> Self {
        let is_in = |at: &(String, String)| at.0 == container && at.1.starts_with(name);
        let rest = |at: (String, String)| (String::new(), at.1[name.len()..].to_owned());
        let objects = self.objects.extract_if(.., |at, _| is_in(at));
        let objects = objects.map(|(at, data)| (rest(at), data)).collect();
        let directories = self.directories.extract_if(.., |at| is_in(at));
        Self {
            objects,
            directories: directories.map(rest).collect(),
            is_away: self.is_away,
        }
    }

    pub(crate) fn rename(&mut self, from: &(String, String), to: &(String, String)) -> Result<bool, u16> {
        let is_directory = from.1.ends_with('/');
        if is_directory != to.1.ends_with('/') {
            return Err(400);
        }
        let is_within = is_directory && (from.1.starts_with(&to.1) || to.1.starts_with(&from.1));
        if from.0 == to.0 && (from.1 == to.1 || is_within) {
            return Err(403);
        }
        if is_directory {
            if !self.has_directory(&from.0, &from.1) {
                return Err(404);
            }
            let replaces = self.has_directory(&to.0, &to.1);
            if self.is_away && (from.0 != to.0 || replaces && !self.is_empty(&to.0, &to.1)) {
                return Err(503);
            }
            let moved = self.take(&from.0, &from.1);
            self.take(&to.0, &to.1);
            let name = |rest: String| (to.0.clone(), format!("{}{rest}", to.1));
            self.objects.extend(
                moved
                    .objects
                    .into_iter()
                    .map(|((_, rest), data)| (name(rest), data)),
            );
            self.directories
                .extend(moved.directories.into_iter().map(|(_, rest)| name(rest)));
            return Ok(replaces);
        }
        if !self.objects.contains_key(from) {
            return Err(404);
        }
        if self.is_away && from.0 != to.0 {
            return Err(503);
        }
        let data = self.objects.remove(from).unwrap();
        Ok(self.objects.insert(to.clone(), data).is_some())
    }
}

pub(crate) async fn run(client: &Client, world: &World, step: &Step, model: &mut Model) {
    let refused = |result: Result<(), common::Error>| result.map_err(|error| error.status().as_u16());
    match step {
        Step::Put(c, name, size) => {
            let data = "x".repeat(*size);
            client.put(c, name, &data).await.unwrap();
            model.objects.insert((c.clone(), name.clone()), data);
        }
        Step::Post(c, name) => {
            let post = common::functional::object::Post {
                path: path(c, name),
                content_type: None,
                delete_at: None,
                properties: Properties::new(),
                open_expired: false,
            };
            let is_there = model.objects.contains_key(&(c.clone(), name.clone()));
            assert_eq!(client.ask(post).await.is_ok(), is_there);
        }
        Step::Delete(c, name) => {
            let at = (c.clone(), name.clone());
            let expected = if model.objects.remove(&at).is_some() {
                Ok(())
            } else if !name.ends_with('/') || !model.has_directory(c, name) {
                Err(404)
            } else if model.is_empty(c, name) {
                model.directories.remove(&at);
                Ok(())
            } else {
                Err(409)
            };
            assert_eq!(refused(client.delete(c, name).await), expected, "{step:?}");
        }
        Step::MakeDirectory(..) | Step::Rename(..) | Step::RemoveDirectory(..) => {
            run_on_tree(client, step, model).await;
        }
        Step::Away(is_away) => {
            world.mirror.set_away(*is_away);
            model.is_away = *is_away;
        }
        Step::Forget => world.mirror.forget_everything(),
        Step::Crash => {}
    }
    if !model.is_away {
        // Until then what needs totals would be refused.
        crate::until(async || is_up_to_date(client).await).await;
    }
    check(client, model, step).await;
}

async fn run_on_tree(client: &Client, step: &Step, model: &mut Model) {
    match step {
        Step::MakeDirectory(c, name) => {
            let made = client.make_directory(c, name).await;
            let made = made.map_err(|error| error.status().as_u16());
            let expected = match model.has_directory(c, name) {
                true => Err(405),
                false => Ok(()),
            };
            if expected.is_ok() {
                model.directories.insert((c.clone(), name.clone()));
            }
            assert_eq!(made, expected, "{step:?}");
        }
        Step::Rename(from, to) => {
            let expected = model.rename(from, to);
            let moved = client.rename((&from.0, &from.1), (&to.0, &to.1)).await;
            let moved = moved.map_err(|error| error.status().as_u16());
            assert_eq!(moved, expected, "{step:?}");
        }
        Step::RemoveDirectory(c, name) => {
            let removed = client.remove_directory(c, name).await;
            let removed = removed.map_err(|error| error.status().as_u16());
            let expected = if !model.has_directory(c, name) {
                Err(404)
            } else if model.is_away && !model.is_empty(c, name) {
                Err(503)
            } else {
                let taken = model.take(c, name).objects;
                let bytes = taken.values().map(|data| data.len() as u64).sum();
                Ok((taken.len() as u64, bytes))
            };
            assert_eq!(removed, expected, "{step:?}");
        }
        _ => {}
    }
}

async fn is_up_to_date(client: &Client) -> bool {
    let tree = fs::Tree {
        account: account(),
        container: container_name("c"),
        directory: None,
        depth: None,
        limit: None,
        marker: None,
    };
    client.ask(tree).await.is_ok()
}

async fn check(client: &Client, model: &Model, step: &Step) {
    for name in ["c", "k"] {
        let objects = model.objects.iter().filter(|((c, _), _)| c == name);
        let expected: BTreeMap<_, _> = objects
            .map(|((_, name), data)| (name.clone(), data.len() as u64))
            .collect();
        let listing: BTreeMap<_, _> = client.list(name).await.unwrap().into_iter().collect();
        assert_eq!(listing, expected, "the listing of {name} after {step:?}");
        let held = (expected.len() as u64, expected.values().sum());
        assert_eq!(
            counted(client, name).await,
            held,
            "the counters of {name} after {step:?}"
        );
        for (at, data) in model.objects.iter().filter(|((c, _), _)| c == name) {
            assert_eq!(
                &client.get(name, &at.1).await.unwrap().1,
                data,
                "{at:?} after {step:?}"
            );
        }
    }
}

/// Whatever is done to the tree, the mirror and the process: storage, counters and listings are those of a plain model
/// after every response, and at last the mirror's rows are, too.
fn run_all(world: &World, steps: &[Step]) {
    let mut model = Model::default();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.make_container("k").await.unwrap();
    });
    for run_of_steps in steps.split(|step| matches!(step, Step::Crash)) {
        world.crash_after(async |client| {
            check(&client, &model, &Step::Crash).await;
            for step in run_of_steps {
                run(&client, world, step, &mut model).await;
            }
        });
    }
    world.mirror.set_away(false);
    world.crash_after(async |client| client.server.close().await.unwrap());
    check_mirror(world, &model);
}

fn check_mirror(world: &World, model: &Model) {
    let objects = model.objects.iter();
    let objects = objects.map(|((c, name), data)| (format!("{c}/{name}"), data.len() as u64));
    assert_eq!(world.mirror.objects(), objects.collect::<Vec<_>>());
    let directories = model.directories.iter();
    let directories = directories.map(|(c, name)| format!("{c}/{name}"));
    assert_eq!(world.mirror.directories(), directories.collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_tree_is_always_that_of_a_model(steps in prop::collection::vec(step(), 1..40)) {
        run_all(&World::new(), &steps);
    }

    #[test]
    fn the_tree_on_a_disk_is_always_that_of_a_model(steps in prop::collection::vec(step(), 1..40)) {
        run_all(&World::on_disk(), &steps);
    }
}
