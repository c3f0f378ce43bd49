//! What can go wrong between us and a database, and what is to be done about it.

use common::Error;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::sqlite::SqliteError;

/// The pause that a refused caller is told to make.
pub(crate) const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It did not end in time; what became of it is not known.
    #[error("the database did not answer in time")]
    Timeout,
    /// The database refused it, or was not there.
    #[error(transparent)]
    Sql(#[from] sqlx::Error),
    /// A row holds what it never may.
    #[error("inconsistent row: {0}")]
    Inconsistent(&'static str),
}

impl Failure {
    /// Whether the database is not there for us: its connection is to be dropped.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Timeout => true,
            Self::Inconsistent(_) => false,
            Self::Sql(sqlx::Error::Database(error)) => {
                if let Some(error) = error.try_downcast_ref::<MySqlDatabaseError>() {
                    return matches!(error.number(), 1021 | 1040 | 1053 | 1205 | 1290 | 2006 | 2013);
                }
                // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN
                matches!(sqlite_code(error.as_ref()), Some(5 | 6 | 8 | 10 | 13 | 14))
            }
            Self::Sql(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::Protocol(_)
                    | sqlx::Error::WorkerCrashed
                    | sqlx::Error::BeginFailed
            ),
        }
    }

    /// Whether the connection broke, as one does that lay idle while the database was restarted: a new one may
    /// work at once.
    pub(crate) fn is_broken_connection(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => error
                .try_downcast_ref::<MySqlDatabaseError>()
                .is_some_and(|error| matches!(error.number(), 1053 | 2006 | 2013)),
            Self::Sql(_) => self.is_away(),
            Self::Timeout | Self::Inconsistent(_) => false,
        }
    }
}

/// The primary result code, when the error is of SQLite.
fn sqlite_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.try_downcast_ref::<SqliteError>()?;
    error.code()?.parse::<i32>().ok().map(|extended| extended & 0xff)
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.is_away() {
            Self::unavailable(failure, Some(RETRY_AFTER))
        } else {
            Self::internal(failure)
        }
    }
}
