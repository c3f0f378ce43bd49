//! Directories that are built unseen.

use std::sync::atomic::Ordering;

use super::ground::{Ground, properties, told_of_tree};
use crate::engine::{Child, EngineError, GoOn, Placing, Revise};
use crate::node::{DirectoryAttributes, ObjectAttributes, WriteId};

fn id() -> WriteId {
    WriteId::random().expect("there are random numbers")
}

/// The copy is the write of this id.
fn written_by(id: WriteId) -> Revise {
    Box::new(move |source: &ObjectAttributes| Ok(ObjectAttributes { id, ..source.clone() }))
}

/// Nobody wants it to end.
fn on() -> GoOn {
    Box::new(|| Ok(()))
}

async fn begin(ground: &Ground) -> WriteId {
    let build = id();
    ground.engine.build(build).await.expect("it can be begun");
    build
}

async fn copy(ground: &Ground, from: &str, build: WriteId, name: &str) -> Option<ObjectAttributes> {
    place(ground, from, build, name, Placing::Unsettled).await
}

async fn place(
    ground: &Ground,
    from: &str,
    build: WriteId,
    name: &str,
    placing: Placing,
) -> Option<ObjectAttributes> {
    let path = ground.path(from);
    let copied = ground
        .engine
        .copy_object(&path, build, name, written_by(WriteId(77)), placing, on())
        .await;
    copied.unwrap_or_else(|error| panic!("{from:?} cannot be copied: {error:?}"))
}

async fn attach(ground: &Ground, build: WriteId, to: &str) -> bool {
    let path = ground.path(to);
    let (told, committed) = told_of_tree();
    let attached = ground.engine.attach(build, &path, id(), committed).await;
    let is_attached = attached.unwrap_or_else(|error| panic!("{to:?}: {error:?}"));
    assert_eq!(told.load(Ordering::Acquire), is_attached);
    is_attached
}

pub(super) async fn what_is_built_is_seen_when_it_is_attached(ground: &Ground) {
    let large: Vec<u8> = (0..700_000)
        .map(|at| u8::try_from(at % 251).unwrap_or(0))
        .collect();
    let rests = ["x", "", "e/f/y", "//z", "x/beside"];
    for rest in rests {
        ground.put(&format!("d/{rest}"), rest.as_bytes()).await;
    }
    let mut attributes = super::ground::attributes(&large);
    attributes.properties = properties(70_000);
    ground.put_with("d/large", &large, attributes).await;
    let build = begin(ground).await;
    for rest in rests.into_iter().chain(["large"]) {
        let name = format!("d/{rest}");
        let source = ground.stat(&name).await.expect("it is there");
        let copied = copy(ground, &name, build, rest).await.expect("it is there");
        let expected = ObjectAttributes {
            id: WriteId(77),
            modified: copied.modified,
            ..source
        };
        assert_eq!(copied, expected);
    }
    // Again, as whoever goes on after a restart does.
    assert!(copy(ground, "d/x", build, "x").await.is_some());
    let explicit = DirectoryAttributes {
        id: id(),
        ..DirectoryAttributes::default()
    };
    for name in ["", "empty/", "e/"] {
        let made = ground.engine.build_directory(build, name, explicit).await;
        made.unwrap_or_else(|error| panic!("{name:?} cannot be made: {error:?}"));
    }
    assert_eq!(ground.names().await.len(), rests.len() + 1, "nobody sees it");
    ground.engine.sync_build(build).await.expect("it can be synced");
    assert!(attach(ground, build, "a/b/").await);
    for rest in rests {
        ground.expect(&format!("a/b/{rest}"), Some(rest.as_bytes())).await;
        ground.expect(&format!("d/{rest}"), Some(rest.as_bytes())).await;
    }
    ground.expect("a/b/large", Some(&large)).await;
    for name in ["a/b/", "a/b/empty/", "a/b/e/"] {
        let found = ground.directory(name).await.expect("it was built");
        assert_eq!(found.explicit, Some(explicit), "{name:?}");
    }
    assert_eq!(
        ground
            .directory("a/b/e/f/")
            .await
            .and_then(|found| found.explicit),
        None
    );
    assert!(
        !ground
            .engine
            .builds()
            .await
            .expect("they are known")
            .contains(&build)
    );
    assert!(!attach(ground, build, "again/").await);
    ground.put("a/b/x", b"changed").await;
    ground.expect("d/x", Some(b"x")).await;
}

pub(super) async fn what_is_attached_replaces(ground: &Ground) {
    for name in ["d/x", "to/x", "to/y/z", "to"] {
        ground.put(name, name.as_bytes()).await;
    }
    let build = begin(ground).await;
    copy(ground, "d/x", build, "x").await;
    let known = ground.engine.built(build).await.expect("it can be looked at");
    let known = known.expect("it is being built").identity;
    let replaced = id();
    let to = ground.path("to/");
    let engine = &ground.engine;
    let settled = engine.settle_attach(build, &to, known, replaced).await;
    assert!(!settled.expect("it can be settled"));
    ground.expect("to/x", Some(b"to/x")).await;
    let attached = engine.attach(build, &to, replaced, told_of_tree().1).await;
    assert!(attached.expect("it can be attached"), "it is still being built");
    for _ in 0..2 {
        let settled = engine.settle_attach(build, &to, known, replaced).await;
        assert!(settled.expect("it can be settled"));
    }
    assert_eq!(ground.names().await, ["d/x", "to", "to/x"]);
    ground.expect("to/x", Some(b"d/x")).await;
    assert_eq!(
        ground.directory("to/").await.map(|found| found.identity),
        Some(known)
    );
    assert!(!engine.builds().await.expect("they are known").contains(&build));
}

pub(super) async fn builds_are_dropped(ground: &Ground) {
    ground.put("d/x", b"x").await;
    let build = begin(ground).await;
    assert!(!attach(ground, build, "e/").await, "there is nothing in it");
    copy(ground, "d/x", build, "y/x").await;
    ground.engine.build(build).await.expect("it goes on");
    assert!(
        ground
            .engine
            .builds()
            .await
            .expect("they are known")
            .contains(&build)
    );
    for _ in 0..2 {
        ground.engine.drop_build(build).await.expect("it can be dropped");
        assert!(
            !ground
                .engine
                .builds()
                .await
                .expect("they are known")
                .contains(&build)
        );
        assert_eq!(
            ground.engine.built(build).await.expect("it can be looked at"),
            None
        );
    }
    assert!(!attach(ground, build, "e/").await);
    let late = ground
        .engine
        .copy_object(
            &ground.path("d/x"),
            build,
            "x",
            written_by(id()),
            Placing::Unsettled,
            on(),
        )
        .await;
    assert!(matches!(late, Err(EngineError::Refused(_))), "{late:?}");
    assert_eq!(ground.names().await, ["d/x"]);
}

pub(super) async fn copies_are_refused_or_have_no_source(ground: &Ground) {
    ground.put("d/x", b"x").await;
    let build = begin(ground).await;
    for name in ["no", "d/", "d", "d/x/y"] {
        assert_eq!(copy(ground, name, build, "x").await, None, "{name:?}");
    }
    let refuse: Revise = Box::new(|_| Err(common::Error::forbidden()));
    let refused = ground
        .engine
        .copy_object(&ground.path("d/x"), build, "x", refuse, Placing::Unsettled, on())
        .await;
    assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
    assert!(!attach(ground, build, "e/").await, "nothing was built");
    let mut away = ground.path("e/");
    away.container = common::name::ContainerName::new("no such one").expect("this is a name");
    copy(ground, "d/x", build, "x").await;
    let attached = ground.engine.attach(build, &away, id(), told_of_tree().1).await;
    assert!(matches!(attached, Err(EngineError::NoContainer)), "{attached:?}");
    ground.engine.drop_build(build).await.expect("it can be dropped");
}

/// As whoever goes on after a restart looks at it.
async fn built(ground: &Ground, build: WriteId, name: &str) -> Option<ObjectAttributes> {
    let found = ground.engine.built_object(build, name).await;
    found.unwrap_or_else(|error| panic!("{name:?} cannot be looked at: {error:?}"))
}

pub(super) async fn what_is_built_is_found_replaced_and_removed(ground: &Ground) {
    let names = ["x", "", "e/f/y", "//z", "x/beside"];
    for name in names {
        ground.put(&format!("d/{name}"), name.as_bytes()).await;
    }
    let mut attributes = super::ground::attributes(b"large");
    attributes.properties = properties(70_000);
    ground.put_with("d/large", b"large", attributes).await;
    let build = begin(ground).await;
    assert_eq!(built(ground, build, "x").await, None);
    for name in names.into_iter().chain(["large"]) {
        let copied = copy(ground, &format!("d/{name}"), build, name).await;
        assert!(copied.is_some(), "{name:?}");
        assert_eq!(built(ground, build, name).await, copied, "{name:?}");
    }
    for name in ["e", "e/", "e/f/", "no", "x/", "no/x"] {
        assert_eq!(built(ground, build, name).await, None, "{name:?}");
    }
    ground.put("d/x", b"newer").await;
    for (from, name) in [("d/x", "x"), ("d/x", "large"), ("d/large", "e/g/new")] {
        let copied = place(ground, from, build, name, Placing::Settled).await;
        assert!(copied.is_some(), "{name:?}");
        assert_eq!(built(ground, build, name).await, copied, "{name:?}");
    }
    for name in ["", "e/f/y", "//z", "//z", "no", "x/beside"] {
        let removed = ground.engine.remove_built_object(build, name).await;
        removed.unwrap_or_else(|error| panic!("{name:?} cannot be removed: {error:?}"));
        assert_eq!(built(ground, build, name).await, None, "{name:?}");
    }
    assert!(attach(ground, build, "e/").await);
    ground.expect("e/x", Some(b"newer")).await;
    ground.expect("e/large", Some(b"newer")).await;
    ground.expect("e/e/g/new", Some(b"large")).await;
    let names = ground.names().await;
    let copied: Vec<_> = names.iter().filter(|name| name.starts_with("e/")).collect();
    assert_eq!(copied, ["e/e/g/new", "e/large", "e/x"]);
    assert_eq!(ground.directory("e/e/f/").await, None);
    assert_eq!(built(ground, build, "x").await, None, "it is not built any more");
}

pub(super) async fn of_a_build_only_what_is_kept_stays(ground: &Ground) {
    ground.put("d/x", b"x").await;
    let build = begin(ground).await;
    for name in [
        "a", "b", "b/", "b/x", "c/", "c/x", "d/", "e/x", "f/x", "f", "g/h/x", "g/i", "g/j",
    ] {
        assert!(copy(ground, "d/x", build, name).await.is_some(), "{name:?}");
    }
    let explicit = DirectoryAttributes {
        id: id(),
        ..DirectoryAttributes::default()
    };
    for name in ["", "e/", "g/", "k/", "l/"] {
        let made = ground.engine.build_directory(build, name, explicit).await;
        made.unwrap_or_else(|error| panic!("{name:?} cannot be made: {error:?}"));
    }
    let child = |(segment, is_object): (&str, bool)| Child {
        segment: segment.to_owned(),
        is_object,
    };
    let top = [
        ("b", true),
        ("b/", true),
        ("c/", false),
        ("e/", false),
        ("f/", false),
        ("g/", false),
        ("k/", false),
        ("never", true),
    ];
    for _ in 0..2 {
        for (directory, kept, is_explicit) in [
            ("", &top[..], true),
            ("g/", &[("i", true)], false),
            ("no/", &[], true),
            ("k/", &[], true),
        ] {
            let kept = kept.iter().copied().map(child).collect();
            let trimmed = ground
                .engine
                .trim_build(build, directory, kept, is_explicit)
                .await;
            trimmed.unwrap_or_else(|error| panic!("{directory:?} cannot be trimmed: {error:?}"));
        }
    }
    assert!(attach(ground, build, "n/").await);
    let names = ground.names().await;
    let copied: Vec<_> = names.iter().filter_map(|name| name.strip_prefix("n/")).collect();
    assert_eq!(copied, ["b", "b/", "b/x", "c/x", "e/x", "f/x", "g/i"]);
    for (name, expected) in [
        ("", Some(explicit)),
        ("e/", Some(explicit)),
        ("g/", None),
        ("k/", Some(explicit)),
        ("l/", None),
    ] {
        let found = ground.directory(&format!("n/{name}")).await;
        assert_eq!(found.and_then(|found| found.explicit), expected, "{name:?}");
    }
}

/// What changes while it is copied is whole, old or new.
pub(super) async fn copies_are_whole(ground: &Ground) {
    let data = |number: usize| vec![u8::try_from(number % 251).unwrap_or(0); 100_000 + number];
    ground.put("d/x", &data(0)).await;
    let build = begin(ground).await;
    let writing = async {
        for number in 1..20 {
            ground.put("d/x", &data(number)).await;
        }
    };
    let copying = async {
        for number in 0..20 {
            let copied = copy(ground, "d/x", build, &number.to_string()).await;
            assert!(copied.is_some());
        }
    };
    tokio::join!(writing, copying);
    assert!(attach(ground, build, "e/").await);
    for number in 0..20 {
        // It compares the data with what its attributes say.
        assert!(ground.read(&format!("e/{number}")).await.is_some());
    }
}
