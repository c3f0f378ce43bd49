//! The order in which a change reaches the disk, as the kernel saw it.
//!
//! Each test runs the server's processes under `strace` and reads the system calls of one request, in the order in which
//! they ended. Where the system forbids to trace a process, there is nothing to read and the tests say so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use integration_tests::{Client, Server, Shape, program};
use tokio::process::Command;
use tokio::time::Instant;

const CALLS: &str = "fsync,fdatasync,rename,renameat,renameat2,linkat,unlink,unlinkat,mkdirat,fsetxattr,setxattr,\
    write,pwrite64,writev,pwritev,sendto,sendmsg";

/// A server whose system calls are written down.
struct Traced {
    server: Server,
    /// One of each process.
    traces: Vec<PathBuf>,
}

/// The calls of one request: from just before it was sent to its answer.
#[derive(Debug)]
struct Calls(Vec<String>);

impl Traced {
    #[expect(
        clippy::print_stdout,
        reason = "whoever runs the tests wants to know what was not tested"
    )]
    async fn start() -> Option<Self> {
        let probe = program::finish(Command::new("strace").args(["-f", "-o", "/dev/null", "true"])).await;
        if !probe.status.success() {
            let said = String::from_utf8_lossy(&probe.stderr);
            assert!(
                said.contains("ptrace") || said.contains("not permitted"),
                "strace: {said}"
            );
            println!("skipped: this system does not permit to trace a process");
            return None;
        }
        let builder = Server::builder();
        let directory = builder.directory().to_owned();
        let trace = directory.join("trace-{part}");
        let calls = format!("trace={CALLS}");
        let path = trace.to_string_lossy().into_owned();
        // -D keeps the server our child; -y shows what file a descriptor is; -ttt and -T tell when a call ended.
        let command = [
            "strace",
            "-D",
            "-f",
            "-y",
            "-ttt",
            "-T",
            "-s",
            "200",
            "-e",
            &calls,
            "-e",
            "signal=none",
            "-o",
            &path,
        ];
        let server = builder.wrapped_by(&command).start().await;
        let parts: &[&str] = match server.built().made_of().0 {
            Shape::Single => &["serve"],
            Shape::Split => &["proxy", "object-server", "account-server"],
        };
        let traces = parts.iter().map(|part| directory.join(format!("trace-{part}")));
        let traces = traces.collect();
        Some(Self { server, traces })
    }

    /// What the kernel did between two marks: answers that a client asked for just before and just after.
    async fn calls_of<F: Future<Output = ()>>(&self, client: &Client, request: F) -> Calls {
        let before = self.mark(client).await;
        request.await;
        let after = self.mark(client).await;
        let mut calls: Vec<_> = self.traces.iter().flat_map(|trace| ended(&read(trace))).collect();
        calls.sort_by(|one, other| one.0.total_cmp(&other.0));
        let place = |mark: &str| calls.iter().position(|(_, call)| call.contains(mark));
        let from = place(&before).expect("the mark is in the trace");
        let to = place(&after).expect("the mark is in the trace");
        Calls(calls.drain(from..to).map(|(_, call)| call).collect())
    }

    /// Asks for something and waits until the answer's transaction id is in the trace.
    async fn mark(&self, client: &Client) -> String {
        let response = client
            .request_at(http::Method::GET, "/healthcheck")
            .await
            .expect(200);
        let id = response.header("x-trans-id").to_owned();
        let start = Instant::now();
        // Strace shows a call in two lines when another one came between; only whole ones count.
        let is_there = || {
            ended(&read(&self.traces[0]))
                .iter()
                .any(|(_, call)| call.contains(&id))
        };
        while !is_there() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{id} is not in the trace"
            );
            tokio::task::yield_now().await;
        }
        id
    }
}

fn read(trace: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(trace).expect("strace writes its trace")).into_owned()
}

/// When each call ended, in seconds, and the call, whole also where others interrupted it.
fn ended(text: &str) -> Vec<(f64, String)> {
    let mut begun = std::collections::BTreeMap::new();
    let mut calls = Vec::new();
    for line in text.lines() {
        // The last line may not be whole.
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((time, call)) = rest.trim_start().split_once(' ') else {
            continue;
        };
        let Ok(time) = time.parse::<f64>() else {
            continue;
        };
        if let Some(first) = call.strip_suffix("<unfinished ...>") {
            begun.insert(thread, first.to_owned());
        } else if let Some((_, rest)) = call.split_once("resumed>") {
            calls.push((
                time,
                format!("{}{rest}", begun.remove(thread).unwrap_or_default()),
            ));
        } else {
            let took = call
                .rsplit_once('<')
                .and_then(|(_, took)| took.strip_suffix('>')?.parse().ok());
            calls.push((time + took.unwrap_or(0.0), call.to_owned()));
        }
    }
    calls
}

impl Calls {
    /// Where the first call stands that begins so and mentions this.
    #[track_caller]
    fn first(&self, names: &[&str], mention: &str) -> usize {
        let found = self
            .0
            .iter()
            .position(|call| is(call, names) && call.contains(mention));
        found.unwrap_or_else(|| panic!("no {names:?} of {mention:?} in\n{}", self.0.join("\n")))
    }

    /// Where the last such call stands.
    #[track_caller]
    fn last(&self, names: &[&str], mention: &str) -> usize {
        let found = self
            .0
            .iter()
            .rposition(|call| is(call, names) && call.contains(mention));
        found.unwrap_or_else(|| panic!("no {names:?} of {mention:?} in\n{}", self.0.join("\n")))
    }

    /// Where the last such call before `end` stands.
    #[track_caller]
    fn last_before(&self, end: usize, names: &[&str], mention: &str) -> usize {
        Self(self.0[..end].to_vec()).last(names, mention)
    }

    /// Where the first such call behind `start` stands.
    #[track_caller]
    fn first_after(&self, start: usize, names: &[&str], mention: &str) -> usize {
        start + 1 + Self(self.0[start + 1..].to_vec()).first(names, mention)
    }

    #[track_caller]
    fn in_order(&self, places: &[usize]) {
        let sorted = places.is_sorted_by(|one, next| one < next);
        assert!(sorted, "{places:?} are not in order in\n{}", self.0.join("\n"));
    }
}

fn is(call: &str, names: &[&str]) -> bool {
    let name = call.split('(').next().unwrap_or_default();
    names.contains(&name) && !call.contains("= -1 ")
}

const SYNC: &[&str] = &["fsync", "fdatasync"];
const WRITE: &[&str] = &["write", "pwrite64", "writev", "pwritev"];
const ATTRIBUTE: &[&str] = &["fsetxattr", "setxattr"];
const PUBLISH: &[&str] = &["rename", "renameat", "renameat2", "linkat"];
const REMOVE: &[&str] = &["unlink", "unlinkat", "rename", "renameat", "renameat2"];
const SEND: &[&str] = &["sendto", "sendmsg", "write", "writev"];
/// Part of the path of every file of the journal.
const JOURNAL: &str = "/.stobj/journal/";

#[tokio::test]
async fn a_put_is_synced_before_it_is_seen_and_again_before_it_is_answered() {
    let Some(traced) = Traced::start().await else {
        return;
    };
    let client = traced.server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/warm", "x").await.expect(201);
    let put = async {
        client
            .put("c/new-dir/new-name", "the-content-itself")
            .await
            .expect(201);
    };
    let calls = traced.calls_of(&client, put).await;

    let data = calls.first(WRITE, "the-content-itself");
    let attribute = calls.first_after(data, ATTRIBUTE, "");
    let publish = calls.first(PUBLISH, "new-name");
    let begin_synced = calls.last_before(publish, SYNC, JOURNAL);
    let begin = calls.last_before(begin_synced, WRITE, JOURNAL);
    let data_synced = calls.last_before(publish, SYNC, "/.stobj/");
    let commit = calls.first_after(publish, WRITE, JOURNAL);
    let commit_synced = calls.first_after(commit, SYNC, JOURNAL);
    let name_synced = calls.first_after(publish, SYNC, "/c/new-dir>");
    let directory_synced = calls.last(SYNC, "/AUTH_test/c>");
    let answer = calls.first(SEND, "HTTP/1.1 201");
    calls.in_order(&[begin, begin_synced, publish, commit, commit_synced, answer]);
    calls.in_order(&[data, attribute, publish, name_synced, answer]);
    calls.in_order(&[data, data_synced, publish, directory_synced, answer]);
}

#[tokio::test]
async fn a_post_is_synced_before_it_is_answered() {
    let Some(traced) = Traced::start().await else {
        return;
    };
    let client = traced.server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "content").await.expect(201);
    let post = async {
        client
            .post("c/o")
            .header("x-object-meta-a", "1")
            .await
            .expect(202);
    };
    let calls = traced.calls_of(&client, post).await;
    let attribute = calls.first(ATTRIBUTE, "");
    let begin_synced = calls.last_before(attribute, SYNC, JOURNAL);
    let attribute_synced = calls.first_after(attribute, SYNC, "/AUTH_test/c/o>");
    let commit = calls.first_after(attribute, WRITE, JOURNAL);
    let commit_synced = calls.first_after(commit, SYNC, JOURNAL);
    let answer = calls.first(SEND, "HTTP/1.1 202");
    calls.in_order(&[begin_synced, attribute, attribute_synced, answer]);
    calls.in_order(&[attribute, commit, commit_synced, answer]);
}

#[tokio::test]
async fn a_delete_is_synced_before_it_is_answered() {
    let Some(traced) = Traced::start().await else {
        return;
    };
    let client = traced.server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/old-name", "content").await.expect(201);
    let delete = async {
        client.delete("c/old-name").await.expect(204);
    };
    let calls = traced.calls_of(&client, delete).await;
    let remove = calls.first(REMOVE, "old-name");
    let begin_synced = calls.last_before(remove, SYNC, JOURNAL);
    let name_synced = calls.first_after(remove, SYNC, "/AUTH_test/c>");
    let commit = calls.first_after(remove, WRITE, JOURNAL);
    let commit_synced = calls.first_after(commit, SYNC, JOURNAL);
    let answer = calls.first(SEND, "HTTP/1.1 204");
    calls.in_order(&[begin_synced, remove, name_synced, answer]);
    calls.in_order(&[remove, commit, commit_synced, answer]);
}

#[tokio::test]
async fn a_get_syncs_nothing_and_asks_no_database() {
    let Some(traced) = Traced::start().await else {
        return;
    };
    let client = traced.server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "content").await.expect(201);
    client.get("c/o").await.expect(200);
    let get = async {
        client.get("c/o").await.expect(200).expect_body("content");
    };
    let calls = traced.calls_of(&client, get).await;
    let touching = |call: &&String| is(call, SYNC) || is(call, PUBLISH) || is(call, ATTRIBUTE);
    let found: Vec<_> = calls
        .0
        .iter()
        .filter(touching)
        .filter(|call| !call.contains("sqlite"))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
