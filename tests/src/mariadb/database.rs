//! One empty database, for one server.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::mysql::MySqlConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, MySqlConnection};

use super::MariaDb;

/// The variable that announces a MariaDB or MySQL to a run of the tests: the URL of a database, as a user who may
/// make others.
pub const ANNOUNCED: &str = "STOBJ_TEST_MARIADB";

/// How long dropping a database may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database in the announced MariaDB; without one, in a MariaDB of its own. Gone with its value.
#[derive(Debug)]
pub struct OwnDatabase {
    announced: MySqlConnectOptions,
    name: String,
    /// `None` when it is the announced one.
    own_mariadb: Option<MariaDb>,
}

impl OwnDatabase {
    /// Makes one.
    pub async fn create() -> Self {
        let (url, mariadb) = match std::env::var(ANNOUNCED) {
            Ok(url) => (url, None),
            Err(_) => {
                let mariadb = MariaDb::start().await;
                (mariadb.url(), Some(mariadb))
            }
        };
        let announced = MySqlConnectOptions::from_str(&url)
            .unwrap_or_else(|error| panic!("{ANNOUNCED}: {error}"))
            .disable_statement_logging();
        let number = getrandom::u64().expect("Linux has random numbers");
        let name = format!("test_{number:016x}");
        let mut connection = connect(&announced).await;
        run(&mut connection, format!("CREATE DATABASE {name}")).await;
        connection.close().await.expect("MariaDB is there");
        Self {
            announced,
            name,
            own_mariadb: mariadb,
        }
    }

    /// For the setting `database` of `[account-server]`.
    pub fn url(&self) -> String {
        self.options().to_url_lossy().to_string()
    }

    /// A connection to it.
    pub async fn connect(&self) -> MySqlConnection {
        connect(&self.options()).await
    }

    /// Takes everything out of it, as if it were lost.
    pub async fn empty(&self) {
        let mut connection = connect(&self.announced).await;
        run(&mut connection, format!("DROP DATABASE {}", self.name)).await;
        run(&mut connection, format!("CREATE DATABASE {}", self.name)).await;
    }

    fn options(&self) -> MySqlConnectOptions {
        self.announced.clone().database(&self.name)
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        if self.own_mariadb.is_some() {
            return;
        }
        let (options, name) = (self.announced.clone(), self.name.clone());
        let drop_it = async move { drop_database(&options, &name).await };
        // A test has a runtime, but nobody can wait in it here.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime can be made");
            runtime.block_on(async { tokio::time::timeout(PATIENCE, drop_it).await })
        });
        // What stays behind goes with the MariaDB; it is no reason to fail.
        let _dropped = dropping.join();
    }
}

/// The way to it may stand still meanwhile, and on it a connection in a transaction that the removal would wait for. So connections
/// end first.
async fn drop_database(options: &MySqlConnectOptions, name: &str) {
    let mut connection = connect(options).await;
    let all = "SELECT id FROM information_schema.processlist WHERE db = ?";
    let all: Vec<i64> = sqlx::query_scalar(all)
        .bind(name)
        .fetch_all(&mut connection)
        .await
        .expect("MariaDB knows who is connected");
    for id in all {
        // It may have ended by itself.
        let _ended = connection.execute(AssertSqlSafe(format!("KILL {id}"))).await;
    }
    run(&mut connection, format!("DROP DATABASE {name}")).await;
}

async fn connect(options: &MySqlConnectOptions) -> MySqlConnection {
    let connected = options.connect().await;
    connected.unwrap_or_else(|error| panic!("MariaDB does not answer: {error}"))
}

async fn run(connection: &mut MySqlConnection, text: String) {
    let result = connection.execute(AssertSqlSafe(text.clone())).await;
    result.unwrap_or_else(|error| panic!("{text}: {error}"));
}
