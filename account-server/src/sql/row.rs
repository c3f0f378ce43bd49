//! A row of an answer.

use sqlx::Row as _;
use sqlx::mysql::MySqlRow;
use sqlx::sqlite::SqliteRow;

use super::Failure;

/// A row of either database; columns are asked for by their place.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    MySql(MySqlRow),
}

impl Row {
    /// A number that is never NULL.
    pub(crate) fn int(&self, column: usize) -> Result<i64, Failure> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// A number, or NULL.
    pub(crate) fn optional_int(&self, column: usize) -> Result<Option<i64>, Failure> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// Bytes that are never NULL.
    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], Failure> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// Bytes, or NULL.
    pub(crate) fn optional_bytes(&self, column: usize) -> Result<Option<&[u8]>, Failure> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// Bytes that are UTF-8, as text.
    pub(crate) fn text(&self, column: usize) -> Result<String, Failure> {
        let bytes = self.bytes(column)?.to_vec();
        String::from_utf8(bytes).map_err(|_| Failure::Inconsistent("a text is not UTF-8"))
    }

    /// Bytes that are UTF-8, as text, or NULL.
    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<String>, Failure> {
        match self.optional_bytes(column)? {
            None => Ok(None),
            Some(_) => self.text(column).map(Some),
        }
    }
}
