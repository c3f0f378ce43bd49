//! A copy of a directory that is cut off goes on where it was: what was made durable is not copied again, and what comes of it is
//! what a copy of the source as it then is would have been.

#![expect(clippy::unwrap_used, reason = "a failure here is the failure of a test")]

use std::collections::BTreeMap;
use std::path::Path;

use futures::StreamExt as _;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::server::{ADMIN_PASSWORD, Builder};
use integration_tests::{Client, Cluster, CommandLine, Disk, Process, Response, Server, Shape};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

/// In each of five directories.
const EACH: usize = 210;
const OBJECTS: usize = 5 * EACH;
/// The copy that is cut off: so much behind the beginning that it has a mark, and before the end.
const CUT: usize = 1020;

fn name(number: usize) -> String {
    format!("d/{}/{number:04}", number / EACH)
}

async fn fill(client: &Client) {
    client.put("c", "").await.expect(201);
    let put = |number: usize| async move {
        let put = client.put(&format!("c/{}", name(number)), format!("object {number}"));
        put.header("x-object-meta-number", &number.to_string())
            .await
            .expect(201);
    };
    futures::stream::iter(0..OBJECTS)
        .map(put)
        .buffer_unordered(16)
        .collect::<()>()
        .await;
    client.make_directory("c/d/empty/").await.expect(201);
}

fn copy(client: &Client) -> Request {
    client.copy("c/d/", "c/n/").header("depth", "infinity")
}

async fn begun(request: Request) -> String {
    let job = request.await.expect(202).json();
    job["id"].as_str().unwrap().to_owned()
}

async fn show(client: &Client, id: &str) -> Value {
    client.get("").query("job", id).await.expect(200).json()
}

async fn end_of(client: &Client, id: &str) -> Value {
    until("the job ends", || async {
        let state = show(client, id).await["state"].as_str().unwrap().to_owned();
        !["queued", "running"].contains(&state.as_str())
    })
    .await;
    show(client, id).await
}

fn armed(builder: Builder, points: &str) -> Builder {
    builder.variable("STOBJ_OBJECT_SERVER__FAILURE_POINTS", points)
}

/// A point where copies wait, from this one on.
fn waiting(gate: &NamedTempFile, from: usize) -> String {
    format!("build:before_copy=wait:{}@{from}", gate.path().display())
}

async fn until_waiting(gate: &NamedTempFile) {
    until("it waits", || async {
        gate.as_file().metadata().unwrap().len() > 0
    })
    .await;
}

/// A server with a job that has passed its mark, and waits as long as there is the file: to be cut off.
async fn cut(
    asked: impl AsyncFn(&Server, &Client) -> Request,
    builder: Builder,
) -> (Server, String, NamedTempFile) {
    let gate = NamedTempFile::new().unwrap();
    let server = armed(builder, &waiting(&gate, CUT + 1)).start().await;
    let client = server.tester().await;
    fill(&client).await;
    let id = begun(asked(&server, &client).await).await;
    until("it has come so far", || async {
        show(&client, &id).await["done"] == CUT
    })
    .await;
    until_waiting(&gate).await;
    (server, id, gate)
}

/// So many objects are durable, as the job says on the disk.
fn marked(objects: &Path, id: &str) -> usize {
    let accounts = std::fs::read_dir(objects.join(".stobj/accounts")).unwrap();
    let files = accounts.map(|account| account.unwrap().path().join("jobs").join(id));
    let file = files.filter_map(|file| std::fs::read(file).ok()).next().unwrap();
    let stored: Value = serde_json::from_slice(&file[16..]).unwrap();
    let mark = stored["work"]["copy_directory"]["mark"]["objects"].as_u64();
    let marked = usize::try_from(mark.unwrap()).unwrap();
    assert!((1..=CUT).contains(&marked), "{stored}");
    marked
}

/// What is to be seen of all objects below a name.
async fn listed(client: &Client, container: &str, prefix: &str) -> BTreeMap<String, Value> {
    let list = client.list(container).query("prefix", prefix);
    let list = list.await.expect_one_of(&[200, 204]);
    let entries = match list.status() {
        204 => Vec::new(),
        _ => list.json().as_array().unwrap().clone(),
    };
    let entry = |entry: &Value| {
        let name = entry["name"].as_str().unwrap().strip_prefix(prefix).unwrap();
        let shown = json!([entry["hash"], entry["bytes"], entry["content_type"]]);
        (name.to_owned(), shown)
    };
    entries.iter().map(entry).collect()
}

/// The copy is as its source, byte for byte; and storage, counters and mirror agree.
async fn expect_copied(server: &Server, client: &Client) {
    expect_same(client).await;
    expect_agreement(&server.auth_url()).await;
}

/// The copy is as its source, byte for byte.
async fn expect_same(client: &Client) {
    let (source, copy) = (listed(client, "c", "d/").await, listed(client, "c", "n/").await);
    assert_eq!(source, copy);
    for name in source.keys().step_by(97) {
        let source = client.get(&format!("c/d/{name}")).await.expect(200);
        let copy = client.get(&format!("c/n/{name}")).await.expect(200);
        let number = |of: &Response| of.find_header("x-object-meta-number").map(str::to_owned);
        assert_eq!(number(&source), number(&copy), "{name}");
        copy.expect_body(source.body().clone());
    }
    client.make_directory("c/n/empty/").await.expect(405);
}

async fn expect_agreement(auth_url: &str) {
    let stobj = CommandLine::at(auth_url, "admin:admin", ADMIN_PASSWORD);
    let checked = stobj.run(&["check", "--deep", "--json"]).await.expect(0).json();
    assert_eq!(checked[0]["differences"], 0, "{checked:?}");
}

async fn expect_nothing_hidden(objects: &Path) {
    for directory in ["temporary", "trash", "build"] {
        let directory = objects.join(".stobj").join(directory);
        until("nothing is left behind", || async {
            std::fs::read_dir(&directory).unwrap().next().is_none()
        })
        .await;
    }
}

#[tokio::test]
async fn a_copy_goes_on_after_a_kill() {
    let builder = Server::builder().shape(Shape::Single);
    let (server, id, _gate) = cut(async |_, client| copy(client), builder).await;
    let client = server.tester().await;
    // Room for the copy, and ten bytes.
    let used = client
        .head("c")
        .await
        .expect(204)
        .number("x-container-bytes-used");
    let room = (2 * used + 10).to_string();
    let limit = client.post("c").header("x-container-meta-quota-bytes", &room);
    limit.await.expect(204);
    let marked = marked(&server.objects(), &id);
    let builder = server.kill().await;
    let gate = NamedTempFile::new().unwrap();
    // Were anything copied again the server would end.
    let left = OBJECTS - marked;
    let points = format!("{},build:before_place=abort@{}", waiting(&gate, 1), left + 1);
    let server = armed(builder, &points).start().await;
    let client = server.tester().await;
    until_waiting(&gate).await;
    let job = show(&client, &id).await;
    assert_eq!(
        (&job["state"], &job["done"], &job["total"]),
        (&json!("running"), &json!(marked), &json!(OBJECTS)),
        "{job}"
    );
    assert_eq!(
        listed(&client, "c", "n/").await,
        BTreeMap::new(),
        "nobody sees it"
    );
    // All that was copied holds its room.
    let left = used - job["bytes"].as_u64().unwrap();
    let put = |bytes: u64| client.put("c/large", vec![1; usize::try_from(bytes).unwrap()]);
    put(left + 11).await.expect(413);
    put(10).await.expect(201);
    gate.close().unwrap();
    let job = end_of(&client, &id).await;
    assert_eq!(
        (&job["state"], &job["done"], &job["bytes"], &job["errors"]),
        (&json!("done"), &json!(OBJECTS), &json!(used), &json!(0)),
        "{job}"
    );
    put(11).await.expect(413);
    expect_copied(&server, &client).await;
    expect_nothing_hidden(&server.objects()).await;
}

#[tokio::test]
async fn who_takes_over_goes_on_with_a_copy() {
    let cluster = Cluster::with_standby().await;
    let _account_server = cluster.start("account-server").await;
    let gate = NamedTempFile::new().unwrap();
    let mut owner = cluster.start_object_server(0, &waiting(&gate, CUT + 1)).await;
    let proxy = cluster.start("proxy").await;
    let client = proxy.admin().await;
    fill(&client).await;
    let id = begun(copy(&client)).await;
    until_waiting(&gate).await;
    let marked = marked(&cluster.objects(), &id);
    // Were anything copied again it would end.
    let points = format!("build:before_place=abort@{}", OBJECTS - marked + 1);
    let _standby = cluster.start_object_server(1, &points).await;
    owner.kill().await;
    until("the other one serves", || async {
        client.head("c").await.status() == 204
    })
    .await;
    let job = end_of(&client, &id).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(OBJECTS)));
    expect_same(&client).await;
    expect_agreement(&format!("http://{}/auth/v1.0", proxy.address())).await;
    expect_nothing_hidden(&cluster.objects()).await;
}

#[tokio::test]
async fn what_changes_before_it_goes_on_is_copied_as_it_is_then() {
    let builder = Server::builder().shape(Shape::Single);
    let (server, id, _gate) = cut(async |_, client| copy(client), builder).await;
    let client = server.tester().await;
    client.put("c/d/0/0003", "another").await.expect(201);
    let post = client
        .post("c/d/0/0004")
        .header("x-object-meta-number", "another");
    post.await.expect(202);
    client.delete("c/d/0/0005").await.expect(204);
    client.put("c/d/0/new/one", "new").await.expect(201);
    client.put("c/d/0/", "new").await.expect(201);
    client.rename("c/d/1/", "c/d/moved/").await.expect(201);
    client.put("c/d/1/0300", "in its place").await.expect(201);
    let removed = client.delete("c/d/2/").query("recursive", "true");
    removed.await.expect(204);
    client.delete("c/d/empty/").await.expect(204);
    client.make_directory("c/d/3/empty/").await.expect(201);
    let mut builder = server.kill().await;
    // Again in the midst of what it does to the copy that it had, and behind that.
    for copies in [3, 120] {
        let gate = NamedTempFile::new().unwrap();
        let server = armed(builder, &waiting(&gate, copies)).start().await;
        until_waiting(&gate).await;
        builder = server.kill().await;
    }
    let server = armed(builder, "").start().await;
    let client = server.tester().await;
    let job = end_of(&client, &id).await;
    assert_eq!(job["state"], "done", "{job}");
    let objects = OBJECTS - EACH + 2;
    assert_eq!(job["done"], objects, "{job}");
    client.make_directory("c/d/empty/").await.expect(201);
    client.make_directory("c/n/empty/").await.expect(201);
    client.make_directory("c/n/3/empty/").await.expect(405);
    expect_copied(&server, &client).await;
    assert_eq!(listed(&client, "c", "n/").await.len(), objects);
    let head = client.head("c/n/0/0004").await.expect(200);
    head.expect_header("x-object-meta-number", "another");
    expect_nothing_hidden(&server.objects()).await;
}

#[tokio::test]
async fn a_move_to_another_account_goes_on_after_a_kill() {
    let builder = Server::builder().shape(Shape::Single);
    let moving = async |server: &Server, client: &Client| {
        let other = server.login("test2:tester2", "testing2").await;
        let shared = other.put("k", "").header("x-container-write", "test:tester");
        shared.await.expect(201);
        let moving = client.rename("c/d/", "k/n/");
        moving.header("destination-account", "AUTH_test2")
    };
    let (server, id, _gate) = cut(moving, builder).await;
    let client = server.tester().await;
    let source = listed(&client, "c", "d/").await;
    let points = format!(
        "build:before_place=abort@{}",
        OBJECTS - marked(&server.objects(), &id) + 1
    );
    let server = armed(server.kill().await, &points).start().await;
    let client = server.tester().await;
    let job = end_of(&client, &id).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(OBJECTS)));
    let other = server.login("test2:tester2", "testing2").await;
    assert_eq!(listed(&other, "k", "n/").await, source);
    assert_eq!(listed(&client, "c", "").await, BTreeMap::new());
    expect_agreement(&server.auth_url()).await;
    expect_nothing_hidden(&server.objects()).await;
}

/// The places between what is made durable and what is written down of it.
#[tokio::test]
async fn killed_beside_its_mark_a_copy_is_done_in_the_end() {
    let server = Server::builder().shape(Shape::Single).start().await;
    fill(&server.tester().await).await;
    let mut builder = server.stop().await;
    for place in ["build:before_sync", "build:after_sync"] {
        for hit in [1, 2] {
            builder = armed(builder, &format!("{place}=abort@{hit}"));
            let server = builder.start().await;
            let client = server.tester().await;
            let id = begun(copy(&client)).await;
            until("the server is gone", || async {
                client.head("c").send().await.is_err()
            })
            .await;
            let server = armed(server.kill().await, "").start().await;
            let client = server.tester().await;
            let job = end_of(&client, &id).await;
            assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(OBJECTS)));
            expect_copied(&server, &client).await;
            expect_nothing_hidden(&server.objects()).await;
            builder = server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_copy_that_goes_on_is_cancelled_with_all_it_had() {
    let builder = Server::builder().shape(Shape::Single);
    let (server, id, _gate) = cut(async |_, client| copy(client), builder).await;
    let gate = NamedTempFile::new().unwrap();
    let builder = armed(server.kill().await, &waiting(&gate, 1));
    let server = builder.start().await;
    let client = server.tester().await;
    until_waiting(&gate).await;
    client.delete("").query("job", &id).await.expect(200);
    gate.close().unwrap();
    let job = end_of(&client, &id).await;
    assert_eq!(job["state"], "cancelled", "{job}");
    assert_eq!(listed(&client, "c", "n/").await, BTreeMap::new());
    expect_agreement(&server.auth_url()).await;
    expect_nothing_hidden(&server.objects()).await;
}

#[tokio::test]
async fn who_may_not_have_it_copied_any_more_has_nothing_left_of_it() {
    let builder = Server::builder().shape(Shape::Single);
    let (server, id, _gate) = cut(async |_, client| copy(client), builder).await;
    let rule = "[[filter.firewall.rules]]\nname = \"added\"\ndecision = \"deny\"\nmethods = [\"PUT\"]\n\
                paths = [\"AUTH_test/c/n/**\"]\n";
    let builder = armed(server.kill().await, "").setting(rule);
    let server = builder.start().await;
    let client = server.tester().await;
    let job = end_of(&client, &id).await;
    assert_eq!(job["state"], "failed", "{job}");
    assert_eq!(listed(&client, "c", "n/").await, BTreeMap::new());
    expect_agreement(&server.auth_url()).await;
    expect_nothing_hidden(&server.objects()).await;
}

#[tokio::test]
async fn a_copy_goes_on_after_a_power_cut_with_what_the_disk_has() {
    let Some(disk) = Disk::journaled(96) else { return };
    let builder = Server::builder().shape(Shape::Single).data_on(&disk);
    let (server, id, _gate) = cut(async |_, client| copy(client), builder.clone()).await;
    let points = format!(
        "build:before_place=abort@{}",
        OBJECTS - marked(&server.objects(), &id) + 1
    );
    server.processes().for_each(Process::freeze);
    let left = disk.after_power_cut().unwrap();
    drop(server.kill().await);
    let server = armed(builder.data_on(&left), &points).start().await;
    let client = server.tester().await;
    let job = end_of(&client, &id).await;
    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(OBJECTS)));
    expect_copied(&server, &client).await;
}
