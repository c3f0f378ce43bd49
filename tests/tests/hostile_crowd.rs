//! Thousands of clients that are slow on purpose.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]
#![expect(
    clippy::print_stderr,
    reason = "how many there were, where a machine does not allow all of them"
)]

use std::time::Duration;

use futures::future::join_all;
use integration_tests::stopwatch::within;
use integration_tests::{Client, Connection, Server, Shape};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Slow clients, where the machine allows so many open files.
const CROWD: usize = 10_000;
/// With fewer the test says nothing.
const FEWEST: usize = 2_000;
/// Open files for everything else.
const SPARE: usize = 500;
/// The most memory that the server may ever hold.
const MOST_MEMORY: u64 = 256 << 20;
/// A client of good will waits no longer for anything, on the slowest machine.
const PROMPTLY: Duration = Duration::from_secs(10);
/// So many connect at once.
const AT_ONCE: usize = 100;

/// How many clients this process can be.
fn crowd() -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
    let allowed = limit
        .maximum
        .map_or(usize::MAX, |files| usize::try_from(files).unwrap());
    let crowd = CROWD.min(allowed.saturating_sub(SPARE));
    assert!(crowd >= FEWEST, "only {allowed} open files are allowed here");
    if crowd < CROWD {
        eprintln!("only {allowed} open files are allowed here, so these are {crowd} clients");
    }
    crowd
}

/// Connects, sends `bytes`, and reads until `answer` is there.
async fn slow(server: &Server, bytes: &str, answer: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(server.address().parse().unwrap()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut seen = vec![0; answer.len()];
    stream.read_exact(&mut seen).await.unwrap();
    assert_eq!(String::from_utf8(seen).unwrap(), answer, "to {bytes:?}");
    stream
}

/// That many of them. Some at a time, each time until the server has taken them on: what waits for that in the kernel is
/// given up after a while, and the client hears of it much later.
async fn many(count: usize, server: &Server, bytes: &str, answer: &str) -> Vec<TcpStream> {
    let mut streams = Vec::new();
    while streams.len() < count {
        let some = AT_ONCE.min(count - streams.len());
        streams.extend(join_all((0..some).map(|_| slow(server, bytes, answer))).await);
        expect_information(server).await;
    }
    streams
}

/// A connection is taken on after those that were made before it.
async fn expect_information(server: &Server) {
    let request = "GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    assert_eq!(Connection::statuses(server, request).await, [200]);
}

/// What a client of good will does.
async fn work(server: &Server, client: &Client) {
    let work = async {
        client.put("c/small", "small").await.expect(201);
        client.get("c/small").await.expect(200).expect_body("small");
        client.list("c").await.expect_entries(&["large", "small"]);
        client.delete("c/small").await.expect(204);
        expect_information(server).await;
    };
    within(PROMPTLY, "a client of good will is served", work).await;
}

#[tokio::test]
async fn a_crowd_of_slow_clients_takes_little_memory_and_holds_nobody_up() {
    let crowd = crowd();
    let patient = "[proxy]\nclient_timeout = \"10m\"\nheader_timeout = \"10m\"\nidle_timeout = \"10m\"\n\
                   [filter.proxy-logging]\naccess_log = false";
    let server = Server::builder().setting(patient).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/large", vec![7; 8 << 20]).await.expect(201);
    let token = client.token();
    let head = |line: &str| format!("{line} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\n");
    let upload = format!(
        "{}Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n",
        head("PUT /v1/AUTH_test/c/slow")
    );
    let download = format!("{}\r\n", head("GET /v1/AUTH_test/c/large"));
    let mut slow = Vec::new();
    // A proxy has a connection of its own for each upload, and for each download up to half a MiB besides.
    let (silent, uploads, downloads) = match Shape::wanted() {
        Shape::Single => (40, 10, 10),
        Shape::Split => (60, 5, 1),
    };
    for (percent, bytes, answer) in [
        (silent, "", ""),
        (
            100 - silent - uploads - downloads,
            head("GET /v1/AUTH_test").as_str(),
            "",
        ),
        (uploads, upload.as_str(), "HTTP/1.1 100 Continue\r\n\r\n"),
        (downloads, download.as_str(), "HTTP/1.1 200 OK\r\n"),
    ] {
        slow.extend(many(crowd * percent / 100, &server, bytes, answer).await);
        let (memory, connections) = (server.peak_memory(), slow.len());
        assert!(
            memory < MOST_MEMORY,
            "{} MiB with {connections} connections",
            memory >> 20
        );
        work(&server, &client).await;
    }
    // Some bytes more, which is no end to anything.
    for stream in slow.iter_mut().skip(crowd * silent / 100) {
        stream.write_all(b"x").await.unwrap();
    }
    work(&server, &client).await;
    let memory = server.peak_memory();
    assert!(memory < MOST_MEMORY, "{} MiB", memory >> 20);
    eprintln!("{} MiB with {} slow clients", memory >> 20, slow.len());
    drop(slow);
    work(&server, &client).await;
}

#[tokio::test]
async fn heads_that_never_end_share_their_memory() {
    let patient = "[proxy]\nheader_timeout = \"10m\"\nidle_timeout = \"10m\"";
    let server = Server::builder().setting(patient).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    client.put("c/large", "large").await.expect(201);
    let begun = format!(
        "GET / HTTP/1.1\r\n{}",
        format!("X: {}\r\n", "x".repeat(2000)).repeat(100)
    );
    // 600 of these would be 117 MiB; those that go beyond what there is for all are hung up on.
    let mut slow = many(600, &server, &begun, "").await;
    work(&server, &client).await;
    let mut ended = 0;
    for stream in &mut slow {
        let mut byte = [0];
        let read = timeout(Duration::from_millis(10), stream.read(&mut byte)).await;
        ended += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!((300..600).contains(&ended), "{ended} were hung up on");
    let memory = server.peak_memory();
    assert!(memory < MOST_MEMORY, "{} MiB", memory >> 20);
}

#[tokio::test]
async fn an_upload_too_many_that_has_to_be_waited_for_is_503() {
    let server = Server::builder()
        .setting("[proxy]\nmax_waiting_uploads = 3")
        .start()
        .await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    let token = client.token();
    let upload = |name: &str| {
        format!(
            "PUT /v1/AUTH_test/c/{name} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        )
    };
    let mut waiting = Vec::new();
    for name in ["a", "b", "c"] {
        waiting.push(slow(&server, &upload(name), "HTTP/1.1 100 Continue\r\n\r\n").await);
    }
    let mut late = Connection::open(&server).await;
    late.send(upload("late")).await;
    let interim = late.response().await.expect_one_of(&[100, 503]);
    let answer = if interim.status() == 100 {
        late.response().await
    } else {
        interim
    };
    answer.expect(503).expect_header("retry-after", "5");
    late.closed().await;
    // Who does not have to be waited for is served, and who is waited for goes on.
    let mut whole = Connection::open(&server).await;
    let request = upload("whole").replace("Expect: 100-continue\r\n", "");
    whole
        .send(format!("{request}abc"))
        .await
        .response()
        .await
        .expect(201);
    for stream in &mut waiting {
        stream.write_all(b"abc").await.unwrap();
        let mut line = [0; 12];
        stream.read_exact(&mut line).await.unwrap();
        assert_eq!(&line, b"HTTP/1.1 201");
    }
    client.list("c").await.expect_entries(&["a", "b", "c", "whole"]);
    client.put("c/again", "x").await.expect(201);
}
