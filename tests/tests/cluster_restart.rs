//! Servers that end, die, hang and come back while clients work: no object request fails, and no listing is wrong.
//!
//! A request waits at most 2 s for a process that is not there, by design. The tests allow [`SLOW`]: on a machine with
//! two busy cores the start of a process, and the work itself, take their time too.

use std::time::Duration;

use integration_tests::{Client, Cluster, Load, Process, Socket};

const SLOW: Duration = Duration::from_secs(6);
/// So many rounds each client goes through before, during and after what happens.
const ROUNDS: usize = 6;

/// Clients with a connection each, some at each of `proxies`.
async fn clients(proxies: &[&Process]) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..3 {
        for proxy in proxies {
            clients.push(proxy.admin().await);
        }
    }
    clients
}

async fn ended_quickly(load: Load) {
    let slowest = load.finish().await;
    assert!(slowest < SLOW, "a request took {slowest:?}");
}

/// A cluster at work, with the clients of one proxy.
struct AtWork {
    cluster: Cluster,
    object_server: Process,
    account_server: Process,
    proxy: Process,
    load: Load,
}

impl AtWork {
    async fn begin() -> Self {
        let cluster = Cluster::new().await;
        let account_server = cluster.start("account-server").await;
        let object_server = cluster.start("object-server").await;
        let proxy = cluster.start("proxy").await;
        proxy.admin().await.put("c", "").await.expect(201);
        let load = Load::start("c", clients(&[&proxy]).await);
        load.rounds(ROUNDS).await;
        Self {
            cluster,
            object_server,
            account_server,
            proxy,
            load,
        }
    }

    /// The work goes on and ends well, and all processes do.
    async fn end(self) {
        self.load.rounds(ROUNDS).await;
        ended_quickly(self.load).await;
        for process in [self.proxy, self.object_server, self.account_server] {
            process.end().await;
        }
    }
}

#[tokio::test]
async fn nobody_notices_when_the_account_server_ends_and_starts_again() {
    let mut at_work = AtWork::begin().await;
    at_work.account_server.end().await;
    at_work.load.rounds(ROUNDS).await;
    at_work.account_server = at_work.cluster.start("account-server").await;
    at_work.end().await;
}

#[tokio::test]
async fn nobody_notices_when_the_account_server_dies_and_starts_again() {
    let mut at_work = AtWork::begin().await;
    at_work.account_server.kill().await;
    at_work.load.rounds(ROUNDS).await;
    at_work.account_server = at_work.cluster.start("account-server").await;
    at_work.end().await;
}

#[tokio::test]
async fn nobody_notices_when_the_account_server_hangs_for_a_while() {
    let at_work = AtWork::begin().await;
    at_work.account_server.freeze();
    at_work.load.rounds(ROUNDS).await;
    at_work.account_server.thaw();
    at_work.end().await;
}

#[tokio::test]
async fn nobody_notices_when_the_proxy_ends_and_starts_again_on_its_socket() {
    let cluster = Cluster::new().await;
    let account_server = cluster.start("account-server").await;
    let object_server = cluster.start("object-server").await;
    let socket = Socket::open();
    let mut proxy = cluster.start_on(&socket, "proxy").await;
    proxy.admin().await.put("c", "").await.expect(201);
    let load = Load::start("c", clients(&[&proxy]).await);
    for _ in 0..2 {
        load.rounds(ROUNDS).await;
        proxy.end().await;
        proxy = cluster.start_on(&socket, "proxy").await;
    }
    load.rounds(ROUNDS).await;
    ended_quickly(load).await;
    for process in [proxy, object_server, account_server] {
        process.end().await;
    }
}

#[tokio::test]
async fn one_of_two_proxies_ends_and_starts_again_and_the_other_goes_for_good() {
    let cluster = Cluster::new().await;
    let account_server = cluster.start("account-server").await;
    let object_server = cluster.start("object-server").await;
    let socket = Socket::open();
    let lasting = cluster.start_on(&socket, "proxy").await;
    let passing = cluster.start("proxy").await;
    lasting.admin().await.put("c", "").await.expect(201);
    let stays = Load::start("c", clients(&[&lasting]).await);
    // Each has names of its own, so two loads need two containers.
    passing.admin().await.put("d", "").await.expect(201);
    let goes = Load::start("d", clients(&[&passing]).await);
    stays.rounds(ROUNDS).await;
    goes.rounds(ROUNDS).await;
    lasting.end().await;
    let lasting = cluster.start_on(&socket, "proxy").await;
    stays.rounds(ROUNDS).await;
    goes.rounds(ROUNDS).await;
    ended_quickly(goes).await;
    passing.end().await;
    stays.rounds(ROUNDS).await;
    ended_quickly(stays).await;
    for process in [lasting, object_server, account_server] {
        process.end().await;
    }
}

#[tokio::test]
async fn an_object_server_that_is_away_costs_a_clear_answer() {
    let cluster = Cluster::new().await;
    let socket = Socket::open();
    let account_server = cluster.start("account-server").await;
    let object_server = cluster.start("object-server").await;
    let proxy = cluster.start_on(&socket, "proxy").await;
    let client = proxy.admin().await;
    client.put("c", "").await.expect(201);
    object_server.end().await;
    // Whoever is refused is told to come back, and nobody is told anything wrong.
    for request in [
        client.get("c/o"),
        client.put("c/o", "x"),
        client.delete("c/o"),
        client.list("c"),
    ] {
        request.await.expect(503).expect_header("retry-after", "1");
    }
    let object_server = cluster.start("object-server").await;
    client.put("c/o", "x").await.expect(201);
    client.get("c/o").await.expect(200).expect_body("x");
    client.list("c").await.expect(200).expect_entries(&["o"]);
    for process in [proxy, object_server, account_server] {
        process.end().await;
    }
}
