//! Any tree operations in any order, beside a model of what they must come to: storage, counters, listings and the mirror agree
//! with it after each.

use std::collections::{BTreeMap, BTreeSet};

use common::Properties;
use common::functional::fs;
use proptest::prelude::*;

use crate::World;
use crate::client::{Client, account, container_name, path};

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
            client.counted(name).await,
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
