//! States of a database that is there and yet no help: it lets nobody in, may only be read, kills connections, holds
//! locks. Objects and listings go on, and so does the mirror when the state has passed.

use std::time::Duration;

use integration_tests::cluster::until;
use integration_tests::mariadb::{MariaDb, Mirror};
use integration_tests::mixed_load::MixedLoad;
use integration_tests::server::{Builder, DATABASE_SETTING};
use integration_tests::{Database, Server};
use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection};

const PASSWORD: &str = "un-guessable";

/// A MariaDB, and a user without special rights.
struct Store {
    mariadb: MariaDb,
    root: MySqlConnection,
}

impl Store {
    async fn start() -> Self {
        let mariadb = MariaDb::start().await;
        let options: MySqlConnectOptions = mariadb.url().parse().expect("it is a URL");
        let root = options.connect().await.expect("MariaDB runs");
        Self { mariadb, root }
    }

    async fn run(&mut self, text: &str) {
        let done = self.root.execute(AssertSqlSafe(text.to_owned())).await;
        done.unwrap_or_else(|error| panic!("{text}: {error}"));
    }

    async fn add_user(&mut self) {
        self.run(&format!("CREATE USER stobj@localhost IDENTIFIED BY '{PASSWORD}'"))
            .await;
        self.run("GRANT ALL ON stobj.* TO stobj@localhost").await;
    }

    fn server(&self) -> Builder {
        let options: MySqlConnectOptions = self.mariadb.url().parse().expect("it is a URL");
        let options = options.username("stobj").password(PASSWORD);
        Server::builder()
            .database(Database::Sqlite)
            .variable(DATABASE_SETTING, options.to_url_lossy().as_str())
    }

    async fn caught_up(&mut self, load: &MixedLoad) {
        Mirror::caught_up(&mut self.root, "AUTH_test", &load.objects()).await;
    }

    /// The numbers of the server's connections.
    async fn connections(&mut self) -> Vec<u64> {
        let connections =
            "SELECT CAST(id AS UNSIGNED) FROM information_schema.processlist WHERE user = 'stobj'";
        let connections = sqlx::query_scalar(connections).fetch_all(&mut self.root);
        connections.await.expect("MariaDB runs")
    }
}

async fn can_log_in(server: &Server) {
    let client = server.client();
    let is_let_in = || async { client.ask_for_token("test:tester", "testing").await.status() == 200 };
    until("the database is taken", is_let_in).await;
}

/// What the server has said of a database that is no help, as soon as it has.
async fn complaints(server: &Server) -> Vec<String> {
    let complaints = || server.log().lines_with("the database cannot be used");
    until("the server complains", || async { !complaints().is_empty() }).await;
    complaints()
}

#[tokio::test]
async fn who_is_not_let_in_says_so_and_tries_again() {
    let mut store = Store::start().await;
    let server = store.server().start().await;
    server
        .client()
        .ask_for_token("test:tester", "testing")
        .await
        .expect(503);
    let complaints = complaints(&server).await;
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("Access denied"), "{complaints:?}");
    assert!(complaints[0].contains("mysql://stobj@"), "{complaints:?}");

    // Now the user is there, but not the database.
    store.run("DROP DATABASE stobj").await;
    store.add_user().await;
    let is_told = || async { !server.log().lines_with("Unknown database").is_empty() };
    until("another reason is told", is_told).await;
    store.run("CREATE DATABASE stobj").await;
    store.run("USE stobj").await;
    can_log_in(&server).await;
    let mut load = MixedLoad::start(&server, 1).await;
    load.run(Duration::from_millis(200)).await;
    store.caught_up(&load).await;
    let told = server.log().lines_with(PASSWORD);
    assert!(told.is_empty(), "{told:?}");
}

#[tokio::test]
async fn a_database_that_may_only_be_read_is_away_until_it_may_be_written_to() {
    let mut store = Store::start().await;
    store.add_user().await;
    let server = store.server().start().await;
    let mut load = MixedLoad::start(&server, 2).await;
    load.run(Duration::from_millis(300)).await;
    store.run("SET GLOBAL read_only = ON").await;
    load.run(Duration::from_secs(4)).await;
    // It is not taken for usable in between, only to be given up again.
    let complaints = complaints(&server).await;
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("read"), "{complaints:?}");
    store.run("SET GLOBAL read_only = OFF").await;
    store.caught_up(&load).await;
    load.check().await;
}

#[tokio::test]
async fn killed_connections_are_replaced_without_a_word() {
    let mut store = Store::start().await;
    store.add_user().await;
    let server = store.server().start().await;
    let mut load = MixedLoad::start(&server, 2).await;
    for _ in 0..10 {
        load.run(Duration::from_millis(100)).await;
        for connection in store.connections().await {
            // It may have ended by itself.
            let kill = format!("KILL {connection}");
            let _killed = store.root.execute(AssertSqlSafe(kill)).await;
        }
    }
    load.run(Duration::from_millis(100)).await;
    store.caught_up(&load).await;
    load.check().await;
}

#[tokio::test]
async fn a_lock_in_other_hands_holds_up_the_mirror_and_nobody_else() {
    let mut store = Store::start().await;
    store.add_user().await;
    let server = store.server().start().await;
    let mut load = MixedLoad::start(&server, 2).await;
    load.run(Duration::from_millis(300)).await;
    store.caught_up(&load).await;
    store.run("BEGIN").await;
    store.run("SELECT * FROM tree_epoch FOR UPDATE").await;
    load.run(Duration::from_secs(5)).await;
    store.run("ROLLBACK").await;
    store.caught_up(&load).await;
    let opened = server.log().lines_with("the database cannot be used");
    assert!(opened.is_empty(), "others go on: {opened:?}");
}

#[tokio::test]
async fn the_servers_own_settings_change_nothing() {
    let mut store = Store::start().await;
    store.add_user().await;
    store
        .run(
            "SET GLOBAL sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES', GLOBAL time_zone = '+09:00', \
             GLOBAL autocommit = OFF, GLOBAL completion_type = 1, GLOBAL sql_safe_updates = ON, \
             GLOBAL tx_isolation = 'SERIALIZABLE', GLOBAL sql_select_limit = 2, \
             GLOBAL max_allowed_packet = 1048576, GLOBAL wait_timeout = 1, \
             GLOBAL collation_server = 'latin1_swedish_ci'",
        )
        .await;
    let server = store.server().start().await;
    let mut load = MixedLoad::start(&server, 2).await;
    load.run(Duration::from_secs(1)).await;
    store.caught_up(&load).await;
    load.check().await;
    // Rows that are together more than a packet.
    let client = server.tester().await;
    client.put("large", "").await.expect(201);
    let values: Vec<String> = (0..15).map(|_| "v".repeat(250)).collect();
    let mut wanted = load.objects();
    for number in 0..400 {
        let path = format!("large/{number:0900}");
        let mut put = client.put(&path, "");
        for (place, value) in values.iter().enumerate() {
            put = put.header(&format!("x-object-meta-{place}"), value);
        }
        put.await.expect(201);
        wanted.insert(path, 0);
    }
    Mirror::caught_up(&mut store.root, "AUTH_test", &wanted).await;
    let opened = server.log().lines_with("the database cannot be used");
    assert!(opened.is_empty(), "{opened:?}");
}
