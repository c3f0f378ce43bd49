//! Tree operations: what each does and refuses, and that storage, counters, listings, mirror and records agree after each.

use common::functional::firewall::State;
use common::functional::{Context, ask, container, fs};
use common::{Body, Properties};

use crate::World;
use crate::client::{Client, account, container_name, context, other_account, path, status};

async fn filled(client: &Client, objects: &[(&str, &str, &str)]) {
    for (container, name, data) in objects {
        client.make_container(container).await.unwrap();
        client.put(container, name, data).await.unwrap();
    }
}

#[tokio::test]
async fn an_explicit_directory_is_made_once_and_removed_when_it_is_empty() {
    let world = World::new();
    let client = world.open().await;
    assert_eq!(status(client.make_directory("c", "d/").await), 404);
    filled(&client, &[("c", "x/y", "1")]).await;
    let make = |name: &str| fs::MakeDirectory {
        path: path("c", name),
        create_parents: false,
    };
    assert_eq!(status(client.ask(make("d")).await), 400);
    assert_eq!(status(client.ask(make("d/e/")).await), 409);
    assert_eq!(status(client.ask(make("x/")).await), 405);
    client.ask(make("x/d/")).await.unwrap();
    client.ask(make("d/")).await.unwrap();
    assert_eq!(status(client.ask(make("d/")).await), 405);
    client.ask(make("d/e/")).await.unwrap();

    assert_eq!(client.names("c").await, ["x/y"]);
    assert_eq!(status(client.get("c", "d/").await), 404);
    assert_eq!(client.counted("c").await, (1, 1));
    assert_eq!(status(client.delete("c", "d/").await), 409);
    assert_eq!(status(client.delete("c", "x/").await), 409);
    assert_eq!(status(client.delete("c", "none/").await), 404);
    assert_eq!(status(client.remove_container("c").await), 409);
    client.delete("c", "d/e/").await.unwrap();
    client.delete("c", "x/d/").await.unwrap();

    client.put("c", "d/", "own").await.unwrap();
    client.delete("c", "d/").await.unwrap();
    assert_eq!(status(client.get("c", "d/").await), 404);
    client.delete("c", "d/").await.unwrap();
    assert_eq!(status(client.delete("c", "d/").await), 404);
    client.server.close().await.unwrap();
    assert_eq!(world.mirror.directories(), Vec::<String>::new());
}

#[tokio::test]
async fn a_directory_is_moved_with_all_that_lies_in_it() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/b/1", "1"),
            ("c", "a/b/2/3", "22"),
            ("c", "a/", "own"),
            ("c", "ab", "-"),
        ],
    )
    .await;
    client.make_directory("c", "a/empty/").await.unwrap();
    assert!(!client.rename(("c", "a/"), ("c", "x/y/")).await.unwrap());
    assert_eq!(client.names("c").await, ["ab", "x/y/", "x/y/b/1", "x/y/b/2/3"]);
    assert_eq!(client.get("c", "x/y/b/2/3").await.unwrap().1, "22");
    assert_eq!(status(client.get("c", "a/b/1").await), 404);
    assert_eq!(client.counted("c").await, (4, 7));

    client.make_container("k").await.unwrap();
    assert!(!client.rename(("c", "x/y/"), ("k", "z/")).await.unwrap());
    assert_eq!(
        (client.counted("c").await, client.counted("k").await),
        ((1, 1), (3, 6))
    );
    assert_eq!(client.names("k").await, ["z/", "z/b/1", "z/b/2/3"]);
    assert_eq!(client.head_account().await.unwrap().objects, 4);
    client.delete("k", "z/empty/").await.unwrap();
    client.server.close().await.unwrap();
    assert_eq!(
        world.mirror.objects(),
        [
            ("c/ab".to_owned(), 1),
            ("k/z/".to_owned(), 3),
            ("k/z/b/1".to_owned(), 1),
            ("k/z/b/2/3".to_owned(), 2)
        ]
    );
}

#[tokio::test]
async fn a_move_replaces_and_never_merges() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "1"),
            ("c", "b/2", "22"),
            ("c", "b/3", "333"),
            ("c", "o", "4444"),
            ("k", "p", "55555"),
        ],
    )
    .await;
    for to in ["b/", "b/2/"] {
        let call = fs::Move {
            source: path("c", "a/"),
            destination: path("c", to),
            overwrite: false,
        };
        let moved = client.ask(call).await;
        match to {
            "b/" => assert_eq!(status(moved), 412),
            _ => drop(client.rename(("c", "b/2/"), ("c", "a/")).await.unwrap()),
        }
    }
    assert!(client.rename(("c", "a/"), ("c", "b/")).await.unwrap());
    assert_eq!(client.names("c").await, ["b/1", "o"]);
    assert_eq!(client.counted("c").await, (2, 5));
    assert!(client.rename(("c", "o"), ("k", "p")).await.unwrap());
    assert_eq!(client.get("k", "p").await.unwrap().1, "4444");
    assert_eq!(
        (client.counted("c").await, client.counted("k").await),
        ((1, 1), (1, 4))
    );
    assert!(!client.rename(("k", "p"), ("k", "q/r")).await.unwrap());
    assert_eq!(client.names("k").await, ["q/r"]);
    client.server.close().await.unwrap();
    assert_eq!(
        world.mirror.objects(),
        [("c/b/1".to_owned(), 1), ("k/q/r".to_owned(), 4)]
    );
}

#[tokio::test]
async fn a_directory_is_removed_with_all_that_lies_in_it() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "1"),
            ("c", "a/b/2", "22"),
            ("c", "a/", "333"),
            ("c", "b", "4444"),
        ],
    )
    .await;
    client.make_directory("c", "a/d/").await.unwrap();
    assert_eq!(status(client.remove_directory("c", "a").await), 400);
    assert_eq!(status(client.remove_directory("c", "b/").await), 404);
    assert_eq!(client.remove_directory("c", "a/").await.unwrap(), (3, 6));
    assert_eq!(client.names("c").await, ["b"]);
    assert_eq!(client.counted("c").await, (1, 4));
    assert_eq!(status(client.remove_directory("c", "a/").await), 404);
    client.delete("c", "b").await.unwrap();
    client.remove_container("c").await.unwrap();
    client.server.close().await.unwrap();
    assert_eq!(world.mirror.objects(), []);
}

#[tokio::test]
async fn what_cannot_be_moved_stays() {
    let world = World::new();
    let client = world.open().await;
    let long = format!("a/{}", "n".repeat(1000));
    filled(
        &client,
        &[("c", "a/b/1", "1"), ("c", "o", "2"), ("c", &long, "3")],
    )
    .await;
    for (from, to, expected) in [
        (("c", "none/"), ("c", "x/"), 404),
        (("c", "a"), ("c", "x"), 404),
        (("c", "a/"), ("k", "x/"), 404),
        (("k", "a/"), ("c", "x/"), 404),
        (("c", "a/"), ("c", "a/b/c/"), 403),
        (("c", "a/b/"), ("c", "a/"), 403),
        (("c", "a/"), ("c", "a/"), 403),
        (("c", "o"), ("c", "o"), 403),
        (("c", "o"), ("c", "d/"), 400),
        (("c", "a/"), ("c", "d"), 400),
        (("c", "a/"), ("c", "a-name-that-is-far-too-long/"), 400),
    ] {
        assert_eq!(status(client.rename(from, to).await), expected, "{from:?} {to:?}");
    }
    let elsewhere = fs::Move {
        source: path("c", "a/"),
        destination: common::functional::object::Path {
            account: other_account(),
            ..path("c", "a/")
        },
        overwrite: true,
    };
    assert_eq!(status(client.ask(elsewhere).await), 404);

    client.set_state("c", "a/b/1", State::Disable).await.unwrap();
    assert_eq!(status(client.rename(("c", "a/"), ("c", "x/")).await), 403);
    assert_eq!(status(client.rename(("c", "a/b/1"), ("c", "x")).await), 403);
    assert_eq!(status(client.rename(("c", "o"), ("c", "a/b/1")).await), 403);
    assert_eq!(status(client.remove_directory("c", "a/").await), 403);
    client.set_state("c", "a/b/1", State::Enable).await.unwrap();
    assert_eq!(client.counted("c").await, (3, 3));
    client.delete("c", &long).await.unwrap();
    // The longest name there ever was is remembered, so it is looked what is there now.
    client
        .rename(("c", "a/"), ("c", "a-name-that-is-far-too-long/"))
        .await
        .unwrap();
}

#[test]
fn what_is_switched_off_is_known_after_a_restart() {
    let world = World::new();
    world.crash_after(async |client| {
        filled(&client, &[("c", "a/1", "1"), ("c", "b/1", "1")]).await;
        client.set_state("c", "a/1", State::Disable).await.unwrap();
        client.set_state("c", "b/1", State::Disable).await.unwrap();
    });
    world.crash_after(async |client| {
        assert_eq!(status(client.rename(("c", "a/"), ("c", "x/")).await), 403);
        client.set_state("c", "b/1", State::Enable).await.unwrap();
        // It is written down.
        client.server.close().await.unwrap();
    });
    world.crash_after(async |client| {
        assert_eq!(status(client.rename(("c", "a/"), ("c", "x/")).await), 403);
        client.rename(("c", "b/"), ("c", "x/")).await.unwrap();
    });
    std::fs::remove_dir_all(world.state.path()).unwrap();
    world.crash_after(async |client| {
        assert_eq!(status(client.rename(("c", "a/"), ("c", "y/")).await), 403);
    });
}

#[tokio::test]
async fn without_the_mirror_only_what_needs_no_totals_goes_on() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "1"),
            ("c", "b/2", "22"),
            ("c", "o", "3"),
            ("c", "p", "4"),
            ("k", "q", "5"),
        ],
    )
    .await;
    assert_eq!(client.names("c").await.len(), 4);
    world.mirror.set_away(true);
    client.rename(("c", "a/"), ("c", "x/y/")).await.unwrap();
    client.rename(("c", "o"), ("c", "p")).await.unwrap();
    client.make_directory("c", "d/").await.unwrap();
    client.rename(("c", "x/"), ("c", "d/")).await.unwrap();
    let before = client.names("c").await;
    assert_eq!(before, ["b/2", "d/y/1", "p"]);
    for (from, to) in [
        (("c", "b/"), ("c", "d/y/")),
        (("c", "b/"), ("k", "b/")),
        (("c", "p"), ("k", "p")),
    ] {
        let refused = client.rename(from, to).await.unwrap_err();
        assert_eq!(
            refused.outcome(),
            &common::Outcome::Unavailable(Some(5)),
            "{from:?} {to:?}"
        );
    }
    let refused = client.remove_directory("c", "b/").await.unwrap_err();
    assert_eq!(refused.outcome(), &common::Outcome::Unavailable(Some(5)));
    let tree = || fs::Tree {
        account: account(),
        container: container_name("c"),
        directory: None,
        depth: None,
        limit: None,
        marker: None,
    };
    assert_eq!(status(client.ask(tree()).await), 503);
    assert_eq!(client.names("c").await, before);
    world.mirror.set_away(false);
    crate::until(async || client.remove_directory("c", "b/").await.is_ok()).await;
    let shown = client.ask(tree()).await.unwrap();
    assert_eq!((shown.objects, shown.bytes), (2, 2));
    assert_eq!(client.names("c").await, ["d/y/1", "p"]);
}

#[tokio::test]
async fn a_move_takes_no_more_than_there_is_room_for() {
    let world = World::new();
    let client = world.open().await;
    filled(
        &client,
        &[
            ("c", "a/1", "12345"),
            ("c", "o", "123"),
            ("k", "x", "12345"),
            ("k", "d/y", "1"),
        ],
    )
    .await;
    let mut properties = Properties::new();
    properties.insert("x-container-meta-quota-bytes", "8");
    properties.insert("x-container-meta-quota-count", "3");
    let post = container::Post {
        account: account(),
        container: container_name("k"),
        properties,
    };
    client.ask(post).await.unwrap();
    assert_eq!(status(client.rename(("c", "a/"), ("k", "b/")).await), 413);
    assert_eq!(status(client.rename(("c", "o"), ("k", "b")).await), 413);
    assert_eq!(
        (client.counted("c").await, client.counted("k").await),
        ((2, 8), (2, 6))
    );
    client.rename(("c", "o"), ("k", "x")).await.unwrap();
    client.rename(("c", "a/"), ("k", "d/")).await.unwrap();
    assert_eq!(
        (client.counted("c").await, client.counted("k").await),
        ((0, 0), (2, 8))
    );
    assert_eq!(status(client.put("k", "z", "1").await), 413);
    client.rename(("k", "d/"), ("k", "e/")).await.unwrap();
}

#[tokio::test]
async fn an_operation_that_is_asked_for_twice_is_done_once_with_one_record() {
    let world = World::new();
    let client = world.open().await;
    filled(&client, &[("c", "a/1", "1"), ("c", "o", "1")]).await;
    let at: Context = context();
    let call = || fs::Move {
        source: path("c", "a/"),
        destination: path("c", "b/"),
        overwrite: true,
    };
    let mut answers = Vec::new();
    for _ in 0..2 {
        let asked = ask(&client.service, call(), at.clone(), Body::empty()).await;
        answers.push(asked.unwrap().0);
    }
    assert_eq!(answers[0], answers[1]);
    client.rename(("c", "o"), ("c", "p")).await.unwrap();
    client.make_directory("c", "d/").await.unwrap();
    client.delete("c", "d/").await.unwrap();
    client.remove_directory("c", "b/").await.unwrap();
    client.server.close().await.unwrap();
    let records: Vec<_> = world.mirror.records().into_iter().skip(5).collect();
    let shown = |action: &str, path: &str, destination: Option<&str>| {
        let whole = |path: &str| format!("AUTH_test/c/{path}");
        (action.to_owned(), whole(path), destination.map(whole))
    };
    assert_eq!(
        records,
        [
            shown("fs/move", "a/", Some("b/")),
            shown("fs/move", "o", Some("p")),
            shown("fs/make_directory", "d/", None),
            shown("object/delete", "d/", None),
            shown("fs/remove_directory", "b/", None),
        ]
    );
}
