//! What leaves the tree.

use super::ground::{Ground, properties};
use crate::node::WriteId;

fn id() -> WriteId {
    WriteId::random().expect("there are random numbers")
}

pub(super) async fn detached_directories_are_gone(ground: &Ground) {
    for name in ["a/d/x", "a/d/", "a/d/e/f", "a/d%", "b/d/x", "d"] {
        ground.put(name, b"x").await;
    }
    ground.make_directory("a/d/empty/").await;
    for _ in 0..3 {
        ground.expect("a/d/x", Some(b"x")).await;
    }
    let (_, reader) = ground.open("a/d/x").await.expect("it is there");
    assert!(ground.detach("a/d/", id()).await);
    assert_eq!(super::ground::read_all(reader).await, b"x");
    for name in ["a/d/x", "a/d/", "a/d/e/f"] {
        ground.expect(name, None).await;
    }
    assert_eq!(ground.names().await, ["a/d%", "b/d/x", "d"]);
    assert!(ground.detach("b/d/", id()).await);
    assert_eq!(ground.directories().await, ["a/"], "implicit parents go");
    for name in ["b/d/", "b/", "no/", "d/"] {
        assert!(!ground.detach(name, id()).await, "{name:?}");
    }
    ground.make_directory("e/").await;
    assert!(ground.detach("e/", id()).await, "an empty one is one");
    ground.put("a/d/x", b"again").await;
    while ground.engine.reap(3).await.expect("it can be reaped") {}
    ground.expect("a/d/x", Some(b"again")).await;
    assert!(!ground.engine.reap(1).await.expect("it can be reaped"));
}

pub(super) async fn detached_directories_are_settled(ground: &Ground) {
    ground.put("a/d/x", b"x").await;
    let path = ground.path("a/d/");
    let known = ground.directory("a/d/").await.expect("it is there").identity;
    let id = id();
    for _ in 0..2 {
        let settled = ground.engine.settle_detach(&path, known, id).await;
        assert!(!settled.expect("it can be settled"));
        ground.expect("a/d/x", Some(b"x")).await;
    }
    assert!(ground.detach_held("a/d/", id).await);
    for _ in 0..2 {
        while ground.engine.reap(1_000).await.expect("it can be reaped") {}
        let settled = ground.engine.settle_detach(&path, known, id).await;
        assert!(settled.expect("it can be settled"));
    }
    let settled = ground
        .engine
        .settle_detach(&path, known.wrapping_add(1), id)
        .await;
    assert!(!settled.expect("it can be settled"), "that is another one");
    ground.engine.release(id);
    while ground.engine.reap(1_000).await.expect("it can be reaped") {}
    let settled = ground.engine.settle_detach(&path, known, id).await;
    assert!(!settled.expect("it can be settled"), "nothing is left of it");
    assert_eq!(ground.directories().await, Vec::<String>::new());
}

pub(super) async fn trash_is_reaped_in_steps(ground: &Ground) {
    while ground.engine.reap(1_000).await.expect("it can be reaped") {}
    for number in 0..30 {
        let mut attributes = super::ground::attributes(b"x");
        attributes.properties = properties(if number % 10 == 0 { 70_000 } else { 0 });
        ground.put_with(&format!("d/{number}/x"), b"x", attributes).await;
    }
    assert!(ground.detach("d/", id()).await);
    let mut steps = 0;
    while ground.engine.reap(7).await.expect("it can be reaped") {
        steps += 1;
    }
    // In memory there are only the files; elsewhere the directories they lay in too.
    assert!((30 / 7..=62 / 7 + 2).contains(&steps), "{steps} steps");
}

pub(super) async fn the_deepest_directories_are_reaped(ground: &Ground) {
    let deep = "a/".repeat(511);
    ground.put(&format!("{deep}x"), b"x").await;
    ground.put(&format!("b/{}x", "\u{1}".repeat(900)), b"x").await;
    assert!(ground.rename("a/", "bc/").await);
    ground.expect(&format!("bc/{}x", &deep[2..]), Some(b"x")).await;
    assert!(ground.rename("bc/", "a/").await);
    ground.expect(&format!("{deep}x"), Some(b"x")).await;
    assert!(ground.detach("a/", id()).await && ground.detach("b/", id()).await);
    while ground.engine.reap(100).await.expect("it can be reaped") {}
    assert_eq!(ground.directories().await, Vec::<String>::new());
}
