//! Objects that are mended, and objects that are taken aside.

use std::sync::atomic::Ordering;

use super::ground::{Ground, never, told};
use crate::engine::Revise;
use crate::node::{ObjectAttributes, WriteId};

async fn identity(ground: &Ground, name: &str) -> u64 {
    let path = ground.path(name);
    let identity = ground.engine.identity(&path).await.expect("it can be looked at");
    identity.expect("it is there")
}

fn written_by(id: WriteId) -> Revise {
    Box::new(move |present: &ObjectAttributes| {
        Ok(ObjectAttributes {
            id,
            ..present.clone()
        })
    })
}

pub(super) async fn only_the_same_object_is_adopted(ground: &Ground) {
    ground.put("d/x", b"x").await;
    let (known, path) = (identity(ground, "d/x").await, ground.path("d/x"));
    let (told, committed) = told();
    let adopted = ground
        .engine
        .adopt(&path, known, written_by(WriteId(5)), committed)
        .await;
    assert!(adopted.expect("it can be adopted").is_some() && told.load(Ordering::Acquire));
    assert_eq!(ground.stat("d/x").await.map(|found| found.id), Some(WriteId(5)));
    assert_eq!(identity(ground, "d/x").await, known);
    let refuse: Revise = Box::new(|_| Err(common::Error::conflict("It was changed meanwhile.")));
    assert!(ground.engine.adopt(&path, known, refuse, never()).await.is_err());

    ground.put("d/x", b"another").await;
    let before = ground.stat("d/x").await;
    let adopted = ground
        .engine
        .adopt(&path, known, written_by(WriteId(6)), never())
        .await;
    assert!(adopted.expect("it can be looked at").is_none());
    assert_eq!(ground.stat("d/x").await, before);
    let gone = ground.path("d/no");
    let adopted = ground
        .engine
        .adopt(&gone, known, written_by(WriteId(6)), never())
        .await;
    assert!(adopted.expect("it can be looked at").is_none());
}

pub(super) async fn only_the_same_object_is_quarantined(ground: &Ground) {
    let long = "l".repeat(255);
    for name in ["d/x", long.as_str()] {
        ground.put(name, b"old").await;
        let (known, path) = (identity(ground, name).await, ground.path(name));
        ground.put(name, b"new").await;
        ground.put(&format!("{name}/y"), b"y").await;
        let id = || WriteId::random().expect("there are random numbers");
        let taken = ground.engine.quarantine(&path, known, id(), never()).await;
        assert!(taken.expect("it can be looked at").is_none());
        ground.expect(name, Some(b"new")).await;
        let known = identity(ground, name).await;
        let (told, committed) = told();
        let taken = ground.engine.quarantine(&path, known, id(), committed).await;
        let changed = taken.expect("it can be taken").expect("it is there");
        assert!(changed.old.is_some() && changed.new.is_none() && told.load(Ordering::Acquire));
        ground.expect(name, None).await;
        ground.remove(&format!("{name}/y")).await;
        assert_eq!(ground.directories().await, Vec::<String>::new());
        ground.put(name, b"again").await;
        ground.remove(name).await;
        let taken = ground.engine.quarantine(&path, known, id(), never()).await;
        assert!(taken.expect("it can be looked at").is_none());
    }
}
