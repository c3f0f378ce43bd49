//! A row of an answer.

use sqlx::Row as _;
use sqlx::mysql::MySqlRow;

use super::Failure;
use super::sqlite::SqliteRow;

const NULL: Failure = Failure::Inconsistent("a column that is never NULL is NULL");

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
            Self::Sqlite(row) => row.optional_int(column)?.ok_or(NULL)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// A number, or NULL.
    pub(crate) fn optional_int(&self, column: usize) -> Result<Option<i64>, Failure> {
        Ok(match self {
            Self::Sqlite(row) => row.optional_int(column)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// Bytes that are never NULL.
    pub(crate) fn bytes(&self, column: usize) -> Result<&[u8], Failure> {
        Ok(match self {
            Self::Sqlite(row) => row.optional_bytes(column)?.ok_or(NULL)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// Bytes, or NULL.
    pub(crate) fn optional_bytes(&self, column: usize) -> Result<Option<&[u8]>, Failure> {
        Ok(match self {
            Self::Sqlite(row) => row.optional_bytes(column)?,
            Self::MySql(row) => row.try_get(column)?,
        })
    }

    /// Bytes that are UTF-8, as text.
    pub(crate) fn text(&self, column: usize) -> Result<String, Failure> {
        utf8(self.bytes(column)?).map(str::to_owned)
    }

    /// Bytes that are UTF-8, as text, or NULL.
    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<&str>, Failure> {
        self.optional_bytes(column)?.map(utf8).transpose()
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Failure> {
    str::from_utf8(bytes).map_err(|_| Failure::Inconsistent("a text is not UTF-8"))
}
