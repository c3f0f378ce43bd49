//! The database of one server: a file, or one that is made in a MariaDB and dropped with its value.

use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use common::Secret;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySqlConnection, SqliteConnection};

/// `mariadb`, or `sqlite` as when it is absent.
const DATABASE: &str = "STOBJ_TEST_DATABASE";

/// The URL of a database, as a user who may make others.
const MARIADB: &str = "STOBJ_TEST_MARIADB";

#[derive(Debug)]
pub(crate) enum Database {
    Sqlite,
    MariaDb {
        announced: Box<MySqlConnectOptions>,
        name: String,
    },
}

impl Database {
    pub(crate) async fn create() -> Self {
        match std::env::var(DATABASE).as_deref() {
            Ok("mariadb") => {}
            Ok("sqlite") | Err(_) => return Self::Sqlite,
            Ok(other) => panic!("{DATABASE} is {other:?}, neither sqlite nor mariadb"),
        }
        let url = std::env::var(MARIADB)
            .unwrap_or_else(|_| panic!("{MARIADB} names no database; target/debug/with-mariadb starts one"));
        let announced = MySqlConnectOptions::from_str(&url).unwrap();
        let announced = Box::new(announced.disable_statement_logging());
        let name = format!("test_{:016x}", getrandom::u64().unwrap());
        execute(&announced, format!("CREATE DATABASE {name}")).await;
        Self::MariaDb { announced, name }
    }

    /// The setting.
    pub(crate) fn setting(&self) -> Secret {
        Secret::new(match self {
            Self::Sqlite => String::new(),
            Self::MariaDb { announced, name } => announced.clone().database(name).to_url_lossy().to_string(),
        })
    }

    /// A connection past the server; `file` is that of SQLite.
    pub(crate) async fn look(&self, file: &Path) -> Look {
        match self {
            Self::Sqlite => {
                let options = SqliteConnectOptions::new().filename(file);
                Look::Sqlite(options.connect().await.unwrap())
            }
            Self::MariaDb { announced, name } => {
                let options = announced.clone().database(name);
                Look::MariaDb(options.connect().await.unwrap())
            }
        }
    }
}

/// A connection past the server.
#[derive(Debug)]
pub(crate) enum Look {
    Sqlite(SqliteConnection),
    MariaDb(MySqlConnection),
}

impl Look {
    /// Sends this as it stands.
    pub(crate) async fn execute(&mut self, text: &'static str) {
        match self {
            Self::Sqlite(connection) => {
                connection.execute(text).await.unwrap();
            }
            Self::MariaDb(connection) => {
                connection.execute(text).await.unwrap();
            }
        }
    }

    /// The number that this question is answered with.
    pub(crate) async fn number(&mut self, question: &'static str) -> i64 {
        let text = sqlx::AssertSqlSafe(question);
        match self {
            Self::Sqlite(connection) => sqlx::query_scalar(text).fetch_one(connection).await.unwrap(),
            Self::MariaDb(connection) => sqlx::query_scalar(text).fetch_one(connection).await.unwrap(),
        }
    }

    /// Asks until the answer is such a number.
    pub(crate) async fn until(&mut self, question: &'static str, is_wanted: impl Fn(i64) -> bool) {
        let mut last = None;
        let waiting = async {
            loop {
                let number = self.number(question).await;
                last = Some(number);
                if is_wanted(number) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
        waited.unwrap_or_else(|_| panic!("{question} is {last:?}"));
    }

    /// Keeps everybody else from writing.
    pub(crate) async fn hold(&mut self) {
        match self {
            Self::Sqlite(connection) => {
                connection.execute("BEGIN EXCLUSIVE").await.unwrap();
            }
            Self::MariaDb(connection) => {
                connection
                    .execute("LOCK TABLES stobj READ, tree_epoch READ")
                    .await
                    .unwrap();
            }
        }
    }

    pub(crate) async fn release(&mut self) {
        match self {
            Self::Sqlite(connection) => {
                connection.execute("ROLLBACK").await.unwrap();
            }
            Self::MariaDb(connection) => {
                connection.execute("UNLOCK TABLES").await.unwrap();
            }
        }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::MariaDb { announced, name } = self else {
            return;
        };
        let (announced, name) = (announced.clone(), name.clone());
        // A test has a runtime, but nobody can wait in it here.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(drop_database(&announced, &name));
        });
        dropping.join().unwrap();
    }
}

async fn execute(options: &MySqlConnectOptions, text: String) {
    let mut connection = options.connect().await.unwrap();
    connection.execute(AssertSqlSafe(text)).await.unwrap();
}

/// The tasks of a server stand still meanwhile, which may be in a transaction that the removal would wait for. So their
/// connections end first.
async fn drop_database(options: &MySqlConnectOptions, name: &str) {
    let mut connection = options.connect().await.unwrap();
    let theirs = "SELECT id FROM information_schema.processlist WHERE db = ?";
    let theirs: Vec<i64> = sqlx::query_scalar(theirs)
        .bind(name)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    for id in theirs {
        // It may have ended by itself.
        let _ended = connection.execute(AssertSqlSafe(format!("KILL {id}"))).await;
    }
    let text = format!("DROP DATABASE {name}");
    connection.execute(AssertSqlSafe(text)).await.unwrap();
}
