//! What goes wrong around a server.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::mariadb::OwnDatabase;
use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(60);

const HOLDER: &str = "\
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
connection.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
sys.stdin.readline()
connection.execute('ROLLBACK')
print('released', flush=True)
";

/// A server's database in the hands of somebody who does not let go: it can be read, but nothing can be written to it.
#[derive(Debug)]
pub enum HeldDatabase {
    /// By the file's lock.
    Sqlite(Box<Holder>),
    /// By locks on all tables.
    MariaDb(MySqlConnection),
}

impl HeldDatabase {
    /// Takes the lock.
    pub async fn hold(server: &Server) -> Self {
        match server.built().own_database().await {
            None => Self::Sqlite(Box::new(Holder::start(&server.data().join("stobj.sqlite")).await)),
            Some(database) => Self::MariaDb(lock_tables(database).await),
        }
    }

    /// Lets go.
    pub async fn release(self) {
        match self {
            Self::Sqlite(holder) => holder.release().await,
            Self::MariaDb(connection) => connection.close().await.expect("MariaDB is there"),
        }
    }
}

async fn lock_tables(database: &OwnDatabase) -> MySqlConnection {
    let mut connection = database.connect().await;
    let tables = sqlx::query_scalar::<_, String>(
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()",
    );
    let tables = tables.fetch_all(&mut connection).await.expect("MariaDB is there");
    assert!(!tables.is_empty(), "the server has made its tables");
    let locks: Vec<_> = tables.iter().map(|table| format!("`{table}` READ")).collect();
    let lock = format!("LOCK TABLES {}", locks.join(", "));
    let locked = connection.execute(AssertSqlSafe(lock)).await;
    locked.expect("nobody else holds them");
    connection
}

/// A process that holds the lock of a SQLite file.
#[derive(Debug)]
pub struct Holder {
    _process: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    async fn start(file: &Path) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", HOLDER]).arg(file);
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut process = piped.spawn().expect("python3 is there; `tests/run` installs it");
        let stdin = process.stdin.take().expect("it is a pipe");
        let stdout = process.stdout.take().expect("it is a pipe");
        let mut holder = Self {
            _process: process,
            stdin,
            lines: BufReader::new(stdout).lines(),
        };
        holder.hear("held").await;
        holder
    }

    async fn release(mut self) {
        self.stdin.write_all(b"\n").await.expect("the holder listens");
        self.hear("released").await;
    }

    async fn hear(&mut self, word: &str) {
        let line = timeout(PATIENCE, self.lines.next_line())
            .await
            .expect("the holder answers");
        assert_eq!(line.expect("the holder speaks").as_deref(), Some(word));
    }
}
