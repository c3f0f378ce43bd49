//! A server of a test's own: the real binary, in a temporary directory, on a port that the system chose.

use std::path::PathBuf;
use std::sync::Arc;

use crate::client::{Client, Endpoint};
use crate::cluster::until;
use crate::log::Log;
use crate::process::Process;

mod builder;
mod choice;

pub use builder::{Builder, DATABASE_SETTING};
pub use choice::{Database, Shape};

/// Names another Swift to send the requests to, such as `127.0.0.1:18080`, so that a test can be proven right on it.
const FOREIGN_ENDPOINT: &str = "STOBJ_TEST_ENDPOINT";

/// What a server says when it has read its configuration again, whatever came of it.
const READ_AGAIN: &str = "the configuration was read again";

/// The administrator's password in every test.
pub const ADMIN_PASSWORD: &str = "admin";

/// A running server. Killed when dropped; its log is shown when the test fails.
#[derive(Debug)]
pub struct Server {
    endpoint: Arc<Endpoint>,
    own: Option<Own>,
}

/// What only a server that we started has.
#[derive(Debug)]
struct Own {
    /// What clients speak to.
    process: Process,
    /// The others, in the order in which they end.
    behind: Vec<Process>,
    /// Last, so that nobody works on its directory and its database when they go.
    builder: Builder,
}

impl Server {
    /// The usual one, of the shape and with the database that the environment asks for, and the users of
    /// [`Builder::users`].
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with settings of its own.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        &self.endpoint.address
    }

    /// Where clients log in.
    pub fn auth_url(&self) -> String {
        format!("http://{}/auth/v1.0", self.address())
    }

    /// What the server printed, all its processes together.
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

    /// A client of the administrator, at an account of its own.
    pub async fn admin(&self) -> Client {
        self.login("admin:admin", ADMIN_PASSWORD).await
    }

    /// A client of `test:tester`, who administers the account `AUTH_test`.
    pub async fn tester(&self) -> Client {
        let client = self.login("test:tester", "testing").await;
        if self.own.is_none() {
            empty(&client).await;
        }
        client
    }

    /// How it was started.
    pub fn built(&self) -> &Builder {
        &self.own().builder
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

    /// The numbers of all processes, that of [`Server::process_id`] first.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes().map(Process::id).collect()
    }

    /// The processes that clients do not speak to; none when the store is one process.
    pub fn behind(&self) -> &[Process] {
        &self.own().behind
    }

    /// The most memory that any of the processes ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let peaks = self.processes().map(Process::peak_memory);
        peaks.max().expect("a server has a process")
    }

    /// Asks all processes to read the configuration again.
    pub fn hang_up(&self) {
        self.processes().for_each(Process::hang_up);
    }

    /// Has all processes read the configuration again, which is `settings` now (and the users), and waits until each has
    /// said what came of it.
    pub async fn reload(&mut self, settings: &str) {
        let own = self.own.as_mut().expect("only a server of our own is reloaded");
        own.builder = own.builder.clone().without_settings().setting(settings);
        own.builder.write_configuration();
        let told = |process: &Process| process.log().lines_with(READ_AGAIN).len();
        let before: Vec<usize> = self.processes().map(told).collect();
        self.hang_up();
        let all_told = || async {
            let mut now = self.processes().map(told).zip(&before);
            now.all(|(now, before)| now > *before)
        };
        until("each process has read its configuration again", all_told).await;
    }

    /// All its processes, that of the front door first.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        let own = self.own();
        std::iter::once(&own.process).chain(&own.behind)
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
        // All at once, the proxy first, so that it has no time to tell a client that the others are away.
        own.process.begin_kill();
        own.behind.iter_mut().for_each(Process::begin_kill);
        for process in own.behind.iter_mut().chain([&mut own.process]) {
            process.kill().await;
        }
        own.builder.clone()
    }

    /// Waits until a failure point has ended the server, or that part of it which keeps the objects. What is returned starts it
    /// again on the same data, without failure points.
    pub async fn aborted(mut self) -> Builder {
        let own = self.own.as_mut().expect("only a server of our own is aborted");
        let object_server = own.behind.first_mut().unwrap_or(&mut own.process);
        let status = object_server.ended().await;
        assert!(!status.success(), "the server ended in good order");
        self.kill().await.failure_points("")
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
