//! A database that dies, hangs, runs full or forgets everything while clients work: none of them notices, and afterwards
//! the mirror is what storage is.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use integration_tests::cluster::until;
use integration_tests::fault::HeldDatabase;
use integration_tests::mariadb::{MariaDb, Mirror};
use integration_tests::mixed_load::MixedLoad;
use integration_tests::server::DATABASE_SETTING;
use integration_tests::{Database, Disk, Server, Shape};
use sqlx::ConnectOptions as _;
use sqlx::mysql::MySqlConnectOptions;

const WORKERS: usize = 3;

/// The longest that anybody waits, where the machine does nothing else.
const LONGEST: Duration = Duration::from_secs(2);

/// So long the outage lasts; `STOBJ_TEST_LONG` makes it 20 s.
fn outage() -> Duration {
    let is_long = std::env::var_os("STOBJ_TEST_LONG").is_some();
    Duration::from_secs(if is_long { 20 } else { 5 })
}

/// A store on a MariaDB of its own.
struct Store {
    mariadb: MariaDb,
    server: Server,
    load: MixedLoad,
    /// The longest that a request took without an outage, beside whatever else the machine does.
    usual: Duration,
}

impl Store {
    async fn start(mariadb: MariaDb) -> Self {
        let builder = Server::builder().database(Database::Sqlite);
        let server = builder.variable(DATABASE_SETTING, &mariadb.url()).start().await;
        let mut load = MixedLoad::start(&server, WORKERS).await;
        let usual = load.run(Duration::from_secs(1)).await.time;
        let store = Self {
            mariadb,
            server,
            load,
            usual,
        };
        store.caught_up().await;
        store
    }

    /// Clients work, and none of them waits.
    async fn work(&mut self) {
        let slowest = self.load.run(outage()).await;
        assert!(
            slowest.time < LONGEST + self.usual,
            "{slowest:?}, usually {:?}",
            self.usual
        );
    }

    /// Waits until the mirror holds exactly what was stored.
    async fn caught_up(&self) {
        let options: MySqlConnectOptions = self.mariadb.url().parse().unwrap();
        let mut connection = options.connect().await.expect("MariaDB runs");
        Mirror::caught_up(&mut connection, "AUTH_test", &self.load.objects()).await;
    }

    /// All is as it should be, now and after a restart.
    async fn check(mut self) {
        self.caught_up().await;
        self.load.run(Duration::from_secs(1)).await;
        self.caught_up().await;
        self.load.check().await;
        let server = self.server.stop().await.start().await;
        let head = server.tester().await.head("").await.expect(204);
        assert_eq!(
            head.number("x-account-object-count"),
            self.load.objects().len() as u64
        );
    }
}

#[tokio::test]
async fn nobody_notices_that_the_database_was_killed() {
    let mut store = Store::start(MariaDb::start().await).await;
    store.mariadb.kill();
    store.work().await;
    store.mariadb.start_again().await;
    store.check().await;
}

#[tokio::test]
async fn nobody_notices_that_the_database_stands_still() {
    let mut store = Store::start(MariaDb::start().await).await;
    store.mariadb.freeze();
    store.work().await;
    store.mariadb.thaw();
    store.check().await;
}

#[tokio::test]
async fn nobody_notices_that_the_database_lost_everything() {
    let mut store = Store::start(MariaDb::start().await).await;
    store.mariadb.kill();
    store.mariadb.lose_everything();
    store.mariadb.start_again().await;
    store.work().await;
    store.check().await;
}

#[tokio::test]
async fn nobody_notices_that_the_disk_of_the_database_is_full() {
    let Some(disk) = Disk::of(128) else { return };
    let mut store = Store::start(MariaDb::start_on(&disk.path()).await).await;
    disk.fill();
    // Rows enough that what MariaDB had put aside is used up.
    store.work().await;
    store.work().await;
    disk.relieve();
    store.mariadb.revive().await;
    store.check().await;
}

/// The server has had to do without its database, and says so.
async fn expect_outage(server: &Server) {
    until("the server complains", || async {
        !server.log().lines_with("the database cannot be used").is_empty()
    })
    .await;
}

/// A store on a SQLite file.
async fn on_sqlite(url: Option<String>) -> (Server, MixedLoad, Duration) {
    let mut builder = Server::builder()
        .database(Database::Sqlite)
        .shape(Shape::Single)
        .impatient();
    if let Some(url) = url {
        builder = builder.variable(DATABASE_SETTING, &url);
    }
    let server = builder.start().await;
    let mut load = MixedLoad::start(&server, WORKERS).await;
    let usual = load.run(Duration::from_secs(1)).await.time;
    (server, load, usual)
}

async fn works(load: &mut MixedLoad, usual: Duration) {
    let slowest = load.run(outage()).await;
    assert!(slowest.time < LONGEST + usual, "{slowest:?}, usually {usual:?}");
}

/// The mirror holds what storage does, as it alone answers a listing of a server that starts on it.
async fn is_mirrored(server: Server, mut load: MixedLoad) {
    load.run(Duration::from_secs(1)).await;
    load.check().await;
    let server = server.stop().await.start().await;
    let head = server.tester().await.head("").await.expect(204);
    assert_eq!(head.number("x-account-object-count"), load.objects().len() as u64);
}

#[tokio::test]
async fn nobody_notices_that_the_file_is_locked() {
    let (server, mut load, usual) = on_sqlite(None).await;
    let held = HeldDatabase::hold(&server).await;
    works(&mut load, usual).await;
    expect_outage(&server).await;
    held.release().await;
    is_mirrored(server, load).await;
}

#[tokio::test]
async fn nobody_notices_that_the_disk_of_the_file_is_full() {
    let Some(disk) = Disk::of(16) else { return };
    let url = format!("sqlite:{}", disk.path().join("stobj.sqlite").display());
    let (server, mut load, usual) = on_sqlite(Some(url)).await;
    disk.fill();
    works(&mut load, usual).await;
    expect_outage(&server).await;
    disk.relieve();
    is_mirrored(server, load).await;
}

#[tokio::test]
async fn nobody_notices_that_the_file_is_gone() {
    let (server, mut load, usual) = on_sqlite(None).await;
    for file in ["stobj.sqlite", "stobj.sqlite-wal", "stobj.sqlite-shm"] {
        std::fs::remove_file(server.data().join(file)).expect("the server has made it");
    }
    works(&mut load, usual).await;
    is_mirrored(server, load).await;
}
