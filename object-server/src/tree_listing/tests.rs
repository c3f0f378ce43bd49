use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use common::functional::listing::Rollup;
use proptest::prelude::*;

use super::*;

mod fake;

use fake::Fake;

const NOW: Timestamp = Timestamp::from_seconds(100);

/// What a page shows, to compare: a name, or a sub-directory.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    Name(String),
    Subdir(String),
}

impl Shown {
    fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Subdir(text) => text,
        }
    }
}

/// A page, made from all names in the plainest way.
fn model(names: &BTreeMap<String, Option<Timestamp>>, query: &Query) -> Vec<Shown> {
    let (low, high) = match query.reverse {
        true => (&query.end_marker, &query.marker),
        false => (&query.marker, &query.end_marker),
    };
    let mut lines: Vec<Shown> = Vec::new();
    for (name, delete_at) in names {
        let is_within = (low.is_empty() || name > low) && (high.is_empty() || name < high);
        let Some(rest) = name.strip_prefix(&query.prefix).filter(|_| is_within) else {
            continue;
        };
        if delete_at.is_some_and(|delete_at| delete_at <= NOW) {
            continue;
        }
        let line = match &query.rollup {
            Rollup::None => Shown::Name(name.clone()),
            Rollup::Directory => {
                let inner = rest.strip_suffix('/').unwrap_or(rest);
                if rest.is_empty() || inner.contains('/') {
                    continue;
                }
                Shown::Name(name.clone())
            }
            Rollup::Subdirs { delimiter } => match rest.split_once(delimiter.as_str()) {
                None => Shown::Name(name.clone()),
                Some((before, _)) => Shown::Subdir(format!("{}{before}{delimiter}", query.prefix)),
            },
        };
        let is_marker = matches!(&line, Shown::Subdir(text) if text == low);
        if !is_marker && lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    if query.reverse {
        lines.reverse();
    }
    lines.truncate(query.limit);
    lines
}

struct Ground {
    engine: Arc<Fake>,
    listing: TreeListing,
    account: AccountName,
    container: ContainerName,
}

impl Ground {
    fn new(memory: u64) -> Self {
        let engine = Arc::new(Fake::new());
        Self {
            listing: TreeListing::new(engine.clone(), memory),
            engine,
            account: AccountName::new("AUTH_a").unwrap(),
            container: ContainerName::new("c").unwrap(),
        }
    }

    fn put(&self, name: &str) {
        self.engine.put(name, None);
        self.note(name, true);
    }

    fn delete(&self, name: &str) {
        self.engine.delete(name);
        self.note(name, false);
    }

    fn note(&self, name: &str, present: bool) {
        self.listing.note(
            &self.account,
            &self.container,
            &ObjectName::new(name).unwrap(),
            present,
        );
    }

    async fn page(&self, query: &Query) -> Vec<Shown> {
        let entries = self
            .listing
            .page(&self.account, &self.container, query, NOW)
            .await
            .unwrap();
        let shown = |entry| match entry {
            Entry::Object(object) => Shown::Name(object.name.as_str().to_owned()),
            Entry::Subdir(name) => Shown::Subdir(name),
        };
        entries.into_iter().map(shown).collect()
    }

    async fn names(&self) -> Vec<String> {
        let page = self.page(&Query::default()).await;
        page.iter().map(|line| line.text().to_owned()).collect()
    }

    fn readings(&self) -> usize {
        self.engine.readings.load(Ordering::Relaxed)
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(future)
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ab/.]{1,6}", 2 => "[a/\u{e4}\u{10ffff}\u{1}-]{1,5}", 1 => "(a/){1,4}b?/{0,2}"]
}

fn any_rollup() -> impl Strategy<Value = Rollup> {
    let delimiter =
        prop_oneof![3 => Just("/".to_owned()), 1 => "[ab/\u{e4}-]{1,2}", 1 => Just("//".to_owned())];
    prop_oneof![
        2 => Just(Rollup::None),
        3 => delimiter.prop_map(|delimiter| Rollup::Subdirs { delimiter }),
        1 => Just(Rollup::Directory),
    ]
}

prop_compose! {
    fn any_query()(
        limit in prop_oneof![1..6_usize, Just(10_000)],
        marker in prop_oneof![Just(String::new()), any_name()],
        end_marker in prop_oneof![2 => Just(String::new()), 1 => any_name()],
        prefix in prop_oneof![2 => Just(String::new()), 2 => "[ab/.]{0,4}", 1 => "[ab/\u{e4}]{0,4}/"],
        rollup in any_rollup(),
        reverse in any::<bool>(),
    ) -> Query {
        Query { limit, marker, end_marker, prefix, rollup, reverse }
    }
}

fn any_names() -> impl Strategy<Value = Vec<(String, bool)>> {
    prop::collection::vec((any_name(), prop::bool::weighted(0.2)), 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_page_is_what_the_model_says(names in any_names(), queries in prop::collection::vec(any_query(), 1..4)) {
        let ground = Ground::new(1 << 20);
        for (name, is_expired) in names {
            ground.engine.put(&name, is_expired.then_some(NOW));
        }
        let objects = ground.engine.objects();
        for query in queries {
            prop_assert_eq!(run(ground.page(&query)), model(&objects, &query), "{:?}", query);
        }
    }

    /// Each page begins behind the last line of the one before; together they are the whole listing.
    #[test]
    fn pages_join_to_the_whole(names in any_names(), query in any_query(), size in 1..6_usize) {
        let ground = Ground::new(1 << 20);
        for (name, is_expired) in names {
            ground.engine.put(&name, is_expired.then_some(NOW));
        }
        let whole = model(&ground.engine.objects(), &Query { limit: 10_000, ..query.clone() });
        let mut query = Query { limit: size, ..query };
        let mut joined = Vec::new();
        loop {
            let page = run(ground.page(&query));
            prop_assert!(page.len() <= size);
            let Some(last) = page.last() else { break };
            query.marker = last.text().to_owned();
            joined.extend(page);
        }
        prop_assert_eq!(joined, whole);
    }

    /// Changes between pages are seen at once, whatever is kept, and however little may be kept.
    #[test]
    fn kept_directories_follow_every_change(
        names in any_names(),
        steps in prop::collection::vec((any_name(), any::<bool>(), any_query()), 1..20),
        memory in prop_oneof![Just(0_u64), 300..2000_u64, Just(1 << 20)],
    ) {
        let ground = Ground::new(memory);
        for (name, _) in &names {
            ground.engine.put(name, None);
        }
        for (index, (name, present, query)) in steps.into_iter().enumerate() {
            let known = names.get(index).map(|(name, _)| name.clone());
            if present { ground.put(&name) } else { ground.delete(&known.unwrap_or(name)) }
            prop_assert_eq!(run(ground.page(&query)), model(&ground.engine.objects(), &query), "{:?}", query);
            prop_assert!(ground.listing.cache.bytes() as u64 <= memory);
        }
    }

    /// What happens while directories are read, in any interleaving of storage, note and reading, is in later pages.
    #[test]
    fn changes_during_a_reading_are_not_lost(
        names in any_names(),
        changes in prop::collection::vec((any_name(), any::<bool>(), 0..4_u8), 1..20),
    ) {
        let ground = Ground::new(1 << 20);
        for (name, _) in &names {
            ground.engine.put(name, None);
        }
        run(async {
            let ground = &ground;
            let pages = async {
                for _ in 0..changes.len() {
                    ground.names().await;
                }
            };
            let writes = async {
                for (index, (name, present, pauses)) in changes.iter().enumerate() {
                    ground.engine.hold(*pauses % 2 == 0);
                    let known = names.get(index).map_or(name, |(name, _)| name);
                    if *present { ground.engine.put(name, None) } else { ground.engine.delete(known) }
                    for _ in 0..*pauses {
                        tokio::task::yield_now().await;
                    }
                    ground.note(if *present { name } else { known }, *present);
                    tokio::task::yield_now().await;
                }
                ground.engine.hold(false);
            };
            tokio::join!(pages, writes);
        });
        let expected: Vec<_> = ground.engine.objects().into_keys().collect();
        prop_assert_eq!(run(ground.names()), expected);
    }

    #[test]
    fn names_in_memory_page_alike(names in any_names(), query in any_query()) {
        let names: BTreeMap<_, _> = names.into_iter().map(|(name, _)| (name, None)).collect();
        let sorted: Vec<_> = names.keys().cloned().collect();
        let page: Vec<_> = page_of_names(&sorted, String::as_str, &query)
            .into_iter()
            .map(|line| match line {
                Line::Item(name) => Shown::Name(name.clone()),
                Line::Subdir(name) => Shown::Subdir(name),
            })
            .collect();
        prop_assert_eq!(page, model(&names, &query));
    }
}

#[test]
fn a_directory_is_read_once_by_one() {
    let ground = Arc::new(Ground::new(1 << 20));
    ground.put("a/b");
    run(async {
        ground.engine.hold(true);
        let readers: Vec<_> = (0..10)
            .map(|_| {
                let ground = Arc::clone(&ground);
                tokio::spawn(async move { ground.names().await })
            })
            .collect();
        while ground.readings() == 0 {
            tokio::task::yield_now().await;
        }
        // The first who asked goes away: the others get their answer all the same.
        readers[0].abort();
        ground.put("a/c");
        ground.engine.hold(false);
        for reader in readers.into_iter().skip(1) {
            assert_eq!(reader.await.unwrap(), ["a/b", "a/c"]);
        }
    });
    assert_eq!(ground.readings(), 2);
}

#[test]
fn emptied_directories_are_not_walked_again() {
    let ground = Ground::new(1 << 20);
    for name in ["a/b/c", "a/b/", "d"] {
        ground.put(name);
    }
    assert_eq!(run(ground.names()), ["a/b/", "a/b/c", "d"]);
    let kept = ground.listing.cache.bytes();
    for name in ["a/b/c", "a/b/"] {
        ground.delete(name);
    }
    assert_eq!(run(ground.names()), ["d"]);
    ground.put("a/b/c");
    assert_eq!(run(ground.names()), ["a/b/c", "d"]);
    assert_eq!(ground.readings(), 3, "nothing was read again");
    ground.put("a/b/");
    assert!(ground.listing.cache.bytes() <= kept + 64);
}

#[test]
fn attributes_are_read_for_the_page_only() {
    let ground = Ground::new(1 << 20);
    for number in 0..1000 {
        ground.engine.put(&format!("a/{number:04}"), None);
        ground.engine.put(&format!("b/{number:04}"), None);
    }
    let page = run(ground.page(&Query {
        limit: 10,
        marker: "a/0500".into(),
        ..Query::default()
    }));
    assert_eq!(page.len(), 10);
    assert_eq!(page[0], Shown::Name("a/0501".into()));
    assert_eq!(ground.engine.stats.load(Ordering::Relaxed), 10);
    let rollup = Rollup::Subdirs {
        delimiter: "/".into(),
    };
    let page = run(ground.page(&Query {
        rollup,
        ..Query::default()
    }));
    assert_eq!(page, [Shown::Subdir("a/".into()), Shown::Subdir("b/".into())]);
    assert_eq!(ground.engine.stats.load(Ordering::Relaxed), 12);
}

#[test]
fn a_forgotten_container_is_read_again() {
    let ground = Ground::new(1 << 20);
    ground.put("a");
    assert_eq!(run(ground.names()), ["a"]);
    ground.engine.delete("a");
    ground.engine.put("b", None);
    ground
        .listing
        .forget_container(&ground.account, &ground.container);
    assert_eq!(ground.listing.cache.bytes(), 0);
    assert_eq!(run(ground.names()), ["b"]);
}

#[test]
fn an_absent_container_is_not_found() {
    let ground = Ground::new(1 << 20);
    let absent = ContainerName::new("absent").unwrap();
    for _ in 0..2 {
        let page = run(ground
            .listing
            .page(&ground.account, &absent, &Query::default(), NOW));
        assert_eq!(page.unwrap_err().status(), 404);
    }
    let empty = run(ground.page(&Query {
        limit: 0,
        ..Query::default()
    }));
    assert!(empty.is_empty());
}

#[test]
fn more_changes_than_can_be_kept_are_read_again() {
    let ground = Ground::new(8 << 20);
    ground.put("x");
    run(async {
        ground.engine.hold(true);
        let changes = async {
            while ground.readings() == 0 {
                tokio::task::yield_now().await;
            }
            for number in 0..20_000 {
                ground.put(&format!("{number:05}"));
            }
            ground.engine.hold(false);
        };
        let (names, ()) = tokio::join!(ground.names(), changes);
        assert_eq!(names.len(), 10_000);
    });
    assert_eq!(ground.readings(), 2);
}

#[test]
fn a_thousand_slashes_are_walked() {
    let ground = Ground::new(1 << 20);
    let deep = "/".repeat(1024);
    ground.put(&deep);
    ground.put("a");
    assert_eq!(run(ground.names()), [deep.as_str(), "a"]);
    let query = Query {
        marker: "/".repeat(1000),
        reverse: true,
        ..Query::default()
    };
    assert_eq!(run(ground.page(&query)), []);
    let query = Query {
        marker: "/".repeat(4000),
        ..Query::default()
    };
    assert_eq!(run(ground.page(&query)), [Shown::Name("a".into())]);
}
