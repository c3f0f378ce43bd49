//! Every request of the corpus, as it stands and changed in many ways, against a running server: it goes on, and nothing
//! is touched that no request may touch.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use integration_tests::{Client, Connection, Server};

/// Waiting for what never comes ends soon.
const SETTING: &str = "[proxy]\nclient_timeout = \"10s\"\nheader_timeout = \"10s\"\nidle_timeout = \"10s\"";

/// How often each request is changed; set for a long run by hand.
const ROUNDS: &str = "STOBJ_TEST_CORPUS_ROUNDS";

/// So many connections at once, so that waiting for time-outs costs little.
const AT_ONCE: usize = 64;

fn corpus(client: &Client) -> BTreeMap<String, Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/http");
    let mut requests = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        requests.insert(name, with_token(&std::fs::read(&path).unwrap(), client.token()));
    }
    assert!(requests.len() > 20, "there is a corpus");
    requests
}

fn with_token(request: &[u8], token: &str) -> Vec<u8> {
    const PLACE: &[u8] = b"{token}";
    let mut with = Vec::new();
    let mut rest = request;
    while let Some(at) = rest.windows(PLACE.len()).position(|window| window == PLACE) {
        with.extend(&rest[..at]);
        with.extend(token.as_bytes());
        rest = &rest[at + PLACE.len()..];
    }
    with.extend(rest);
    with
}

/// Enough to change requests with; the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }

    /// `request` with a byte turned, left out or put in, a piece of another put in, a line moved, or its end cut off.
    fn changed(&mut self, request: &[u8], other: &[u8]) -> Vec<u8> {
        const SHARP: &[u8] = b"\r\n\n\r \t:;,/%?#0\0\x7f\x80\xff";
        let mut changed = request.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(changed.len() + 1);
            match self.below(6) {
                0 if at < changed.len() => changed[at] ^= 1 << self.below(8),
                1 if at < changed.len() => drop(changed.remove(at)),
                2 => changed.insert(at, SHARP[self.below(SHARP.len())]),
                3 => {
                    let from = self.below(other.len() + 1);
                    let to = from + self.below(other.len() - from + 1);
                    changed.splice(at..at, other[from..to].iter().copied());
                }
                4 if !changed.is_empty() => {
                    let mut lines: Vec<_> = changed.split_inclusive(|&byte| byte == b'\n').collect();
                    let (one, two) = (self.below(lines.len()), self.below(lines.len()));
                    lines.swap(one, two);
                    changed = lines.concat();
                }
                _ => changed.truncate(at),
            }
        }
        changed
    }
}

/// What stands beside the objects of the account: whatever appears there was not to.
fn outside(server: &Server) -> Vec<PathBuf> {
    let data = server.data();
    let directories = [data.parent().unwrap().to_owned(), data.clone(), server.objects()];
    let entries = directories
        .iter()
        .flat_map(|directory| std::fs::read_dir(directory).unwrap());
    let mut found: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    // SQLite's own come and go.
    found.retain(|path| !path.to_string_lossy().contains("sqlite-"));
    found.sort();
    found
}

/// Sends each on a connection of its own, says that nothing more comes, and takes what is answered.
async fn send_all(server: &Server, requests: &[Vec<u8>]) {
    for some in requests.chunks(AT_ONCE) {
        let sent = some.iter().map(|request| async move {
            let mut connection = Connection::open(server).await;
            connection.send(request).await;
            connection.finish().await;
            connection.closed().await
        });
        for answer in futures::future::join_all(sent).await {
            assert!(
                !answer.starts_with(b"HTTP/1.1 500"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
        }
    }
}

#[tokio::test]
async fn the_corpus_harms_nothing() {
    let server = Server::builder().setting(SETTING).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/o", "0123456789").await.expect(201);
    // A second account, which the first one's token does not open.
    let other = server.login("test2:tester2", "testing2").await;
    other.put("kept", "").await.expect(201);
    other.put("kept/kept", "kept").await.expect(201);
    let before = outside(&server);

    let corpus: Vec<_> = corpus(&client).into_values().collect();
    send_all(&server, &corpus).await;
    let rounds: usize = std::env::var(ROUNDS).map_or(10, |rounds| rounds.parse().unwrap());
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..rounds {
        let changed: Vec<_> = corpus
            .iter()
            .map(|request| {
                let other = &corpus[dice.below(corpus.len())];
                dice.changed(request, other)
            })
            .collect();
        send_all(&server, &changed).await;
        other.get("kept/kept").await.expect(200).expect_body("kept");
    }

    assert_eq!(outside(&server), before);
    let panics = server.log().lines_with("panicked");
    assert!(panics.is_empty(), "{panics:?}");
    client.get("").await.expect_one_of(&[200, 204]);
    client.put("after", "").await.expect_one_of(&[201, 202]);
    client.put("after/o", "whole").await.expect(201);
    client.get("after/o").await.expect(200).expect_body("whole");
    assert!(server.peak_memory() < 256 << 20, "{} bytes", server.peak_memory());
}
