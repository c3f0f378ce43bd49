//! Directories by themselves.

use super::ground::{Ground, told_of_tree};
use crate::engine::{Child, EngineError};
use crate::node::DirectoryAttributes;

pub(super) async fn directories_are_made_and_removed(ground: &Ground) {
    assert_eq!(ground.directory("d/").await, None);
    let attributes = ground.make_directory("d/e/").await;
    let made = ground.directory("d/e/").await.expect("it was made");
    assert_eq!(made.explicit, Some(attributes));
    assert!(made.is_empty);
    let above = ground.directory("d/").await.expect("it was made for it");
    assert!(above.explicit.is_none() && !above.is_empty && above.identity != made.identity);
    assert_eq!(ground.names().await, Vec::<String>::new());
    ground.expect("d/e/", None).await;
    let children = ground
        .engine
        .children(&ground.account, &ground.container, "d/")
        .await;
    let child = Child {
        segment: "e/".to_owned(),
        is_object: false,
    };
    assert_eq!(children.expect("it can be listed"), [child]);

    ground.put("d/e/x", b"x").await;
    let filled = ground.directory("d/e/").await.expect("it is there");
    assert_eq!((filled.identity, filled.is_empty), (made.identity, false));
    for name in ["d/e/", "d/", "no/", "d/e/x/"] {
        assert!(!ground.remove_directory(name).await, "{name:?}");
    }
    ground.remove("d/e/x").await;
    assert_eq!(
        ground.directory("d/e/").await,
        Some(made),
        "it stays when it is empty"
    );
    assert!(ground.remove_directory("d/e/").await);
    assert_eq!(ground.directories().await, Vec::<String>::new());
    assert!(!ground.remove_directory("d/e/").await);
}

pub(super) async fn implicit_directories_become_explicit(ground: &Ground) {
    ground.put("d/e/x", b"x").await;
    let before = ground.directory("d/").await.expect("it was made for it");
    assert_eq!(before.explicit, None);
    let attributes = ground.make_directory("d/").await;
    let after = ground.directory("d/").await.expect("it is there");
    assert_eq!(
        (after.explicit, after.identity),
        (Some(attributes), before.identity)
    );
    ground.remove("d/e/x").await;
    assert_eq!(ground.directories().await, ["d/"]);
    let again = ground.make_directory("d/").await;
    assert_eq!(
        ground.directory("d/").await.and_then(|found| found.explicit),
        Some(again)
    );
    ground.put("d/y", b"y").await;
    ground.remove("d/y").await;
    assert!(ground.remove_directory("d/").await);
    assert_eq!(ground.directory("d/").await, None);
}

pub(super) async fn an_object_of_its_own_lies_in_a_directory(ground: &Ground) {
    ground.put("d/", b"own").await;
    let found = ground.directory("d/").await.expect("it carries an object");
    assert!(found.explicit.is_none() && !found.is_empty);
    ground.make_directory("d/").await;
    assert!(!ground.remove_directory("d/").await);
    ground.expect("d/", Some(b"own")).await;
    ground.remove("d/").await;
    assert!(ground.directory("d/").await.is_some_and(|found| found.is_empty));
    assert!(ground.remove_directory("d/").await);
}

pub(super) async fn directories_stand_beside_objects(ground: &Ground) {
    let long = "l".repeat(254);
    for name in ["x", long.as_str()] {
        let directory = format!("{name}/");
        ground.put(name, b"file").await;
        ground.make_directory(&directory).await;
        ground.expect(name, Some(b"file")).await;
        ground.put(name, b"again").await;
        assert!(ground.remove_directory(&directory).await);
        ground.expect(name, Some(b"again")).await;
        ground.make_directory(&format!("{name}/inner/")).await;
        ground.expect(name, Some(b"again")).await;
        ground.remove(name).await;
        assert!(ground.remove_directory(&format!("{name}/inner/")).await);
        assert_eq!(ground.directories().await, Vec::<String>::new());
    }
}

pub(super) async fn directories_without_a_container_are_none(ground: &Ground) {
    let mut path = ground.path("d/");
    path.container = common::name::ContainerName::new("no such one").expect("this is a name");
    let engine = &ground.engine;
    assert_eq!(engine.directory(&path).await.expect("it can be looked at"), None);
    let made = engine
        .make_directory(&path, DirectoryAttributes::default(), told_of_tree().1)
        .await;
    assert!(matches!(made, Err(EngineError::NoContainer)), "{made:?}");
    let removed = engine.remove_directory(&path, told_of_tree().1).await;
    assert!(!removed.expect("there is nothing to remove"));
    assert_eq!(engine.identity(&path).await.expect("it can be looked at"), None);
}

pub(super) async fn deep_directories_are_directories(ground: &Ground) {
    let deep = "a/".repeat(512);
    ground.make_directory(&deep).await;
    assert_eq!(ground.directories().await.len(), 512);
    assert!(ground.directory(&deep).await.is_some_and(|found| found.is_empty));
    assert!(ground.remove_directory(&deep).await);
    assert_eq!(ground.directories().await, Vec::<String>::new());
}
