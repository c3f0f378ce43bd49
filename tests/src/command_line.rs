//! The subcommands, run as a person or a script runs them.

use std::fmt;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::program;
use crate::server::{ADMIN_PASSWORD, Server};

/// `stobj …` in the name of a user.
#[derive(Clone, Debug)]
pub struct CommandLine {
    auth_url: String,
    user: String,
    key: String,
}

/// A command that has ended.
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to standard output.
    pub out: Vec<u8>,
    /// What it wrote to standard error.
    pub error: String,
    command: String,
}

impl CommandLine {
    /// Of `test:tester`.
    pub fn of(server: &Server) -> Self {
        Self::at(&server.auth_url(), "test:tester", "testing")
    }

    /// Of the administrator.
    pub fn of_administrator(server: &Server) -> Self {
        Self::at(&server.auth_url(), "admin:admin", ADMIN_PASSWORD)
    }

    /// Of anybody, who logs in there.
    pub fn at(auth_url: &str, user: &str, key: &str) -> Self {
        Self {
            auth_url: auth_url.to_owned(),
            user: user.to_owned(),
            key: key.to_owned(),
        }
    }

    /// The command, not run yet.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program::server());
        program::without_settings(&mut command)
            .args(arguments)
            .env_remove("OS_AUTH_TOKEN")
            .env_remove("OS_STORAGE_URL")
            .env("ST_AUTH", &self.auth_url)
            .env("ST_USER", &self.user)
            .env("ST_KEY", &self.key);
        command
    }

    /// Runs it to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        Ended::new(arguments, program::finish(&mut self.command(arguments)).await)
    }

    /// Runs it in a directory.
    pub async fn run_in(&self, directory: &Path, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        Ended::new(arguments, program::finish(command.current_dir(directory)).await)
    }

    /// Runs it with something on its standard input.
    pub async fn run_with(&self, input: &[u8], arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let piped = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = piped
            .kill_on_drop(true)
            .spawn()
            .expect("the binary can be started");
        let mut stdin = process.stdin.take().expect("it is a pipe");
        let writing = async {
            stdin.write_all(input).await.expect("it reads all of its input");
            drop(stdin);
        };
        let ((), output) = tokio::join!(writing, process.wait_with_output());
        Ended::new(arguments, output.expect("it can be waited for"))
    }
}

impl Server {
    /// Storage, counters and mirror agree, byte for byte.
    pub async fn expect_agreement(&self) {
        let stobj = CommandLine::of_administrator(self);
        stobj.run(&["check", "--deep"]).await.expect(0);
    }
}

impl Ended {
    fn new(arguments: &[&str], output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: output.stdout,
            error: String::from_utf8_lossy(&output.stderr).into_owned(),
            command: format!("stobj {}", arguments.join(" ")),
        }
    }

    /// Checks the exit code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }

    /// Checks that standard error has these words.
    #[track_caller]
    pub fn expect_error(self, words: &str) -> Self {
        assert!(self.error.contains(words), "{words:?} is missing: {self:?}");
        self
    }

    /// What it wrote, as text.
    #[track_caller]
    pub fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("it is text")
    }

    /// The lines that it wrote.
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// The lines that it wrote, each as JSON.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        let lines = self.lines();
        let values = lines.iter().map(|line| serde_json::from_str(line));
        values
            .collect::<Result<_, _>>()
            .unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let out = String::from_utf8_lossy(&self.out);
        let out: String = out.chars().take(2000).collect();
        write!(
            formatter,
            "{}: exit code {}\n{out}{}",
            self.command, self.code, self.error
        )
    }
}
