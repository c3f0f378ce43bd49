//! An object-server that hangs, and clients that are slow: nobody waits for ever, and nobody's memory grows.

use std::time::Duration;

use bytes::Bytes;
use integration_tests::cluster::until;
use integration_tests::{Client, Cluster, Connection, Process, Stopwatch};
use tokio::time::timeout;

const MIB: usize = 1024 * 1024;
const OBJECT: usize = 48 * MIB;
/// So long a proxy waits for an object-server here.
const HASTY: [(&str, &str); 2] = [
    ("STOBJ_CLUSTER__READ_TIMEOUT", "4s"),
    ("STOBJ_CLUSTER__WRITE_TIMEOUT", "4s"),
];
/// So long twice (the request, and one on the way to it), and as much again for the machine.
const BOUND: Duration = Duration::from_secs(16);

struct Store {
    cluster: Cluster,
    account_server: Process,
    object_server: Process,
    proxy: Process,
}

impl Store {
    async fn start(settings: &str) -> (Self, Client) {
        let cluster = Cluster::with_settings(settings).await;
        let account_server = cluster.start("account-server").await;
        let object_server = cluster.start("object-server").await;
        let proxy = cluster.start("proxy").await;
        let client = proxy.admin().await;
        client.put("c", "").await.expect(201);
        let store = Self {
            cluster,
            account_server,
            object_server,
            proxy,
        };
        (store, client)
    }

    async fn end(self) {
        for process in [self.proxy, self.object_server, self.account_server] {
            process.end().await;
        }
        drop(self.cluster);
    }
}

fn head(client: &Client, method: &str, name: &str, length: usize) -> String {
    let (base, token) = (client.base(), client.token());
    format!(
        "{method} {base}/c/{name} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: {token}\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Sends until nothing more is taken for a second; how much was.
async fn fill(connection: &mut Connection, length: usize) -> usize {
    let chunk = vec![b'x'; 64 * 1024];
    let mut taken = 0;
    while taken < length {
        match timeout(
            Duration::from_secs(1),
            connection.send_some(&chunk[..chunk.len().min(length - taken)]),
        )
        .await
        {
            Ok(bytes) => taken += bytes,
            Err(_) => break,
        }
    }
    taken
}

#[tokio::test]
async fn an_object_server_that_hangs_costs_a_clear_answer_in_time() {
    let (store, patient) = Store::start("").await;
    let content = Bytes::from(vec![b'y'; OBJECT]);
    patient.put("c/o", content.clone()).await.expect(201);
    let proxy = store.cluster.start_with("proxy", &HASTY).await;
    let client = proxy.admin().await;
    // One download and one upload are under way.
    let mut download = Connection::to(&proxy).await;
    download.send(head(&client, "GET", "o", 0)).await;
    download.head_of_response().await;
    let mut upload = Connection::to(&proxy).await;
    upload.send(head(&client, "PUT", "p", OBJECT)).await;
    upload.send(&content[..MIB]).await;
    store.object_server.freeze();
    let watch = Stopwatch::start();
    let (received, _) = tokio::join!(download.closed(), fill(&mut upload, OBJECT - MIB));
    assert!(received.len() < OBJECT, "it had been sent before");
    upload.response().await.expect(503);
    for request in [
        client.get("c/o"),
        client.put("c/q", "x"),
        client.put("c/q", ""),
        client.delete("c/o"),
    ] {
        request.await.expect(503).expect_header("retry-after", "1");
    }
    assert!(watch.elapsed() < BOUND, "{:?}", watch.elapsed());
    // It is known to be away now: nobody waits for it any more, which would take all of them 80 s.
    let watch = Stopwatch::start();
    for _ in 0..20 {
        client.get("c/o").await.expect(503);
    }
    assert!(watch.elapsed() < Duration::from_secs(4), "{:?}", watch.elapsed());
    store.object_server.thaw();
    until("the object-server answers again", || async {
        client.head("c/o").await.status() == 200
    })
    .await;
    patient.get("c/o").await.expect(200).expect_body(&content);
    patient.get("c/p").await.expect(404);
    proxy.end().await;
    store.end().await;
}

#[tokio::test]
async fn slow_clients_fill_no_memory() {
    const CLIENTS: usize = 8;
    const MOST: u64 = 128 * MIB as u64;
    let (store, client) = Store::start("").await;
    let content = Bytes::from(vec![b'y'; OBJECT]);
    client.put("c/o", content.clone()).await.expect(201);
    let mut slow = Vec::new();
    for _ in 0..CLIENTS {
        let mut connection = Connection::to(&store.proxy).await;
        connection.send(head(&client, "GET", "o", 0)).await;
        connection.head_of_response().await;
        slow.push(connection);
    }
    // Others are served meanwhile, which takes much longer than to fill whatever buffers there are.
    client.get("c/o").await.expect(200).expect_body(&content);
    // An upload to a server that takes nothing stops soon.
    let mut upload = Connection::to(&store.proxy).await;
    upload.send(head(&client, "PUT", "p", OBJECT)).await;
    upload.send(&content[..MIB]).await;
    store.object_server.freeze();
    let taken = fill(&mut upload, OBJECT - MIB).await;
    store.object_server.thaw();
    assert!(taken < OBJECT / 2, "{taken} bytes were taken by nobody");
    upload.send(&content[..OBJECT - MIB - taken]).await;
    upload.response().await.expect(201);
    for connection in &mut slow {
        assert_eq!(connection.exactly(OBJECT).await.len(), OBJECT);
    }
    for process in [&store.proxy, &store.object_server, &store.account_server] {
        let peak = process.peak_memory();
        assert!(peak < MOST, "{} MiB", peak / MIB as u64);
    }
    let head = client.head("c/p").await.expect(200);
    assert_eq!(head.number("content-length"), OBJECT as u64);
    store.end().await;
}
