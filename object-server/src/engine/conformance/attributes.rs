//! What is kept beside the data.

use std::sync::atomic::{AtomicBool, Ordering};

use super::ground::{Ground, attributes, container_attributes, properties, told};
use crate::node::State;

/// Around what file systems keep in an inode, and beyond what any keeps at all.
const SIZES: [usize; 9] = [0, 100, 900, 1100, 3500, 4096, 5000, 20_000, 120_000];

pub(super) async fn attributes_of_any_size_are_kept(ground: &Ground) {
    for size in SIZES {
        let mut wanted = attributes(b"data");
        wanted.properties = properties(size);
        wanted
            .properties
            .insert("x-object-meta-raw", vec![0xff, 0, b'\n']);
        wanted.listing = Some("{\"bytes\":1}".to_owned());
        wanted.state = State::Disabled;
        let name = format!("d/{size}");
        let changed = ground.put_with(&name, b"data", wanted.clone()).await;
        let there = ground.stat(&name).await.expect("it is there");
        (wanted.size, wanted.modified) = (there.size, there.modified);
        assert_eq!(there, wanted);
        assert_eq!(changed.new, Some(wanted));

        let mut of_container = container_attributes("default");
        of_container.properties = properties(size);
        let written = ground
            .engine
            .put_container(&ground.account, &ground.container, of_container.clone())
            .await;
        written
            .expect("they can be written")
            .sync()
            .await
            .expect("they can be synced");
        let containers = ground
            .engine
            .containers(&ground.account)
            .await
            .expect("they can be listed");
        let own = containers.into_iter().find(|(name, _)| *name == ground.container);
        assert_eq!(own.map(|(_, attributes)| attributes), Some(of_container));
    }
}

pub(super) async fn large_attributes_shrink_and_grow(ground: &Ground) {
    ground.put("x", b"data").await;
    for (one, next) in SIZES.iter().zip(SIZES.iter().rev()) {
        for size in [one, next] {
            revise(ground, *size).await;
            ground.expect("x", Some(b"data")).await;
            let there = ground.stat("x").await.expect("it is there");
            assert_eq!(there.properties, properties(*size));
        }
        let mut large = attributes(b"other");
        large.properties = properties(*one);
        ground.put_with("x", b"other", large).await;
        ground.put("x", b"data").await;
    }
}

async fn revise(ground: &Ground, size: usize) {
    let path = ground.path("x");
    let revise = move |present: &crate::node::ObjectAttributes| {
        let mut new = present.clone();
        new.properties = properties(size);
        Ok(new)
    };
    let changed = ground
        .engine
        .revise(&path, Box::new(revise), told().1)
        .await
        .expect("it can be revised");
    changed.expect("it is there");
}

pub(super) async fn readers_see_attributes_whole(ground: &Ground) {
    ground.put("x", b"data").await;
    revise(ground, 20_000).await;
    let is_done = AtomicBool::new(false);
    let path = ground.path("x");
    let reader = async {
        let known: Vec<_> = SIZES.into_iter().map(properties).collect();
        while !is_done.load(Ordering::Relaxed) {
            let there = ground.engine.stat(&path).await.expect("it can be looked at");
            let there = there.expect("it is there");
            assert!(known.contains(&there.properties), "torn attributes");
            tokio::task::yield_now().await;
        }
    };
    let writer = async {
        for round in 0..60 {
            revise(ground, SIZES[SIZES.len() - 1 - round % 4]).await;
            tokio::task::yield_now().await;
        }
        is_done.store(true, Ordering::Relaxed);
    };
    tokio::join!(reader, writer);
}
