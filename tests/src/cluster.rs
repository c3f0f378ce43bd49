//! The processes of one store, started and ended one by one, at addresses that stay.

use std::ffi::OsStr;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::mariadb::OwnDatabase;
use crate::process::Process;
use crate::program;
use crate::server::{ADMIN_PASSWORD, DATABASE_SETTING, Database};

/// Nothing here takes so long unless it hangs.
const DEADLINE: Duration = Duration::from_secs(60);
/// Between two questions whether a state has come.
const PAUSE: Duration = Duration::from_millis(20);

/// `stobj proxy`, `stobj object-server` and `stobj account-server` over one directory, to be started in any order.
#[derive(Debug)]
pub struct Cluster {
    directory: TempDir,
    object_server: Place,
    /// Where a second object-server listens; `None`: there is one.
    other_object_server: Option<Place>,
    account_server: Place,
    settings: String,
    database: Option<OwnDatabase>,
    /// Whether each object-server has a machine of its own.
    has_machines: bool,
}

/// An address that nobody else gets, and on which one process listens at a time.
#[derive(Debug)]
pub struct Place {
    /// Bound, and never listening: whoever connects while no process listens is refused.
    _socket: TcpSocket,
    address: SocketAddr,
}

/// A socket that outlives the processes that serve it, as systemd keeps it: whoever connects between two of them
/// waits.
#[derive(Debug)]
pub struct Socket {
    listener: TcpListener,
    address: SocketAddr,
}

impl Default for Place {
    fn default() -> Self {
        Self::new()
    }
}

impl Place {
    /// On a port that is free.
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("the system has TCP");
        socket
            .set_reuseaddr(true)
            .expect("a TCP socket takes SO_REUSEADDR");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a port is free");
        let address = socket.local_addr().expect("a bound socket has an address");
        Self {
            _socket: socket,
            address,
        }
    }

    /// Where the process listens, when it runs.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Socket {
    /// On a port that is free.
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        Self { listener, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn handed_over(&self) -> Stdio {
        let again = self.listener.try_clone().expect("a socket can be shared");
        OwnedFd::from(again).into()
    }
}

impl Cluster {
    /// With the keys that all processes share, and nothing running.
    pub async fn new() -> Self {
        Self::with_settings("").await
    }

    /// The same with settings of its own.
    pub async fn with_settings(settings: &str) -> Self {
        Self::made(settings, None).await
    }

    /// One with two object-servers, each of which stands by while the other is there.
    pub async fn with_standby() -> Self {
        Self::made("[object-server]\nstandby = true\n", Some(Place::new())).await
    }

    /// The same with each on a machine of its own, as far as they can tell: their kernels bear different names. `None`: here
    /// nobody can make them believe that, which is said.
    pub async fn with_machines() -> Option<Self> {
        let mut cluster = Self::with_standby().await;
        cluster.has_machines = true;
        for which in [0, 1] {
            let name = format!("kernel-{which}\n");
            std::fs::write(cluster.kernel(which), name).expect("the temporary directory is ours");
        }
        let tried = cluster.on_machine(0, "true".as_ref()).output().await;
        let why = match tried {
            Ok(output) if output.status.success() => return Some(cluster),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        skip(&why);
        None
    }

    async fn made(settings: &str, other_object_server: Option<Place>) -> Self {
        let cluster = Self {
            directory: tempfile::tempdir().expect("a temporary directory can be made"),
            object_server: Place::new(),
            other_object_server,
            account_server: Place::new(),
            settings: settings.to_owned(),
            database: Database::wanted().create().await,
            has_machines: false,
        };
        cluster.start("account-server").await.end().await;
        // It may have lived long enough to leave behind who can log in; nobody shall know yet.
        drop(std::fs::remove_dir_all(
            cluster.directory.path().join("data/policy"),
        ));
        cluster
    }

    /// Where the object-server listens, when it runs.
    pub fn object_server(&self) -> SocketAddr {
        self.object_server.address
    }

    /// Where the account-server listens, when it runs.
    pub fn account_server(&self) -> SocketAddr {
        self.account_server.address
    }

    /// Starts `stobj {part}`, which opens its socket itself.
    pub async fn start(&self, part: &str) -> Process {
        let mut command = Command::new(program::server());
        Process::start(self.complete(&mut command, part)).await
    }

    /// The same with variables of its own in its environment.
    pub async fn start_with(&self, part: &str, variables: &[(&str, &str)]) -> Process {
        let mut command = Command::new(program::server());
        let command = self.complete(&mut command, part);
        Process::start(command.envs(variables.iter().copied())).await
    }

    /// Starts one of the two object-servers, 0 or 1, with these failure points.
    pub async fn start_object_server(&self, which: usize, failure_points: &str) -> Process {
        let place = match (which, &self.other_object_server) {
            (1, Some(other)) => other,
            _ => &self.object_server,
        };
        let mut command = match self.has_machines {
            true => self.on_machine(which, program::server().as_os_str()),
            false => Command::new(program::server()),
        };
        let command = self.complete(&mut command, "object-server");
        command
            .args(["--listen", &place.address.to_string()])
            .env("STOBJ_OBJECT_SERVER__FAILURE_POINTS", failure_points);
        Process::start(command).await
    }

    /// A program that sees another kernel's name than others do.
    fn on_machine(&self, which: usize, program: &OsStr) -> Command {
        const PASS_ON: &str = r#"mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", PASS_ON]);
        command.arg(self.kernel(which)).arg(program);
        command
    }

    fn kernel(&self, which: usize) -> PathBuf {
        self.directory.path().join(format!("kernel-{which}"))
    }

    /// Does what a network file system does with the locks of a machine that it has lost sight of: whoever asks for them next
    /// gets them, while the one that had them goes on.
    pub fn give_locks_away(&self) {
        let private = self.objects().join(".stobj");
        for lock in ["lock", "journal/0/lock"] {
            let lock = private.join(lock);
            std::fs::rename(&lock, lock.with_extension("lost")).expect("an owner has locked it");
        }
    }

    /// Starts `stobj {part}` without waiting for others, which fails, and gives what it says.
    pub async fn refused(&self, part: &str) -> String {
        let mut command = Command::new(program::server());
        let command = self.complete(&mut command, part);
        command
            .env("STOBJ_OBJECT_SERVER__STANDBY", "false")
            .args(["--listen", "127.0.0.1:0"]);
        let output = program::finish(command).await;
        assert!(!output.status.success(), "it does not start");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// The directory whose entries are the accounts' directories.
    pub fn objects(&self) -> PathBuf {
        self.directory.path().join("data/objects")
    }

    /// Starts `stobj {part}` on a socket that is there already.
    pub async fn start_on(&self, socket: &Socket, part: &str) -> Process {
        const PASS_ON: &str = r#"exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@""#;
        let mut command = Command::new("sh");
        command.args(["-c", PASS_ON, "sh"]).arg(program::server());
        let process = Process::start_with(self.complete(&mut command, part), socket.handed_over()).await;
        assert_eq!(process.address(), socket.address.to_string());
        process
    }

    fn complete<'a>(&self, command: &'a mut Command, part: &str) -> &'a mut Command {
        let configuration = self.directory.path().join("stobj.toml");
        std::fs::write(&configuration, &self.settings).expect("the temporary directory is ours");
        let command = program::without_settings(command);
        if let Some(database) = &self.database {
            command.env(DATABASE_SETTING, database.url());
        }
        if let Some(other) = &self.other_object_server {
            let others = format!("[\"{}\"]", other.address);
            command.env("STOBJ_CLUSTER__OTHER_OBJECT_SERVERS", others);
        }
        command
            .arg(part)
            .arg("--config")
            .arg(configuration)
            .arg("--data")
            .arg(self.directory.path().join("data"))
            .current_dir(self.directory.path())
            .env(
                "STOBJ_CLUSTER__OBJECT_SERVER",
                self.object_server.address.to_string(),
            )
            .env(
                "STOBJ_CLUSTER__ACCOUNT_SERVER",
                self.account_server.address.to_string(),
            )
            .env("STOBJ_PROXY__LISTEN", "127.0.0.1:0")
            .env("STOBJ_ADMIN_PASSWORD", ADMIN_PASSWORD)
    }
}

impl Process {
    /// Asks it to end, and waits for that.
    pub async fn end(mut self) {
        self.terminate();
        let status = self.ended().await;
        assert!(status.success(), "{status}: {:?}", self.log().lines());
    }

    /// A client of the administrator, as soon as one is admitted.
    pub async fn admin(&self) -> Client {
        let client = Client::of(self);
        let ready = || async { client.ask_for_token("admin:admin", ADMIN_PASSWORD).await.status() == 200 };
        until("the administrator is admitted", ready).await;
        client.login("admin:admin", ADMIN_PASSWORD).await
    }
}

#[expect(clippy::print_stderr, reason = "what is not shown is said")]
fn skip(why: &str) {
    eprintln!(
        "skipped, as there are no machines of their own here: {}",
        why.trim()
    );
}

/// Waits until `is_so` says so.
pub async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let asking = async {
        while !is_so().await {
            sleep(PAUSE).await;
        }
    };
    let in_time = timeout(DEADLINE, asking).await;
    assert!(in_time.is_ok(), "{what}: not within {DEADLINE:?}");
}
