//! A disk that was ill for a while: as long as that lasts every change is refused and all is read, and when it is well again
//! everything goes on without a restart.

use http::Method;
use integration_tests::client::Request;
use integration_tests::server::{ADMIN_PASSWORD, Builder, DATABASE_SETTING};
use integration_tests::{Client, CommandLine, Database, Disk, Server, Shape, cluster};
use serde_json::Value;

/// Objects that are there before.
const OBJECTS: usize = 12;

/// Counters are written down all the time.
const SETTINGS: &str = "[object-server]\ncheckpoint_interval = \"200ms\"\nscrub_rate = 0";

async fn fill(client: &Client) {
    client.put("c", "").await.expect(201);
    client.put("other", "").await.expect(201);
    for number in 0..OBJECTS {
        let put = client.put(&format!("c/d/{number:02}"), content(number));
        put.header("x-object-meta-number", &number.to_string())
            .await
            .expect(201);
    }
    request(client, "MKCOL", "c/explicit/").await.expect(201);
}

fn content(number: usize) -> Vec<u8> {
    vec![b'a' + u8::try_from(number % 26).unwrap_or(0); 10_000 + number]
}

fn request(client: &Client, method: &str, path: &str) -> Request {
    client.request(Method::from_bytes(method.as_bytes()).expect("a method"), path)
}

fn moving(client: &Client, from: &str, to: &str) -> Request {
    request(client, "MOVE", from).header("destination", to)
}

/// All is there as [`fill`] left it, and nothing else.
async fn is_unchanged(client: &Client) {
    for number in 0..OBJECTS {
        let get = client.get(&format!("c/d/{number:02}")).await.expect(200);
        get.expect_body(content(number))
            .expect_header("x-object-meta-number", &number.to_string());
    }
    let names: Vec<_> = (0..OBJECTS).map(|number| format!("d/{number:02}")).collect();
    client.list("c").await.expect(200).expect_entries(&names);
    let head = client.head("c").await.expect(204);
    assert_eq!(head.number("x-container-object-count"), OBJECTS as u64);
    head.expect_no_header("x-container-meta-color");
    client.list("").await.expect(200).expect_entries(&["c", "other"]);
}

/// Every kind of change is refused.
async fn nothing_is_taken(client: &Client) {
    let refusals = [503, 507];
    for (name, size) in [("small", 100), ("d/01", 20_000), ("deep/new/large", 3_000_000)] {
        let put = client.put(&format!("c/{name}"), vec![1; size]);
        put.await.expect_one_of(&refusals);
    }
    let post = client.post("c/d/02").header("x-object-meta-number", "other");
    post.await.expect_one_of(&refusals);
    client.delete("c/d/03").await.expect_one_of(&refusals);
    client.put("new", "").await.expect_one_of(&refusals);
    let post = client.post("c").header("x-container-meta-color", "blue");
    post.await.expect_one_of(&refusals);
    let post = client.post("").header("x-account-meta-color", "blue");
    post.await.expect_one_of(&refusals);
    client.delete("other").await.expect_one_of(&refusals);
    for directory in ["c/made/", "c/d/made/"] {
        let made = request(client, "MKCOL", directory).await;
        made.expect_one_of(&refusals);
    }
    client.delete("c/explicit/").await.expect_one_of(&refusals);
    for (from, to) in [("c/d/", "c/e/"), ("c/d/05", "c/d/other"), ("c/d/", "other/d/")] {
        moving(client, from, to).await.expect_one_of(&refusals);
    }
    let removed = client.delete("c/d/").query("recursive", "true");
    removed.await.expect_one_of(&refusals);
}

/// Every kind of change is made.
async fn everything_is_taken(client: &Client) {
    for (name, size) in [("small", 100), ("d/01", 20_000), ("deep/new/large", 3_000_000)] {
        let put = client.put(&format!("c/{name}"), vec![1; size]);
        put.await.expect(201);
    }
    let post = client.post("c/d/02").header("x-object-meta-number", "other");
    post.await.expect(202);
    client.delete("c/d/03").await.expect(204);
    client.put("new", "").await.expect(201);
    let post = client.post("c").header("x-container-meta-color", "blue");
    post.await.expect(204);
    let post = client.post("").header("x-account-meta-color", "blue");
    post.await.expect(204);
    for directory in ["c/made/", "c/d/made/"] {
        request(client, "MKCOL", directory).await.expect(201);
    }
    client.delete("c/explicit/").await.expect(204);
    for (from, to) in [("c/d/", "c/e/"), ("c/e/05", "c/e/moved"), ("c/e/", "other/e/")] {
        moving(client, from, to).await.expect(201);
    }
    let removed = client.delete("c/deep/").query("recursive", "true");
    removed.await.expect(204);
}

/// What [`everything_is_taken`] leaves.
async fn is_changed(client: &Client) {
    client.list("c").await.expect(200).expect_entries(&["small"]);
    let mut names: Vec<_> = (0..OBJECTS).map(|number| format!("e/{number:02}")).collect();
    names.retain(|name| !["e/03", "e/05"].contains(&name.as_str()));
    names.push("e/moved".to_owned());
    client.list("other").await.expect(200).expect_entries(&names);
    for number in (0..OBJECTS).filter(|number| ![1, 3, 5].contains(number)) {
        let get = client.get(&format!("other/e/{number:02}")).await.expect(200);
        get.expect_body(content(number));
    }
    let get = client.get("other/e/moved").await.expect(200);
    get.expect_body(content(5));
    let get = client.get("other/e/01").await.expect(200);
    get.expect_body(vec![1; 20_000]);
    let head = client.head("other/e/02").await.expect(200);
    head.expect_header("x-object-meta-number", "other");
    client.delete("new").await.expect(204);
}

/// Storage, mirror and counters are one, byte for byte.
async fn is_consistent(server: &Server) {
    let command = CommandLine::at(&server.auth_url(), "admin:admin", ADMIN_PASSWORD);
    let ended = command.run(&["check", "--deep", "--json"]).await;
    let report: Value = serde_json::from_slice(&ended.out).expect("a report is JSON");
    let differences = &report["differences"];
    assert_eq!((ended.code, differences), (0, &Value::from(0)), "{report}");
}

/// The data is on the disk, and the database elsewhere.
fn elsewhere_on(disk: &Disk) -> Builder {
    let builder = Server::builder().setting(SETTINGS).shape(Shape::Single);
    let elsewhere = format!("sqlite:{}", builder.directory().join("stobj.sqlite").display());
    let builder = builder.database(Database::Sqlite);
    builder.variable(DATABASE_SETTING, &elsewhere).data_on(disk)
}

/// Asks until it is answered with this status.
async fn until(status: u16, ask: impl AsyncFn() -> u16) {
    let is_so = || async { ask().await == status };
    cluster::until(&format!("an answer {status}"), is_so).await;
}

async fn says(server: &Server, words: &str) {
    let is_said = || async { !server.log().lines_with(words).is_empty() };
    cluster::until(&format!("the server says {words:?}"), is_said).await;
}

/// The store goes on, and has forgotten nothing, after a restart either.
async fn goes_on(server: Server) {
    let client = server.tester().await;
    is_unchanged(&client).await;
    everything_is_taken(&client).await;
    is_changed(&client).await;
    is_consistent(&server).await;
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    client.put("new", "").await.expect(201);
    is_changed(&client).await;
    is_consistent(&server).await;
}

/// A change of one of the objects, and what there is when it was made: the object's present name and content, if any.
struct Step {
    number: usize,
    request: Request,
    after: Option<(String, Vec<u8>)>,
}

/// One of each kind, each with an object of its own.
fn steps(client: &Client, round: usize) -> Vec<Step> {
    let name = |number: usize| format!("c/d/{number:02}");
    let mut steps = Vec::new();
    let first = round * 4;
    for number in first..first + 4 {
        let (request, after) = match number % 4 {
            0 => {
                let new = vec![b'0' + u8::try_from(number).unwrap_or(0); 50_000];
                (client.put(&name(number), new.clone()), Some((name(number), new)))
            }
            1 => (client.delete(&name(number)), None),
            2 => {
                let to = format!("c/deep/{number}/moved");
                (moving(client, &name(number), &to), Some((to, content(number))))
            }
            _ => {
                let post = client.post(&name(number)).header("x-object-meta-color", "blue");
                (post, Some((name(number), content(number))))
            }
        };
        steps.push(Step {
            number,
            request,
            after,
        });
    }
    steps
}

/// What is there now of the object of this number, and whether that is what it should be: as it was before, whole, or as it is
/// after a change that was made, or may have been.
async fn is_whole(client: &Client, number: usize, was_made: Option<bool>, after: Option<&(String, Vec<u8>)>) {
    let before = Some((format!("c/d/{number:02}"), content(number)));
    let mut there = None;
    for (name, _) in before.iter().chain(after) {
        let get = client.get(name).await.expect_one_of(&[200, 404]);
        if get.status() == 200 {
            let found = (name.clone(), get.body().to_vec());
            assert!(there.is_none() || there.as_ref() == Some(&found), "{name} twice");
            there = Some(found);
        }
    }
    let is_after = there.as_ref() == after;
    let is_before = there == before;
    let is_right = match was_made {
        Some(true) => is_after,
        Some(false) => is_before,
        None => is_after || is_before,
    };
    assert!(
        is_right,
        "{number}: {was_made:?}, {:?}",
        there.map(|(name, _)| name)
    );
}

#[tokio::test]
async fn what_a_disk_lost_is_not_acknowledged_and_the_journal_goes_on() {
    let Some(disk) = Disk::of(64) else { return };
    let server = elsewhere_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    disk.fail_all_writes();
    // Some it still takes: where something lies already there is room.
    let mut made = Vec::new();
    for round in 0..3 {
        for step in steps(&client, round) {
            let answer = step.request.await;
            let answer = answer.expect_one_of(&[201, 202, 204, 503, 507]);
            made.push((step.number, (answer.status() < 300).then_some(true), step.after));
        }
        let journal_failed = || async {
            let post = client
                .post("other")
                .header("x-container-meta-color", &round.to_string());
            post.await.expect_one_of(&[204, 503, 507]);
            !server
                .log()
                .lines_with("the journal cannot be written")
                .is_empty()
        };
        cluster::until("the journal fails", journal_failed).await;
    }
    for (number, was_made, after) in &made {
        is_whole(&client, *number, *was_made, after.as_ref()).await;
    }
    disk.fail_writes(false);
    says(&server, "the journal can be written again").await;
    until(201, async || client.put("c/again", "again").await.status()).await;
    client.delete("c/again").await.expect(204);
    for (number, was_made, after) in &made {
        is_whole(&client, *number, *was_made, after.as_ref()).await;
    }
    is_consistent(&server).await;
    let server = server.kill().await.start().await;
    let client = server.tester().await;
    for (number, was_made, after) in &made {
        is_whole(&client, *number, *was_made, after.as_ref()).await;
    }
    is_consistent(&server).await;
}

#[tokio::test]
async fn a_disk_that_is_read_only_for_a_while_is_read() {
    let Some(disk) = Disk::of(64) else { return };
    let server = elsewhere_on(&disk).start().await;
    fill(&server.tester().await).await;
    let private = server.objects().join(".stobj");
    let server = server.stop().await;
    disk.keep_apart(&[&private.join("lock"), &private.join("journal")]);
    let server = server.start().await;
    let client = server.tester().await;
    is_unchanged(&client).await;
    disk.protect(true).await;
    nothing_is_taken(&client).await;
    is_unchanged(&client).await;
    disk.protect(false).await;
    client.put("c/again", "again").await.expect(201);
    client.delete("c/again").await.expect(204);
    goes_on(server).await;
}

#[tokio::test]
async fn a_copy_of_the_storage_is_not_taken_for_it() {
    let Some(disk) = Disk::of(64) else { return };
    let server = Server::builder().setting(SETTINGS).data_on(&disk).start().await;
    let client = server.tester().await;
    fill(&client).await;
    let Some(copy) = disk.after_power_cut() else {
        return;
    };
    disk.unmount();
    copy.stand_in_for(&disk, true);
    let get = async || client.get("c/d/01").await.status();
    until(503, get).await;
    nothing_is_taken(&client).await;
    says(&server, "is on another file system than at the start").await;
    copy.stand_in_for(&disk, false);
    disk.mount();
    until(200, get).await;
    goes_on(server).await;
}
