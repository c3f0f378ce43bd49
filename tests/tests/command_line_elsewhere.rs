//! The command line of users at stores that are not ours, or not as ours would be: another Swift, one with more pages, one whose
//! jobs take their time or fail.

use std::sync::atomic::{AtomicUsize, Ordering};

use integration_tests::CommandLine;
use integration_tests::fake::FakeStore;
use serde_json::{Value, json};

fn command_line(store: &FakeStore) -> CommandLine {
    CommandLine::at(&store.auth_url(), "test:tester", "testing")
}

fn listing(names: &[&str]) -> (u16, String) {
    let entry =
        |name: &&str| json!({"name": name, "hash": "x", "bytes": 1, "last_modified": "2026-01-02T03:04:05"});
    (
        200,
        Value::from(names.iter().map(entry).collect::<Vec<_>>()).to_string(),
    )
}

fn job(state: &str, done: u64) -> String {
    let job = json!({
        "id": "00c0ffee00c0ffee", "account": "AUTH_test", "kind": "copy", "source": "c/d/", "destination": "c/e/",
        "state": state, "done": done, "total": 7, "bytes": 70, "errors": 0, "error": "the disk is full", "created": 0,
    });
    job.to_string()
}

/// Any Swift: it knows no verb of ours, and passes over parameters that it does not know.
async fn another_swift() -> FakeStore {
    FakeStore::start(|asked| match asked {
        "GET /info" => (200, json!({"swift": {}}).to_string()),
        "COPY /c/o" | "COPY /c/d/" => (201, String::new()),
        asked if asked.starts_with("MOVE") || asked.starts_with("MKCOL") => (405, String::new()),
        "GET /c?format=json&prefix=d%2F" => listing(&["d/a", "d/e/b"]),
        asked if asked.starts_with("GET /c?format=json") => (200, "[]".into()),
        asked if asked.starts_with("GET /c") => (200, "d/a\nd/e/b\n".into()),
        asked if asked.starts_with("DELETE") => (204, String::new()),
        _ => (404, String::new()),
    })
    .await
}

#[tokio::test]
async fn another_swift_gets_its_own_verbs() {
    let store = another_swift().await;
    let stobj = command_line(&store);
    stobj.run(&["mv", "c/o", "c/p"]).await.expect(0);
    assert_eq!(store.asked(), ["MOVE /c/o", "COPY /c/o", "DELETE /c/o"]);
    stobj
        .run(&["mv", "c/o", "c/o"])
        .await
        .expect(2)
        .expect_error("the same");
    let before = store.asked().len();
    stobj
        .run(&["rm", "--recursive", "c/d/", "--jobs", "1"])
        .await
        .expect(0);
    let asked = store.asked();
    let removed: Vec<_> = asked[before..]
        .iter()
        .filter(|asked| asked.starts_with("DELETE"))
        .collect();
    assert_eq!(
        removed,
        ["DELETE /c/d/a", "DELETE /c/d/e/b"],
        "never what its name alone would mean there"
    );
}

#[tokio::test]
async fn what_another_swift_cannot_do_is_said() {
    let store = another_swift().await;
    let stobj = command_line(&store);
    for (arguments, code) in [
        (&["tree", "c"][..], 1),
        (&["search", "x", "--in", "c"], 1),
        (&["cp", "c/d/", "c/e/"], 1),
        (&["mv", "c/d/", "c/e/"], 4),
        (&["mkdir", "c/d/"], 4),
        (&["jobs"], 3),
    ] {
        stobj.run(arguments).await.expect(code);
    }
    assert!(!store.asked().iter().any(|asked| asked.starts_with("DELETE")));
}

#[tokio::test]
async fn a_job_is_waited_for() {
    let looks = AtomicUsize::new(0);
    let store = FakeStore::start(move |asked| match asked {
        "COPY /c/d/" => (202, job("queued", 0)),
        "GET ?job=00c0ffee00c0ffee" => match looks.fetch_add(1, Ordering::SeqCst) {
            0 => (200, job("running", 3)),
            _ => (200, job("done", 7)),
        },
        _ => (404, String::new()),
    })
    .await;
    let stobj = command_line(&store);
    let copied = stobj
        .run(&["cp", "c/d/", "c/e/", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(
        (&copied[0]["destination"], &copied[0]["job"]["state"]),
        (&json!("c/e/"), &json!("done"))
    );
    assert_eq!(store.asked().len(), 3);
    let left_alone = stobj.run(&["cp", "c/d/", "c/e/", "--no-wait"]).await.expect(0);
    assert_eq!(left_alone.text(), "00c0ffee00c0ffee\n");
    assert_eq!(store.asked().len(), 4);
}

#[tokio::test]
async fn a_job_that_fails_is_a_failure() {
    let store = FakeStore::start(|asked| match asked {
        "MOVE /c/d/" => (202, job("running", 0)),
        "GET ?job=00c0ffee00c0ffee" => (200, job("failed", 3)),
        "DELETE ?job=00c0ffee00c0ffee" => (200, job("cancelled", 3)),
        "GET ?jobs" => (200, format!("{{\"jobs\": [{}]}}", job("failed", 3))),
        _ => (404, String::new()),
    })
    .await;
    let stobj = command_line(&store);
    let moving = stobj
        .run(&["mv", "c/d/", "c/e/", "--to-account", "AUTH_other"])
        .await;
    moving.expect(1).expect_error("the disk is full");
    stobj.run(&["jobs", "00c0ffee00c0ffee", "--wait"]).await.expect(1);
    let shown = stobj.run(&["jobs", "00c0ffee00c0ffee"]).await.expect(0).text();
    assert!(
        shown.contains("failed") && shown.contains("3 of 7 objects") && shown.contains("c/d/ -> c/e/"),
        "{shown}"
    );
    let cancelled = stobj
        .run(&["jobs", "00c0ffee00c0ffee", "--cancel", "--json"])
        .await
        .expect(0)
        .json();
    assert_eq!(cancelled[0]["state"], "cancelled");
    assert_eq!(stobj.run(&["jobs"]).await.expect(0).lines().len(), 1);
    stobj.run(&["jobs", "0000000000000000"]).await.expect(3);
}

#[tokio::test]
async fn a_search_goes_on_until_it_has_all_or_enough() {
    let found = |name: &str, cursor: Option<&str>| {
        let one = json!({"id": 1, "name": name, "type": "file", "container": "c", "path": format!("d/{name}"), "bytes": 5});
        (200, json!({"results": [one], "cursor": cursor}).to_string())
    };
    let store = FakeStore::start(
        move |asked| match asked.split_once("cursor=").map(|(_, rest)| rest) {
            None => found("a.jpg", Some("1")),
            Some(rest) if rest.starts_with("1") => (200, json!({"results": [], "cursor": "2"}).to_string()),
            Some(_) => found("b.jpg", None),
        },
    )
    .await;
    let stobj = command_line(&store);
    let all = stobj
        .run(&["search", "*.jpg", "--size-min", "1K", "--meta", "Color=dark red"])
        .await
        .expect(0);
    assert_eq!(all.lines(), ["c/d/a.jpg", "c/d/b.jpg"]);
    let asked = store.asked();
    assert_eq!(
        asked[0],
        "GET ?search=%2A.jpg&size_min=1024&sort=name&limit=1000&paths=true&meta.color=dark%20red"
    );
    assert_eq!(asked.len(), 3);
    let first = stobj
        .run(&["search", "--in", "c", "--limit", "1", "--sort", "-size", "--json"])
        .await
        .expect(0);
    assert_eq!(first.json()[0]["path"], "d/a.jpg");
    assert_eq!(
        store.asked()[3..],
        ["GET /c?search&sort=-size&limit=1&paths=true"]
    );
}

#[tokio::test]
async fn a_tree_of_many_pages_is_one_tree() {
    let file = |name: &str| json!({"name": name, "type": "file", "objects": 1, "bytes": 1});
    let store = FakeStore::start(move |asked| {
        let directory = |next: Option<&str>, children: Vec<Value>| {
            json!({"name": "d/", "type": "directory", "objects": 3, "bytes": 3, "children": children, "next": next})
        };
        let page = match asked {
            "GET /c?tree=true&depth=1024" => json!({
                "name": "c", "type": "container", "objects": 4, "bytes": 4, "next": "d/",
                "children": [directory(Some("x"), vec![file("a")])],
            }),
            "GET /c/d/?tree=true&depth=1023&marker=x" => directory(Some("y"), vec![file("b")]),
            "GET /c/d/?tree=true&depth=1023&marker=y" => directory(None, vec![file("c")]),
            "GET /c?tree=true&depth=1024&marker=d%2F" => json!({
                "name": "c", "type": "container", "objects": 4, "bytes": 4, "children": [file("z")],
            }),
            _ => return (404, String::new()),
        };
        (200, page.to_string())
    })
    .await;
    let tree = command_line(&store).run(&["tree", "c"]).await.expect(0).text();
    assert_eq!(
        tree,
        "c  4 objects, 4 B\n├── d/  3 objects, 3 B\n│   ├── a  1 B\n│   ├── b  1 B\n│   └── c  1 B\n└── z  1 B\n"
    );
}

#[tokio::test]
async fn names_from_a_store_lead_nowhere_else() {
    let store = FakeStore::start(|asked| match asked {
        "GET /c?format=json" => listing(&["../escaped", "/absolute", "a//b", "good"]),
        asked if asked.starts_with("GET /c?") => (200, "[]".into()),
        "GET /c/good" => (200, "x".into()),
        _ => (404, String::new()),
    })
    .await;
    let here = tempfile::tempdir().expect("a temporary directory can be made");
    let got = command_line(&store)
        .run_in(here.path(), &["get", "c", "down/here"])
        .await;
    got.expect(1).expect_error("3 of 4 failed");
    let below: Vec<_> = std::fs::read_dir(here.path().join("down"))
        .expect("it was made")
        .collect();
    assert_eq!(below.len(), 1, "{below:?}");
    assert!(here.path().join("down/here/good").is_file());
}
