//! SQL once for both databases: a connection, the values that go in, the rows that come out.
//!
//! Bytes are bound as blobs, always: in SQLite a text never equals a blob. A function of [`crate::table`] takes a
//! [`Connection`]; whoever calls it began the transaction and ends it.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{AssertSqlSafe, MySql, MySqlConnection};

mod check;
mod connect;
mod failure;
mod many;
mod migrate;
mod row;
mod sqlite;

pub(crate) use connect::{Connector, Role};
pub(crate) use failure::Failure;
pub(crate) use many::{Many, ManyText};
pub(crate) use row::Row;

/// Where the log shows the name of each statement that is sent.
const STATEMENTS: &str = "account_server::statement";

/// Which of the two ways of writing a statement a database understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    MySql,
}

/// One statement, in two texts where the databases part.
///
/// Every statement has a name of its own, which the log shows at level `trace`, and by which a test finds those that no
/// test sends. Names that begin with `mysql.` are sent to MySQL only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) name: &'static str,
    pub(crate) sqlite: &'static str,
    pub(crate) mysql: &'static str,
}

impl Text {
    /// A statement that both databases understand.
    pub(crate) const fn both(name: &'static str, text: &'static str) -> Self {
        Self {
            name,
            sqlite: text,
            mysql: text,
        }
    }

    fn of(self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::MySql => self.mysql,
        }
    }
}

/// A value to bind.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Int(i64),
    Bytes(Cow<'a, [u8]>),
    Null,
}

impl Value<'_> {
    /// The same, borrowed from nobody.
    fn to_static(&self) -> Value<'static> {
        match self {
            Self::Int(number) => Value::Int(*number),
            Self::Bytes(bytes) => Value::Bytes(Cow::Owned(bytes.to_vec())),
            Self::Null => Value::Null,
        }
    }

    /// Bytes on their way to the database, about.
    fn size(&self) -> usize {
        match self {
            Self::Int(_) => 8,
            Self::Bytes(bytes) => bytes.len() + 9,
            Self::Null => 1,
        }
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(fact: bool) -> Self {
        Self::Int(i64::from(fact))
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Bytes(Cow::Borrowed(text.as_bytes()))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(Cow::Owned(bytes))
    }
}

impl<'a, T: Into<Self>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// One connection to the database. After a failure that [is away](Failure::is_away) it is good for nothing more
/// than to be dropped.
#[derive(Debug)]
pub(crate) struct Connection {
    link: Link,
    timeout: Duration,
    statements: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Link {
    Sqlite(sqlite::Link),
    MySql(MySqlConnection),
}

impl Connection {
    /// Which database it is.
    pub(crate) fn dialect(&self) -> Dialect {
        match self.link {
            Link::Sqlite(_) => Dialect::Sqlite,
            Link::MySql(_) => Dialect::MySql,
        }
    }

    /// Runs `text` and answers how many rows it touched.
    pub(crate) async fn execute(&mut self, text: Text, values: &[Value<'_>]) -> Result<u64, Failure> {
        self.send(text.name, text.of(self.dialect()).into(), values).await
    }

    /// Runs `text` and answers its rows.
    pub(crate) async fn rows(&mut self, text: Text, values: &[Value<'_>]) -> Result<Vec<Row>, Failure> {
        self.fetch(text.name, text.of(self.dialect()).into(), values)
            .await
    }

    /// Runs `text` and answers its first row.
    pub(crate) async fn first(&mut self, text: Text, values: &[Value<'_>]) -> Result<Option<Row>, Failure> {
        Ok(self.rows(text, values).await?.into_iter().next())
    }

    /// Begins a transaction that writes. It sees what others committed before it took its first lock.
    pub(crate) async fn begin_write(&mut self) -> Result<(), Failure> {
        self.run(Text {
            name: "begin_write",
            sqlite: "BEGIN IMMEDIATE",
            mysql: "START TRANSACTION",
        })
        .await
    }

    /// Begins a transaction whose every statement reads the same state of the database.
    pub(crate) async fn begin_read(&mut self) -> Result<(), Failure> {
        self.run(Text {
            name: "begin_read",
            sqlite: "BEGIN",
            mysql: "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
        })
        .await
    }

    /// Makes the transaction's changes lasting.
    pub(crate) async fn commit(&mut self) -> Result<(), Failure> {
        self.run(Text::both("commit", "COMMIT")).await
    }

    /// Ends the transaction and leaves nothing of it. Also after any failure inside it: a failed cascade of SQLite
    /// leaves half of its work in the transaction.
    pub(crate) async fn rollback(&mut self) -> Result<(), Failure> {
        self.run(Text::both("rollback", "ROLLBACK")).await
    }

    /// Closes it in good order.
    pub(crate) async fn close(self) {
        use sqlx::Connection as _;
        let closing = async {
            match self.link {
                Link::Sqlite(link) => {
                    link.close().await;
                    Ok(())
                }
                Link::MySql(link) => link.close().await,
            }
        };
        match tokio::time::timeout(self.timeout, closing).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a database connection was not closed in good order"),
            Err(_) => tracing::warn!("a database connection was not closed in time"),
        }
    }

    fn count(&self, name: &'static str) {
        tracing::trace!(target: STATEMENTS, name);
        self.statements.fetch_add(1, Ordering::Relaxed);
    }

    async fn run(&mut self, text: Text) -> Result<(), Failure> {
        self.count(text.name);
        let text = text.of(self.dialect());
        let work = async {
            match &mut self.link {
                Link::Sqlite(link) => link.send(text.into(), &[]).await.map(|_| ()),
                Link::MySql(link) => Ok(sqlx::raw_sql(text).execute(link).await.map(|_| ())?),
            }
        };
        in_time(self.timeout, work).await
    }

    async fn send(
        &mut self,
        name: &'static str,
        text: Cow<'static, str>,
        values: &[Value<'_>],
    ) -> Result<u64, Failure> {
        self.count(name);
        let work = async {
            Ok(match &mut self.link {
                Link::Sqlite(link) => link.send(text, values).await?.touched,
                Link::MySql(link) => bound(text, values).execute(link).await?.rows_affected(),
            })
        };
        in_time(self.timeout, work).await
    }

    async fn fetch(
        &mut self,
        name: &'static str,
        text: Cow<'static, str>,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, Failure> {
        self.count(name);
        let work = async {
            Ok(match &mut self.link {
                Link::Sqlite(link) => {
                    let answer = link.send(text, values).await?;
                    answer.rows().map(Row::Sqlite).collect()
                }
                Link::MySql(link) => {
                    let rows = bound(text, values).fetch_all(link).await?;
                    rows.into_iter().map(Row::MySql).collect()
                }
            })
        };
        in_time(self.timeout, work).await
    }
}

async fn in_time<T>(timeout: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let result = tokio::time::timeout(timeout, work).await;
    result.unwrap_or(Err(Failure::Timeout))
}

fn bound<'q>(text: Cow<'static, str>, values: &[Value<'_>]) -> Query<'q, MySql, MySqlArguments> {
    let query = sqlx::query(AssertSqlSafe(text));
    values.iter().fold(query, |query, value| match value {
        Value::Int(number) => query.bind(*number),
        Value::Bytes(bytes) => query.bind(&**bytes),
        Value::Null => query.bind(None::<i64>),
    })
}
