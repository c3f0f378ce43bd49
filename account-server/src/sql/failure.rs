//! What can go wrong between us and a database, and what is to be done about it.

use common::Error;
use sqlx::mysql::MySqlDatabaseError;

/// The pause that a refused caller is told to make.
pub(crate) const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

/// A statement that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// It did not end in time; what became of it is not known.
    #[error("the database did not answer in time")]
    Timeout,
    /// MySQL refused it, or was not there; or SQLite refused a step of the schema.
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
    /// Another server does at the moment what only one may do.
    #[error("{0}")]
    Occupied(&'static str),
    /// It is there, but none that this program can work with, and waiting does not make it one.
    #[error("[account-server] database: {0}")]
    Unusable(String),
}

/// What a database's word means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    /// It is not there for us, for now or until somebody repairs something.
    Away,
    /// This connection has ended; another may work at once.
    Broken,
    /// The transaction met another one; the same again will succeed.
    Contended,
    /// The statement itself is wrong here.
    Wrong,
}

impl Failure {
    /// Whether the database is not there for us: its connection is to be dropped.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.meaning(), Meaning::Away | Meaning::Broken)
    }

    /// Whether the connection broke, as one does that lay idle while the database was restarted: a new one may
    /// work at once.
    pub(crate) fn is_broken_connection(&self) -> bool {
        self.meaning() == Meaning::Broken
    }

    /// Whether the transaction only met another one.
    pub(crate) fn is_contended(&self) -> bool {
        self.meaning() == Meaning::Contended
    }

    fn meaning(&self) -> Meaning {
        match self {
            Self::Timeout | Self::Occupied(_) => Meaning::Away,
            Self::Inconsistent(_) | Self::Unusable(_) => Meaning::Wrong,
            Self::ThreadEnded => Meaning::Broken,
            Self::Sqlite(error) => sqlite_meaning(error.sqlite_error().map(|error| error.extended_code)),
            Self::MySql(sqlx::Error::Database(error)) => {
                match error.try_downcast_ref::<MySqlDatabaseError>() {
                    Some(error) => mysql_meaning(error.number()),
                    None => sqlite_meaning(error.code().and_then(|code| code.parse().ok())),
                }
            }
            Self::MySql(
                sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed,
            ) => Meaning::Broken,
            Self::MySql(_) => Meaning::Wrong,
        }
    }
}

/// The numbers are those of MySQL, which MariaDB shares below 1900.
fn mysql_meaning(number: u16) -> Meaning {
    match number {
        // The disk or the table is full, no memory, the storage engine failed, only reading is allowed.
        1021 | 1030 | 1037 | 1038 | 1041 | 1114 | 1036 | 1290 | 1792 | 1836 => Meaning::Away,
        // Too many connections: of all, of this user, in this hour; this host was blocked.
        1040 | 1203 | 1226 | 1129 => Meaning::Away,
        // Not let in: password, host, account locked or expired, database, rights.
        1044 | 1045 | 1130 | 1142 | 1143 | 1227 | 1698 | 1820 | 1862 | 3118 | 4151 => Meaning::Away,
        // The database was not made yet, or was emptied or restored.
        1046 | 1049 | 1054 | 1146 => Meaning::Away,
        // A node of a cluster that is not ready.
        1047 => Meaning::Away,
        // Stopped for having taken too long (MariaDB, MySQL).
        1969 | 3024 => Meaning::Away,
        // The server ends or ended, killed the connection (MariaDB), closed it because it lay idle, lost a packet.
        1053 | 1152 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 4031 => Meaning::Broken,
        // Lock time-out, deadlock or a refused certification, too many locks, interrupted, to be prepared anew, a
        // row that changed, a transaction that the replication refused.
        1205 | 1213 | 1206 | 1317 | 1615 | 1020 | 1180 | 3101 => Meaning::Contended,
        _ => Meaning::Wrong,
    }
}

/// By the result code, whose lowest byte is the primary one.
fn sqlite_meaning(code: Option<i32>) -> Meaning {
    match code.map(|extended| extended & 0xff) {
        // BUSY, LOCKED, READONLY, IOERR, FULL, CANTOPEN
        Some(5 | 6 | 8 | 10 | 13 | 14) => Meaning::Away,
        _ => Meaning::Wrong,
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        if failure.is_away() || failure.is_contended() {
            Self::unavailable(failure, Some(RETRY_AFTER))
        } else {
            Self::internal(failure)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_connection_mends_is_no_reason_to_wait() {
        let broken = Failure::MySql(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()));
        assert!(broken.is_broken_connection() && broken.is_away());
        assert!(Failure::Timeout.is_away() && !Failure::Timeout.is_broken_connection());
        for (number, meaning) in [
            (1205, Meaning::Contended),
            (1213, Meaning::Contended),
            (1045, Meaning::Away),
            (1290, Meaning::Away),
            (2013, Meaning::Broken),
            (1406, Meaning::Wrong),
        ] {
            assert_eq!(mysql_meaning(number), meaning, "{number}");
        }
    }

    #[test]
    fn who_meets_another_transaction_is_told_to_come_again() {
        let error = Error::from(Failure::Occupied("another server does it"));
        assert_eq!(*error.outcome(), common::Outcome::Unavailable(Some(1)));
        let error = Error::from(Failure::Unusable("it is too new".to_owned()));
        assert_eq!(*error.outcome(), common::Outcome::Internal);
    }
}
