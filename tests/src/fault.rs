//! What goes wrong around a server.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

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

/// The lock of a server's database in the hands of somebody who does not let go: nothing can be written to it.
#[derive(Debug)]
pub struct HeldDatabase {
    _holder: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl HeldDatabase {
    /// Takes the lock.
    pub async fn hold(server: &Server) -> Self {
        let mut command = Command::new("python3");
        command
            .args(["-c", HOLDER])
            .arg(server.data().join("stobj.sqlite"));
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        let mut holder = piped.spawn().expect("python3 is there; `tests/run` installs it");
        let stdin = holder.stdin.take().expect("it is a pipe");
        let stdout = holder.stdout.take().expect("it is a pipe");
        let mut held = Self {
            _holder: holder,
            stdin,
            lines: BufReader::new(stdout).lines(),
        };
        held.hear("held").await;
        held
    }

    /// Lets go.
    pub async fn release(mut self) {
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
