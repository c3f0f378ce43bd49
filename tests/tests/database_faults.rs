//! What goes wrong on the way to the database, under load: nobody gets a wrong answer, nobody waits, and the mirror
//! catches up.

use std::time::Duration;

use integration_tests::cluster::until;
use integration_tests::mariadb::{Fault, Mirror, OwnDatabase, Way};
use integration_tests::mixed_load::MixedLoad;
use integration_tests::server::DATABASE_SETTING;
use integration_tests::{Database, Server, Shape};
use tokio::time::timeout;

const WORKERS: usize = 3;

/// The longest that anybody waits, where the machine does nothing else.
const LONGEST: Duration = Duration::from_secs(2);

/// So long at most it takes until something is told to the database.
const TELLING: Duration = Duration::from_secs(60);

struct Store {
    server: Server,
    database: OwnDatabase,
    way: Way,
}

impl Store {
    async fn start(shape: Shape) -> Self {
        let database = OwnDatabase::create().await;
        let way = Way::to(&database.url()).await;
        let server = server_on(&way, shape).start().await;
        Self {
            server,
            database,
            way,
        }
    }

    /// Waits until the mirror holds exactly this.
    async fn caught_up(&self, load: &MixedLoad) {
        let mut connection = self.database.connect().await;
        Mirror::caught_up(&mut connection, "AUTH_test", &load.objects()).await;
    }
}

fn server_on(way: &Way, shape: Shape) -> integration_tests::server::Builder {
    Server::builder()
        .shape(shape)
        .database(Database::Sqlite)
        .variable(DATABASE_SETTING, &way.url())
}

/// MixedLoad before, during and after a fault of so long.
async fn survives(fault: Fault, time: Duration) {
    for shape in [Shape::Single, Shape::Split] {
        let store = Store::start(shape).await;
        let mut load = MixedLoad::start(&store.server, WORKERS).await;
        let usual = load.run(Duration::from_secs(1)).await;
        store.caught_up(&load).await;

        store.way.set(fault);
        let slowest = load.run(time).await;
        // Beside other tests even a machine without faults is slow.
        let allowed = LONGEST + usual.time;
        assert!(
            slowest.time < allowed,
            "{shape:?}, {fault:?}: {slowest:?}; without fault {usual:?}"
        );

        store.way.set(None);
        store.caught_up(&load).await;
        load.run(Duration::from_secs(1)).await;
        store.caught_up(&load).await;
        load.check().await;
        let server = store.server.stop().await.start().await;
        let client = server.tester().await;
        let head = client.head("").await.expect(204);
        assert_eq!(head.number("x-account-object-count"), load.objects().len() as u64);
    }
}

#[tokio::test]
async fn a_database_fifty_milliseconds_away_is_no_fault() {
    survives(Fault::Delay(Duration::from_millis(50)), Duration::from_secs(4)).await;
}

#[tokio::test]
async fn nobody_waits_for_a_database_half_a_second_away() {
    survives(Fault::Delay(Duration::from_millis(500)), Duration::from_secs(8)).await;
}

#[tokio::test]
async fn nobody_notices_that_the_database_is_cut_off() {
    survives(Fault::Cut, Duration::from_secs(4)).await;
}

/// Long enough for a statement to time out.
#[tokio::test]
async fn nobody_waits_for_a_frozen_database() {
    survives(Fault::Freeze, Duration::from_secs(8)).await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_neither_lost_nor_done_twice() {
    let store = Store::start(Shape::Single).await;
    let mut load = MixedLoad::start(&store.server, WORKERS).await;
    for _ in 0..10 {
        store.way.set(Fault::LostCommit);
        load.run(Duration::from_millis(200)).await;
        let lost = timeout(TELLING, store.way.lost_commit()).await;
        lost.expect("there are commits");
        store.caught_up(&load).await;
    }
    load.check().await;
}

#[tokio::test]
async fn a_server_starts_without_its_database_and_takes_it_when_it_comes() {
    for shape in [Shape::Single, Shape::Split] {
        let database = OwnDatabase::create().await;
        let way = Way::to(&database.url()).await;
        way.set(Fault::Cut);
        let server = server_on(&way, shape).start().await;
        let client = server.client();
        client
            .request_at(http::Method::GET, "/healthcheck")
            .await
            .expect(200);
        let refused = client.ask_for_token("test:tester", "testing").await.expect(503);
        assert!(refused.number("retry-after") > 0);
        way.set(None);
        let is_let_in = || async { client.ask_for_token("test:tester", "testing").await.status() == 200 };
        until("the database is taken", is_let_in).await;
        let mut load = MixedLoad::start(&server, 1).await;
        load.run(Duration::from_millis(200)).await;

        // And once more, with users and objects that are there already.
        let builder = server.stop().await;
        way.set(Fault::Freeze);
        let server = builder.start().await;
        way.set(None);
        let client = server.client();
        let is_let_in = || async { client.ask_for_token("test:tester", "testing").await.status() == 200 };
        until("the database is taken", is_let_in).await;
        let store = Store {
            server,
            database,
            way,
        };
        store.caught_up(&load).await;
        assert_eq!(
            store
                .server
                .tester()
                .await
                .head("")
                .await
                .number("x-account-object-count"),
            load.objects().len() as u64
        );
    }
}
