//! How a connection is made, and what is set on it.

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
            let options = MySqlConnectOptions::from_str(url).map_err(|error| malformed(&error))?;
            Target::MySql(Box::new(
                options
                    .statement_cache_capacity(STATEMENTS)
                    .disable_statement_logging(),
            ))
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
            self.set_up_mysql(&mut connection, role).await?;
        }
        // What was sent so far was no work.
        connection.statements = Arc::clone(&self.statements);
        Ok(connection)
    }

    /// Connects as writer, brings the schema up to date and looks whether the database is one we can work with.
    pub(crate) async fn open(&self) -> Result<Connection, Error> {
        if let Target::Sqlite(options) = &self.target {
            migrate::sqlite(options).await.map_err(Error::internal)?;
        }
        let mut connection = self.connect(Role::Writer).await?;
        if let Link::MySql(link) = &mut connection.link {
            migrate::mysql(link).await.map_err(Error::internal)?;
        }
        check::check(&mut connection).await?;
        Ok(connection)
    }

    async fn set_up_mysql(&self, connection: &mut Connection, role: Role) -> Result<(), Failure> {
        // The writer reads under the lock of its accounts' epoch rows, so it needs no snapshot and no gap locks.
        connection
            .run(Text::both(match role {
                Role::Reader => "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                Role::Writer => "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            }))
            .await?;
        let seconds = (self.timeout / 2).as_secs().max(1);
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        let text = Text::both("SET SESSION innodb_lock_wait_timeout = ?");
        connection.execute(text, &[seconds.into()]).await?;
        Ok(())
    }
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
    Error::internal(format!("[account-server] database: {error}"))
}
