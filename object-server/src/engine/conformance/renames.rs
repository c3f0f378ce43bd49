//! Objects and directories under other names.

use std::sync::atomic::{AtomicBool, Ordering};

use common::Outcome;
use common::name::ContainerName;

use super::ground::{Ground, properties, told_of_tree};
use crate::engine::EngineError;
use crate::node::WriteId;

async fn object(ground: &Ground, name: &str) -> Option<u64> {
    let path = ground.path(name);
    ground.engine.identity(&path).await.expect("it can be looked at")
}

async fn identity(ground: &Ground, name: &str) -> u64 {
    let found = ground.directory(name).await;
    found.unwrap_or_else(|| panic!("{name:?} is not there")).identity
}

fn id() -> WriteId {
    WriteId::random().expect("there are random numbers")
}

pub(super) async fn objects_are_renamed(ground: &Ground) {
    let mut attributes = super::ground::attributes(b"data");
    attributes.properties = properties(10_000);
    ground.put_with("a/b/x", b"data", attributes).await;
    let before = (ground.stat("a/b/x").await, object(ground, "a/b/x").await);
    let mut name = "a/b/x".to_owned();
    let long = format!("{}/{}", "d".repeat(300), "x".repeat(400));
    for next in ["y", "c/d/e/y", "c/d/y", &long, "//y", "%/%o", "..", "a/b/x"] {
        ground.expect(&name, Some(b"data")).await;
        assert!(ground.rename(&name, next).await, "{name:?} to {next:?}");
        ground.expect(&name, None).await;
        ground.expect(next, Some(b"data")).await;
        assert_eq!((ground.stat(next).await, object(ground, next).await), before);
        assert_eq!(ground.names().await, [next]);
        let above: Vec<_> = next.match_indices('/').map(|(end, _)| &next[..=end]).collect();
        assert_eq!(ground.directories().await, above);
        next.clone_into(&mut name);
    }
    assert_eq!(object(ground, "y").await, None);
}

pub(super) async fn objects_are_renamed_around_directories(ground: &Ground) {
    for long in [1, 254] {
        let x = "x".repeat(long);
        let inner = format!("{x}/y");
        ground.put(&x, b"1").await;
        assert!(ground.rename(&x, &inner).await, "it stood in its own way");
        assert_eq!(ground.names().await, [inner.as_str()]);
        assert!(ground.rename(&inner, &x).await);
        assert_eq!(ground.names().await, [x.as_str()]);
        assert_eq!(ground.directories().await, Vec::<String>::new());
        // As one that stands aside, and over one that does.
        ground.put(&inner, b"2").await;
        assert!(ground.rename(&x, "z").await);
        ground.expect("z", Some(b"1")).await;
        ground.put(&x, b"3").await;
        assert!(ground.rename("z", &x).await);
        ground.expect(&x, Some(b"1")).await;
        ground.expect(&inner, Some(b"2")).await;
        ground.remove(&inner).await;
        assert!(ground.rename(&x, "z/z").await);
        assert_eq!(ground.names().await, ["z/z"]);
        ground.remove("z/z").await;
    }
}

pub(super) async fn objects_replace_objects(ground: &Ground) {
    ground.put("a/x", b"new").await;
    ground.put("b/x", b"old").await;
    let (_, reader) = ground.open("b/x").await.expect("it is there");
    assert!(ground.rename("a/x", "b/x").await);
    assert_eq!(super::ground::read_all(reader).await, b"old");
    ground.expect("b/x", Some(b"new")).await;
    assert_eq!(ground.names().await, ["b/x"]);
    ground.put("b/y", b"third").await;
    for _ in 0..5 {
        // Whoever reads again and again must not be given what was there.
        ground.expect("b/x", Some(b"new")).await;
    }
    assert!(ground.rename("b/y", "b/x").await);
    ground.expect("b/x", Some(b"third")).await;
}

pub(super) async fn directories_are_renamed_with_all_below(ground: &Ground) {
    let rests = ["", "x", "x/y", "//z", "deep/er/file"];
    for rest in rests {
        ground.put(&format!("a/b/{rest}"), rest.as_bytes()).await;
    }
    let attributes = ground.make_directory("a/b/empty/").await;
    for _ in 0..4 {
        ground.expect("a/b/x", Some(b"x")).await;
    }
    let known = identity(ground, "a/b/").await;
    let deep = identity(ground, "a/b/deep/er/").await;
    let mut name = "a/b/".to_owned();
    ground.put("beside", b"object").await;
    for next in ["c/", "c2/d/e/", "c2/x/", "/", "b//", "beside/", "a/c/"] {
        assert!(ground.rename(&name, next).await, "{name:?} to {next:?}");
        assert_eq!(identity(ground, next).await, known);
        assert_eq!(identity(ground, &format!("{next}deep/er/")).await, deep);
        let empty = ground.directory(&format!("{next}empty/")).await;
        assert_eq!(empty.and_then(|found| found.explicit), Some(attributes));
        for rest in rests {
            let data = rest.as_bytes();
            ground.expect(&format!("{name}{rest}"), None).await;
            ground.expect(&format!("{next}{rest}"), Some(data)).await;
        }
        ground.expect("beside", Some(b"object")).await;
        assert_eq!(ground.names().await.len(), rests.len() + 1);
        assert_eq!(ground.directory(&name).await, None);
        next.clone_into(&mut name);
    }
    // What is put after a move goes where the directory is now, and the old name is free.
    ground.put("a/b/x", b"again").await;
    ground.put("a/c/new", b"new").await;
    assert!(identity(ground, "a/b/").await != known && identity(ground, "a/c/").await == known);
    ground.make_directory("a/").await;
    assert!(ground.rename("a/b/", "gone/").await && ground.rename("a/c/", "gone too/").await);
    assert!(ground.directory("a/").await.is_some_and(|found| found.is_empty));
}

pub(super) async fn directories_replace_directories(ground: &Ground) {
    for explicit in [false, true] {
        for name in ["to/x", "to/only/there", "to/", "from/x", "from/y/z"] {
            ground.put(name, name.as_bytes()).await;
        }
        if explicit {
            ground.make_directory("to/").await;
        }
        let known = identity(ground, "from/").await;
        ground.expect("to/x", Some(b"to/x")).await;
        assert!(ground.rename("from/", "to/").await);
        assert_eq!(ground.names().await, ["to/x", "to/y/z"]);
        assert_eq!(ground.directories().await, ["to/", "to/y/"]);
        assert_eq!(identity(ground, "to/").await, known);
        ground.expect("to/x", Some(b"from/x")).await;
        let found = ground.directory("to/").await.expect("it is there");
        assert_eq!(found.explicit, None, "it is another directory");
        ground.make_directory("empty/").await;
        assert!(ground.rename("to/", "empty/").await);
        assert_eq!(ground.names().await, ["empty/x", "empty/y/z"]);
        ground.make_directory("from/").await;
        assert!(ground.rename("from/", "empty/").await, "an empty one is one");
        assert_eq!(ground.names().await, Vec::<String>::new());
        assert!(ground.remove_directory("empty/").await);
        assert_eq!(ground.directories().await, Vec::<String>::new());
    }
}

pub(super) async fn long_and_odd_names_are_renamed(ground: &Ground) {
    let long = |byte: &str, bytes| format!("{}/", byte.repeat(bytes));
    let names = [
        long("l", 255),
        long("l", 256),
        long("m", 700),
        "%o/".to_owned(),
        long("\u{1}", 300),
        "./../".to_owned(),
        format!("{}{}", long("p", 260), long("q", 270)),
        "////".to_owned(),
        ".stobj/".to_owned(),
    ];
    for (name, next) in names.iter().zip(names.iter().cycle().skip(1)) {
        ground.put(&format!("{name}x"), b"data").await;
        ground.put(name, b"own").await;
        // The file has to stand aside, with a name that may be too long then.
        let file = &next[..next.len() - 1];
        let is_beside = !file.ends_with('/') && !file.is_empty();
        if is_beside {
            ground.put(file, b"beside").await;
        }
        assert!(ground.rename(name, next).await, "{name:?} to {next:?}");
        ground.expect(&format!("{next}x"), Some(b"data")).await;
        ground.expect(next, Some(b"own")).await;
        if is_beside {
            ground.expect(file, Some(b"beside")).await;
            ground.remove(file).await;
        }
        assert_eq!(ground.names().await, [next.clone(), format!("{next}x")]);
        ground.remove(next).await;
        ground.remove(&format!("{next}x")).await;
        assert_eq!(ground.directories().await, Vec::<String>::new());
    }
}

pub(super) async fn renames_between_containers(ground: &Ground) {
    let other = Ground::new(&ground.engine, &format!("{} other", ground.container.as_str())).await;
    ground.put("d/x", b"x").await;
    ground.put("d/e/y", b"y").await;
    other.put("d/z", b"z").await;
    let known = identity(ground, "d/").await;
    assert!(ground.rename_path(&ground.path("d/"), &other.path("d/")).await);
    assert_eq!(ground.names().await, Vec::<String>::new());
    assert_eq!(other.names().await, ["d/e/y", "d/x"]);
    assert_eq!(identity(&other, "d/").await, known);
    assert!(ground.rename_path(&other.path("d/x"), &ground.path("d/x")).await);
    assert_eq!(ground.names().await, ["d/x"]);
    ground.expect("d/x", Some(b"x")).await;
    other.leave_empty().await;
}

pub(super) async fn what_cannot_be_renamed_changes_nothing(ground: &Ground) {
    ground.put("d/x", b"x").await;
    ground.put("file", b"f").await;
    let refused = [
        ("d/", "d/", Outcome::Forbidden),
        ("d/", "d/e/f/", Outcome::Forbidden),
        ("file", "file", Outcome::Forbidden),
        ("d/", "e", Outcome::BadRequest),
        ("file", "e/", Outcome::BadRequest),
    ];
    for (from, to, outcome) in refused {
        let (from, to) = (ground.path(from), ground.path(to));
        let (told, committed) = told_of_tree();
        let renamed = ground.engine.rename(&from, &to, id(), committed).await;
        assert!(
            matches!(&renamed, Err(EngineError::Refused(error)) if *error.outcome() == outcome),
            "{renamed:?}"
        );
        assert!(!told.load(Ordering::Acquire));
    }
    for (from, to) in [
        ("no/", "e/f/"),
        ("no", "e/f"),
        ("file/", "e/f/"),
        ("d", "e/f"),
        ("d/no", "e/f"),
    ] {
        assert!(!ground.rename(from, to).await, "{from:?}");
    }
    let mut away = ground.path("e/f");
    away.container = ContainerName::new("no such one").expect("this is a name");
    let renamed = ground
        .engine
        .rename(&ground.path("file"), &away, id(), told_of_tree().1)
        .await;
    assert!(matches!(renamed, Err(EngineError::NoContainer)), "{renamed:?}");
    let renamed = ground
        .engine
        .rename(&away, &ground.path("e/f"), id(), told_of_tree().1)
        .await;
    assert!(!renamed.expect("there is nothing to rename"));
    assert_eq!(ground.names().await, ["d/x", "file"]);
    assert_eq!(ground.directories().await, ["d/"]);
}

pub(super) async fn renames_are_settled(ground: &Ground) {
    for name in ["from/x", "to/y", "file"] {
        ground.put(name, name.as_bytes()).await;
    }
    let (from, to) = (ground.path("from/"), ground.path("to/"));
    let (file, beside) = (ground.path("file"), ground.path("to/file"));
    let (known, file_known) = (identity(ground, "from/").await, object(ground, "file").await);
    let file_known = file_known.expect("it is there");
    let engine = &ground.engine;
    let replaced = id();
    for _ in 0..2 {
        let settled = engine.settle_rename(&from, &to, known, replaced).await;
        assert!(!settled.expect("it can be settled"), "nothing was renamed");
        let settled = engine.settle_rename(&file, &beside, file_known, id()).await;
        assert!(!settled.expect("it can be settled"), "nothing was renamed");
    }
    assert_eq!(ground.names().await, ["file", "from/x", "to/y"]);
    let renamed = engine.rename(&from, &to, replaced, told_of_tree().1).await;
    assert!(renamed.expect("it can be renamed"));
    assert!(ground.rename("file", "to/file").await);
    for _ in 0..2 {
        let settled = engine.settle_rename(&from, &to, known, replaced).await;
        assert!(settled.expect("it can be settled"));
        let settled = engine.settle_rename(&file, &beside, file_known, id()).await;
        assert!(settled.expect("it can be settled"));
    }
    assert_eq!(ground.names().await, ["to/file", "to/x"]);
    assert_eq!(ground.directories().await, ["to/"]);
}

/// One directory after the other takes the name: whoever reads sees one of them, or, where names cannot be exchanged, none.
pub(super) async fn readers_see_a_rename_whole(ground: &Ground) {
    ground.put("to/x", b"0").await;
    let is_over = AtomicBool::new(false);
    let reading = async {
        let mut last = 0;
        while !is_over.load(Ordering::Acquire) {
            if let Some(data) = ground.read("to/x").await {
                let number: usize = String::from_utf8(data)
                    .expect("numbers")
                    .parse()
                    .expect("numbers");
                assert!(number >= last, "{number} was seen after {last}");
                last = number;
            }
            tokio::task::yield_now().await;
        }
    };
    let renaming = async {
        for number in 1..40_usize {
            ground.put("from/x", number.to_string().as_bytes()).await;
            assert!(ground.rename("from/", "to/").await);
            ground.expect("to/x", Some(number.to_string().as_bytes())).await;
            tokio::task::yield_now().await;
        }
        is_over.store(true, Ordering::Release);
    };
    tokio::join!(reading, renaming);
}
