//! `mirror/tree`, against a plain map of names.

use std::collections::{BTreeMap, BTreeSet};

use common::Timestamp;
use common::functional::fs::{MAX_TREE_DEPTH, TreeKind, TreeNode};
use common::functional::mirror::{Tree, TreePage};
use common::name::{ContainerName, ObjectName};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::*;

/// Which page: the directory (empty is the container), depth, limit, marker.
type Asked<'a> = (&'a str, usize, usize, Option<&'a str>);

async fn page(owner: &Owner<'_>, (directory, depth, limit, marker): Asked<'_>) -> Option<TreeNode> {
    let tree = Tree {
        at_least: owner.at_least(),
        container: ContainerName::new("c").unwrap(),
        directory: (!directory.is_empty()).then(|| ObjectName::new(directory).unwrap()),
        depth,
        limit,
        marker: marker.map(str::to_owned),
    };
    match owner.server.ask(tree).await.unwrap() {
        TreePage::Node(node) => node,
        TreePage::Behind(position) => panic!("the mirror is behind: {position:?}"),
    }
}

/// One line a node, as deep as it is nested.
fn drawn(node: &TreeNode) -> Vec<String> {
    let mut lines = vec![format!(
        "{} {} {}{}",
        node.name,
        node.objects,
        node.bytes,
        node.next
            .as_ref()
            .map(|next| format!(" … {next:?}"))
            .unwrap_or_default()
    )];
    for child in node.children.iter().flatten() {
        lines.extend(drawn(child).into_iter().map(|line| format!("  {line}")));
    }
    lines
}

#[tokio::test]
async fn a_page_is_wide_before_it_is_deep() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let mut expired = object_row(64);
    expired.delete_at = Some(Timestamp::from_seconds(5));
    owner
        .apply([
            put_container("c"),
            put("c", "a/1", 1),
            put("c", "a/b/2", 2),
            put("c", "a/b/3", 4),
            put("c", "d/", 8),
            make("c", "e/f/"),
            put("c", "z", 16),
            put_row("c", "zz", expired),
        ])
        .await;
    let whole = page(&owner, ("", 9, 1000, None)).await.unwrap();
    assert_eq!(whole.kind, TreeKind::Container);
    assert_eq!(
        drawn(&whole),
        [
            "c 6 95",
            "  a/ 3 7",
            "    1 1 1",
            "    b/ 2 6",
            "      2 1 2",
            "      3 1 4",
            "  d/ 1 8",
            "  e/ 0 0",
            "    f/ 0 0",
            "  z 1 16",
        ]
    );
    let short = page(&owner, ("", 9, 5, None)).await.unwrap();
    assert_eq!(
        drawn(&short),
        [
            "c 6 95",
            "  a/ 3 7 … \"\"",
            "  d/ 1 8 … \"\"",
            "  e/ 0 0 … \"\"",
            "  z 1 16"
        ]
    );
    let flat = page(&owner, ("", 1, 2, Some("a/"))).await.unwrap();
    assert_eq!(drawn(&flat), ["c 6 95 … \"e/\"", "  d/ 1 8", "  e/ 0 0"]);
    assert_eq!(flat.children.unwrap()[0].children, None, "the depth ends");
    let below = page(&owner, ("a/", 9, 3, None)).await.unwrap();
    assert_eq!(
        drawn(&below),
        ["a/ 3 7", "  1 1 1", "  b/ 2 6 … \"2\"", "    2 1 2"]
    );
    assert_eq!(below.kind, TreeKind::Directory);
    assert_eq!(page(&owner, ("b/", 1, 10, None)).await, None);
    assert_eq!(page(&owner, ("z/", 1, 10, None)).await, None);
}

#[tokio::test]
async fn a_row_without_a_name_keeps_nobody_from_the_others() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let names = ["a", "b/1", "b/2", "b/3", "c", "d/1", "e"];
    let puts = names.iter().map(|name| put("c", name, 1));
    owner.apply(std::iter::once(put_container("c")).chain(puts)).await;
    let mut look = server.look().await;
    for damage in [
        "UPDATE stobj SET path = x'62fe' WHERE path = x'63' AND type = 4",
        "UPDATE stobj SET path = x'64ff2f' WHERE path = x'642f'",
        "UPDATE stobj SET path = x'32c3' WHERE path = x'32'",
    ] {
        look.execute(damage).await;
    }
    // What lies in a directory without a name is not shown either; all is counted as it stands.
    let whole = page(&owner, ("", 9, 1000, None)).await.unwrap();
    assert_eq!(
        drawn(&whole),
        [
            "c 7 7",
            "  a 1 1",
            "  b/ 3 3",
            "    1 1 1",
            "    3 1 1",
            "  e 1 1"
        ]
    );
    // However few names a page holds, it gets past all that it leaves out.
    let mut marker = None;
    for (shown, next) in [("a", Some("a")), ("b/", Some("b/")), ("e", None)] {
        let part = page(&owner, ("", 1, 1, marker)).await.unwrap();
        let children = part.children.unwrap();
        assert_eq!(
            children.iter().map(|child| &child.name).collect::<Vec<_>>(),
            [shown]
        );
        assert_eq!(part.next.as_deref(), next);
        marker = next;
    }
    let below = page(&owner, ("b/", 1, 1, Some("1"))).await.unwrap();
    assert_eq!(drawn(&below), ["b/ 3 3", "  3 1 1"]);
    // Nor does it say that there is more when nothing else is.
    let two = page(&owner, ("", 1, 3, None)).await.unwrap();
    assert_eq!((two.children.unwrap().len(), two.next), (3, None));
}

#[tokio::test]
async fn five_hundred_and_twelve_levels_are_seen_in_pages() {
    let server = Server::start().await;
    let mut owner = server.owner();
    let deep = "a/".repeat(511) + "ab";
    owner.apply([put_container("c"), put("c", &deep, 7)]).await;
    let mut found = String::new();
    loop {
        let mut node = page(&owner, (&found, 1000, 1000, None)).await.unwrap();
        assert_eq!(node.objects, 1);
        let mut levels = 0;
        while let Some(child) = node.children.and_then(|mut children| children.pop()) {
            node = child;
            found.push_str(&node.name);
            levels += 1;
        }
        if node.kind == TreeKind::File {
            break;
        }
        assert_eq!(levels, MAX_TREE_DEPTH);
    }
    assert_eq!(found, deep);
}

/// Names with their objects and bytes, of what lies in a tree that is asked for page by page.
async fn walked(owner: &Owner<'_>, depth: usize, limit: usize) -> BTreeMap<String, (u64, u64)> {
    let mut found = BTreeMap::new();
    let mut todo: Vec<(String, Option<String>)> = vec![(String::new(), None)];
    while let Some((directory, marker)) = todo.pop() {
        let asked = (directory.as_str(), depth, limit, marker.as_deref());
        let node = page(owner, asked).await.expect("it was in a page before");
        let mut nodes = vec![(directory, node)];
        let mut count = 0;
        while let Some((name, node)) = nodes.pop() {
            let is_cut = node.kind == TreeKind::Directory && node.children.is_none();
            if let Some(marker) = node.next.or(is_cut.then(String::new)) {
                todo.push((name.clone(), Some(marker)));
            }
            let children = node.children.unwrap_or_default();
            assert!(children.is_sorted_by(|one, other| one.name < other.name));
            for child in children {
                count += 1;
                let name = format!("{name}{}", child.name);
                assert!(found.insert(name.clone(), (child.objects, child.bytes)).is_none());
                nodes.push((name, child));
            }
        }
        assert!(count <= limit);
    }
    found
}

#[test]
fn pages_together_are_the_whole_tree() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Server::start());
    let mut runner = TestRunner::new(Config::with_cases(60));
    let names = prop::collection::btree_map("([abc]|[abc]/|/){1,5}", 0..9_u64, 1..60);
    let explicit = prop::collection::btree_set("([abc]/|/){1,3}", 0..5);
    runner
        .run(
            &(names, explicit, 1..5_usize, 1..40_usize),
            |(names, explicit, depth, limit)| {
                runtime.block_on(async {
                    let mut owner = server.owner();
                    let puts = names.iter().map(|(name, bytes)| put("c", name, *bytes));
                    let makes = explicit.iter().map(|name| make("c", name));
                    owner.apply(puts.chain(makes)).await;
                    let all: BTreeSet<&str> = names
                        .keys()
                        .chain(&explicit)
                        .flat_map(|name| {
                            let directories = name.match_indices('/').map(|(at, _)| &name[..=at]);
                            directories.chain([name.as_str()])
                        })
                        .collect();
                    let expected: BTreeMap<String, (u64, u64)> = all
                        .into_iter()
                        .map(|node| {
                            let below =
                                |name: &str| name == node || (node.ends_with('/') && name.starts_with(node));
                            let own = names.iter().filter(|(name, _)| below(name));
                            let totals = own.fold((0, 0), |(n, sum), (_, bytes)| (n + 1, sum + bytes));
                            (node.to_owned(), totals)
                        })
                        .collect();
                    assert_eq!(walked(&owner, depth, limit).await, expected);
                });
                Ok(())
            },
        )
        .unwrap();
}
