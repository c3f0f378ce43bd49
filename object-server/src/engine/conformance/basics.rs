//! One object at a time.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use common::range::ByteRange;
use common::{Error, Timestamp};

use super::ground::{Ground, Plain, attributes, etag, never, properties, read_all, told};
use crate::engine::EngineError;
use crate::node::State;

/// Sizes around every buffer an engine may have.
const SIZES: [usize; 8] = [0, 1, 4096, 65_536, 131_073, 262_144, 262_145, 1_500_000];

fn data(size: usize) -> Vec<u8> {
    (0..size)
        .map(|at| u8::try_from(at * 7 % 251).unwrap_or(0))
        .collect()
}

pub(super) async fn what_was_put_is_read(ground: &Ground) {
    for size in SIZES {
        let name = format!("sizes/{size}");
        let data = data(size);
        let changed = ground.put(&name, &data).await;
        assert_eq!(changed.old, None);
        let new = changed.new.expect("a put has a new state");
        assert_eq!(new.size, size as u64);
        assert_eq!(ground.stat(&name).await, Some(new));
        ground.expect(&name, Some(&data)).await;
    }
    // Whoever does not say how much it will be may still send anything.
    let stage = ground
        .engine
        .stage(&ground.account, &ground.container, None)
        .await;
    let mut stage = stage.expect("an object can be begun");
    let data = data(600_000);
    for piece in [&data[..3], &[], &data[3..300_000], &data[300_000..]] {
        stage
            .write(Bytes::copy_from_slice(piece))
            .await
            .expect("it can be written");
    }
    let published = stage.publish(ground.path("unknown"), Plain::new(attributes(&data)));
    let new = published.await.expect("it can be published").new;
    assert_eq!(new.map(|new| new.size), Some(data.len() as u64));
    ground.expect("unknown", Some(&data)).await;
}

pub(super) async fn what_is_not_there_is_none(ground: &Ground) {
    ground.put("there/a", b"x").await;
    for name in [
        "a",
        "there",
        "there/",
        "there/b",
        "there/a/",
        "there/a/b",
        "/",
        "no/such/thing",
    ] {
        ground.expect(name, None).await;
        assert!(ground.remove(name).await.is_none(), "{name:?}");
        let path = ground.path(name);
        let revised = ground
            .engine
            .revise(&path, Box::new(|old| Ok(old.clone())), told().1)
            .await;
        assert!(matches!(revised, Ok(None)), "{name:?}");
    }
    ground.expect("there/a", Some(b"x")).await;
    for directory in ["no/", "there/a/", "there/no/"] {
        let children = ground
            .engine
            .children(&ground.account, &ground.container, directory)
            .await;
        assert_eq!(children.expect("a missing directory is empty"), []);
    }
}

pub(super) async fn an_overwrite_replaces(ground: &Ground) {
    for (size, next) in SIZES.iter().zip(SIZES.iter().rev()) {
        let first = ground.put("x", &data(*size)).await.new;
        let second = ground.put("x", &data(*next)).await;
        assert_eq!(second.old, first);
        ground.expect("x", Some(&data(*next))).await;
        let removed = ground.remove("x").await.expect("it is there");
        assert_eq!((removed.old, removed.new), (second.new, None));
        ground.expect("x", None).await;
    }
}

pub(super) async fn ranges_are_read(ground: &Ground) {
    let data = data(700_000);
    ground.put("x", &data).await;
    let range = |first: usize, last: usize| ByteRange {
        first: first as u64,
        last: last as u64,
    };
    for ranges in [
        vec![range(0, 0)],
        vec![range(699_999, 699_999)],
        vec![range(1, 400_000)],
        vec![range(5, 9), range(600_000, 699_999), range(0, 300_000)],
    ] {
        let (_, reader) = ground.open("x").await.expect("it is there");
        let expected: Vec<u8> = ranges
            .iter()
            .flat_map(|range| {
                let first = usize::try_from(range.first).unwrap_or(0);
                let length = usize::try_from(range.length()).unwrap_or(0);
                data[first..first + length].to_vec()
            })
            .collect();
        let body = reader.into_body(Some(ranges));
        assert_eq!(body.exact_length(), Some(expected.len() as u64));
        assert!(body.collect(usize::MAX).await.expect("it can be read") == expected);
    }
}

pub(super) async fn a_refusal_changes_nothing(ground: &Ground) {
    ground.put("d/x", b"old").await;
    let before = ground.stat("d/x").await;
    for (name, is_there) in [
        ("d/x", true),
        ("d/y", false),
        ("e/f/g", false),
        ("d/x/y", false),
        ("d/", false),
    ] {
        let stage = ground.stage(b"new").await;
        let path = ground.path(name);
        let decide = move |present: Option<&_>| {
            assert_eq!(present.is_some(), is_there);
            Err(Error::forbidden())
        };
        let publication = Box::new(Plain {
            attributes: attributes(b"new"),
            decide: Some(Box::new(decide)),
            committed: Some(never()),
        });
        let refused = stage.publish(path.clone(), publication).await;
        assert!(matches!(refused, Err(EngineError::Refused(_))), "{refused:?}");
        if is_there {
            let removed = ground
                .engine
                .remove(&path, Box::new(|_| Err(Error::forbidden())), never())
                .await;
            assert!(matches!(removed, Err(EngineError::Refused(_))), "{removed:?}");
            let revised = ground
                .engine
                .revise(&path, Box::new(|_| Err(Error::forbidden())), never())
                .await;
            assert!(matches!(revised, Err(EngineError::Refused(_))), "{revised:?}");
        }
    }
    assert_eq!(ground.stat("d/x").await, before);
    ground.expect("d/x", Some(b"old")).await;
    assert_eq!(ground.names().await, ["d/x"]);
    for directory in ["e/", "d/x/"] {
        let children = ground
            .engine
            .children(&ground.account, &ground.container, directory)
            .await;
        assert_eq!(children.expect("it can be listed"), []);
    }
}

pub(super) async fn attributes_are_revised(ground: &Ground) {
    let old = ground
        .put("d/x", b"data")
        .await
        .new
        .expect("a put has a new state");
    let mut wanted = attributes(b"data");
    wanted.timestamp = Timestamp::from_seconds(1_800_000_000);
    wanted.properties = properties(500);
    wanted.delete_at = Some(Timestamp::from_seconds(1_900_000_000));
    wanted.state = State::Disabled;
    let given = wanted.clone();
    let path = ground.path("d/x");
    let revise = move |present: &_| {
        assert_eq!(*present, old);
        Ok(given)
    };
    let (told, committed) = told();
    let changed = ground
        .engine
        .revise(&path, Box::new(revise), committed)
        .await
        .expect("it can be revised");
    let changed = changed.expect("it is there");
    assert!(told.load(Ordering::Acquire), "the owner was not told");
    let new = ground.stat("d/x").await.expect("it is there");
    (wanted.size, wanted.modified) = (new.size, new.modified);
    assert_eq!(new, wanted);
    assert_eq!(changed.new, Some(new));
    ground.expect("d/x", Some(b"data")).await;
}

pub(super) async fn a_stage_that_is_dropped_leaves_nothing(ground: &Ground) {
    ground.put("x", b"old").await;
    for size in SIZES {
        let stage = ground
            .engine
            .stage(&ground.account, &ground.container, None)
            .await;
        let mut stage = stage.expect("an object can be begun");
        stage.write(data(size).into()).await.expect("it can be written");
        drop(stage);
        drop(ground.stage(&data(size)).await);
    }
    assert_eq!(ground.names().await, ["x"]);
    ground.expect("x", Some(b"old")).await;
}

pub(super) async fn a_reader_keeps_what_it_opened(ground: &Ground) {
    let old = data(900_000);
    ground.put("d/x", &old).await;
    let (attributes, overwritten) = ground.open("d/x").await.expect("it is there");
    ground.put("d/x", b"new").await;
    let (_, removed) = ground.open("d/x").await.expect("it is there");
    ground.remove("d/x").await;
    assert_eq!(attributes.etag, etag(&old));
    assert!(read_all(overwritten).await == old);
    assert_eq!(read_all(removed).await, b"new");
    ground.expect("d/x", None).await;
}
