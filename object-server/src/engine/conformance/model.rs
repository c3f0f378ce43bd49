//! Any sequence of changes against a plain map.

use std::collections::BTreeMap;

use common::name::ObjectName;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::ground::Ground;
use crate::engine::{ArcEngine, EngineError};
use crate::node::{DirectoryAttributes, WriteId};

/// One change. Containers are counted, two of them.
#[derive(Clone, Debug)]
enum Change {
    Put(usize, String),
    Remove(usize, String),
    MakeDirectory(usize, String),
    RemoveDirectory(usize, String),
    Rename((usize, String), (usize, String)),
    Detach(usize, String),
}

/// What one container should hold.
#[derive(Clone, Debug, Default)]
struct Model {
    objects: BTreeMap<String, Vec<u8>>,
    explicit: BTreeMap<String, DirectoryAttributes>,
    /// Of all directories that were ever looked at and are still there.
    identities: BTreeMap<String, u64>,
}

impl Model {
    fn holds_anything(&self, directory: &str) -> bool {
        let is_below = |name: &String| name.starts_with(directory);
        self.objects.keys().any(is_below)
            || self
                .explicit
                .keys()
                .any(|name| is_below(name) && name != directory)
    }

    fn exists(&self, directory: &str) -> bool {
        self.explicit.contains_key(directory) || self.holds_anything(directory)
    }

    fn directories(&self) -> Vec<String> {
        let names = self.objects.keys().chain(self.explicit.keys());
        let mut directories: Vec<_> = names
            .flat_map(|name| name.match_indices('/').map(|(end, _)| name[..=end].to_owned()))
            .collect();
        directories.sort();
        directories.dedup();
        directories
    }

    fn take(&mut self, directory: &str) -> Self {
        fn cut<T>(map: &mut BTreeMap<String, T>, directory: &str) -> BTreeMap<String, T> {
            let (cut, left) = std::mem::take(map)
                .into_iter()
                .partition(|(name, _)| name.starts_with(directory));
            *map = left;
            let cut: BTreeMap<String, T> = cut;
            cut.into_iter()
                .map(|(name, value)| (name[directory.len()..].to_owned(), value))
                .collect()
        }
        Self {
            objects: cut(&mut self.objects, directory),
            explicit: cut(&mut self.explicit, directory),
            identities: cut(&mut self.identities, directory),
        }
    }

    fn put(&mut self, directory: &str, taken: Self) {
        let whole = |rest: String| format!("{directory}{rest}");
        self.objects
            .extend(taken.objects.into_iter().map(|(rest, data)| (whole(rest), data)));
        self.explicit
            .extend(taken.explicit.into_iter().map(|(rest, own)| (whole(rest), own)));
        self.identities
            .extend(taken.identities.into_iter().map(|(rest, own)| (whole(rest), own)));
    }

    fn forget_what_is_gone(&mut self) {
        let gone: Vec<_> = self
            .identities
            .keys()
            .filter(|name| !self.exists(name))
            .cloned()
            .collect();
        for name in gone {
            self.identities.remove(&name);
        }
    }
}

fn directory_name() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        4 => Just("a/".to_owned()),
        4 => Just("b/".to_owned()),
        1 => Just("/".to_owned()),
        1 => Just("%o/".to_owned()),
        1 => Just(format!("{}/", "l".repeat(260))),
    ];
    prop::collection::vec(segment, 1..4).prop_map(|segments| segments.concat())
}

fn object_name() -> impl Strategy<Value = String> {
    let last = prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("x".to_owned()),
        Just(String::new()),
        Just("l".repeat(254)),
    ];
    let above = prop_oneof![1 => Just(String::new()), 3 => directory_name()];
    (above, last)
        .prop_map(|(above, last)| format!("{above}{last}"))
        .prop_filter("names are not empty, and not too long", |name| {
            (1..=ObjectName::MAX_BYTES).contains(&name.len())
        })
}

fn change() -> impl Strategy<Value = Change> {
    let of = || 0..2_usize;
    prop_oneof![
        6 => (of(), object_name()).prop_map(|(of, name)| Change::Put(of, name)),
        2 => (of(), object_name()).prop_map(|(of, name)| Change::Remove(of, name)),
        2 => (of(), directory_name()).prop_map(|(of, name)| Change::MakeDirectory(of, name)),
        1 => (of(), directory_name()).prop_map(|(of, name)| Change::RemoveDirectory(of, name)),
        3 => ((of(), directory_name()), (of(), directory_name()))
            .prop_map(|(from, to)| Change::Rename(from, to)),
        2 => ((of(), object_name()), (of(), object_name()))
            .prop_map(|(from, to)| Change::Rename(from, to)),
        1 => (of(), directory_name()).prop_map(|(of, name)| Change::Detach(of, name)),
    ]
}

struct Run {
    grounds: [Ground; 2],
    models: [Model; 2],
}

impl Run {
    async fn make(&mut self, change: &Change, number: usize) {
        match change {
            Change::Put(of, name) => {
                let data = number.to_string().into_bytes();
                self.grounds[*of].put(name, &data).await;
                self.models[*of].objects.insert(name.clone(), data);
            }
            Change::Remove(of, name) => {
                let is_removed = self.grounds[*of].remove(name).await.is_some();
                assert_eq!(is_removed, self.models[*of].objects.remove(name).is_some());
            }
            Change::MakeDirectory(of, name) => {
                let attributes = self.grounds[*of].make_directory(name).await;
                self.models[*of].explicit.insert(name.clone(), attributes);
            }
            Change::RemoveDirectory(of, name) => {
                let model = &mut self.models[*of];
                let expected = model.explicit.contains_key(name) && !model.holds_anything(name);
                assert_eq!(self.grounds[*of].remove_directory(name).await, expected);
                if expected {
                    model.explicit.remove(name);
                }
            }
            Change::Detach(of, name) => {
                let expected = self.models[*of].exists(name);
                assert_eq!(self.grounds[*of].detach(name, id()).await, expected);
                self.models[*of].take(name);
            }
            Change::Rename(from, to) => self.rename(from, to).await,
        }
        for model in &mut self.models {
            model.forget_what_is_gone();
        }
    }

    /// The owner sees to it that no name gets too long, so no engine is asked for that.
    fn fits(&self, from: &(usize, String), to: &(usize, String)) -> bool {
        let model = &self.models[from.0];
        let names = model.objects.keys().cloned().chain(model.directories());
        let below = names.filter(|name| name.starts_with(&from.1));
        let longest = below.map(|name| name.len()).max().unwrap_or(0);
        longest.saturating_sub(from.1.len()) + to.1.len() <= ObjectName::MAX_BYTES
    }

    async fn rename(&mut self, from: &(usize, String), to: &(usize, String)) {
        if !self.fits(from, to) {
            return;
        }
        let paths = (self.grounds[from.0].path(&from.1), self.grounds[to.0].path(&to.1));
        let is_directory = from.1.ends_with('/');
        let is_within =
            from.1 == to.1 || is_directory && (from.1.starts_with(&to.1) || to.1.starts_with(&from.1));
        if is_directory != to.1.ends_with('/') || from.0 == to.0 && is_within {
            let engine = &self.grounds[0].engine;
            let refused = engine.rename(&paths.0, &paths.1, id(), Box::new(|| ())).await;
            assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
            return;
        }
        let renamed = self.grounds[0].rename_path(&paths.0, &paths.1).await;
        if is_directory {
            assert_eq!(renamed, self.models[from.0].exists(&from.1));
            if renamed {
                let taken = self.models[from.0].take(&from.1);
                self.models[to.0].take(&to.1);
                self.models[to.0].put(&to.1, taken);
            }
        } else {
            let taken = self.models[from.0].objects.remove(&from.1);
            assert_eq!(renamed, taken.is_some());
            if let Some(data) = taken {
                self.models[to.0].objects.insert(to.1.clone(), data);
            }
        }
    }

    async fn check(&mut self) {
        for (ground, model) in self.grounds.iter().zip(&mut self.models) {
            let names: Vec<_> = model.objects.keys().cloned().collect();
            assert_eq!(ground.names().await, names);
            for (name, data) in &model.objects {
                assert_eq!(ground.read(name).await.as_ref(), Some(data), "{name:?}");
            }
            let directories = model.directories();
            assert_eq!(ground.directories().await, directories);
            for name in directories {
                let found = ground.directory(&name).await.expect("it was listed");
                assert_eq!(found.explicit.as_ref(), model.explicit.get(&name), "{name:?}");
                assert_eq!(found.is_empty, !model.holds_anything(&name), "{name:?}");
                let known = model.identities.entry(name.clone()).or_insert(found.identity);
                assert_eq!(*known, found.identity, "{name:?} is another one");
            }
        }
    }
}

fn id() -> WriteId {
    WriteId::random().expect("there are random numbers")
}

/// Makes any changes in fresh engines, `cases` times. `open` makes an engine; what it gives beside that is kept until the end.
pub(crate) fn run<T>(cases: u32, open: impl Fn() -> (ArcEngine, T)) {
    let mut runner = TestRunner::new(Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    });
    let changes = prop::collection::vec(change(), 1..30);
    let ran = runner.run(&changes, |changes| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("there is a runtime").block_on(async {
            let (engine, _kept) = open();
            let mut run = Run {
                grounds: [
                    Ground::new(&engine, "one").await,
                    Ground::new(&engine, "other").await,
                ],
                models: Default::default(),
            };
            for (number, change) in changes.iter().enumerate() {
                run.make(change, number).await;
                run.check().await;
            }
            for ground in &run.grounds {
                ground.leave_empty().await;
            }
        });
        Ok(())
    });
    ran.unwrap_or_else(|error| panic!("{error}"));
}
