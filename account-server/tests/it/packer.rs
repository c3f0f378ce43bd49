//! Blocks of names: that they change nothing but the speed of a search, and do not outlive what is in them.

use account_server::Settings;
use common::functional::mirror::Node;
use common::functional::search::{Find, Found, Kind, Sort};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

const BLOCKS: &str = "SELECT COUNT(*) FROM search_block";

fn of(names: usize) -> Settings {
    Settings {
        search_block_names: names,
        ..Settings::default()
    }
}

/// What is done to an account.
#[derive(Clone, Debug)]
enum Change {
    Put(String, u64),
    Delete(String),
    Move(String, String),
    Detach(String),
    Make(String),
    Forget(&'static str),
}

impl Change {
    fn node(&self) -> Node {
        let parts = |name: &str| {
            let (container, object) = name.split_once('/').unwrap();
            (container.to_owned(), object.to_owned())
        };
        match self {
            Self::Put(name, bytes) => {
                let (container, object) = parts(name);
                put(&container, &object, *bytes)
            }
            Self::Delete(name) => {
                let (container, object) = parts(name);
                delete(&container, &object)
            }
            Self::Move(from, to) => {
                let ((container, from), (to_container, to)) = (parts(from), parts(to));
                moved(&container, &from, &to_container, &to)
            }
            Self::Detach(name) => {
                let (container, directory) = parts(name);
                detached(&container, &directory)
            }
            Self::Make(name) => {
                let (container, directory) = parts(name);
                make(&container, &directory)
            }
            Self::Forget(container) => delete_container(container),
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let object = "[cd]/([ab]/){0,2}[ab]{1,3}";
    let directory = "[cd]/([ab]/){0,1}[ab]{1,2}/";
    prop_oneof![
        12 => (object, 0..9_u64).prop_map(|(name, bytes)| Change::Put(name, bytes)),
        3 => object.prop_map(Change::Delete),
        4 => (directory, directory)
            .prop_filter("into itself", |(from, to)| !to.starts_with(from.as_str()))
            .prop_map(|(from, to)| Change::Move(from, to)),
        1 => directory.prop_map(Change::Detach),
        1 => directory.prop_map(Change::Make),
        1 => prop::sample::select(&["c", "d"][..]).prop_map(Change::Forget),
    ]
}

fn find() -> impl Strategy<Value = Find> {
    let sorts = [
        Sort::Name,
        Sort::NameDescending,
        Sort::Size,
        Sort::SizeDescending,
        Sort::Modified,
        Sort::ModifiedDescending,
    ];
    let kinds = [
        None,
        Some(Kind::Container),
        Some(Kind::Directory),
        Some(Kind::File),
    ];
    (
        prop_oneof!["[ab]{1,3}", "[ab*?]{1,3}"],
        prop::sample::select(kinds.to_vec()),
        prop::option::of(0..9_u64),
        prop::sample::select(sorts.to_vec()),
        1..6_usize,
        any::<bool>(),
    )
        .prop_map(|(name, kind, size_min, sort, limit, is_in_container)| Find {
            name: Some(name),
            kind,
            size_min,
            sort,
            limit: Some(limit),
            container: is_in_container.then(|| common::name::ContainerName::new("c").unwrap()),
            ..Find::default()
        })
}

/// What all pages together show.
async fn shown(owner: &Owner<'_>, find: &Find) -> Vec<(String, Kind, u64)> {
    let mut find = Find {
        account: Some(owner.account.clone()),
        ..find.clone()
    };
    let mut shown = Vec::new();
    loop {
        let Found { results, cursor } = owner.server.ask(find.clone()).await.unwrap();
        shown.extend(results.into_iter().map(|found| {
            let container = found.container.unwrap();
            let path = found.path.map_or(String::new(), Into::into);
            (format!("{container}/{path}"), found.kind, found.bytes)
        }));
        match cursor {
            None => return shown,
            cursor => find.cursor = cursor,
        }
    }
}

/// The same of all accounts, in no order where that is not by name: rows have other numbers in another database.
async fn everywhere(server: &Server, find: &Find) -> Vec<(String, String, Kind, u64)> {
    let mut find = Find {
        account: None,
        limit: Some(50),
        ..find.clone()
    };
    let mut shown = Vec::new();
    loop {
        let Found { results, cursor } = server.ask(find.clone()).await.unwrap();
        shown.extend(results.into_iter().map(|found| {
            let container = found.container.unwrap();
            let path = found.path.map_or(String::new(), Into::into);
            (found.name, format!("{container}/{path}"), found.kind, found.bytes)
        }));
        if cursor.is_none() {
            break;
        }
        find.cursor = cursor;
    }
    let names = shown.iter().map(|(name, ..)| name);
    match find.sort {
        Sort::Name => assert!(names.is_sorted()),
        Sort::NameDescending => assert!(names.rev().is_sorted()),
        Sort::Size | Sort::SizeDescending | Sort::Modified | Sort::ModifiedDescending => {}
    }
    shown.sort_unstable_by(|one, other| (&one.1, one.3).cmp(&(&other.1, other.3)));
    shown
}

/// Whatever is done, blocks of whatever size show what the index shows, in the same order.
#[test]
fn a_search_with_blocks_finds_what_one_without_finds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config::with_cases(24));
    let batches = prop::collection::vec(prop::collection::vec(change(), 1..30), 1..6);
    let finds = prop::collection::vec(find(), 3);
    let (plain, packed) = runtime.block_on(async { (Server::with(of(0)).await, Server::with(of(3)).await) });
    runner
        .run(&(batches, finds), |(batches, finds)| {
            runtime.block_on(async {
                let (mut one, mut other) = (plain.owner(), packed.owner());
                for batch in batches {
                    let first = [put_container("c"), put_container("d")];
                    one.apply(first.clone().into_iter().chain(batch.iter().map(Change::node)))
                        .await;
                    other
                        .apply(first.into_iter().chain(batch.iter().map(Change::node)))
                        .await;
                    for find in &finds {
                        let (expected, got) = (shown(&one, find).await, shown(&other, find).await);
                        assert_eq!(got, expected, "{find:?} after {batch:?}");
                    }
                }
                for find in finds.iter().filter(|find| find.container.is_none()) {
                    let (expected, got) = (everywhere(&plain, find).await, everywhere(&packed, find).await);
                    assert_eq!(got, expected, "{find:?} in all accounts");
                }
            });
            Ok(())
        })
        .unwrap();
    runtime.block_on(async {
        assert!(packed.look().await.number(BLOCKS).await > 0);
        assert_eq!(plain.look().await.number(BLOCKS).await, 0);
    });
}

#[tokio::test]
async fn what_an_earlier_program_left_is_packed_in_the_background() {
    let server = Server::with(of(0)).await;
    let mut owner = server.owner();
    owner
        .apply((0..200).map(|number| put("c", &format!("{number:03}"), number)))
        .await;
    let (account_id, account, seq) = (owner.account_id, owner.account.clone(), owner.seq);
    let incarnation = owner.incarnation;
    let server = server.restart_with(of(10)).await;
    let mut look = server.look().await;
    look.until(BLOCKS, |blocks| blocks == 20).await;
    let mut owner = Owner {
        server: &server,
        account_id,
        account,
        incarnation,
        seq,
    };
    owner.apply([put("c", "more-17", 1), delete("c", "117")]).await;
    let find = Find {
        name: Some("17".to_owned()),
        ..Find::default()
    };
    let found = shown(&owner, &find).await;
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "c/017",
            "c/170",
            "c/171",
            "c/172",
            "c/173",
            "c/174",
            "c/175",
            "c/176",
            "c/177",
            "c/178",
            "c/179",
            "c/more-17"
        ]
    );
}

#[tokio::test]
async fn new_names_of_directories_are_found_and_do_not_pile_up() {
    let server = Server::with(of(50)).await;
    let mut owner = server.owner();
    owner
        .apply((0..100).map(|number| put("c", &format!("{number:02}-old/x"), 1)))
        .await;
    let mut look = server.look().await;
    look.until(BLOCKS, |blocks| blocks >= 4).await;
    for number in 0..100 {
        let (old, new) = (format!("{number:02}-old/"), format!("{number:02}-new/"));
        owner.apply([moved("c", &old, "c", &new)]).await;
    }
    look.until(BLOCKS, |blocks| blocks < 80).await;
    let named = |name: &str| Find {
        name: Some(name.to_owned()),
        ..Find::default()
    };
    assert_eq!(shown(&owner, &named("-new")).await.len(), 100);
    assert_eq!(shown(&owner, &named("37-new")).await.len(), 1);
    assert!(shown(&owner, &named("-old")).await.is_empty());
}

#[tokio::test]
async fn names_that_met_another_transaction_are_packed_later() {
    let server = Server::with(of(10)).await;
    if !server.is_mysql() {
        // There only one transaction writes, and who waits too long counts the database as away.
        return;
    }
    let mut owner = server.owner();
    owner.apply([put_container("c")]).await;
    let mut look = server.look().await;
    look.execute("BEGIN").await;
    look.execute("SELECT * FROM search_block FOR UPDATE").await;
    owner
        .apply((0..100).map(|number| put("c", &format!("{number:03}"), 1)))
        .await;
    // When it is the turn of this, packing has been tried.
    owner.apply([put("c", "last", 1)]).await;
    look.execute("ROLLBACK").await;
    look.until(BLOCKS, |blocks| blocks >= 10).await;
}

#[tokio::test]
async fn blocks_of_what_is_gone_are_removed() {
    let server = Server::with(of(10)).await;
    let mut owner = server.owner();
    let names = |from: u64| (from..from + 500).map(|number| put("c", &format!("{number:03}"), 1));
    owner.apply(names(0)).await;
    let mut look = server.look().await;
    look.until(BLOCKS, |blocks| blocks >= 50).await;
    owner.apply([delete_container("c"), put("d", "kept", 1)]).await;
    // The last block says how far the account is packed, so it stays.
    look.until(BLOCKS, |blocks| blocks <= 2).await;
    let kept = Find {
        name: Some("kept".to_owned()),
        ..Find::default()
    };
    assert_eq!(shown(&owner, &kept).await.len(), 1);

    owner.apply(names(1000)).await;
    look.until(BLOCKS, |blocks| blocks >= 50).await;
    owner.apply([Node::Account(None)]).await;
    look.until(BLOCKS, |blocks| blocks == 0).await;
}
