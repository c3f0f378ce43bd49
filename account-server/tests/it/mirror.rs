//! `mirror/open` and `mirror/apply`.

use std::collections::{BTreeMap, BTreeSet};

use common::functional::firewall::State;
use common::functional::listing::Query;
use common::functional::mirror::{AccountRow, Apply, MAX_BATCH, Node, Page, Position};
use common::functional::{account, container};
use common::{Outcome, Properties, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

#[tokio::test]
async fn what_was_applied_is_listed_with_all_it_has() {
    let server = Server::start().await;
    let mut owner = server.owner();
    assert_eq!(owner.position().await, Position::default());
    let mut metadata = Properties::new();
    metadata.insert("x-object-meta-colour", "blue");
    let row = common::functional::mirror::ObjectRow {
        listing: Some(r#"{"slo_etag":"x"}"#.into()),
        metadata,
        ..object_row(7)
    };
    let account = Node::Account(Some(AccountRow {
        created: Timestamp::from_seconds(1),
        timestamp: Timestamp::from_seconds(2),
        state: State::Enable,
    }));
    owner
        .apply([
            account,
            put_container("c"),
            put_row("c", "a/ä", row),
            put("c", "z", 5),
        ])
        .await;
    let entries = owner.list("c", &Query::default()).await;
    let container::Entry::Object(object) = &entries[0] else {
        panic!("{entries:?}");
    };
    assert_eq!(object.name.as_str(), "a/ä");
    assert_eq!((object.bytes, object.content_type.as_str()), (7, "text/plain"));
    assert_eq!(object.etag.as_str(), common::Etag::EMPTY_MD5);
    assert_eq!(object.last_modified, Timestamp::from_seconds(1007));
    assert_eq!(object.listing.as_deref(), Some(r#"{"slo_etag":"x"}"#));
    let containers = owner.containers(&Query::default()).await;
    let expected = account::Entry::Container {
        name: common::name::ContainerName::new("c").unwrap(),
        objects: 2,
        bytes: 12,
        last_modified: Timestamp::from_seconds(20),
    };
    assert_eq!(containers, [expected]);
}

#[tokio::test]
async fn a_batch_that_leaves_a_gap_is_not_applied() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put_container("c")]).await;
    let position = owner.position().await;
    let _lost = owner.batch([put("c", "lost", 1)]);
    let early = owner.batch([put("c", "early", 1)]);
    assert_eq!(server.ask(early).await.unwrap(), position);
    let page = owner.try_list("c", &Query::default()).await.unwrap();
    assert_eq!(page, Page::Behind(position));
    owner.seq = 1;
    assert!(owner.list("c", &Query::default()).await.is_empty());
}

#[tokio::test]
async fn a_batch_that_is_sent_twice_raises_nothing_from_the_dead() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let first = owner.batch([put_container("c"), put("c", "a/b", 1)]);
    let second = owner.batch([delete("c", "a/b"), put("c", "d", 2)]);
    server.ask(first.clone()).await.unwrap();
    let position = server.ask(second.clone()).await.unwrap();
    assert_eq!(server.ask(first).await.unwrap(), position);
    assert_eq!(server.ask(second).await.unwrap(), position);
    assert_eq!(owner.names("c", &Query::default()).await, ["d"]);
    assert_eq!(
        owner.checked_objects().await,
        BTreeMap::from([("c/d".into(), (2, false))])
    );
}

#[tokio::test]
async fn another_incarnation_starts_anew() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let deep = "x/".repeat(40) + "y";
    owner
        .apply([
            put_container("c"),
            put("c", &deep, 1),
            put("c", "a", 1),
            put_container("d"),
        ])
        .await;
    let mut second = owner.clone();
    second.incarnation += 1;
    let continued = second.batch([put("c", "b", 1)]);
    let stored = owner.position().await;
    assert_eq!(server.ask(continued).await.unwrap(), stored, "it must start at 0");
    second.seq = 0;
    second.apply([put_container("c"), put("c", "b", 3)]).await;
    assert_eq!(second.names("c", &Query::default()).await, ["b"]);
    assert_eq!(second.containers(&Query::default()).await.len(), 1);
    let page = owner.try_list("c", &Query::default()).await.unwrap();
    assert_eq!(page, Page::Behind(second.position().await));
    second.until_reaped().await;
    assert_eq!(second.checked_objects().await.len(), 1);
}

#[tokio::test]
async fn an_owner_of_a_lower_term_does_not_start_anew() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put_container("c")]).await;
    owner.seq = 3 << 40;
    let mut raised = owner.batch([put("c", "a", 1)]);
    raised.after = 1;
    server.ask(raised).await.unwrap();
    let mut old = owner.clone();
    old.incarnation += 1;
    old.seq = 2 << 40;
    let mut batch = old.batch([put("c", "b", 1)]);
    batch.after = 0;
    let error = server.ask(batch).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::Conflict);
    assert_eq!(owner.names("c", &Query::default()).await, ["a"]);
}

#[tokio::test]
async fn an_account_of_the_same_name_and_another_number_takes_its_place() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put_container("old"), put("old", "a", 1)]).await;
    let mut heir = server.owner();
    heir.account = owner.account.clone();
    heir.apply([put_container("new")]).await;
    assert_eq!(heir.containers(&Query::default()).await.len(), 1);
    assert_eq!(owner.position().await, Position::default());
    owner.until_reaped().await;
}

#[tokio::test]
async fn a_removed_container_takes_all_below_with_it() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let many = (0..300).map(|number| put("c", &format!("{}/{number}", number % 7), 1));
    owner.apply([put_container("c"), put("kept", "a", 1)]).await;
    owner.apply(many).await;
    owner
        .apply([delete_container("c"), put_container("c"), put("c", "b", 4)])
        .await;
    assert_eq!(owner.names("c", &Query::default()).await, ["b"]);
    let expected = [("c/b".into(), (4, false)), ("kept/a".into(), (1, false))];
    assert_eq!(owner.checked_objects().await, BTreeMap::from(expected));
    owner.until_reaped().await;
    owner.apply([Node::Account(None)]).await;
    assert!(owner.containers(&Query::default()).await.is_empty());
    assert!(owner.list("c", &Query::default()).await.is_empty());
    owner.until_reaped().await;
    owner.apply([put_container("again")]).await;
    assert_eq!(owner.containers(&Query::default()).await.len(), 1);
}

#[tokio::test]
async fn what_was_forgotten_is_removed_after_a_restart_too() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let many = (0..999).map(|number| put("c", &format!("{}/{}/x", number % 37, number), 1));
    owner.apply(many).await;
    owner.apply([delete_container("c")]).await;
    let (account_id, account, incarnation, seq) = (
        owner.account_id,
        owner.account.clone(),
        owner.incarnation,
        owner.seq,
    );
    let server = server.restart().await;
    let owner = Owner {
        server: &server,
        account_id,
        account,
        incarnation,
        seq,
    };
    assert_eq!(owner.position().await.seq, 1000);
    owner.until_reaped().await;
}

#[tokio::test]
async fn what_could_not_be_removed_is_tried_again() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put("c", "a", 1)]).await;
    let mut look = server.look().await;
    let forbid = if server.is_mysql() {
        "CREATE TRIGGER kept BEFORE DELETE ON stobj FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'kept'"
    } else {
        "CREATE TRIGGER kept BEFORE DELETE ON stobj BEGIN SELECT RAISE(ABORT, 'kept'); END"
    };
    look.execute(forbid).await;
    owner.apply([delete_container("c")]).await;
    // When it is the turn of this, the reaper has tried.
    owner.apply([put("kept", "a", 1)]).await;
    look.execute("DROP TRIGGER kept").await;
    // Nothing else is detached meanwhile that would wake it.
    owner.until_reaped().await;
    assert_eq!(owner.containers(&Query::default()).await.len(), 1);
}

#[tokio::test]
async fn directories_come_and_go_with_their_objects() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let long = "/".repeat(1024);
    let deep = "a/".repeat(511) + "ab";
    owner
        .apply([put("c", &long, 1), put("c", &deep, 2), put("c", "a/", 4)])
        .await;
    let names = owner.names("c", &Query::default()).await;
    assert_eq!(names, [long.clone(), "a/".into(), deep.clone()]);
    owner
        .apply([delete("c", "a/"), delete("c", "nothing/here")])
        .await;
    assert_eq!(owner.checked_objects().await.len(), 2);
    owner.apply([delete("c", &deep), put("c", "a", 1)]).await;
    owner.apply([delete("c", &long)]).await;
    assert_eq!(owner.names("c", &Query::default()).await, ["a"]);
    assert_eq!(owner.checked_objects().await.len(), 1);
}

#[tokio::test]
async fn a_batch_too_large_for_one_transaction_is_applied_in_several() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let name = |number: u32| format!("{number}{}", "/".repeat(1000));
    owner
        .apply((0..24).map(|number| put("c", &name(number), 1)))
        .await;
    assert_eq!(owner.checked_objects().await.len(), 24);
    owner
        .apply((0..24).map(|number| delete("c", &name(number))))
        .await;
    assert!(owner.checked_objects().await.is_empty());
}

#[tokio::test]
async fn batches_of_many_accounts_are_applied_side_by_side() {
    let server = Server::start().await;
    let mut owners: Vec<_> = (0..20).map(|_| server.owner()).collect();
    for round in 0..5 {
        let mut sent = Vec::new();
        for owner in &mut owners {
            let batch = owner.batch((0..20).map(|number| put("c", &format!("{round}/{number}"), 1)));
            sent.push(server.ask(batch));
        }
        for position in futures::future::join_all(sent).await {
            position.unwrap();
        }
    }
    for owner in &owners {
        assert_eq!(owner.checked_objects().await.len(), 100);
    }
}

#[tokio::test]
async fn several_batches_of_one_account_may_be_on_their_way() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let batches: Vec<Apply> = (0..30)
        .map(|round| owner.batch((0..100).map(|number| put("c", &format!("{number}/{round}"), 1))))
        .collect();
    let sent = batches.into_iter().map(|batch| server.ask(batch));
    for position in futures::future::join_all(sent).await {
        position.unwrap();
    }
    assert_eq!(owner.checked_objects().await.len(), 3000);
}

#[tokio::test]
async fn a_batch_has_a_greatest_size() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let batch = owner.batch((0..=MAX_BATCH).map(|number| put("c", &number.to_string(), 1)));
    let error = server.ask(batch).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::BadRequest);
    assert_eq!(owner.position().await, Position::default());
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    Put(String, String, u64, bool),
    Delete(String, String),
    PutContainer(String),
    DeleteContainer(String),
}

impl Step {
    fn node(&self) -> Node {
        match self {
            Self::Put(container, name, bytes, expires) => {
                let mut row = object_row(*bytes);
                row.delete_at = expires.then(|| Timestamp::from_seconds(9000));
                put_row(container, name, row)
            }
            Self::Delete(container, name) => delete(container, name),
            Self::PutContainer(container) => put_container(container),
            Self::DeleteContainer(container) => delete_container(container),
        }
    }

    /// What an owner sends for it that has these containers: a container comes before what is put into it.
    fn nodes(&self, containers: &BTreeSet<String>) -> Vec<Node> {
        match self {
            Self::Put(container, ..) if !containers.contains(container) => {
                vec![put_container(container), self.node()]
            }
            _ => vec![self.node()],
        }
    }

    fn play(&self, objects: &mut BTreeMap<String, (i64, bool)>, containers: &mut BTreeSet<String>) {
        match self {
            Self::Put(container, name, bytes, expires) => {
                containers.insert(container.clone());
                let bytes = i64::try_from(*bytes).unwrap();
                objects.insert(format!("{container}/{name}"), (bytes, *expires));
            }
            Self::Delete(container, name) => {
                objects.remove(&format!("{container}/{name}"));
            }
            Self::PutContainer(container) => {
                containers.insert(container.clone());
            }
            Self::DeleteContainer(container) => {
                containers.remove(container);
                objects.retain(|name, _| !name.starts_with(&format!("{container}/")));
            }
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let container = "[cd]";
    let name = "([ab]|[ab]/|/|é/){1,5}";
    prop_oneof![
        8 => (container, name, 0..100_u64, any::<bool>()).prop_map(|(c, n, b, e)| Step::Put(c, n, b, e)),
        6 => (container, name).prop_map(|(c, n)| Step::Delete(c, n)),
        1 => container.prop_map(Step::PutContainer),
        1 => container.prop_map(Step::DeleteContainer),
    ]
}

/// After any history, cut into batches in any way and with any of them sent again, all totals are the sums, no
/// directory is left without reason, and what is there is what the history leads to.
#[test]
fn totals_are_the_sums_after_any_history() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let mut runner = TestRunner::new(Config::with_cases(60));
    let batch = (prop::collection::vec(step(), 1..40), 0..4_usize);
    let history = prop::collection::vec(batch, 1..8);
    runner
        .run(&history, |history| {
            runtime.block_on(async {
                let mut owner = server.owner();
                let (mut objects, mut containers) = (BTreeMap::new(), BTreeSet::new());
                let mut sent: Vec<Apply> = Vec::new();
                for (steps, again) in &history {
                    let mut nodes = Vec::new();
                    for step in steps {
                        nodes.extend(step.nodes(&containers));
                        step.play(&mut objects, &mut containers);
                    }
                    let batch = owner.batch(nodes);
                    server.ask(batch.clone()).await.unwrap();
                    sent.push(batch);
                    for batch in sent.iter().rev().take(*again).rev() {
                        let position = server.ask(batch.clone()).await.unwrap();
                        assert_eq!(position.seq, owner.seq);
                    }
                    assert_eq!(owner.checked_objects().await, objects);
                }
                let listed = owner.containers(&Query::default()).await;
                let listed: BTreeSet<String> = listed
                    .into_iter()
                    .map(|entry| match entry {
                        account::Entry::Container { name, .. } => name.to_string(),
                        account::Entry::Subdir(name) => name,
                    })
                    .collect();
                assert_eq!(listed, containers);
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn a_content_type_may_be_as_long_as_a_header() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let mut row = object_row(1);
    row.content_type = format!("text/{}", "x".repeat(8000));
    row.listing = Some(format!("{{\"text\": \"{}\"}}", "y".repeat(100_000)));
    owner.apply([put_row("c", "a", row.clone())]).await;
    let entries = owner.list("c", &Query::default()).await;
    let [common::functional::container::Entry::Object(object)] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!(object.content_type, row.content_type);
    assert_eq!(object.listing, row.listing);
}
