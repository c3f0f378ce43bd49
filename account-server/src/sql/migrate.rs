//! The schema, as steps that each database has run or runs now.
//!
//! Both dialects have the same steps under the same names. A released step is never edited.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, MySqlConnection, SqlSafeStr as _};

use super::{Dialect, Text, sqlite};

macro_rules! step {
    ($version:literal, $name:literal) => {
        (
            $version,
            $name,
            Text {
                sqlite: include_str!(concat!("../../migrations/sqlite/", $version, "_", $name, ".sql")),
                mysql: include_str!(concat!("../../migrations/mysql/", $version, "_", $name, ".sql")),
            },
        )
    };
}

const STEPS: [(i64, &str, Text); 3] = [
    step!(20261121000001, "tree"),
    step!(20261121000002, "user"),
    step!(20261121000003, "record"),
];

/// All steps of one dialect.
fn migrator(dialect: Dialect) -> Migrator {
    let migrations = STEPS.map(|(version, name, text)| {
        let text = text.of(dialect).into_sql_str();
        Migration::new(version, name.into(), MigrationType::Simple, text, false)
    });
    Migrator::with_migrations(migrations.to_vec())
}

/// Makes the file where there is none, and brings it up to date over a connection of the migrator's own kind.
pub(super) async fn sqlite(options: &sqlite::Options) -> Result<(), MigrateError> {
    let mut link = SqliteConnectOptions::new()
        .filename(&options.file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(options.busy_timeout)
        .disable_statement_logging()
        .connect()
        .await?;
    let migrated = migrator(Dialect::Sqlite).run(&mut link).await;
    link.close().await?;
    migrated
}

/// Brings MySQL up to date. Of several servers that start at once one does it, and the others wait: MariaDB knows
/// no endless wait for a lock, which is what the migrator's own asks for.
pub(super) async fn mysql(link: &mut MySqlConnection) -> Result<(), MigrateError> {
    let locked = sqlx::query_scalar::<_, Option<i64>>("SELECT GET_LOCK('stobj.migrations', 60)");
    if locked.fetch_one(&mut *link).await? != Some(1) {
        return Err(MigrateError::Execute(sqlx::Error::InvalidArgument(
            "another server has been changing the schema for a minute".to_owned(),
        )));
    }
    migrator(Dialect::MySql).run(&mut *link).await?;
    sqlx::query("DO RELEASE_LOCK('stobj.migrations')")
        .execute(link)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(table, column)` of every column, in order, as a step's text declares them.
    fn columns(dialect: Dialect) -> Vec<(String, String)> {
        let mut columns = Vec::new();
        for (_, _, text) in STEPS {
            let mut table = None;
            for line in text.of(dialect).lines() {
                if let Some(rest) = line.strip_prefix("CREATE TABLE ") {
                    table = rest.split_whitespace().next().map(str::to_owned);
                } else if line.starts_with(')') {
                    table = None;
                } else if let Some(table) = &table {
                    let word = line.split_whitespace().next().unwrap();
                    if word
                        .chars()
                        .all(|letter| letter.is_ascii_lowercase() || letter == '_')
                    {
                        columns.push((table.clone(), word.to_owned()));
                    }
                }
            }
        }
        columns
    }

    #[test]
    fn both_dialects_declare_the_same_columns() {
        let sqlite = columns(Dialect::Sqlite);
        assert!(sqlite.contains(&("stobj".to_owned(), "sub_expiring".to_owned())));
        assert_eq!(sqlite, columns(Dialect::MySql));
    }
}
