//! `mirror/list_container` and `mirror/list_account`, against the plain model.

use std::collections::BTreeMap;

use account_server::model::{self, Line};
use common::Timestamp;
use common::functional::account;
use common::functional::listing::{Query, Rollup};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

/// Letters that fall before and behind the slash, in one byte and in several.
const LETTERS: &[&str] = &[
    "a",
    "b",
    "/",
    "/",
    "/",
    ".",
    "-",
    "0",
    "!",
    "é",
    "\u{1}",
    "\u{7f}",
    "\u{7ff}",
    "\u{10ffff}",
    " ",
    "\0",
];

fn word(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(LETTERS), length).prop_map(|letters| letters.concat())
}

/// What a query's marker, end marker and prefix are made of: a name or its beginning, or anything.
#[derive(Clone, Debug)]
enum Word {
    None,
    OfName(Index, Index),
    Any(String),
}

impl Word {
    fn text(&self, names: &[&String]) -> String {
        match self {
            Self::None => String::new(),
            Self::OfName(..) if names.is_empty() => String::new(),
            Self::OfName(name, length) => {
                let name = names[name.index(names.len())];
                let letters: Vec<char> = name.chars().collect();
                letters[..=length.index(letters.len())].iter().collect()
            }
            Self::Any(text) => text.clone(),
        }
    }
}

fn part() -> impl Strategy<Value = Word> {
    prop_oneof![
        3 => Just(Word::None),
        4 => (any::<Index>(), any::<Index>()).prop_map(|(name, length)| Word::OfName(name, length)),
        1 => word(1..4).prop_map(Word::Any),
    ]
}

#[derive(Clone, Debug)]
struct Question {
    limit: usize,
    marker: Word,
    end_marker: Word,
    prefix: Word,
    rollup: Rollup,
    reverse: bool,
}

impl Question {
    fn query(&self, names: &[&String]) -> Query {
        let mut prefix = self.prefix.text(names);
        if self.rollup == Rollup::Directory && !prefix.is_empty() && !prefix.ends_with('/') {
            prefix.push('/');
        }
        Query {
            limit: self.limit,
            marker: self.marker.text(names),
            end_marker: self.end_marker.text(names),
            prefix,
            rollup: self.rollup.clone(),
            reverse: self.reverse,
        }
    }
}

fn question() -> impl Strategy<Value = Question> {
    let delimiter = prop::sample::select(&["/", "/", "/", "a", "-", "//", "/a", "a/", "é", "0!"][..]);
    let rollup = prop_oneof![
        2 => Just(Rollup::None),
        4 => delimiter.prop_map(|delimiter| Rollup::Subdirs { delimiter: delimiter.into() }),
        1 => Just(Rollup::Directory),
    ];
    let limit = prop_oneof![0..6_usize, Just(10_000)];
    (limit, part(), part(), part(), rollup, any::<bool>()).prop_map(
        |(limit, marker, end_marker, prefix, rollup, reverse)| Question {
            limit,
            marker,
            end_marker,
            prefix,
            rollup,
            reverse,
        },
    )
}

fn shown(lines: Vec<Line>) -> Vec<String> {
    let text = |line| match line {
        Line::Name(name) => name,
        Line::Subdir(name) => format!("<{name}>"),
    };
    lines.into_iter().map(text).collect()
}

/// Any page of any container is what a plain loop over all live names shows.
#[test]
fn any_page_is_that_of_the_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let mut runner = TestRunner::new(Config::with_cases(150));
    // Of three objects one has run out, one will, and one never does.
    let names = prop::collection::btree_map(word(1..8), 0..3_u64, 0..60);
    let questions = prop::collection::vec(question(), 20);
    runner
        .run(&(names, questions), |(names, questions)| {
            runtime.block_on(async {
                let mut owner = server.owner();
                owner.apply([put_container("c")]).await;
                owner
                    .apply(names.iter().map(|(name, expiry)| object(name, *expiry)))
                    .await;
                let all: Vec<&String> = names.keys().collect();
                let live = live(&names);
                for question in &questions {
                    let query = question.query(&all);
                    let expected = shown(model::page(live.iter().copied(), &query));
                    assert_eq!(owner.names("c", &query).await, expected, "{query:?}");
                }
            });
            Ok(())
        })
        .unwrap();
}

/// Pages of any size, each from the last entry of the one before, show together what one page does.
#[test]
fn pages_join_to_the_whole() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let mut runner = TestRunner::new(Config::with_cases(40));
    let names = prop::collection::btree_map(word(1..7), 0..3_u64, 1..50);
    let question = question();
    runner
        .run(&(names, question, 1..6_usize), |(names, question, size)| {
            runtime.block_on(async {
                let mut owner = server.owner();
                owner
                    .apply(names.iter().map(|(name, expiry)| object(name, *expiry)))
                    .await;
                let all: Vec<&String> = names.keys().collect();
                let mut query = question.query(&all);
                query.marker.clear();
                query.limit = 10_000;
                let whole = owner.names("c", &query).await;
                query.limit = size;
                let mut joined = Vec::new();
                loop {
                    let page = owner.names("c", &query).await;
                    let Some(last) = page.last() else { break };
                    let subdir = last.strip_prefix('<').and_then(|name| name.strip_suffix('>'));
                    query.marker = subdir.unwrap_or(last).to_owned();
                    joined.extend(page);
                }
                assert_eq!(joined, whole, "{query:?}");
            });
            Ok(())
        })
        .unwrap();
}

fn object(name: &str, expiry: u64) -> common::functional::mirror::Node {
    let mut row = object_row(1);
    row.delete_at = match expiry {
        0 => None,
        1 => Some(now()),
        _ => Some(Timestamp::from_units(now().units() + 1)),
    };
    put_row("c", name, row)
}

fn live(names: &BTreeMap<String, u64>) -> Vec<&str> {
    names
        .iter()
        .filter(|(_, expiry)| **expiry != 1)
        .map(|(name, _)| name.as_str())
        .collect()
}

#[tokio::test]
async fn containers_are_listed_as_the_model_does() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let names = ["a", "a-b", "a-c", "a.b", "b", "b-a-c", "é", "photos", "photos-2"];
    owner.apply(names.iter().map(|name| put_container(name))).await;
    let mut queries = Vec::new();
    for rollup in [
        Rollup::None,
        Rollup::Subdirs {
            delimiter: "-".into(),
        },
        Rollup::Subdirs {
            delimiter: "/".into(),
        },
    ] {
        for reverse in [false, true] {
            for limit in [1, 2, 100] {
                for (marker, end_marker, prefix) in [
                    ("", "", ""),
                    ("a", "", ""),
                    ("a-", "b", ""),
                    ("", "", "a"),
                    ("b/c", "a/b", ""),
                ] {
                    queries.push(Query {
                        limit,
                        marker: marker.into(),
                        end_marker: end_marker.into(),
                        prefix: prefix.into(),
                        rollup: rollup.clone(),
                        reverse,
                    });
                }
            }
        }
    }
    for query in queries {
        let entries = owner.containers(&query).await;
        let listed: Vec<String> = entries
            .into_iter()
            .map(|entry| match entry {
                account::Entry::Container { name, .. } => name.to_string(),
                account::Entry::Subdir(name) => format!("<{name}>"),
            })
            .collect();
        assert_eq!(listed, shown(model::page(names, &query)), "{query:?}");
    }
}

#[tokio::test]
async fn a_container_that_is_not_there_shows_nothing() {
    let server = Server::start().await;
    let mut owner = server.owner();
    owner.apply([put_container("c")]).await;
    assert!(owner.list("d", &Query::default()).await.is_empty());
}
