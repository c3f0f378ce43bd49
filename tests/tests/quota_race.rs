//! Many clients at the end of the room: never a byte too much, and in the end none too little.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use integration_tests::mariadb::{Fault, OwnDatabase, Way};
use integration_tests::server::DATABASE_SETTING;
use integration_tests::{Chance, Client, Database, Server, Shape};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

const CLIENTS: usize = 64;
const ROUNDS: usize = 25;
/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// Samplers of what is there, all the while.
const SAMPLERS: usize = 2;

/// Limits of the account, and narrower ones of the container `limited`.
const ACCOUNT: Limits = Limits {
    bytes: 60_000,
    objects: 50,
};
const CONTAINER: Limits = Limits {
    bytes: 35_000,
    objects: 25,
};
const CONTAINERS: [&str; 2] = ["limited", "free"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limits {
    bytes: u64,
    objects: u64,
}

impl Limits {
    fn assert_hold(self, used: Self, of: &str) {
        assert!(
            used.bytes <= self.bytes && used.objects <= self.objects,
            "{of} holds {used:?}, and may hold {self:?}"
        );
    }
}

async fn account(client: &Client) -> Limits {
    let head = client.head("").await.expect(204);
    Limits {
        bytes: head.number("x-account-bytes-used"),
        objects: head.number("x-account-object-count"),
    }
}

async fn container(client: &Client, name: &str) -> Limits {
    let head = client.head(name).await.expect(204);
    Limits {
        bytes: head.number("x-container-bytes-used"),
        objects: head.number("x-container-object-count"),
    }
}

/// What came of all requests.
#[derive(Debug, Default)]
struct Outcomes {
    stored: AtomicUsize,
    refused: AtomicUsize,
    removed: AtomicUsize,
    changed: Notify,
}

impl Outcomes {
    fn count(&self, outcome: &AtomicUsize) {
        outcome.fetch_add(1, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    fn sum(&self) -> usize {
        let counts = [&self.stored, &self.refused, &self.removed];
        counts.map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }

    /// Waits until so many requests were answered.
    async fn reached(&self, wanted: usize) {
        loop {
            let changed = self.changed.notified();
            if self.sum() >= wanted {
                return;
            }
            let waited = timeout(PATIENCE, changed).await;
            waited.expect("clients get answers, unless one of them failed");
        }
    }
}

/// One client's part: anything to any object, those of the others too. It ends when the server does.
async fn hammer(client: Client, seed: u64, outcomes: Arc<Outcomes>) {
    let mut chance = Chance::new(seed);
    for _ in 0..ROUNDS {
        let path = |chance: &mut Chance| {
            let container = CONTAINERS[usize::from(chance.below(3) == 0)];
            format!("{container}/o{}", chance.below(40))
        };
        let (at, size) = (path(&mut chance), chance.below(4000));
        let response = match chance.below(10) {
            0..5 => client.put(&at, vec![b'p'; size]),
            5 | 6 => client.put_chunked(&at, size),
            7 => client.copy(&at, &path(&mut chance)),
            _ => client.delete(&at),
        };
        let Ok(response) = response.send().await else {
            return;
        };
        let counted = match response.status() {
            201 | 202 => &outcomes.stored,
            413 => &outcomes.refused,
            // A DELETE that another write overtook is a conflict.
            204 | 404 | 409 => &outcomes.removed,
            _ => {
                response.expect(201);
                continue;
            }
        };
        outcomes.count(counted);
    }
}

/// Looks at the counters until the end; how often it did.
async fn sample(client: Client, is_over: Arc<AtomicBool>) -> usize {
    let mut samples = 0;
    while !is_over.load(Ordering::Relaxed) {
        ACCOUNT.assert_hold(account(&client).await, "the account");
        CONTAINER.assert_hold(container(&client, CONTAINERS[0]).await, "the container");
        samples += 1;
    }
    samples
}

async fn set_limits(client: &Client, admin: &Client) {
    for container in CONTAINERS {
        client.put(container, "").await.expect(201);
    }
    let post = client.post(CONTAINERS[0]);
    let post = post.header("x-container-meta-quota-bytes", &CONTAINER.bytes.to_string());
    let post = post.header("x-container-meta-quota-count", &CONTAINER.objects.to_string());
    post.await.expect(204);
    let post = admin.post("");
    let post = post.header("x-account-quota-bytes", &ACCOUNT.bytes.to_string());
    let post = post.header("x-account-quota-count", &ACCOUNT.objects.to_string());
    post.await.expect(204);
}

/// All clients at once, with samplers beside them. `meanwhile` happens when half of the changes are made.
async fn race(server: &Server, meanwhile: impl AsyncFnOnce()) {
    let outcomes = Arc::new(Outcomes::default());
    let is_over = Arc::new(AtomicBool::new(false));
    let owner = server.tester().await;
    let admin = admin(server).await;
    let mut samplers = JoinSet::new();
    for _ in 0..SAMPLERS {
        samplers.spawn(sample(owner.clone(), Arc::clone(&is_over)));
    }
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = if number % 4 == 0 { &admin } else { &owner };
        clients.spawn(hammer(client.clone(), number as u64, Arc::clone(&outcomes)));
    }
    outcomes.reached(CLIENTS * ROUNDS / 2).await;
    meanwhile().await;
    while let Some(ended) = clients.join_next().await {
        ended.expect("a client found something wrong");
    }
    assert_eq!(outcomes.sum(), CLIENTS * ROUNDS, "a connection broke");
    is_over.store(true, Ordering::Relaxed);
    while let Some(samples) = samplers.join_next().await {
        assert!(samples.expect("a sampler found too much") > 0);
    }
    for (count, what) in [
        (&outcomes.stored, "stored"),
        (&outcomes.refused, "refused"),
        (&outcomes.removed, "removed"),
    ] {
        assert!(count.load(Ordering::Relaxed) > CLIENTS, "{what}: {outcomes:?}");
    }
}

/// The counters are those of what is there, and all of the rest can be filled, and not a byte or object more.
async fn nothing_is_wasted(client: &Client) {
    let mut sum = Limits { bytes: 0, objects: 0 };
    for name in CONTAINERS {
        let listing = client.list(name).await.expect(200).json();
        let entries = listing.as_array().cloned().unwrap_or_default();
        let sizes = entries.iter().filter_map(|entry| entry["bytes"].as_u64());
        let listed = Limits {
            bytes: sizes.sum(),
            objects: entries.len() as u64,
        };
        assert_eq!(container(client, name).await, listed);
        sum.bytes += listed.bytes;
        sum.objects += listed.objects;
    }
    assert_eq!(account(client).await, sum);

    // First a place for each filler, then all bytes that there are.
    for name in CONTAINERS {
        for path in client.list(name).await.expect(200).entries().iter().take(3) {
            client.delete(&format!("{name}/{path}")).await.expect(204);
        }
    }
    client.put("limited/filler", "").await.expect(201);
    client.put("free/filler", "").await.expect(201);
    let account_rest = ACCOUNT.bytes - account(client).await.bytes;
    let container_rest = CONTAINER.bytes - container(client, "limited").await.bytes;
    fill(client, "limited/filler", container_rest.min(account_rest)).await;
    let rest = ACCOUNT.bytes - account(client).await.bytes;
    fill(client, "free/filler", rest).await;
    assert_eq!(account(client).await.bytes, ACCOUNT.bytes);

    for name in CONTAINERS {
        for number in 0.. {
            let path = format!("{name}/count {number}");
            // From an earlier time.
            if client.head(&path).await.status() == 200 {
                continue;
            }
            let is_full = account(client).await.objects == ACCOUNT.objects
                || (name == "limited" && container(client, name).await.objects == CONTAINER.objects);
            let status = if is_full { 413 } else { 201 };
            client.put(&path, "").await.expect(status);
            if is_full {
                break;
            }
        }
    }
    assert_eq!(account(client).await, ACCOUNT);
}

async fn fill(client: &Client, path: &str, rest: u64) {
    let rest = usize::try_from(rest).expect("limits are small");
    for _ in 0..2 {
        client.put(path, vec![b'f'; rest + 1]).await.expect(413);
        client.put_chunked(path, rest + 1).await.expect(413);
        client.put(path, vec![b'f'; rest]).await.expect(201);
        client.put_chunked(path, rest).await.expect(201);
    }
}

/// What was full is full, and what is removed can be filled again.
async fn is_full(client: &Client) {
    assert_eq!(account(client).await, ACCOUNT);
    client.put("free/one more", "").await.expect(413);
    let filler = client
        .head("free/filler")
        .await
        .expect(200)
        .number("content-length");
    let larger = usize::try_from(filler + 1).expect("limits are small");
    client.put("free/filler", vec![b'x'; larger]).await.expect(413);
    client.delete("free/filler").await.expect(204);
    client
        .put("free/filler", vec![b'x'; larger - 1])
        .await
        .expect(201);
    assert_eq!(account(client).await, ACCOUNT);
}

#[tokio::test]
async fn many_clients_never_exceed_a_limit_and_waste_nothing() {
    let server = Server::start().await;
    let client = server.tester().await;
    set_limits(&client, &admin(&server).await).await;
    race(&server, async || ()).await;
    nothing_is_wasted(&client).await;
    let server = server.kill().await.start().await;
    is_full(&server.tester().await).await;
    let server = server.stop().await.start().await;
    is_full(&server.tester().await).await;
    race(&server, async || ()).await;
    nothing_is_wasted(&server.tester().await).await;
}

#[tokio::test]
async fn without_the_database_limits_hold_as_well() {
    let database = OwnDatabase::create().await;
    let way = Way::to(&database.url()).await;
    let builder = Server::builder().shape(Shape::Split).database(Database::Sqlite);
    let server = builder.variable(DATABASE_SETTING, &way.url()).start().await;
    let client = server.tester().await;
    set_limits(&client, &admin(&server).await).await;
    race(&server, async || way.set(Fault::Cut)).await;
    nothing_is_wasted(&client).await;
    is_full(&client).await;
    way.set(None);
    is_full(&client).await;
    let server = server.stop().await.start().await;
    is_full(&server.tester().await).await;
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_midst_keeps_its_limits() {
    let mut server = Server::start().await;
    set_limits(&server.tester().await, &admin(&server).await).await;
    for round in 0..3 {
        let outcomes = Arc::new(Outcomes::default());
        let client = server.tester().await;
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let seed = (round * CLIENTS + number) as u64;
            clients.spawn(hammer(client.clone(), seed, Arc::clone(&outcomes)));
        }
        outcomes.reached(CLIENTS * 2).await;
        server = server.kill().await.start().await;
        while let Some(ended) = clients.join_next().await {
            ended.unwrap_or_else(expect_no_server);
        }
        let client = server.tester().await;
        ACCOUNT.assert_hold(account(&client).await, "the account");
        CONTAINER.assert_hold(container(&client, CONTAINERS[0]).await, "the container");
        nothing_is_wasted(&client).await;
    }
}

/// Passes on whatever a client found wrong, but that there was no server to connect to.
fn expect_no_server(failed: JoinError) {
    let panic = failed.into_panic();
    let text = panic.downcast_ref::<String>();
    if !text.is_some_and(|text| text.starts_with("the server listens")) {
        std::panic::resume_unwind(panic);
    }
}

/// Administrators are no exception.
async fn admin(server: &Server) -> Client {
    let admin = server.admin().await;
    admin.at_account("AUTH_test")
}
