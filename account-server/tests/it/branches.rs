//! Explicit directories, and branches that are moved and detached.

use std::collections::{BTreeMap, BTreeSet};

use common::Outcome;
use common::functional::listing::Query;
use common::functional::mirror::{Apply, Total, Totals};
use common::name::{ContainerName, ObjectName};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

/// From now on a row that has children is not removed: whoever relies on a cascade fails.
async fn forbid_cascades(server: &Server) {
    let trigger = if server.is_mysql() {
        "CREATE TRIGGER no_cascade BEFORE DELETE ON stobj FOR EACH ROW \
         IF EXISTS (SELECT 1 FROM stobj AS child WHERE child.parent_id = OLD.id) THEN \
         SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'a cascade'; END IF"
    } else {
        "CREATE TRIGGER no_cascade BEFORE DELETE ON stobj \
         WHEN EXISTS (SELECT 1 FROM stobj AS child WHERE child.parent_id = OLD.id) \
         BEGIN SELECT RAISE(ABORT, 'a cascade'); END"
    };
    server.look().await.execute(trigger).await;
}

async fn totals(owner: &Owner<'_>, directory: &str) -> (u64, u64) {
    let totals = Totals {
        at_least: owner.at_least(),
        container: ContainerName::new("c").unwrap(),
        directory: ObjectName::new(directory).unwrap(),
    };
    match owner.server.ask(totals).await.unwrap() {
        Total::Counted { objects, bytes, .. } => (objects, bytes),
        Total::Behind(position) => panic!("the mirror is behind: {position:?}"),
    }
}

#[tokio::test]
async fn the_net_under_the_reaper_can_be_seen_to_be_used() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put("c", "a/b", 1)]).await;
    forbid_cascades(&server).await;
    let look = server.look().await;
    let removing = tokio::spawn(async move {
        let mut look = look;
        look.execute("DELETE FROM stobj WHERE path = x'612f'").await;
    });
    assert!(removing.await.unwrap_err().is_panic());
}

#[tokio::test]
async fn an_explicit_directory_stays_until_it_is_explicit_no_more() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner
        .apply([put_container("c"), make("c", "a/b/"), put("c", "a/b/x", 5)])
        .await;
    assert_eq!(owner.names("c", &Query::default()).await, ["a/b/x"]);
    owner.apply([delete("c", "a/b/x")]).await;
    assert!(owner.names("c", &Query::default()).await.is_empty());
    let (objects, explicit) = owner.checked_tree().await;
    assert!(objects.is_empty());
    assert_eq!(explicit, BTreeSet::from(["c/a/b/".to_owned()]));
    // An object of its very name comes and goes without it.
    owner.apply([put("c", "a/b/", 2)]).await;
    owner.apply([delete("c", "a/b/")]).await;
    assert_eq!(owner.checked_tree().await.1.len(), 1);
    owner.apply([unmake("c", "a/b/")]).await;
    assert!(owner.checked_tree().await.1.is_empty());
    assert_eq!(totals(&owner, "a/").await, (0, 0));
    // One in which something lies is only explicit no more.
    owner
        .apply([make("c", "d/"), put("c", "d/x", 1), unmake("c", "d/")])
        .await;
    assert_eq!(owner.names("c", &Query::default()).await, ["d/x"]);
    assert!(owner.checked_tree().await.1.is_empty());
}

#[tokio::test]
async fn a_directory_moves_with_all_below_it() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner
        .apply([
            put_container("c"),
            put_container("d"),
            put("c", "a/b/1", 1),
            put("c", "a/b/e/2", 2),
            put("c", "a/b/", 4),
            make("c", "a/b/empty/"),
            put("c", "a/3", 8),
            put("d", "x/y/old", 16),
            put("d", "x/z", 32),
        ])
        .await;
    forbid_cascades(&server).await;
    owner.apply([moved("c", "a/b/", "d", "x/y/")]).await;
    assert_eq!(owner.names("c", &Query::default()).await, ["a/3"]);
    assert_eq!(
        owner.names("d", &Query::default()).await,
        ["x/y/", "x/y/1", "x/y/e/2", "x/z"]
    );
    assert_eq!(
        owner.checked_tree().await.1,
        BTreeSet::from(["d/x/y/empty/".into()])
    );
    // What is changed under the new name is changed there, and the old name is free.
    owner
        .apply([delete("d", "x/y/e/2"), put("d", "x/y/1", 9), put("c", "a/b/1", 1)])
        .await;
    assert_eq!(owner.checked_objects().await.len(), 5);
    assert_eq!(totals(&owner, "a/").await, (2, 9));
    owner
        .apply([moved("c", "a/", "c", "n/o/"), detached("d", "x/")])
        .await;
    assert_eq!(owner.names("c", &Query::default()).await, ["n/o/3", "n/o/b/1"]);
    assert!(owner.names("d", &Query::default()).await.is_empty());
    assert!(owner.checked_tree().await.1.is_empty());
    owner.until_reaped().await;
}

#[tokio::test]
async fn a_directory_may_take_the_place_of_one_above_it() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner
        .apply([
            put_container("c"),
            put("c", "t/a/b/c/1", 1),
            put("c", "t/a/b/2", 2),
            put("c", "t/a/3", 4),
        ])
        .await;
    forbid_cascades(&server).await;
    owner.apply([moved("c", "t/a/b/c/", "c", "t/a/")]).await;
    assert_eq!(
        owner.checked_objects().await,
        BTreeMap::from([("c/t/a/1".into(), (1, false))])
    );
    owner.until_reaped().await;
    owner.apply([put("c", "t/a/b/9", 1)]).await;
    assert_eq!(owner.checked_objects().await.len(), 2);
}

#[tokio::test]
async fn what_no_owner_may_send_is_refused() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put_container("c"), put("c", "a/b", 1)]).await;
    for node in [
        make("c", "a"),
        detached("c", "a"),
        moved("c", "a", "c", "b/"),
        moved("c", "a/", "c", "b"),
        moved("c", "a/", "c", "a/b/"),
        moved("c", "a/", "c", "a/"),
    ] {
        let batch = owner.clone().batch([node]);
        let error = server.ask(batch).await.unwrap_err();
        assert_eq!(*error.outcome(), Outcome::BadRequest);
    }
    assert_eq!(owner.checked_objects().await.len(), 1);
}

#[tokio::test]
async fn five_hundred_and_twelve_levels_move_and_go() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let deep = "a/".repeat(511) + "ab";
    owner.apply([put_container("c"), put("c", &deep, 7)]).await;
    forbid_cascades(&server).await;
    owner.apply([moved("c", "a/", "c", "b/")]).await;
    let moved_name = deep.replacen('a', "b", 1);
    assert_eq!(
        owner.names("c", &Query::default()).await,
        std::slice::from_ref(&moved_name)
    );
    assert_eq!(totals(&owner, &moved_name[..1022]).await, (1, 7));
    // The lowest of them, to a new place as deep, which empties all that was above it.
    let lowest = &moved_name[..1022];
    let target = "x/".repeat(511);
    owner.apply([moved("c", lowest, "c", &target)]).await;
    assert_eq!(owner.names("c", &Query::default()).await, [target.clone() + "ab"]);
    assert_eq!(owner.checked_objects().await.len(), 1);
    owner.apply([detached("c", "x/")]).await;
    assert!(owner.checked_objects().await.is_empty());
    owner.until_reaped().await;
    // An explicit one at the bottom keeps all above it, and takes them along when it goes.
    owner.apply([make("c", &target)]).await;
    owner.apply([unmake("c", &target)]).await;
    assert!(owner.checked_tree().await.0.is_empty());
}

/// One step of a history. What it is done to is picked from what there is.
#[derive(Clone, Debug)]
enum Step {
    Put(String, String, u64),
    Delete(Index),
    Make(String, String),
    Unmake(Index),
    Move(Index, Place),
    Detach(Index),
}

/// Where something is moved to.
#[derive(Clone, Debug)]
enum Place {
    Name(String, String),
    /// Onto another directory.
    Onto(Index),
    /// Under this name into another directory.
    Into(Index, String),
}

/// The plain model: whole names, `container/name`.
#[derive(Debug, Default)]
struct Model {
    objects: BTreeMap<String, (i64, bool)>,
    explicit: BTreeSet<String>,
}

impl Model {
    /// All directories, also implicit ones, as container and name.
    fn directories(&self) -> Vec<(String, String)> {
        let names = self.objects.keys().chain(&self.explicit);
        let all: BTreeSet<&str> = names
            .flat_map(|name| name.match_indices('/').skip(1).map(|(at, _)| &name[..=at]))
            .collect();
        let cut = |name: &str| name.split_once('/').map(|(c, name)| (c.into(), name.into()));
        all.into_iter().filter_map(cut).collect()
    }

    /// What a step is done to.
    fn pick(&self, index: &Index) -> Option<(String, String)> {
        let directories = self.directories();
        (!directories.is_empty()).then(|| index.get(&directories).clone())
    }

    fn remove(&mut self, container: &str, directory: &str) {
        let whole = format!("{container}/{directory}");
        self.objects.retain(|name, _| !name.starts_with(&whole));
        self.explicit.retain(|name| !name.starts_with(&whole));
    }

    fn rename(&mut self, (container, from): &(String, String), (to_container, to): &(String, String)) {
        let whole = format!("{container}/{from}");
        let new = |name: &str| format!("{to_container}/{to}{}", &name[whole.len()..]);
        let below = |name: &String| name.starts_with(&whole);
        let objects: Vec<_> = self.objects.extract_if(.., |name, _| below(name)).collect();
        let explicit: Vec<_> = self.explicit.extract_if(.., |name| below(name)).collect();
        self.remove(to_container, to);
        self.objects
            .extend(objects.into_iter().map(|(name, own)| (new(&name), own)));
        self.explicit.extend(explicit.iter().map(|name| new(name)));
    }

    /// Plays a step, and answers what an owner sends for it.
    fn play(&mut self, step: &Step) -> Option<common::functional::mirror::Node> {
        Some(match step {
            Step::Put(container, name, bytes) => {
                let own = (i64::try_from(*bytes).unwrap(), false);
                self.objects.insert(format!("{container}/{name}"), own);
                put(container, name, *bytes)
            }
            Step::Delete(index) => {
                let names: Vec<_> = self.objects.keys().cloned().collect();
                let name = (!names.is_empty()).then(|| index.get(&names))?;
                self.objects.remove(name);
                let (container, name) = name.split_once('/')?;
                delete(container, name)
            }
            Step::Make(container, name) => {
                self.explicit.insert(format!("{container}/{name}"));
                make(container, name)
            }
            Step::Unmake(index) => {
                let (container, name) = self.pick(index)?;
                self.explicit.remove(&format!("{container}/{name}"));
                unmake(&container, &name)
            }
            Step::Move(index, place) => {
                let from = self.pick(index)?;
                let to = match place {
                    Place::Name(container, name) => (container.clone(), name.clone()),
                    Place::Onto(index) => self.pick(index)?,
                    Place::Into(index, name) => {
                        let (container, directory) = self.pick(index)?;
                        (container, directory + name)
                    }
                };
                if from.0 == to.0 && to.1.starts_with(&from.1) {
                    return None;
                }
                self.rename(&from, &to);
                moved(&from.0, &from.1, &to.0, &to.1)
            }
            Step::Detach(index) => {
                let (container, name) = self.pick(index)?;
                self.remove(&container, &name);
                detached(&container, &name)
            }
        })
    }
}

fn step() -> impl Strategy<Value = Step> {
    let container = "[cd]";
    let directory = "([ab]/|/){1,3}";
    let index = any::<Index>;
    let place = prop_oneof![
        (container, directory).prop_map(|(c, n)| Place::Name(c, n)),
        index().prop_map(Place::Onto),
        (index(), "[ab]/").prop_map(|(i, n)| Place::Into(i, n)),
    ];
    prop_oneof![
        8 => (container, "([ab]|[ab]/|/){1,5}", 0..100_u64).prop_map(|(c, n, b)| Step::Put(c, n, b)),
        4 => index().prop_map(Step::Delete),
        2 => (container, directory).prop_map(|(c, n)| Step::Make(c, n)),
        2 => index().prop_map(Step::Unmake),
        4 => (index(), place).prop_map(|(i, p)| Step::Move(i, p)),
        1 => index().prop_map(Step::Detach),
    ]
}

/// After any history, cut into batches in any way and with any of them sent again, the mirror is what the model is, every
/// total is the sum of what lies below, no implicit directory is empty, and nothing was left to a cascade.
#[test]
fn branches_are_where_the_model_has_them_after_any_history() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    runtime.block_on(forbid_cascades(&server));
    let mut runner = TestRunner::new(Config::with_cases(60));
    let batch = (prop::collection::vec(step(), 1..30), 0..4_usize);
    let history = prop::collection::vec(batch, 1..8);
    runner
        .run(&history, |history| {
            runtime.block_on(async {
                let mut owner = server.owner();
                owner.apply([put_container("c"), put_container("d")]).await;
                let mut model = Model::default();
                let mut sent: Vec<Apply> = Vec::new();
                for (steps, again) in &history {
                    let nodes: Vec<_> = steps.iter().filter_map(|step| model.play(step)).collect();
                    let batch = owner.batch(nodes);
                    server.ask(batch.clone()).await.unwrap();
                    sent.push(batch);
                    for batch in sent.iter().rev().take(*again).rev() {
                        let position = server.ask(batch.clone()).await.unwrap();
                        assert_eq!(position.seq, owner.seq);
                    }
                    let (objects, explicit) = owner.checked_tree().await;
                    assert_eq!(objects, model.objects);
                    assert_eq!(explicit, model.explicit);
                }
                owner.until_reaped().await;
            });
            Ok(())
        })
        .unwrap();
}
