//! How a connection is made, and what is set on it.

use std::fmt;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use common::Error;
use sqlx::ConnectOptions as _;
use sqlx::mysql::MySqlConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;

use super::{Connection, Dialect, Failure, Link, Text, check, migrate, sqlite};
use crate::Settings;

/// Prepared statements kept by a connection.
const STATEMENTS: usize = 64;

/// Makes connections.
#[derive(Clone, Debug)]
pub(crate) struct Connector {
    target: Target,
    timeout: Duration,
    statements: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Target {
    Sqlite(sqlite::Options),
    MySql(Box<MySqlConnectOptions>),
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Reader,
    Writer,
}

impl Connector {
    /// For the database of `settings`, or the SQLite file when these name none. `statements` counts what is sent.
    pub(crate) fn new(
        settings: &Settings,
        default_sqlite: &Path,
        statements: Arc<AtomicU64>,
    ) -> Result<Self, Error> {
        let url = settings.database.expose();
        let timeout = settings.timeout.0;
        let target = if url.is_empty() {
            Target::Sqlite(sqlite(default_sqlite, settings))
        } else if url.starts_with("sqlite:") {
            let options = SqliteConnectOptions::from_str(url).map_err(|error| malformed(&error))?;
            Target::Sqlite(sqlite(options.get_filename(), settings))
        } else if url.starts_with("mysql:") || url.starts_with("mariadb:") {
            Target::MySql(Box::new(mysql(url)?))
        } else {
            return Err(Error::internal(
                "[account-server] database: expected sqlite:/path or mysql://user:password@host/database",
            ));
        };
        Ok(Self {
            target,
            timeout,
            statements,
        })
    }

    /// Connects.
    pub(crate) async fn connect(&self, role: Role) -> Result<Connection, Failure> {
        let connecting = async {
            Ok::<_, Failure>(match &self.target {
                Target::Sqlite(options) => Link::Sqlite(sqlite::Link::open(options.clone(), role).await?),
                Target::MySql(options) => Link::MySql(options.connect().await?),
            })
        };
        let link = match tokio::time::timeout(self.timeout, connecting).await {
            Ok(link) => link?,
            Err(_) => return Err(Failure::Timeout),
        };
        let mut connection = Connection {
            link,
            timeout: self.timeout,
            statements: Arc::default(),
        };
        if connection.dialect() == Dialect::MySql {
            connection
                .run(match role {
                    Role::Reader => SET_UP_READER,
                    Role::Writer => SET_UP_WRITER,
                })
                .await?;
        }
        // What was sent so far was no work.
        connection.statements = Arc::clone(&self.statements);
        Ok(connection)
    }

    /// Connects as writer, brings the schema up to date and looks whether the database is one we can work with.
    pub(crate) async fn prepare(&self) -> Result<Connection, Failure> {
        let mut connection = self.connect(Role::Writer).await?;
        connection.statements = Arc::default();
        let file = match &self.target {
            Target::Sqlite(options) => Some(options),
            Target::MySql(_) => None,
        };
        migrate::migrate(&mut connection, file).await?;
        check::check(&mut connection).await?;
        connection.statements = Arc::clone(&self.statements);
        Ok(connection)
    }
}

impl fmt::Display for Connector {
    /// Where the database is, without the password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Sqlite(options) => write!(formatter, "sqlite:{}", options.file.display()),
            Target::MySql(options) => {
                write!(formatter, "mysql://{}@", options.get_username())?;
                match options.get_socket() {
                    Some(socket) => write!(formatter, "{}", socket.display())?,
                    None => write!(formatter, "{}:{}", options.get_host(), options.get_port())?,
                }
                write!(formatter, "/{}", options.get_database().unwrap_or_default())
            }
        }
    }
}

/// Whatever the server's own settings are, these hold in our connections: nothing is cut to fit, nothing is left out
/// of an answer, no transaction begins or goes on by itself, and what a vanished client had locked is free again after
/// a minute. An idle connection is closed by us before that.
macro_rules! set_up_mysql {
    ($isolation:literal) => {
        concat!(
            "SET NAMES utf8mb4 COLLATE utf8mb4_bin, \
             SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', SESSION time_zone = '+00:00', \
             SESSION autocommit = 1, SESSION completion_type = 0, SESSION foreign_key_checks = 1, \
             SESSION unique_checks = 1, SESSION sql_safe_updates = 0, SESSION sql_big_selects = 1, \
             SESSION sql_select_limit = DEFAULT, SESSION innodb_lock_wait_timeout = 1, \
             SESSION lock_wait_timeout = 10, SESSION wait_timeout = 60; \
             SET SESSION TRANSACTION ISOLATION LEVEL ",
            $isolation
        )
    };
}

const SET_UP_READER: Text = Text::both("mysql.set_up_reader", set_up_mysql!("REPEATABLE READ"));

/// The writer reads under the lock of its accounts' epoch rows, so it needs no snapshot and no gap locks.
const SET_UP_WRITER: Text = Text::both("mysql.set_up_writer", set_up_mysql!("READ COMMITTED"));

/// Options of the URL; what a connection is set to is ours alone.
fn mysql(url: &str) -> Result<MySqlConnectOptions, Error> {
    let options = MySqlConnectOptions::from_str(url).map_err(|error| malformed(&error))?;
    let database = options.get_database().unwrap_or_default();
    if database.is_empty() || database.contains(['/', '@']) {
        return Err(Error::internal(
            "[account-server] database: expected mysql://user:password@host/database, with %2F for a slash and %40 \
             for an @ in the password",
        ));
    }
    Ok(options
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .set_names(false)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging())
}

fn sqlite(file: &Path, settings: &Settings) -> sqlite::Options {
    let connections = settings.readers.get() as u64 + 1;
    sqlite::Options {
        file: file.to_owned(),
        busy_timeout: settings.timeout.0 / 2,
        cache_kib: (settings.sqlite_cache.0 / 1024 / connections).max(64),
        statements: STATEMENTS,
    }
}

fn malformed(error: &sqlx::Error) -> Error {
    Error::internal(format!(
        "[account-server] database: {error}; expected sqlite:/path or mysql://user:password@host/database, with %XX \
         for other bytes than letters and digits in the password"
    ))
}
