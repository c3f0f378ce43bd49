//! How databases go about statements: which ones a server has MariaDB prepare, and what MariaDB and SQLite say of their plans.

use sqlx::mysql::{MySqlArguments, MySqlConnectOptions};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _, MySql, MySqlConnection, Row as _};

use crate::mariadb::MariaDb;
use crate::server::{Builder, DATABASE_SETTING};
use crate::{Database, Server};

/// A MariaDB that writes down what it is to prepare, and keeps its statistics as they are until it is told to look.
#[derive(Debug)]
pub struct Planner {
    mariadb: MariaDb,
    /// As its root, in the database of the server.
    pub connection: MySqlConnection,
}

/// The only step of a plan of MariaDB's.
#[derive(Debug)]
pub struct Step {
    /// How the index is used.
    pub kind: String,
    /// The index.
    pub key: String,
    /// What else is done.
    pub extra: String,
}

impl Planner {
    /// One of its own.
    pub async fn start() -> Self {
        let mariadb = MariaDb::start().await;
        let options: MySqlConnectOptions = mariadb.url().parse().expect("it is a URL");
        let mut connection = options.connect().await.expect("MariaDB runs");
        let settings = "SET GLOBAL log_output = 'TABLE', GLOBAL general_log = ON, \
                        GLOBAL innodb_stats_auto_recalc = OFF";
        connection.execute(settings).await.expect("root may");
        Self { mariadb, connection }
    }

    /// A server whose mirror is here.
    pub fn server(&self) -> Builder {
        let builder = Server::builder().database(Database::Sqlite);
        builder.variable(DATABASE_SETTING, &self.mariadb.url())
    }

    /// The texts of all statements that were prepared.
    pub async fn prepared(&mut self) -> Vec<String> {
        let texts = "SELECT CAST(argument AS CHAR) FROM mysql.general_log WHERE command_type = 'Prepare'";
        let texts = sqlx::query_scalar(texts).fetch_all(&mut self.connection);
        texts.await.expect("the log can be read")
    }

    /// What is planned for the explanation of a statement.
    ///
    /// # Panics
    /// When that is more than one step.
    pub async fn step(&mut self, explain: Query<'_, MySql, MySqlArguments>, statement: &str) -> Step {
        let rows = explain.fetch_all(&mut self.connection).await;
        let rows = rows.unwrap_or_else(|error| panic!("{statement}: {error}"));
        let word = |column: &str| {
            let value: Option<String> = rows[0].get_unchecked(column);
            value.unwrap_or_default()
        };
        let step = Step {
            kind: word("type"),
            key: word("key"),
            extra: word("Extra"),
        };
        assert_eq!(rows.len(), 1, "{statement}: {step:?}");
        step
    }
}

/// The SQLite database of a server.
pub async fn sqlite(server: &Server) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(server.data().join("stobj.sqlite"));
    options.connect().await.expect("the server has made the file")
}

/// The steps that SQLite plans for a statement.
pub async fn sqlite_steps(connection: &mut SqliteConnection, statement: &str) -> Vec<String> {
    let text = format!("EXPLAIN QUERY PLAN {statement}");
    let plan = sqlx::query(AssertSqlSafe(text)).fetch_all(connection).await;
    let plan = plan.unwrap_or_else(|error| panic!("{statement}: {error}"));
    plan.iter().map(|row| row.get("detail")).collect()
}
