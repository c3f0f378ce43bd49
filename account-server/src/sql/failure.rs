//! What can go wrong between us and a database, and what is to be done about it.

use common::Error;
use rusqlite::ErrorCode;
use sqlx::mysql::MySqlDatabaseError;

/// The pause that a refused caller is told to make.
pub(crate) const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It did not end in time; what became of it is not known.
    #[error("the database did not answer in time")]
    Timeout,
    /// MySQL refused it, or was not there.
    #[error(transparent)]
    MySql(#[from] sqlx::Error),
    /// SQLite refused it.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The thread of a connection could not be started, or has ended.
    #[error("the connection's thread has ended")]
    ThreadEnded,
    /// A row holds what it never may.
    #[error("inconsistent row: {0}")]
    Inconsistent(&'static str),
}

impl Failure {
    /// Whether the database is not there for us: its connection is to be dropped.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Timeout | Self::ThreadEnded => true,
            Self::Inconsistent(_) => false,
            Self::MySql(sqlx::Error::Database(error)) => {
                let error = error.try_downcast_ref::<MySqlDatabaseError>();
                error.is_some_and(|error| {
                    matches!(error.number(), 1021 | 1040 | 1053 | 1205 | 1290 | 2006 | 2013)
                })
            }
            Self::MySql(error) => matches!(
                error,
                sqlx::Error::Io(_)
                    | sqlx::Error::Tls(_)
                    | sqlx::Error::Protocol(_)
                    | sqlx::Error::WorkerCrashed
                    | sqlx::Error::BeginFailed
            ),
            Self::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::ReadOnly
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::DiskFull
                        | ErrorCode::CannotOpen
                )
            ),
        }
    }

    /// Whether the connection broke, as one does that lay idle while the database was restarted: a new one may
    /// work at once.
    pub(crate) fn is_broken_connection(&self) -> bool {
        match self {
            Self::MySql(sqlx::Error::Database(error)) => error
                .try_downcast_ref::<MySqlDatabaseError>()
                .is_some_and(|error| matches!(error.number(), 1053 | 2006 | 2013)),
            Self::MySql(_) => self.is_away(),
            Self::ThreadEnded => true,
            Self::Timeout | Self::Sqlite(_) | Self::Inconsistent(_) => false,
        }
    }
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
