//! How a server is to be, and how its processes are started.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::{ADMIN_PASSWORD, Database, FOREIGN_ENDPOINT, Own, Server, Shape};
use crate::client::Endpoint;
use crate::disk::Disk;
use crate::log::Log;
use crate::mariadb::OwnDatabase;
use crate::process::Process;
use crate::program;

/// The variable for the setting `database` of `[account-server]`.
pub const DATABASE_SETTING: &str = "STOBJ_ACCOUNT_SERVER__DATABASE";

/// So long a server of a test waits for its database, where that is there: a machine with much else to do keeps nobody from moving
/// a directory.
const PATIENCE: [(&str, &str); 2] = [
    ("STOBJ_OBJECT_SERVER__LISTING_WAIT", "20s"),
    ("STOBJ_OBJECT_SERVER__LISTING_TIMEOUT", "20s"),
];

/// A server to be started.
#[derive(Clone, Debug)]
#[must_use = "start it"]
pub struct Builder {
    shape: Shape,
    database: Database,
    own_database: Arc<OnceCell<Option<OwnDatabase>>>,
    settings: String,
    variables: Vec<(String, String)>,
    wrapper: Vec<String>,
    is_patient: bool,
    directory: Arc<TempDir>,
    data: PathBuf,
}

impl Builder {
    pub(super) fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self {
            data: directory.path().join("data"),
            shape: Shape::wanted(),
            database: Database::wanted(),
            own_database: Arc::default(),
            settings: String::new(),
            variables: vec![("STOBJ_ADMIN_PASSWORD".to_owned(), ADMIN_PASSWORD.to_owned())],
            wrapper: Vec::new(),
            is_patient: true,
            directory: Arc::new(directory),
        }
    }

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

    /// Waits no longer for its database than in service: for tests that take it away. So does a server whose database is one of
    /// the test's.
    pub fn impatient(mut self) -> Self {
        self.is_patient = false;
        self
    }

    /// Adds a variable to the server's environment.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Has the object-server do something else than usual where it passes these places, such as `publish:after=abort@10`; instead of
    /// what it was told before.
    pub fn failure_points(self, armed: &str) -> Self {
        self.variable("STOBJ_OBJECT_SERVER__FAILURE_POINTS", armed)
    }

    /// Starts each process by this command, which ends by starting what it is given. `{part}` in a word of it stands for
    /// the subcommand of the process.
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
        self.data.clone()
    }

    /// Keeps the data on a disk of the test's own.
    pub fn data_on(mut self, disk: &Disk) -> Self {
        self.data = disk.path().join("data");
        self
    }

    /// What the store is made of.
    pub fn made_of(&self) -> (Shape, Database) {
        (self.shape, self.database)
    }

    /// Its database in MariaDB; `None` of a server on SQLite.
    pub async fn own_database(&self) -> Option<&OwnDatabase> {
        let database = self.own_database.get_or_init(|| self.database.create());
        database.await.as_ref()
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
        let log = Log::default();
        for process in behind.iter().chain([&process]) {
            process.log().copy_to(&log);
        }
        let endpoint = Endpoint::new(process.address().to_owned(), log);
        Server {
            endpoint: Arc::new(endpoint),
            own: Some(Own {
                process,
                behind,
                builder: self,
            }),
        }
    }

    /// Starts `stobj serve`, which fails, and gives what it says.
    pub async fn refused(self) -> String {
        let configuration = self.write_configuration();
        let mut command = self.command("serve", &configuration);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let output = program::finish(&mut command).await;
        assert!(!output.status.success(), "it does not start");
        String::from_utf8_lossy(&output.stderr).into_owned()
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
        if self.is_patient && !self.variables.iter().any(|(name, _)| name == DATABASE_SETTING) {
            command.envs(PATIENCE);
        }
        if let Some(database) = self.own_database().await {
            command.env(DATABASE_SETTING, database.url());
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.envs(servers.iter().map(|(name, value)| (name, value)));
        Process::start(&mut command).await
    }

    pub(super) fn write_configuration(&self) -> PathBuf {
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
                command.args(rest.iter().map(|word| word.replace("{part}", part)));
                command.arg(binary);
                command
            }
            None => Command::new(binary),
        };
        command
            .arg(part)
            .args(["--listen", "127.0.0.1:0", "--config"])
            .arg(configuration)
            .arg("--data")
            .arg(self.data());
        program::without_settings(&mut command).current_dir(self.directory());
        command
    }
}
