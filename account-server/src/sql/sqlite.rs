//! SQLite: a connection on a thread of its own, since every call of the library may block.
//!
//! A statement is one message to the thread and one back. Its rows are copied into two vectors, cells and bytes: a
//! page of a listing is thousands of rows, and an allocation or a message for each value costs ten times as much as
//! reading it.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rusqlite::types::{self, ToSqlOutput, ValueRef};
use rusqlite::{Connection, InterruptHandle, OpenFlags, ToSql};
use tokio::sync::{mpsc, oneshot};

use super::connect::Role;
use super::{Failure, Value};

/// The most bytes that the rows of one statement may hold; those of the longest page stay far below.
const MAX_BYTES: usize = 1 << 30;

/// How the file is opened.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) file: PathBuf,
    /// How long a statement waits for a lock.
    pub(super) busy_timeout: Duration,
    pub(super) cache_kib: u64,
    /// Prepared statements kept.
    pub(super) statements: usize,
}

/// The way to a connection's thread, which ends when this is dropped.
pub(super) struct Link {
    jobs: mpsc::Sender<Job>,
    interrupt: InterruptHandle,
    /// Never sent to; closed when the thread has ended.
    ended: oneshot::Receiver<()>,
}

struct Job {
    text: Cow<'static, str>,
    values: Vec<Value<'static>>,
    waiting: oneshot::Sender<Result<Answer, Failure>>,
}

/// What a statement came to.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) touched: u64,
    table: Table,
}

/// A row, among those it came with.
#[derive(Debug)]
pub(crate) struct SqliteRow {
    table: Arc<Table>,
    first: usize,
}

#[derive(Debug)]
struct Table {
    width: usize,
    cells: Vec<Cell>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    Null,
    Int(i64),
    Bytes { start: u32, length: u32 },
    Other,
}

impl Link {
    /// Opens the file.
    pub(super) async fn open(options: Options, role: Role) -> Result<Self, Failure> {
        let (jobs, received) = mpsc::channel(1);
        let (opened, opening) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let work = move || {
            work(&options, role, opened, received);
            drop::<oneshot::Sender<()>>(end);
        };
        thread::Builder::new()
            .name("sqlite".to_owned())
            .spawn(work)
            .map_err(|_| Failure::ThreadEnded)?;
        let interrupt = opening.await.map_err(|_| Failure::ThreadEnded)??;
        Ok(Self {
            jobs,
            interrupt,
            ended,
        })
    }

    /// Runs a statement to its end. Dropped before that, it interrupts it.
    pub(super) async fn send(
        &self,
        text: Cow<'static, str>,
        values: &[Value<'_>],
    ) -> Result<Answer, Failure> {
        let values = values.iter().map(Value::to_static).collect();
        let (waiting, answer) = oneshot::channel();
        let job = Job {
            text,
            values,
            waiting,
        };
        let mut unanswered = Unanswered(Some(&self.interrupt));
        self.jobs.send(job).await.map_err(|_| Failure::ThreadEnded)?;
        let answer = answer.await;
        unanswered.0 = None;
        answer.map_err(|_| Failure::ThreadEnded)?
    }

    /// Closes the file.
    pub(super) async fn close(self) {
        drop(self.jobs);
        let _ = self.ended.await;
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Link").finish_non_exhaustive()
    }
}

/// A statement whose answer is not there yet.
struct Unanswered<'a>(Option<&'a InterruptHandle>);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if let Some(handle) = self.0 {
            handle.interrupt();
        }
    }
}

impl Answer {
    /// The rows.
    pub(super) fn rows(self) -> impl Iterator<Item = SqliteRow> {
        let width = self.table.width.max(1);
        let table = Arc::new(self.table);
        (0..table.cells.len()).step_by(width).map(move |first| SqliteRow {
            table: Arc::clone(&table),
            first,
        })
    }
}

impl SqliteRow {
    /// A number, or NULL.
    pub(super) fn optional_int(&self, column: usize) -> Result<Option<i64>, Failure> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            Cell::Int(number) => Ok(Some(number)),
            Cell::Bytes { .. } | Cell::Other => Err(Failure::Inconsistent("a column holds no number")),
        }
    }

    /// Bytes, or NULL.
    pub(super) fn optional_bytes(&self, column: usize) -> Result<Option<&[u8]>, Failure> {
        match self.cell(column) {
            Cell::Null => Ok(None),
            Cell::Bytes { start, length } => {
                let start = start as usize;
                Ok(self.table.bytes.get(start..start + length as usize))
            }
            Cell::Int(_) | Cell::Other => Err(Failure::Inconsistent("a column holds no bytes")),
        }
    }

    fn cell(&self, column: usize) -> Cell {
        let cell = self.table.cells.get(self.first + column);
        cell.filter(|_| column < self.table.width)
            .copied()
            .unwrap_or(Cell::Other)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Int(number) => ToSqlOutput::Owned(types::Value::Integer(*number)),
            Self::Bytes(bytes) => ToSqlOutput::Borrowed(ValueRef::Blob(bytes)),
            Self::Null => ToSqlOutput::Borrowed(ValueRef::Null),
        })
    }
}

/// The thread: opens the file and runs statements until nobody can send any more.
fn work(
    options: &Options,
    role: Role,
    opened: oneshot::Sender<Result<InterruptHandle, Failure>>,
    mut jobs: mpsc::Receiver<Job>,
) {
    let connection = match connect(options, role) {
        Ok(connection) => connection,
        Err(error) => {
            let _ = opened.send(Err(error.into()));
            return;
        }
    };
    if opened.send(Ok(connection.get_interrupt_handle())).is_err() {
        return;
    }
    while let Some(job) = jobs.blocking_recv() {
        let answer = run(&connection, &job.text, &job.values);
        let _ = job.waiting.send(answer);
    }
}

/// Durable with every commit, which batches make free. Waiting for a lock ends before our own time-out does, so
/// that no thread hangs in a dropped connection.
fn connect(options: &Options, role: Role) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.file, flags)?;
    connection.busy_timeout(options.busy_timeout)?;
    connection.set_prepared_statement_cache_capacity(options.statements);
    let query_only = if role == Role::Reader { "ON" } else { "OFF" };
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA cache_size = -{}; PRAGMA journal_size_limit = 67108864; PRAGMA query_only = {query_only}",
        options.cache_kib
    ))?;
    Ok(connection)
}

fn run(connection: &Connection, text: &str, values: &[Value<'_>]) -> Result<Answer, Failure> {
    let mut statement = connection.prepare_cached(text)?;
    for (place, value) in values.iter().enumerate() {
        statement.raw_bind_parameter(place + 1, value)?;
    }
    let mut table = Table {
        width: statement.column_count(),
        cells: Vec::new(),
        bytes: Vec::new(),
    };
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        for column in 0..table.width {
            table.push(row.get_ref(column)?)?;
        }
    }
    let touched = connection.changes();
    Ok(Answer { touched, table })
}

impl Table {
    fn push(&mut self, value: ValueRef<'_>) -> Result<(), Failure> {
        let cell = match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(number) => Cell::Int(number),
            ValueRef::Blob(bytes) | ValueRef::Text(bytes) => {
                let start = self.bytes.len();
                if start + bytes.len() > MAX_BYTES {
                    return Err(Failure::Inconsistent("the rows of a statement are too long"));
                }
                self.bytes.extend_from_slice(bytes);
                Cell::Bytes {
                    start: start as u32,
                    length: bytes.len() as u32,
                }
            }
            ValueRef::Real(_) => Cell::Other,
        };
        self.cells.push(cell);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn open(directory: &tempfile::TempDir, role: Role) -> Link {
        let options = Options {
            file: directory.path().join("test.sqlite"),
            busy_timeout: Duration::from_secs(1),
            cache_kib: 64,
            statements: 4,
        };
        Link::open(options, role).await.unwrap()
    }

    #[tokio::test]
    async fn values_come_back_as_they_went_in() {
        let directory = tempfile::tempdir().unwrap();
        let link = open(&directory, Role::Reader).await;
        let values = [
            Value::Int(i64::MIN),
            Value::Null,
            b"\0\xff".as_slice().into(),
            b"".as_slice().into(),
        ];
        let text = "SELECT ?1, ?2, ?3, ?4, 'text', 0.5 UNION ALL SELECT 1, 2, 3, 4, 5, 6";
        let answer = link.send(text.into(), &values).await.unwrap();
        let rows: Vec<_> = answer.rows().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].optional_int(0).unwrap(), Some(i64::MIN));
        assert_eq!(rows[0].optional_int(1).unwrap(), None);
        assert_eq!(rows[0].optional_bytes(1).unwrap(), None);
        assert_eq!(rows[0].optional_bytes(2).unwrap(), Some(b"\0\xff".as_slice()));
        assert_eq!(rows[0].optional_bytes(3).unwrap(), Some(b"".as_slice()));
        assert_eq!(rows[0].optional_bytes(4).unwrap(), Some(b"text".as_slice()));
        assert!(rows[0].optional_int(2).is_err() && rows[0].optional_bytes(0).is_err());
        assert!(rows[0].optional_int(5).is_err() && rows[0].optional_int(6).is_err());
        assert_eq!(rows[1].optional_int(0).unwrap(), Some(1));
        link.close().await;
    }

    #[tokio::test]
    async fn a_reader_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let writer = open(&directory, Role::Writer).await;
        writer.send("CREATE TABLE t (a)".into(), &[]).await.unwrap();
        let insert = "INSERT INTO t VALUES (?), (?)";
        let values = [Value::Int(1), Value::Int(2)];
        assert_eq!(writer.send(insert.into(), &values).await.unwrap().touched, 2);
        let reader = open(&directory, Role::Reader).await;
        assert!(reader.send(insert.into(), &values).await.is_err());
        let rows = reader.send("SELECT a FROM t".into(), &[]).await.unwrap();
        assert_eq!(rows.rows().count(), 2);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_interrupted() {
        const ENDLESS: &str =
            "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t";
        let directory = tempfile::tempdir().unwrap();
        let link = open(&directory, Role::Reader).await;
        let waiting = Duration::from_millis(20);
        let late = tokio::time::timeout(waiting, link.send(ENDLESS.into(), &[])).await;
        assert!(late.is_err());
        tokio::time::timeout(Duration::from_secs(60), link.close())
            .await
            .expect("the statement ends, and the thread with it");
    }
}
