//! A MariaDB of the tests' own: never one of the system's, on no port, gone with its value.
//!
//! It listens on a socket in its temporary directory, and nobody else can. Nothing is synced to the disk; what was
//! committed survives a kill nevertheless. Of a kind of MariaDB one data directory is made, and copied from then on.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::log::Log;
use crate::program;

mod database;
mod mirror;
mod way;

pub use database::{ANNOUNCED, OwnDatabase};
pub use mirror::Mirror;
pub use way::{Fault, Way};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database that is there and empty.
const DATABASE: &str = "stobj";

const OPTIONS: &[&str] = &[
    "--no-defaults",
    "--skip-networking",
    "--skip-name-resolve",
    "--max-connections=1000",
    // Many servers share it, each with little data.
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=8M",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    // Written with every commit, never synced: a kill loses nothing, a power cut may.
    "--innodb-flush-log-at-trx-commit=2",
    "--skip-innodb-doublewrite",
    "--loose-debug-no-sync",
];

/// A running `mariadbd`, or one that was stopped and can be started again. Killed when dropped.
#[derive(Debug)]
pub struct MariaDb {
    child: Option<Child>,
    log: Log,
    directory: TempDir,
    data: PathBuf,
    /// Options besides those that all have.
    options: &'static [&'static str],
}

impl MariaDb {
    /// Starts one that holds nothing but an empty database.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let data = directory.path().join("data");
        Self::start_at(directory, data, &[]).await
    }

    /// The same with its data below `place`, which is on a disk of the test's choice.
    pub async fn start_on(place: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self::start_at(directory, place.join("mariadb"), &[]).await
    }

    /// The same with room for millions of rows in memory, to be measured.
    pub async fn start_roomy(place: &Path) -> Self {
        const ROOMY: &[&str] = &["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=256M"];
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self::start_at(directory, place.join("mariadb"), ROOMY).await
    }

    async fn start_at(directory: TempDir, data: PathBuf, options: &'static [&'static str]) -> Self {
        copy(&template(), &data);
        let mut mariadb = Self {
            child: None,
            log: Log::default(),
            directory,
            data,
            options,
        };
        mariadb.start_again().await;
        mariadb
    }

    /// Takes everything away that one holds that is not running.
    pub fn lose_everything(&self) {
        assert!(self.child.is_none(), "MariaDB still runs");
        fs::remove_dir_all(&self.data).expect("the data are ours");
        copy(&template(), &self.data);
    }

    /// The empty database, for the setting `database` of `[account-server]`. Stays the same over a restart.
    pub fn url(&self) -> String {
        format!(
            "mysql://root@localhost/{DATABASE}?socket={}",
            self.socket().display()
        )
    }

    /// The Unix socket where it listens, also when a proxy before it is to be the only way there.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// Its number, while it runs.
    pub fn process_id(&self) -> u32 {
        self.child.as_ref().expect("MariaDB runs").id()
    }

    /// Starts it on the data it had, and waits until it answers.
    pub async fn start_again(&mut self) {
        assert!(self.child.is_none(), "MariaDB runs already");
        let mut command = privately("setpriv");
        command
            // Whatever becomes of the test, it goes too.
            .args(["--pdeathsig", "KILL", "--", "mariadbd"])
            .args(OPTIONS)
            .args(self.options)
            .args(as_root())
            .arg(option("datadir", &self.data))
            .arg(option("tmpdir", self.directory.path()))
            .arg(option("socket", &self.socket()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = started(command.spawn(), "mariadbd");
        let log = Log::default();
        let errors = child.stderr.take().expect("it is a pipe");
        log.follow(File::from(OwnedFd::from(errors)));
        (self.child, self.log) = (Some(child), log.clone());
        let ready = move || {
            log.wait_for(PATIENCE, |lines| {
                let ready = |line: &String| line.contains("ready for connections");
                lines.iter().any(ready).then_some(())
            })
        };
        let ready = tokio::task::spawn_blocking(ready).await;
        if ready.expect("waiting does not panic").is_none() {
            panic!("MariaDB did not start:\n{}", self.log.lines().join("\n"));
        }
    }

    /// Starts it again if it has ended by itself, as it does when it cannot write to its disk.
    pub async fn revive(&mut self) {
        let ended = self.child.as_mut().is_none_or(|child| {
            let status = child.try_wait().expect("it is our child");
            status.is_some()
        });
        if ended {
            self.child = None;
            self.start_again().await;
        }
    }

    /// Ends it in good order.
    pub async fn stop(&mut self) {
        self.send(Signal::TERM);
        let mut child = self.child.take().expect("MariaDB runs");
        let ended = tokio::task::spawn_blocking(move || child.wait()).await;
        let status = ended.expect("waiting does not panic").expect("it is our child");
        assert!(
            status.success(),
            "MariaDB ended with {status}:\n{}",
            self.log.lines().join("\n")
        );
    }

    /// Kills it as it stands. [`MariaDb::start_again`] finds everything that was committed.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ended = child.kill();
            child.wait().expect("it is our child");
        }
    }

    /// Stops the clock for it: connections stay open, and nothing answers.
    pub fn freeze(&self) {
        self.send(Signal::STOP);
    }

    /// Lets a frozen one go on.
    pub fn thaw(&self) {
        self.send(Signal::CONT);
    }

    fn send(&self, signal: Signal) {
        let id = i32::try_from(self.process_id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process has a number"), signal).expect("MariaDB is our child");
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The data directory that every other is a copy of, of the MariaDB that is installed now.
fn template() -> PathBuf {
    let said = privately("mariadbd")
        .args(["--no-defaults", "--version"])
        .output();
    let said = String::from_utf8(started(said, "mariadbd").stdout).expect("a version is text");
    let version = said.split_whitespace().find(|word| word.contains("MariaDB"));
    let version = version.unwrap_or_else(|| panic!("this is no MariaDB: {said}"));
    let home = program::target_directory().join("test-mariadb");
    let template = home.join(version);
    if template.exists() {
        return template;
    }
    fs::create_dir_all(&home).expect("the target directory is ours");
    let young = tempfile::tempdir_in(&home).expect("the target directory is ours");
    let data = young.path().join("data");
    let mut command = privately("mariadb-install-db");
    command
        .args(OPTIONS)
        .args(as_root())
        .args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .arg(option("datadir", &data));
    let output = started(command.output(), "mariadb-install-db");
    assert!(
        output.status.success(),
        "mariadb-install-db: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    // A directory is all a database is.
    fs::create_dir(data.join(DATABASE)).expect("the data are ours");
    // Another process may have been quicker; one is as good as the other.
    let _moved = fs::rename(&data, &template);
    assert!(template.exists(), "{} cannot be made", template.display());
    template
}

/// A command that also finds what lies where only root's path leads.
fn privately(name: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new(name);
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

fn started<T>(result: std::io::Result<T>, name: &str) -> T {
    result.unwrap_or_else(|error| {
        panic!(
            "{name} cannot be started ({error}); `tests/run` installs it, from Debian's mariadb-server-core"
        )
    })
}

/// MariaDB runs as root only when told so.
fn as_root() -> Option<&'static str> {
    geteuid().is_root().then_some("--user=root")
}

fn option(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).expect("the temporary directory is ours");
    for entry in fs::read_dir(from).expect("the template is there") {
        let entry = entry.expect("the template is ours");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("the temporary directory has room");
        }
    }
}
