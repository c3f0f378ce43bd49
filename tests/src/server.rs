//! A server of a test's own: the real binary, in a temporary directory, on a port that the system chose.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::process::Command;

use crate::client::{Client, Endpoint};
use crate::log::Log;
use crate::process::Process;
use crate::program;

/// Names another Swift to send the requests to, such as `127.0.0.1:18080`, so that a test can be proven right on it.
const FOREIGN_ENDPOINT: &str = "STOBJ_TEST_ENDPOINT";

/// `split` makes every server that does not say otherwise one of three processes.
const SHAPE: &str = "STOBJ_TEST_SHAPE";

/// The administrator's password in every test.
pub const ADMIN_PASSWORD: &str = "admin";

/// Which processes the store is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shape {
    /// `stobj serve`: all in one.
    #[default]
    Single,
    /// `stobj proxy`, `stobj object-server` and `stobj account-server`, over one directory.
    Split,
}

impl Shape {
    /// What the environment asks for.
    fn wanted() -> Self {
        match std::env::var(SHAPE).as_deref() {
            Ok("split") => Self::Split,
            Ok(other) if other != "single" => panic!("{SHAPE} is {other:?}, neither single nor split"),
            _ => Self::Single,
        }
    }
}

/// What keeps the mirror.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Database {
    /// A file below the data directory.
    #[default]
    Sqlite,
}

/// A server to be started.
#[derive(Clone, Debug)]
#[must_use = "start it"]
pub struct Builder {
    shape: Shape,
    database: Database,
    settings: String,
    variables: Vec<(String, String)>,
    wrapper: Vec<String>,
    directory: Arc<TempDir>,
}

/// A running server. Killed when dropped; its log is shown when the test fails.
#[derive(Debug)]
pub struct Server {
    endpoint: Arc<Endpoint>,
    own: Option<Own>,
}

/// What only a server that we started has.
#[derive(Debug)]
struct Own {
    builder: Builder,
    /// What clients speak to.
    process: Process,
    /// The others, in the order in which they end.
    behind: Vec<Process>,
}

impl Server {
    /// The usual one: all in one process, with the users of [`Builder::users`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with settings of its own.
    pub fn builder() -> Builder {
        Builder {
            shape: Shape::wanted(),
            database: Database::default(),
            settings: String::new(),
            variables: vec![("STOBJ_ADMIN_PASSWORD".to_owned(), ADMIN_PASSWORD.to_owned())],
            wrapper: Vec::new(),
            directory: Arc::new(tempfile::tempdir().expect("a temporary directory can be made")),
        }
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// Where clients log in.
    pub fn auth_url(&self) -> String {
        format!("http://{}/auth/v1.0", self.address())
    }

    /// What the server printed.
    pub fn log(&self) -> &Log {
        &self.endpoint.log
    }

    /// A client without token or account.
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.endpoint))
    }

    /// A client that logged in.
    pub async fn login(&self, user: &str, key: &str) -> Client {
        self.client().login(user, key).await
    }

    /// A client of `test:tester`, who administers the account `AUTH_test`.
    pub async fn tester(&self) -> Client {
        let client = self.login("test:tester", "testing").await;
        if self.own.is_none() {
            empty(&client).await;
        }
        client
    }

    /// The directory of the data.
    pub fn data(&self) -> PathBuf {
        self.own().builder.data()
    }

    /// The directory whose entries are the accounts' directories.
    pub fn objects(&self) -> PathBuf {
        self.data().join("objects")
    }

    /// The process that clients speak to.
    pub fn process_id(&self) -> u32 {
        self.own().process.id()
    }

    /// The most memory the process ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process_id());
        let status = std::fs::read_to_string(path).expect("the server has not ended");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("Linux shows a process's peak memory") * 1024
    }

    /// Asks the server to end; it goes on with what it began.
    pub fn terminate(&self) {
        self.own().process.terminate();
    }

    /// Waits until the server has ended by itself, which must be without an error.
    pub async fn ended(mut self) -> Builder {
        let own = self.own.as_mut().expect("only a server of our own ends");
        let status = own.process.ended().await;
        assert!(status.success(), "the server ended with {status}");
        for process in &mut own.behind {
            process.terminate();
            let status = process.ended().await;
            assert!(
                status.success(),
                "a server behind the proxy ended with {status}:\n{}",
                process.log().lines().join("\n")
            );
        }
        own.builder.clone()
    }

    /// Stops the server in good order. What is returned starts it again on the same data.
    pub async fn stop(self) -> Builder {
        self.terminate();
        self.ended().await
    }

    /// Kills the server as a power cut would. What is returned starts it again on the same data.
    pub async fn kill(mut self) -> Builder {
        let own = self.own.as_mut().expect("only a server of our own is killed");
        for process in own.behind.iter_mut().chain([&mut own.process]) {
            process.kill().await;
        }
        own.builder.clone()
    }

    fn own(&self) -> &Own {
        let own = self.own.as_ref();
        own.unwrap_or_else(|| panic!("this test needs a server of its own; unset {FOREIGN_ENDPOINT}"))
    }
}

impl Drop for Server {
    #[expect(
        clippy::print_stderr,
        reason = "the test harness shows it only when the test fails"
    )]
    fn drop(&mut self) {
        if self.own.is_some() && std::thread::panicking() {
            eprintln!("--- the server's log\n{}\n---", self.log().lines().join("\n"));
            for process in self.own.iter().flat_map(|own| &own.behind) {
                eprintln!("--- behind it\n{}\n---", process.log().lines().join("\n"));
            }
        }
    }
}

impl Builder {
    /// Which processes the store is made of.
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = shape;
        self
    }

    /// What keeps the mirror.
    pub fn database(mut self, database: Database) -> Self {
        self.database = database;
        self
    }

    /// Adds lines to the configuration, beginning with the header of their section.
    pub fn setting(mut self, lines: &str) -> Self {
        self.settings.push_str(lines);
        self.settings.push('\n');
        self
    }

    /// Takes back all settings and users.
    pub fn without_settings(mut self) -> Self {
        self.settings.clear();
        self
    }

    /// Adds a `[[user]]`.
    pub fn user(self, account: &str, name: &str, key: &str, groups: &[&str]) -> Self {
        let mut entry = "[[user]]\n".to_owned();
        writeln!(
            entry,
            "account = {account:?}\nname = {name:?}\nkey = {key:?}\ngroups = {groups:?}"
        )
        .expect("writing to a string");
        self.setting(&entry)
    }

    /// Adds a variable to the server's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts the server by this command, which ends by starting what it is given.
    pub fn wrapped_by(mut self, command: &[&str]) -> Self {
        self.wrapper = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// The directory of everything that belongs to this server.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of the data.
    pub fn data(&self) -> PathBuf {
        self.directory().join("data")
    }

    /// Starts the server and waits until it listens. A server that was stopped starts on the data it had.
    pub async fn start(self) -> Server {
        if let Ok(address) = std::env::var(FOREIGN_ENDPOINT) {
            let endpoint = Endpoint::new(address, Log::default());
            return Server {
                endpoint: Arc::new(endpoint),
                own: None,
            };
        }
        let configuration = self.write_configuration();
        let (process, behind) = match self.shape {
            Shape::Single => (self.process("serve", &configuration, &[]).await, Vec::new()),
            Shape::Split => self.start_three(&configuration).await,
        };
        let endpoint = Endpoint::new(process.address().to_owned(), process.log().clone());
        Server {
            endpoint: Arc::new(endpoint),
            own: Some(Own {
                builder: self,
                process,
                behind,
            }),
        }
    }

    /// The proxy, and what stands behind it.
    async fn start_three(&self, configuration: &Path) -> (Process, Vec<Process>) {
        let account_server = self.process("account-server", configuration, &[]).await;
        let mut servers = vec![(
            "STOBJ_CLUSTER__ACCOUNT_SERVER",
            account_server.address().to_owned(),
        )];
        let object_server = self.process("object-server", configuration, &servers).await;
        servers.push(("STOBJ_CLUSTER__OBJECT_SERVER", object_server.address().to_owned()));
        let proxy = self.process("proxy", configuration, &servers).await;
        (proxy, vec![object_server, account_server])
    }

    /// Starts one process: `part` is the subcommand.
    async fn process(&self, part: &str, configuration: &Path, servers: &[(&str, String)]) -> Process {
        let mut command = self.command(part, configuration);
        command.envs(servers.iter().map(|(name, value)| (name, value)));
        Process::start(&mut command).await
    }

    fn write_configuration(&self) -> PathBuf {
        let path = self.directory().join("stobj.toml");
        let text = match self.settings.contains("[[user]]") {
            true => self.settings.clone(),
            false => self.clone().users().settings,
        };
        std::fs::write(&path, text).expect("the temporary directory is ours");
        path
    }

    /// Adds the users that Swift's own tests know: two account administrators, one of another account, one without
    /// rights, one with the group of a service, one reseller administrator. A builder without users has these.
    pub fn users(self) -> Self {
        self.user("test", "tester", "testing", &[".admin"])
            .user("test", "tester2", "testing2", &[".admin"])
            .user("test", "tester3", "testing3", &[])
            .user("test2", "tester2", "testing2", &[".admin"])
            .user("test5", "tester5", "testing5", &["service"])
            .user("test", "tester6", "testing6", &[".reseller_admin"])
    }

    fn command(&self, part: &str, configuration: &Path) -> Command {
        let binary = program::server();
        let mut command = match self.wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(binary);
                command
            }
            None => Command::new(binary),
        };
        match self.database {
            Database::Sqlite => command.arg(part),
        };
        command
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(configuration)
            .arg("--data")
            .arg(self.data());
        program::without_settings(&mut command)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .current_dir(self.directory());
        command
    }
}

/// Takes everything out of an account that earlier tests used too.
async fn empty(client: &Client) {
    for container in client.list("").await.expect(200).entries() {
        for object in client.list(&container).await.expect(200).entries() {
            client
                .delete(&format!("{container}/{object}"))
                .await
                .expect_one_of(&[204, 404]);
        }
        client.delete(&container).await.expect_one_of(&[204, 404]);
    }
}
