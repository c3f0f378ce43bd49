//! The command line of users on directories that are directories.

use integration_tests::cluster::until;
use integration_tests::server::ADMIN_PASSWORD;
use integration_tests::{Client, CommandLine, Server};
use serde_json::{Value, json};

async fn store(names: &[&str]) -> (Server, CommandLine, Client) {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for name in names {
        client
            .put(&format!("c/{name}"), (*name).to_owned())
            .await
            .expect(201);
    }
    let stobj = CommandLine::of(&server);
    (server, stobj, client)
}

async fn names(stobj: &CommandLine, container: &str) -> Vec<String> {
    stobj
        .run(&["ls", "--recursive", container])
        .await
        .expect(0)
        .lines()
}

#[tokio::test]
async fn directories_are_made_and_removed() {
    let (_server, stobj, _client) = store(&[]).await;
    stobj.run(&["mkdir", "c/d/"]).await.expect(0);
    stobj
        .run(&["mkdir", "c/d/"])
        .await
        .expect(4)
        .expect_error("there already");
    stobj
        .run(&["mkdir", "c/a/b/"])
        .await
        .expect(4)
        .expect_error("409");
    stobj.run(&["mkdir", "missing/d/"]).await.expect(3);
    let made = stobj
        .run(&["mkdir", "--parents", "--json", "c/a/b/", "new/x/y", "c/d/"])
        .await
        .expect(0)
        .json();
    let created: Vec<_> = made.iter().map(|line| &line["created"]).collect();
    assert_eq!(created, [&json!(true), &json!(true), &json!(false)]);
    let tree = stobj.run(&["tree", "c"]).await.expect(0).text();
    assert_eq!(
        tree,
        "c  0 objects, 0 B\n├── a/  0 objects, 0 B\n│   └── b/  0 objects, 0 B\n└── d/  0 objects, 0 B\n"
    );
    assert_eq!(
        stobj.run(&["ls", "c"]).await.expect(0).text(),
        "",
        "they are in no listing"
    );
    stobj.run(&["rm", "c/d/"]).await.expect(0);
    stobj.run(&["rm", "c/d/"]).await.expect(3);
    stobj.run(&["rm", "c/a/"]).await.expect(4).expect_error("409");
}

#[tokio::test]
async fn directories_move_with_all_that_is_in_them() {
    let (_server, stobj, _client) = store(&["d/a", "d/e/b", "o", "x/y"]).await;
    stobj.run(&["mkdir", "c/d/empty/", "other"]).await.expect(0);
    stobj.run(&["mv", "c/d/", "other/p/q/"]).await.expect(0);
    assert_eq!(names(&stobj, "c").await, ["o", "x/y"]);
    assert_eq!(names(&stobj, "other").await, ["p/q/a", "p/q/e/b"]);
    let tree = stobj.run(&["tree", "other"]).await.expect(0).text();
    assert!(tree.contains("empty/"), "{tree}");

    // Into a container under its own name; an object into a directory.
    stobj.run(&["mv", "other/p/q/", "c"]).await.expect(0);
    stobj.run(&["mv", "c/o", "c/q/"]).await.expect(0);
    assert_eq!(names(&stobj, "c").await, ["q/a", "q/e/b", "q/o", "x/y"]);
    stobj
        .run(&["mv", "c/q/", "c/q/e/f/"])
        .await
        .expect(4)
        .expect_error("403");
    stobj
        .run(&["mv", "c/q/", "c/x/", "--no-overwrite"])
        .await
        .expect(4)
        .expect_error("412");
    let moved = stobj
        .run(&["mv", "c/q/", "c/x/", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        moved[0],
        json!({"source": "c/q/", "destination": "c/x/", "job": null})
    );
    assert_eq!(
        names(&stobj, "c").await,
        ["x/a", "x/e/b", "x/o"],
        "replaced, not merged"
    );
    stobj.run(&["mv", "c/missing/", "c/y/"]).await.expect(3);
}

#[tokio::test]
async fn whole_trees_are_removed() {
    let (_server, stobj, _client) = store(&["d/a", "d/e/b", "d2/x", "o"]).await;
    stobj.run(&["mkdir", "c/empty/"]).await.expect(0);
    stobj.run(&["rm", "--recursive", "c/d/"]).await.expect(0);
    assert_eq!(names(&stobj, "c").await, ["d2/x", "o"]);
    stobj.run(&["rm", "--recursive", "c/d/"]).await.expect(3);
    stobj
        .run(&["rm", "--recursive", "--force", "c/d/"])
        .await
        .expect(0);
    stobj.run(&["rm", "c"]).await.expect(4);
    stobj.run(&["rm", "--recursive", "c"]).await.expect(0);
    assert_eq!(stobj.run(&["ls"]).await.expect(0).text(), "");
}

#[tokio::test]
async fn a_tree_has_totals_and_as_many_levels_as_wanted() {
    let (_server, stobj, _client) = store(&["a", "d/bb", "d/e/ccc"]).await;
    let tree = stobj.run(&["tree", "c"]).await.expect(0).text();
    assert_eq!(
        tree,
        "c  3 objects, 12 B\n├── a  1 B\n└── d/  2 objects, 11 B\n    ├── bb  4 B\n    └── e/  1 object, 7 B\n        \
         └── ccc  7 B\n"
    );
    let shallow = stobj
        .run(&["tree", "--depth", "1", "c/d/"])
        .await
        .expect(0)
        .text();
    assert_eq!(
        shallow,
        "c/d/  2 objects, 11 B\n├── bb  4 B\n└── e/  1 object, 7 B\n"
    );
    let directories = stobj.run(&["tree", "--directories", "c"]).await.expect(0).lines();
    assert_eq!(directories.len(), 3, "{directories:?}");
    let lines = stobj.run(&["tree", "--json", "c"]).await.expect(0).json();
    let paths: Vec<_> = lines
        .iter()
        .map(|line| line["path"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(paths, ["c", "c/a", "c/d/", "c/d/bb", "c/d/e/", "c/d/e/ccc"]);
    let of = |line: &Value| {
        (
            line["type"].clone(),
            line["objects"].clone(),
            line["bytes"].clone(),
        )
    };
    assert_eq!(of(&lines[2]), (json!("directory"), json!(2), json!(11)));
    stobj.run(&["tree", "c/missing/"]).await.expect(3);
    stobj
        .run(&["tree", "c/d"])
        .await
        .expect(2)
        .expect_error("ends in a slash");
}

#[tokio::test]
async fn things_are_found_by_what_they_are() {
    let (server, stobj, client) = store(&["photos/a.jpg", "photos/b.png", "jpg/c.txt", "d.jpg"]).await;
    client
        .put("c/large.jpg", vec![0; 5000])
        .header("x-object-meta-color", "red")
        .await
        .expect(201);
    client.put("other/d.jpg", "").await.expect(404);
    client.put("other", "").await.expect(201);
    client.put("other/d.jpg", "").await.expect(201);
    let found = async |arguments: &[&str]| stobj.run(arguments).await.expect(0).lines();
    // The mirror, which is searched, comes a moment after the answers.
    until("all is found", || async {
        found(&["search", "*.jpg"]).await.len() == 4
    })
    .await;
    assert_eq!(
        found(&["search", "d.jpg", "--in", "other"]).await,
        ["other/d.jpg"]
    );
    assert_eq!(found(&["search", "jpg", "--type", "directory"]).await, ["c/jpg/"]);
    assert_eq!(
        found(&["search", "--size-min", "4K", "--type", "file"]).await,
        ["c/large.jpg"]
    );
    assert_eq!(found(&["search", "--meta", "Color=red"]).await, ["c/large.jpg"]);
    assert_eq!(
        found(&["search", "*.jpg", "--sort", "-size", "--limit", "1"]).await,
        ["c/large.jpg"]
    );
    assert_eq!(found(&["search", "--no-paths", "b.png"]).await, ["b.png"]);
    assert_eq!(found(&["search", "--modified-before", "1h"]).await, [""; 0]);
    stobj
        .run(&["search", "--all-accounts", "jpg"])
        .await
        .expect(4)
        .expect_error("Forbidden");
    let admin = CommandLine::at(&server.auth_url(), "admin:admin", ADMIN_PASSWORD);
    let all = admin
        .run(&["search", "--all-accounts", "b.png"])
        .await
        .expect(0)
        .lines();
    assert_eq!(all, ["AUTH_test/c/photos/b.png"]);
}
