//! `search/find`, against a plain pass over all that is there.

use std::collections::BTreeMap;

use common::functional::mirror::ObjectRow;
use common::functional::search::{Find, Found, Kind, Match, Sort};
use common::name::{AccountName, ContainerName};
use common::{Outcome, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

const SORTS: [Sort; 6] = [
    Sort::Name,
    Sort::NameDescending,
    Sort::Size,
    Sort::SizeDescending,
    Sort::Modified,
    Sort::ModifiedDescending,
];

fn of(owner: &Owner<'_>) -> Find {
    Find {
        account: Some(owner.account.clone()),
        ..Find::default()
    }
}

fn named(owner: &Owner<'_>, name: &str) -> Find {
    Find {
        name: Some(name.to_owned()),
        ..of(owner)
    }
}

/// All pages together.
async fn all(server: &Server, mut find: Find) -> Vec<Match> {
    let mut matches = Vec::new();
    loop {
        let Found { results, cursor } = server.ask(find.clone()).await.unwrap();
        assert!(results.len() <= find.limit.unwrap_or(1000));
        matches.extend(results);
        if cursor.is_none() {
            return matches;
        }
        find.cursor = cursor;
    }
}

/// `container/name`, of a container its name.
fn path(found: &Match) -> String {
    let container = found.container.as_ref().unwrap();
    match &found.path {
        Some(path) => format!("{container}/{path}"),
        None => container.to_string(),
    }
}

async fn paths(server: &Server, find: Find) -> Vec<String> {
    all(server, find).await.iter().map(path).collect()
}

#[tokio::test]
async fn what_is_found_is_told_whole() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let mut row = object_row(7);
    row.metadata.insert("x-object-meta-colour", "blue");
    owner
        .apply([
            put_container("photos"),
            put_row("photos", "2026/sea/wave-1.jpg", row),
            put("photos", "2026/sea/wave-2.jpg", 9),
            make("photos", "2026/waves/"),
        ])
        .await;
    let found = all(&server, named(&owner, "wave")).await;
    assert_eq!(
        found.iter().map(path).collect::<Vec<_>>(),
        [
            "photos/2026/sea/wave-1.jpg",
            "photos/2026/sea/wave-2.jpg",
            "photos/2026/waves/"
        ]
    );
    let first = &found[0];
    assert_eq!(
        (first.name.as_str(), first.kind, first.bytes),
        ("wave-1.jpg", Kind::File, 7)
    );
    assert_eq!(first.account.as_ref(), Some(&owner.account));
    assert_eq!(first.content_type.as_deref(), Some("text/plain"));
    assert_eq!(first.etag.as_ref().unwrap().as_str(), common::Etag::EMPTY_MD5);
    assert_eq!(first.last_modified, Some(Timestamp::from_seconds(1007)));
    let directory = &found[2];
    assert_eq!(
        (directory.kind, directory.bytes, &directory.etag),
        (Kind::Directory, 0, &None)
    );
    assert_eq!(directory.last_modified, Some(Timestamp::from_seconds(30)));

    let bare = Find {
        paths: false,
        ..named(&owner, "sea")
    };
    let found = all(&server, bare).await;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].bytes, &found[0].account, &found[0].path),
        (16, &None, &None)
    );
    let container = all(&server, named(&owner, "photos")).await;
    assert_eq!((container[0].kind, container[0].bytes), (Kind::Container, 16));

    let blue = Find {
        meta: vec![("Colour".into(), "blue".into())],
        ..of(&owner)
    };
    assert_eq!(paths(&server, blue.clone()).await, ["photos/2026/sea/wave-1.jpg"]);
    let green = Find {
        meta: vec![("colour".into(), "green".into())],
        ..blue
    };
    assert!(all(&server, green).await.is_empty());
}

#[tokio::test]
async fn what_left_its_place_is_not_found_there() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner
        .apply([
            put_container("c"),
            put_container("d"),
            put("c", "a/b/needle", 1),
            put("c", "x/y/needle", 2),
            put("d", "needle", 4),
        ])
        .await;
    // As it lies in the trash before the reaper comes, who does not know of it here.
    let mut look = server.look().await;
    look.execute("UPDATE stobj SET parent_id = 2 WHERE path = x'782f'")
        .await;
    owner.apply([moved("c", "a/b/", "d", "n/")]).await;
    let mut found = paths(&server, named(&owner, "needle")).await;
    found.sort_unstable();
    assert_eq!(found, ["d/n/needle", "d/needle"]);
    let one = Find {
        container: Some(ContainerName::new("c").unwrap()),
        ..named(&owner, "needle")
    };
    assert!(all(&server, one).await.is_empty());
    owner.apply([delete_container("d")]).await;
    assert!(all(&server, named(&owner, "needle")).await.is_empty());
    owner.until_reaped().await;
    assert!(all(&server, named(&owner, "needle")).await.is_empty());
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_what_is_not_there_is_empty() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put("c", "a", 1)]).await;
    let container = Some(ContainerName::new("c").unwrap());
    for find in [
        Find {
            cursor: Some("x".into()),
            ..of(&owner)
        },
        Find {
            container: container.clone(),
            ..Find::default()
        },
    ] {
        let error = server.ask(find).await.unwrap_err();
        assert_eq!(*error.outcome(), Outcome::BadRequest);
    }
    let nobody = AccountName::new("AUTH_nobody").unwrap();
    assert!(
        all(
            &server,
            Find {
                account: Some(nobody),
                ..Find::default()
            }
        )
        .await
        .is_empty()
    );
    let container = Some(ContainerName::new("none").unwrap());
    assert!(
        all(
            &server,
            Find {
                container,
                ..of(&owner)
            }
        )
        .await
        .is_empty()
    );
    let mut expired = object_row(1);
    expired.delete_at = Some(Timestamp::from_seconds(5));
    owner.apply([put_row("c", "expired", expired)]).await;
    assert!(all(&server, named(&owner, "expired")).await.is_empty());
    for name in ["%", "_", "|", "A"] {
        assert!(all(&server, named(&owner, name)).await.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn many_of_one_name_are_all_found_once() {
    let server = Server::start().await;
    let mut owner = server.owner();
    for part in 0..4 {
        let names = (0..500).map(|number| put("c", &format!("{part}-{number}/same"), number % 7));
        owner.apply(names).await;
    }
    for sort in SORTS {
        let find = Find {
            sort,
            limit: Some(300),
            ..named(&owner, "same")
        };
        let mut found = paths(&server, find).await;
        assert_eq!(found.len(), 2000, "{sort:?}");
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 2000, "{sort:?}");
    }
}

#[tokio::test]
async fn a_rare_name_among_many_costs_few_statements() {
    let server = Server::start().await;
    let mut owner = server.owner();
    for part in 0..20 {
        let names = (0..1000).map(|number| put("c", &format!("{part}/{number:04}"), 1));
        owner.apply(names).await;
    }
    owner.apply([put("c", "7/needle", 1)]).await;
    for sort in SORTS {
        let before = server.server.statements();
        let found = server
            .ask(Find {
                sort,
                ..named(&owner, "needle")
            })
            .await
            .unwrap();
        let statements = server.server.statements() - before;
        assert_eq!((found.results.len(), found.cursor), (1, None));
        // Begin and end, the account, the trash, the index, the row, the three above it.
        assert!(statements <= 11, "{statements}");
    }
}

/// What there is, by `container/name`; `None` is a container, or a directory, explicit or not.
type Nodes = BTreeMap<String, Option<ObjectRow>>;

/// How the plain model shows a node: kind, bytes, time.
fn guise(nodes: &Nodes, explicit: &[String], path: &str) -> (Kind, u64, Option<u64>) {
    let below = |name: &str| name == path || name.starts_with(path) && path.ends_with('/');
    let is_container = !path.contains('/');
    let sum = |below: &dyn Fn(&str) -> bool| -> u64 {
        let rows = nodes.iter().filter(|(name, _)| below(name));
        rows.filter_map(|(_, row)| row.as_ref())
            .map(|row| row.bytes)
            .sum()
    };
    if is_container {
        let inside = format!("{path}/");
        (Kind::Container, sum(&|name| name.starts_with(&inside)), Some(20))
    } else if path.ends_with('/') {
        let time = explicit.iter().any(|name| name == path).then_some(30);
        (Kind::Directory, sum(&below), time)
    } else {
        let row = nodes[path].as_ref().unwrap();
        (Kind::File, row.bytes, Some(row.timestamp.units() / 100_000))
    }
}

fn find() -> impl Strategy<Value = Find> {
    let name = prop_oneof!["[ab/]{1,2}", "[ab*?]{1,3}"];
    let kind = prop_oneof![Just(Kind::Container), Just(Kind::Directory), Just(Kind::File)];
    (
        prop::option::of(name),
        prop::option::of(kind),
        prop::option::of(0..20_u64),
        prop::option::of(0..20_u64),
        prop::option::of(1000..1010_u64),
        prop::option::of(1000..1010_u64),
        prop::sample::select(&SORTS[..]),
        1..6_usize,
        any::<(bool, bool)>(),
    )
        .prop_map(
            |(name, kind, size_min, size_max, after, before, sort, limit, scope)| Find {
                name,
                kind,
                size_min,
                size_max,
                modified_after: after.map(Timestamp::from_seconds),
                modified_before: before.map(Timestamp::from_seconds),
                sort,
                limit: Some(limit),
                account: scope.0.then(|| AccountName::new("a").unwrap()),
                container: scope.1.then(|| ContainerName::new("c").unwrap()),
                ..Find::default()
            },
        )
}

fn is_match(find: &Find, path: &str, (kind, bytes, time): (Kind, u64, Option<u64>)) -> bool {
    let segment = match path.strip_suffix('/') {
        Some(without) => &path[without.rfind('/').map_or(0, |at| at + 1)..],
        None => &path[path.rfind('/').map_or(0, |at| at + 1)..],
    };
    let has_name = find.name.as_ref().is_none_or(|name| {
        if !name.contains(['*', '?']) {
            return segment.contains(name.as_str());
        }
        let plain = name.replace('*', ".*").replace('?', ".");
        let pattern = regex_lite(&plain);
        pattern(segment) || pattern(segment.strip_suffix('/').unwrap_or(segment))
    });
    let times = (find.modified_after, find.modified_before);
    let in_time = match time {
        None => times == (None, None),
        Some(time) => {
            times.0.is_none_or(|after| after <= Timestamp::from_seconds(time))
                && times
                    .1
                    .is_none_or(|before| Timestamp::from_seconds(time) < before)
        }
    };
    let is_inside = find.container.is_none() || path.starts_with("c/");
    has_name
        && in_time
        && is_inside
        && find.kind.is_none_or(|wanted| wanted == kind)
        && find.size_min.is_none_or(|least| bytes >= least)
        && find.size_max.is_none_or(|most| bytes <= most)
}

/// Matches `.` and `.*` only, by trying everything.
fn regex_lite(pattern: &str) -> impl Fn(&str) -> bool {
    fn fits(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'.', b'*', rest @ ..] => (0..=text.len()).any(|at| fits(rest, &text[at..])),
            [wanted, rest @ ..] => match text {
                [found, left @ ..] => {
                    (wanted == b".".first().unwrap() || wanted == found) && fits(rest, left)
                }
                [] => false,
            },
        }
    }
    let pattern = pattern.as_bytes().to_vec();
    move |text| fits(&pattern, text.as_bytes())
}

/// Any search over anything finds in any order, page by page, what a plain pass over all nodes finds.
#[test]
fn a_search_finds_what_a_plain_pass_finds() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config::with_cases(40));
    let names = prop::collection::btree_map("[cd]/([ab]|[ab]/|/){0,3}[ab]", 0..9_u64, 1..40);
    let explicit = prop::collection::vec("[cd]/([ab]/|/){1,2}", 0..4);
    let finds = prop::collection::vec(find(), 1..12);
    let server = runtime.block_on(Server::start());
    runner
        .run(&(names, explicit, finds), |(names, explicit, finds)| {
            runtime.block_on(async {
                let mut owner = server.owner();
                let mut nodes: Nodes = BTreeMap::from([("c".into(), None), ("d".into(), None)]);
                let mut changes = vec![put_container("c"), put_container("d")];
                for (name, bytes) in &names {
                    let (container, object) = name.split_once('/').unwrap();
                    changes.push(put(container, object, *bytes));
                    nodes.insert(name.clone(), Some(object_row(*bytes)));
                }
                for name in &explicit {
                    let (container, object) = name.split_once('/').unwrap();
                    changes.push(make(container, object));
                }
                for name in names.keys().chain(&explicit) {
                    for (at, _) in name.match_indices('/').skip(1) {
                        nodes.entry(name[..=at].to_owned()).or_insert(None);
                    }
                }
                owner.apply(changes).await;
                for mut find in finds {
                    find.account = Some(owner.account.clone());
                    let found = all(&server, find.clone()).await;
                    let mut got: Vec<String> = found.iter().map(path).collect();
                    let keys: Vec<_> = found
                        .iter()
                        .map(|found| {
                            let time = found.last_modified.map_or(0, Timestamp::units);
                            match find.sort {
                                Sort::Name | Sort::NameDescending => (0, found.name.clone()),
                                Sort::Size | Sort::SizeDescending => (found.bytes, String::new()),
                                Sort::Modified | Sort::ModifiedDescending => (time, String::new()),
                            }
                        })
                        .collect();
                    let falls = matches!(
                        find.sort,
                        Sort::NameDescending | Sort::SizeDescending | Sort::ModifiedDescending
                    );
                    assert!(keys.is_sorted_by(|one, two| if falls { one >= two } else { one <= two }));
                    let expected = nodes
                        .keys()
                        .filter(|name| is_match(&find, name, guise(&nodes, &explicit, name)));
                    got.sort_unstable();
                    assert_eq!(got, expected.cloned().collect::<Vec<_>>(), "{find:?}");
                }
                // Nothing of another account's may be among what is found next.
                owner
                    .apply([common::functional::mirror::Node::Account(None)])
                    .await;
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn administrators_find_in_all_accounts() {
    let server = Server::start().await;
    let mut owners: Vec<_> = (0..5).map(|_| server.owner()).collect();
    for (number, owner) in owners.iter_mut().enumerate() {
        let names = (0..30).map(|at| put("c", &format!("o{:02}-{number}", at), at));
        owner.apply(names).await;
    }
    for sort in SORTS {
        let find = Find {
            name: Some("o".into()),
            kind: Some(Kind::File),
            sort,
            limit: Some(40),
            ..Find::default()
        };
        let found = all(&server, find).await;
        assert_eq!(found.len(), 150, "{sort:?}");
        if sort == Sort::Name {
            assert!(found.is_sorted_by(|one, two| one.name <= two.name));
        }
    }
}
