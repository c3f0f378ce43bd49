//! Names of every kind.

use super::ground::Ground;

/// Names that a file system cannot hold, or that an engine may use for itself.
const ODD: [&str; 52] = [
    "/",
    "//",
    "///",
    "a/",
    "a//",
    "a//b",
    "/a",
    "//a/",
    ".",
    "..",
    "./",
    "../",
    "../..",
    "a/../b",
    "a/./b",
    "...",
    ".stobj",
    ".stobj/",
    ".stobj/identity",
    ".stobjects",
    "a/.stobj",
    "%",
    "%o",
    "%_",
    "%+",
    "%_/%o",
    "x%o",
    "x%+",
    "x%+/y",
    "x%o/y",
    "%2E",
    "%2e",
    "%25",
    "%2F",
    "%%",
    "a%",
    "control\u{1}\u{1f}\u{7f}",
    "nul\0",
    "new\nline",
    " ",
    " a ",
    "\u{e4} b.jpg",
    "a\u{308}",
    "\u{1f600}/\u{1f600}",
    "\u{feff}",
    "\\",
    "a\\b",
    "*",
    "?",
    "\"",
    "a:b",
    "-",
];

async fn put_all_then_remove_all(ground: &Ground, names: &[String]) {
    for name in names {
        ground.put(name, name.as_bytes()).await;
        ground.expect(name, Some(name.as_bytes())).await;
    }
    let mut sorted = names.to_vec();
    sorted.sort();
    assert_eq!(ground.names().await, sorted);
    for (at, name) in names.iter().enumerate() {
        assert!(ground.remove(name).await.is_some(), "{name:?}");
        ground.expect(name, None).await;
        if at % 8 == 0 {
            for other in &names[at + 1..] {
                ground.expect(other, Some(other.as_bytes())).await;
            }
        }
    }
    assert_eq!(ground.names().await, Vec::<String>::new());
}

pub(super) async fn odd_names_are_names(ground: &Ground) {
    let names: Vec<_> = ODD.iter().map(|name| (*name).to_owned()).collect();
    for name in &names {
        put_all_then_remove_all(ground, std::slice::from_ref(name)).await;
    }
    put_all_then_remove_all(ground, &names).await;
    let mut backwards = names;
    backwards.reverse();
    put_all_then_remove_all(ground, &backwards).await;
}

pub(super) async fn long_segments_are_names(ground: &Ground) {
    let mut names = Vec::new();
    for length in [250, 251, 252, 253, 254, 255, 256, 257, 506, 507, 508, 509, 1023] {
        for unit in ["x", "%", "\u{e4}"] {
            let count = length / unit.len();
            names.push(unit.repeat(count));
            if length < 300 {
                names.push(format!("{}/y", unit.repeat(count)));
                names.push(format!("{}/", unit.repeat(count)));
                names.push(format!("a{}", unit.repeat(count)));
            }
        }
    }
    names.push("x".repeat(1024));
    names.push(format!("{}.", "x".repeat(253)));
    names.push(format!("{}..", "x".repeat(254)));
    names.sort();
    names.dedup();
    put_all_then_remove_all(ground, &names).await;
    names.reverse();
    put_all_then_remove_all(ground, &names).await;
}

pub(super) async fn deep_names_are_names(ground: &Ground) {
    let names = [
        "/".repeat(1024),
        format!("{}a", "b/".repeat(511)),
        "\u{1}".repeat(1024),
        "../".repeat(50),
    ];
    put_all_then_remove_all(ground, &names).await;
}

pub(super) async fn children_come_in_byte_order(ground: &Ground) {
    let names = [
        "b",
        "b-2",
        "b/1",
        "b/2/3",
        "b0",
        "B",
        "\u{e4}",
        "b//",
        "\u{1f600}",
        "a/",
        "~",
        "!",
    ];
    for name in names {
        ground.put(name, b"").await;
    }
    let children = async |directory: &str| -> Vec<(String, bool)> {
        let children = ground
            .engine
            .children(&ground.account, &ground.container, directory)
            .await;
        let children = children.expect("a directory can be listed");
        children
            .into_iter()
            .map(|child| (child.segment, child.is_object))
            .collect()
    };
    let expected = |list: &[(&str, bool)]| -> Vec<(String, bool)> {
        list.iter()
            .map(|(segment, is_object)| ((*segment).to_owned(), *is_object))
            .collect()
    };
    let top = [
        ("!", true),
        ("B", true),
        ("a/", true),
        ("b", true),
        ("b-2", true),
        ("b/", false),
        ("b0", true),
        ("~", true),
        ("\u{e4}", true),
        ("\u{1f600}", true),
    ];
    assert_eq!(children("").await, expected(&top));
    assert_eq!(
        children("b/").await,
        expected(&[("/", true), ("1", true), ("2/", false)])
    );
    assert_eq!(children("a/").await, expected(&[]));
    assert_eq!(children("b/2/").await, expected(&[("3", true)]));
}
