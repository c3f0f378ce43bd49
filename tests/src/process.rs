//! One process of the server, from its start to its end.

use std::collections::VecDeque;
use std::fs::File;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::log::Log;

/// How long a server may take to start or to stop before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process that listens. Killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: Log,
    address: String,
}

impl Process {
    /// Starts `command` and waits until it says where it listens.
    pub async fn start(command: &mut Command) -> Self {
        Self::start_with(command, Stdio::null()).await
    }

    /// The same with `stdin` as the standard input.
    pub async fn start_with(command: &mut Command, stdin: Stdio) -> Self {
        let piped = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped
            .kill_on_drop(true)
            .spawn()
            .expect("the server can be started");
        let log = Log::default();
        let outputs = [
            child.stdout.take().and_then(|pipe| pipe.into_owned_fd().ok()),
            child.stderr.take().and_then(|pipe| pipe.into_owned_fd().ok()),
        ];
        for output in outputs {
            log.follow(File::from(output.expect("both outputs are pipes")));
        }
        let waiting = log.clone();
        let said = move || waiting.wait_for(PATIENCE, address_in);
        let address = tokio::task::spawn_blocking(said)
            .await
            .expect("waiting does not panic");
        let Some(address) = address else {
            panic!("the server did not start:\n{}", log.lines().join("\n"));
        };
        Self { child, log, address }
    }

    /// `host:port`
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it printed.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id().expect("the server has not ended")
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Asks it to read its configuration again.
    pub fn hang_up(&self) {
        self.signal(Signal::HUP);
    }

    /// Lets it hang: it keeps its connections, and the kernel makes new ones for it, but it does nothing.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process has a number"), signal).expect("the server is ours");
    }

    /// The most memory it ever held, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).expect("the server has not ended");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        kib.expect("Linux shows a process's peak memory") * 1024
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let status = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        status
            .expect("the server ends in time")
            .expect("the server is our child")
    }

    /// Begins to kill it, if it has not ended by itself, and does not wait for that.
    pub fn begin_kill(&mut self) {
        if self.child.id().is_some() {
            self.child.start_kill().expect("the server is our child");
        }
    }

    /// Kills it as a power cut would.
    pub async fn kill(&mut self) {
        self.begin_kill();
        self.child.wait().await.expect("the server is our child");
    }
}

fn address_in(lines: &VecDeque<String>) -> Option<String> {
    let address = |line: &String| Some(line.split_once("listening on http://")?.1.trim().to_owned());
    lines.iter().find_map(address)
}
