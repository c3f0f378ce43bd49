//! What a server still has after it was stopped, killed, or lost its mirror.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use integration_tests::{Client, Connection, Server};
use parking_lot::Mutex;

async fn fill(client: &Client) {
    client
        .put("c", "")
        .header("x-container-meta-a", "1")
        .header("x-container-read", ".r:*")
        .await
        .expect(201);
    client.put("empty", "").await.expect(201);
    client.post("").header("x-account-meta-a", "1").await.expect(204);
    for name in ["a", "a/b", "d/e/f", "d/"] {
        let put = client
            .put(&format!("c/{name}"), name.to_owned())
            .header("x-object-meta-name", "n");
        put.header("content-type", "text/x").await.expect(201);
    }
    client
        .post("c/a")
        .header("x-object-meta-name", "posted")
        .await
        .expect(202);
    client.put("c/gone", "x").await.expect(201);
    client.delete("c/gone").await.expect(204);
}

async fn check(client: &Client) {
    client.list("").await.expect(200).expect_entries(&["c", "empty"]);
    client
        .list("c")
        .await
        .expect(200)
        .expect_entries(&["a", "a/b", "d/", "d/e/f"]);
    client
        .list("c")
        .query("delimiter", "/")
        .await
        .expect_entries(&["a", "a/", "d/"]);
    for name in ["a", "a/b", "d/e/f", "d/"] {
        let get = client
            .get(&format!("c/{name}"))
            .await
            .expect(200)
            .expect_body(name);
        let get = get.expect_header("content-type", "text/x");
        get.expect_header("x-object-meta-name", if name == "a" { "posted" } else { "n" });
    }
    client.get("c/gone").await.expect(404);
    let head = client.head("c").await.expect(204);
    let head = head
        .expect_header("x-container-meta-a", "1")
        .expect_header("x-container-read", ".r:*");
    assert_eq!(head.number("x-container-object-count"), 4);
    assert_eq!(head.number("x-container-bytes-used"), 11);
    let head = client
        .head("")
        .await
        .expect(204)
        .expect_header("x-account-meta-a", "1");
    assert_eq!(head.number("x-account-container-count"), 2);
    assert_eq!(head.number("x-account-object-count"), 4);
    assert_eq!(head.number("x-account-bytes-used"), 11);
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let server = Server::start().await;
    let client = server.tester().await;
    fill(&client).await;
    check(&client).await;
    let token = client.token().to_owned();
    let server = server.stop().await.start().await;
    let again = server.tester().await;
    check(&again).await;
    again
        .anonymous()
        .get("c/a")
        .header("x-auth-token", &token)
        .await
        .expect(200);
    let server = server.kill().await.start().await;
    check(&server.tester().await).await;
}

#[tokio::test]
async fn a_lost_mirror_is_made_again() {
    let server = Server::start().await;
    let client = server.tester().await;
    fill(&client).await;
    let stopped = server.stop().await;
    if let Some(database) = stopped.own_database().await {
        database.empty().await;
    } else {
        let mut removed = 0;
        remove_databases(&stopped.data(), &mut removed);
        assert!(removed > 0, "no database lies under {}", stopped.data().display());
    }
    let server = stopped.start().await;
    let client = server.tester().await;
    check(&client).await;
    client.put("c/new", "x").await.expect(201);
    client
        .list("c")
        .await
        .expect_entries(&["a", "a/b", "d/", "d/e/f", "new"]);
}

/// Removes SQLite's files, wherever they lie.
fn remove_databases(directory: &Path, removed: &mut usize) {
    for entry in std::fs::read_dir(directory).expect("the data are ours") {
        let path = entry.expect("the data are ours").path();
        let name = path
            .file_name()
            .expect("entries have names")
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            remove_databases(&path, removed);
        } else if name.contains("sqlite") || name.contains(".db") {
            std::fs::remove_file(&path).expect("the data are ours");
            *removed += 1;
        }
    }
}

/// What writers were told, by path: the content that was acknowledged last (`None`: its removal), and one that was
/// sent after it and not answered.
type Told = Arc<Mutex<BTreeMap<String, (Option<String>, Option<Option<String>>)>>>;

/// Puts, replaces and deletes without end, until the server is gone.
async fn write(client: Client, writer: usize, told: Told, acknowledged: Arc<AtomicUsize>) {
    for round in 0.. {
        let path = format!("c/{writer}/{}", round % 7);
        let content = (round % 5 != 4).then(|| format!("{writer} {round} {}", "x".repeat(round * 37 % 5000)));
        told.lock().entry(path.clone()).or_default().1 = Some(content.clone());
        let request = match &content {
            Some(content) => client.put(&path, content.clone()),
            None => client.delete(&path),
        };
        let Ok(response) = request.send().await else {
            return;
        };
        response.expect_one_of(&[201, 204, 404]);
        told.lock().insert(path, (content, None));
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_killed_server_has_every_acknowledged_write_and_no_torn_one() {
    let mut server = Server::start().await;
    server.tester().await.put("c", "").await.expect(201);
    let told = Told::default();
    for _ in 0..3 {
        let client = server.tester().await;
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..6)
            .map(|writer| {
                tokio::spawn(write(
                    client.clone(),
                    writer,
                    Arc::clone(&told),
                    Arc::clone(&acknowledged),
                ))
            })
            .collect();
        while acknowledged.load(Ordering::Relaxed) < 150 {
            tokio::task::yield_now().await;
        }
        let stopped = server.kill().await;
        for writer in writers {
            writer.await.unwrap();
        }
        server = stopped.start().await;
        compare(&server.tester().await, &told).await;
    }
}

/// Every path has what was acknowledged, or what was sent after that; listing and counters say the same.
async fn compare(client: &Client, told: &Told) {
    let expected = told.lock().clone();
    let mut present = BTreeMap::new();
    for (path, (acknowledged, unanswered)) in expected {
        let get = client.get(&path).await.expect_one_of(&[200, 404]);
        let found = (get.status() == 200).then(|| get.text().to_owned());
        assert!(
            found == acknowledged || unanswered.as_ref() == Some(&found),
            "{path}: acknowledged {acknowledged:?}, unanswered {unanswered:?}, found {found:?}"
        );
        told.lock().insert(path.clone(), (found.clone(), None));
        if let Some(content) = found {
            present.insert(path["c/".len()..].to_owned(), content.len());
        }
    }
    let names: Vec<_> = present.keys().collect();
    client.list("c").await.expect(200).expect_entries(&names);
    let head = client.head("c").await.expect(204);
    assert_eq!(head.number("x-container-object-count"), present.len() as u64);
    assert_eq!(
        head.number("x-container-bytes-used"),
        present.values().map(|&length| length as u64).sum::<u64>()
    );
}

#[tokio::test]
async fn a_terminated_server_ends_what_it_began() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let mut upload = Connection::open(&server).await;
    let head = format!(
        "PUT {}/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n",
        client.base(),
        client.token()
    );
    upload.send(head).await;
    // Whose body is asked for is under way.
    upload.response().await.expect(100);
    upload.send("first").await;
    let idle = Connection::open(&server).await;
    server.terminate();
    assert!(idle.closed().await.is_empty());
    upload.send("-last").await;
    upload.response().await.expect(201);
    let server = server.ended().await.start().await;
    server
        .tester()
        .await
        .get("c/o")
        .await
        .expect(200)
        .expect_body("first-last");
}

#[tokio::test]
async fn a_drain_does_not_wait_for_ever() {
    let server = Server::builder()
        .setting("[proxy]\ndrain_timeout = \"1s\"")
        .start()
        .await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let mut upload = Connection::open(&server).await;
    let head = format!(
        "PUT {}/c/o HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {}\r\nContent-Length: 10\r\n\r\nfirst",
        client.base(),
        client.token()
    );
    upload.send(head).await;
    server.terminate();
    let ended = tokio::time::timeout(Duration::from_secs(60), server.ended()).await;
    let server = ended
        .expect("the server waits for an upload that never ends")
        .start()
        .await;
    server.tester().await.get("c/o").await.expect(404);
}
