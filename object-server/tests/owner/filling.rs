//! A mirror that is filled anew, whatever is lost meanwhile.

use crate::World;
use crate::mirror::Mirror;

/// More than go into one batch.
const MANY: usize = 1100;

/// What the mirror has, as `container/object`.
fn names(mirror: &Mirror) -> Vec<String> {
    mirror.objects().into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn a_mirror_that_lost_everything_is_filled_anew() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    for name in ["a", "b/c", "b/d/"] {
        client.put("c", name, name).await.unwrap();
    }
    let before = client.list("c").await.unwrap();
    world.mirror.forget_everything();
    assert_eq!(client.list("c").await.unwrap(), before);
    client.put("c", "e", "e").await.unwrap();
    client.server.close().await.unwrap();
    let names: Vec<_> = world.mirror.objects().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["c/a", "c/b/c", "c/b/d/", "c/e"]);
}

#[tokio::test]
async fn one_that_loses_everything_while_it_is_filled_is_filled_once_more() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    client.put("c", "a", "a").await.unwrap();
    let expected = client.list("c").await.unwrap();
    // It is begun, gets the rows, and hears that these are all.
    for batches in 1..=3 {
        world.mirror.forget_everything();
        world.mirror.forget_after(batches);
        crate::until(async || {
            assert_eq!(
                client.list("c").await.unwrap(),
                expected,
                "lost after {batches} batches"
            );
            !world.mirror.is_to_forget() && names(&world.mirror) == ["c/a"]
        })
        .await;
    }
    client.put("c", "b", "b").await.unwrap();
    client.server.close().await.unwrap();
    assert_eq!(names(&world.mirror), ["c/a", "c/b"]);
}

#[test]
fn after_the_journal_was_lost_the_mirror_gets_all_of_many_rows() {
    let world = World::new();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        for number in 0..MANY {
            client.put("c", &format!("{number:04}"), "").await.unwrap();
        }
        client.server.close().await.unwrap();
    });
    std::fs::remove_dir_all(world.state.path().join("journal")).unwrap();
    world.crash_after(async |client| {
        crate::until(async || {
            assert_eq!(client.list("c").await.unwrap().len(), MANY);
            names(&world.mirror).len() == MANY
        })
        .await;
        client.server.close().await.unwrap();
    });
    assert_eq!(names(&world.mirror).len(), MANY);
}
