//! The schema, as steps that each database has run or runs now.
//!
//! Both dialects have the same steps under the same names. A released step is never edited. MySQL ends a transaction
//! at every `CREATE`, so a step that is cut off leaves a part of itself; such a step is undone and run again.

use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};

use super::{Connection, Dialect, Failure, Link, Text, sqlite};

/// A step.
struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    mysql: &'static str,
    /// Takes away what a cut-off run may have left in MySQL. Nobody ever used it.
    undo: &'static [Text],
}

macro_rules! step {
    ($version:literal, $name:literal, undo: [$($undo:literal),*]) => {
        Step {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $version, "_", $name, ".sql")),
            mysql: include_str!(concat!("../../migrations/mysql/", $version, "_", $name, ".sql")),
            undo: &[$(Text::both("mysql.undo_step", $undo)),*],
        }
    };
}

const STEPS: [Step; 10] = [
    step!(20261121000001, "tree", undo: ["DROP TABLE IF EXISTS tree_epoch", "DROP TABLE IF EXISTS stobj"]),
    step!(20261121000002, "user", undo: ["DROP TABLE IF EXISTS policy", "DROP TABLE IF EXISTS user"]),
    step!(20261121000003, "record", undo: ["DROP TABLE IF EXISTS record"]),
    step!(20261121000004, "wide", undo: []),
    step!(20261121000011, "revocation", undo: ["DROP TABLE IF EXISTS revocation"]),
    step!(20261121000020, "disabled", undo: []),
    step!(20261121000040, "operations", undo: ["DROP TABLE IF EXISTS record"]),
    step!(20261121000050, "destination", undo: []),
    step!(20261121000060, "search", undo: [
        "SET @step = IF((SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() \
         AND table_name = 'stobj' AND index_name = 'k_search') = 0, 'DO 0', 'DROP INDEX k_search ON stobj'); \
         PREPARE step FROM @step; EXECUTE step; DEALLOCATE PREPARE step"
    ]),
    step!(20261121000070, "search_block", undo: [
        "DROP TABLE IF EXISTS search_block",
        "SET @step = IF((SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = DATABASE() \
         AND table_name = 'stobj' AND index_name = 'k_account_id') = 0, 'DO 0', \
         'DROP INDEX k_account_id ON stobj'); \
         PREPARE step FROM @step; EXECUTE step; DEALLOCATE PREPARE step"
    ]),
];

/// A step over millions of rows may take this long; longer it is taken for lost.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Where the steps are noted that were run.
const TABLE: &str = "_sqlx_migrations";

const HAS_STEPS: Text = Text {
    name: "migrate.has_steps",
    sqlite: "SELECT COUNT(*) FROM sqlite_master WHERE name = '_sqlx_migrations'",
    mysql: "SELECT COUNT(*) FROM information_schema.tables \
            WHERE table_schema = DATABASE() AND table_name = '_sqlx_migrations'",
};

const APPLIED: Text = Text::both(
    "migrate.applied",
    "SELECT version, success + 0, checksum FROM _sqlx_migrations ORDER BY version",
);

const FORGET: Text = Text::both(
    "mysql.forget_step",
    "DELETE FROM _sqlx_migrations WHERE version = ?",
);

/// One server waits a second for another that is at it; then it asks again later. Names of locks belong to a whole database server,
/// which may have the databases of several stores, and are no longer than 64 characters.
const LOCK: Text = Text::both(
    "mysql.lock_schema",
    "SELECT GET_LOCK(CONCAT('stobj.migrations.', MD5(DATABASE())), 1)",
);

const UNLOCK: Text = Text::both(
    "mysql.unlock_schema",
    "DO RELEASE_LOCK(CONCAT('stobj.migrations.', MD5(DATABASE())))",
);

/// What a database lacks.
#[derive(Debug)]
struct Todo {
    pending: Vec<Migration>,
    /// A step that was cut off.
    torn: Option<i64>,
}

/// Brings the schema up to date. Of several servers that start at once one does it. `file` is that of SQLite.
pub(super) async fn migrate(
    connection: &mut Connection,
    file: Option<&sqlite::Options>,
) -> Result<(), Failure> {
    let todo = look(connection).await?;
    if todo.pending.is_empty() {
        return Ok(());
    }
    if let Some(options) = file {
        return in_time(run_on_file(options, &todo.pending)).await;
    }
    let locked = connection.first(LOCK, &[]).await?;
    if locked.map(|row| row.optional_int(0)).transpose()?.flatten() != Some(1) {
        return Err(Failure::Occupied("another server is changing the schema"));
    }
    let todo = look(connection).await?;
    if let Some(version) = todo.torn {
        undo(connection, version).await?;
    }
    run(connection, &todo.pending).await?;
    connection.run(UNLOCK).await
}

async fn look(connection: &mut Connection) -> Result<Todo, Failure> {
    let mut todo = Todo {
        pending: migrations(connection.dialect()),
        torn: None,
    };
    let has_steps = connection.first(HAS_STEPS, &[]).await?;
    if has_steps.map(|row| row.int(0)).transpose()?.unwrap_or(0) == 0 {
        return Ok(todo);
    }
    for row in connection.rows(APPLIED, &[]).await? {
        let version = row.int(0)?;
        let Some(place) = todo.pending.iter().position(|step| step.version == version) else {
            return Err(Failure::Unusable(format!(
                "its schema is of a newer version of this program (step {version} is not known here); \
                 start that one"
            )));
        };
        if row.int(1)? == 0 {
            todo.torn = Some(version);
            continue;
        }
        let step = todo.pending.remove(place);
        if row.bytes(2)? != &*step.checksum {
            return Err(Failure::Unusable(format!(
                "step {version} of its schema was run in another wording than this program's"
            )));
        }
    }
    Ok(todo)
}

async fn undo(connection: &mut Connection, version: i64) -> Result<(), Failure> {
    tracing::warn!(version, "a step of the schema was cut off; it is run again");
    let step = STEPS.iter().find(|step| step.version == version);
    for text in step.map_or(&[][..], |step| step.undo) {
        connection.run(*text).await?;
    }
    connection.execute(FORGET, &[version.into()]).await.map(|_| ())
}

/// Runs the steps that are missing.
async fn run(connection: &mut Connection, pending: &[Migration]) -> Result<(), Failure> {
    match &mut connection.link {
        Link::MySql(link) => in_time(apply(link, pending)).await,
        Link::Sqlite(_) => Ok(()),
    }
}

/// The same over a connection of the migrator's own kind.
async fn run_on_file(options: &sqlite::Options, pending: &[Migration]) -> Result<(), MigrateError> {
    let mut link = SqliteConnectOptions::new()
        .filename(&options.file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.busy_timeout)
        .disable_statement_logging()
        .connect()
        .await?;
    let applied = apply(&mut link, pending).await;
    link.close().await?;
    applied
}

async fn apply(link: &mut (dyn Migrate + Send), pending: &[Migration]) -> Result<(), MigrateError> {
    link.ensure_migrations_table(TABLE).await?;
    for step in pending {
        link.apply(TABLE, step).await?;
    }
    Ok(())
}

async fn in_time(running: impl Future<Output = Result<(), MigrateError>>) -> Result<(), Failure> {
    match tokio::time::timeout(PATIENCE, running).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))) => Err(error.into()),
        Ok(Err(error)) => Err(Failure::Unusable(error.to_string())),
        Err(_) => Err(Failure::Timeout),
    }
}

fn migrations(dialect: Dialect) -> Vec<Migration> {
    let migration = |step: &Step| {
        let text = match dialect {
            Dialect::Sqlite => step.sqlite,
            Dialect::MySql => step.mysql,
        };
        let text = text.into_sql_str();
        Migration::new(step.version, step.name.into(), MigrationType::Simple, text, false)
    };
    STEPS.iter().map(migration).collect()
}
