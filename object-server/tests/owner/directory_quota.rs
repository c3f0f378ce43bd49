//! Limits on directories: never exceeded, kept through moves and restarts, and all room is there again in the end.

use common::functional::quota::{Quota, Set, Show};
use common::functional::{Call, Context, fs, object};

use crate::World;
use crate::client::{Client, account, container_name, context, path};

async fn limit(client: &Client, at: (&str, &str), bytes: Option<u64>, objects: Option<u64>) -> Quota {
    let set = Set {
        account: account(),
        container: Some(container_name(at.0)),
        directory: Some(path(at.0, at.1).object),
        bytes: Some(bytes),
        objects: Some(objects),
    };
    client.ask(set).await.unwrap()
}

/// Bytes and objects in a directory, and how many there may be.
async fn shown(client: &Client, container: &str, name: &str) -> [(u64, Option<u64>); 2] {
    let show = Show {
        account: account(),
        container: Some(container_name(container)),
        directory: Some(path(container, name).object),
    };
    let quota = client.ask(show).await.unwrap();
    [quota.bytes, quota.objects].map(|measure| (measure.used, measure.limit))
}

async fn refused(client: &Client, container: &str, name: &str, data: &str) {
    let refused = client.put(container, name, data).await.unwrap_err();
    assert_eq!(refused.status(), 413, "{container}/{name}");
}

#[tokio::test]
async fn what_lies_in_a_limited_directory_stays_within_its_limits() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    client.put("c", "d/1", "12345").await.unwrap();
    limit(&client, ("c", "d/"), Some(10), Some(3)).await;
    assert_eq!(shown(&client, "c", "d/").await, [(5, Some(10)), (1, Some(3))]);
    refused(&client, "c", "d/e/2", "123456").await;
    client.put("c", "d/e/2", "12345").await.unwrap();
    refused(&client, "c", "d/", "1").await;
    client.put("c", "d/", "").await.unwrap();
    refused(&client, "c", "d/e/3", "").await;
    client.put("c", "other/3", "1234567890123").await.unwrap();
    client.put("c", "d/1", "1").await.unwrap();
    client.put("c", "d/e/2", "123456789").await.unwrap();
    refused(&client, "c", "d/e/2", "1234567890").await;

    limit(&client, ("c", "d/e/"), Some(9), None).await;
    client.delete("c", "d/1").await.unwrap();
    refused(&client, "c", "d/e/2", "1234567890").await;
    limit(&client, ("c", "d/e/"), None, None).await;
    client.put("c", "d/e/2", "1234567890").await.unwrap();
    limit(&client, ("c", "d/"), None, None).await;
    client.put("c", "d/e/2", "12345678901").await.unwrap();
}

#[tokio::test]
async fn a_limit_makes_a_directory_explicit_and_goes_with_it() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    let set = Set {
        account: account(),
        container: Some(container_name("c")),
        directory: Some(path("c", "d/").object),
        bytes: Some(Some(1)),
        objects: None,
    };
    assert_eq!(client.ask(set).await.unwrap_err().status(), 404);
    client.put("c", "d/1", "1").await.unwrap();
    limit(&client, ("c", "d/"), Some(1), None).await;
    client.delete("c", "d/1").await.unwrap();
    refused(&client, "c", "d/1", "12").await;
    client.delete("c", "d/").await.unwrap();
    client.put("c", "d/1", "12").await.unwrap();

    limit(&client, ("c", "d/"), Some(2), None).await;
    client.remove_directory("c", "d/").await.unwrap();
    client.put("c", "d/1", "123").await.unwrap();
}

#[tokio::test]
async fn limits_are_kept_by_moves() {
    let world = World::new();
    let client = world.open().await;
    for container in ["c", "k"] {
        client.make_container(container).await.unwrap();
    }
    for (container, name, data) in [
        ("c", "d/1", "12345"),
        ("c", "x/1", "123"),
        ("c", "x/2", "456"),
        ("k", "o", "123456"),
    ] {
        client.put(container, name, data).await.unwrap();
    }
    limit(&client, ("c", "d/"), Some(10), None).await;
    let status = |moved: Result<bool, common::Error>| moved.map_err(|error| error.status().as_u16());
    assert_eq!(status(client.rename(("c", "x/"), ("c", "d/x/")).await), Err(413));
    assert_eq!(status(client.rename(("k", "o"), ("c", "d/o")).await), Err(413));
    assert_eq!(shown(&client, "c", "d/").await[0], (5, Some(10)));
    assert_eq!(status(client.rename(("k", "o"), ("c", "d/1")).await), Ok(true));
    assert_eq!(shown(&client, "c", "d/").await[0], (6, Some(10)));
    client.rename(("c", "x/1"), ("c", "d/x/1")).await.unwrap();
    assert_eq!(shown(&client, "c", "d/").await[0], (9, Some(10)));
    client.rename(("c", "d/1"), ("c", "d/y/1")).await.unwrap();
    client.rename(("c", "d/x/"), ("k", "x/")).await.unwrap();
    assert_eq!(shown(&client, "c", "d/").await[0], (6, Some(10)));

    client.rename(("c", "d/"), ("k", "e/f/")).await.unwrap();
    assert_eq!(shown(&client, "k", "e/f/").await[0], (6, Some(10)));
    refused(&client, "k", "e/f/2", "12345").await;
    client.put("c", "d/2", "12345678901").await.unwrap();
    client.rename(("c", "d/"), ("k", "e/f/")).await.unwrap();
    client.put("k", "e/f/2", "123456789012").await.unwrap();
}

#[test]
fn limits_and_what_is_in_them_are_known_after_a_restart() {
    for is_written_down in [false, true] {
        let world = World::on_disk();
        world.crash_after(async |client| {
            client.make_container("c").await.unwrap();
            client.put("c", "a/d/1", "12345").await.unwrap();
            limit(&client, ("c", "a/d/"), Some(10), Some(9)).await;
            if is_written_down {
                client.server.close().await.unwrap();
            }
        });
        world.crash_after(async |client| {
            refused(&client, "c", "a/d/2", "123456").await;
            client.put("c", "a/d/2", "123").await.unwrap();
            client.rename(("c", "a/"), ("c", "b/")).await.unwrap();
        });
        world.crash_after(async |client| {
            assert_eq!(shown(&client, "c", "b/d/").await, [(8, Some(10)), (2, Some(9))]);
            refused(&client, "c", "b/d/3", "123").await;
            client.put("c", "b/d/3", "12").await.unwrap();
            client.server.close().await.unwrap();
        });
        let state = world.state.path().join(".stobj");
        std::fs::remove_dir_all(state.join("journal")).unwrap();
        world.crash_after(async |client| {
            assert_eq!(shown(&client, "c", "b/d/").await, [(10, Some(10)), (3, Some(9))]);
            refused(&client, "c", "b/d/4", "1").await;
        });
    }
}

#[test]
fn many_at_the_end_of_the_room_never_exceed_it_and_lose_none() {
    let world = World::on_disk();
    world.crash_after(async |client| {
        client.make_container("c").await.unwrap();
        client.put("c", "d/0", "1").await.unwrap();
        limit(&client, ("c", "d/"), Some(100), None).await;
        for _ in 0..5 {
            let puts = (0..40).map(|number| {
                let client = &client;
                async move {
                    let name = format!("d/{}/{number}", number % 3);
                    client.put("c", &name, "1234567").await.is_ok()
                }
            });
            let moving = async {
                client.rename(("c", "d/1/"), ("c", "d/m/")).await.ok();
            };
            let (stored, ()) = tokio::join!(futures::future::join_all(puts), moving);
            assert!(stored.iter().any(|stored| *stored));
            let listing = client.list("c").await.unwrap();
            let bytes: u64 = listing.iter().map(|(_, bytes)| bytes).sum();
            assert!(bytes <= 100, "{bytes} bytes in {listing:?}");
            assert_eq!(shown(&client, "c", "d/").await[0], (bytes, Some(100)));
            let rest = usize::try_from(100 - bytes).unwrap();
            client.put("c", "d/rest", &"x".repeat(rest)).await.unwrap();
            refused(&client, "c", "d/more", "x").await;
            for (name, _) in client.list("c").await.unwrap() {
                client.delete("c", &name).await.unwrap();
            }
            assert_eq!(shown(&client, "c", "d/").await[0], (0, Some(100)));
        }
    });
}

/// What somebody is answered who may write, but not change limits.
async fn status_of_writer(client: &Client, call: impl Call) -> u16 {
    let context = Context {
        may_limit: false,
        ..context()
    };
    let answered = client.ask_as(call, context).await;
    answered.map_or_else(|error| error.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn who_may_not_change_limits_leaves_limited_directories_where_they_are() {
    let world = World::new();
    let client = world.open().await;
    client.make_container("c").await.unwrap();
    client.make_container("k").await.unwrap();
    client.put("c", "a/d/x", "12345").await.unwrap();
    client.put("c", "free/x", "1").await.unwrap();
    client.put("c", "a-/x", "1").await.unwrap();
    limit(&client, ("c", "a/d/"), Some(10), None).await;
    let remove = |name: &str| fs::RemoveDirectory {
        path: path("c", name),
    };
    let rename = |from: &str, to: (&str, &str)| fs::Move {
        source: path("c", from),
        destination: path(to.0, to.1),
        overwrite: true,
    };
    for top in ["a/", "a/d/"] {
        assert_eq!(status_of_writer(&client, remove(top)).await, 403, "{top}");
        for to in [("c", "b/"), ("k", "b/")] {
            assert_eq!(status_of_writer(&client, rename(top, to)).await, 403, "{top}");
        }
        assert_eq!(
            status_of_writer(&client, rename("free/", ("c", top))).await,
            403,
            "{top}"
        );
    }
    assert_eq!(shown(&client, "c", "a/d/").await[0], (5, Some(10)));
    assert_eq!(status_of_writer(&client, rename("a/d/x", ("c", "x"))).await, 200);
    let delete = object::Delete {
        path: path("c", "a/d/"),
        if_delete_at: None,
    };
    assert_eq!(status_of_writer(&client, delete.clone()).await, 403);
    assert_eq!(
        status_of_writer(&client, remove("a-/")).await,
        200,
        "that lies beside it"
    );
    assert_eq!(
        status_of_writer(&client, rename("free/", ("c", "a/d/e/"))).await,
        200
    );
    client.delete("c", "a/d/e/x").await.unwrap();
    assert_eq!(shown(&client, "c", "a/d/").await[0], (0, Some(10)));
    client.ask(delete).await.unwrap();
    assert_eq!(status_of_writer(&client, rename("x", ("c", "a/d/x"))).await, 200);
    assert_eq!(
        status_of_writer(&client, remove("a/")).await,
        200,
        "nothing is limited any more"
    );
}
