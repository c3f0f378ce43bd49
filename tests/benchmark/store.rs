//! Our server, as it is measured: one process, posix, SQLite unless a row says otherwise, the default pipeline, the access
//! log off.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use integration_tests::{Process, program};
use tokio::process::Command;

use crate::endpoint::{Address, Endpoint};
use crate::laboratory::Laboratory;
use crate::usage;

const USER: &str = "bench:bench";
const KEY: &str = "benching";

/// What differs from the defaults.
const CONFIGURATION: &str = r#"
[log]
level = "warn"
[filter.proxy-logging]
access_log = false
[[user]]
account = "bench"
name = "bench"
key = "benching"
groups = [".admin"]
"#;

/// Whether what was acknowledged survives a power cut.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Durability {
    /// As everything is measured.
    Durable,
    /// To fill a store quickly before something else is measured.
    Relaxed,
}

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Store {
    process: Process,
    directory: PathBuf,
    /// Its account.
    pub(crate) endpoint: Endpoint,
}

impl Store {
    /// An empty store.
    pub(crate) async fn start(laboratory: &Laboratory) -> Result<Self> {
        Self::start_with(laboratory, "").await
    }

    /// An empty store with further settings.
    pub(crate) async fn start_with(laboratory: &Laboratory, settings: &str) -> Result<Self> {
        Self::start_so(laboratory, &laboratory.fresh()?, Durability::Durable, settings).await
    }

    /// A store in `directory`, with what was left there.
    pub(crate) async fn start_in(
        laboratory: &Laboratory,
        directory: &Path,
        durability: Durability,
    ) -> Result<Self> {
        Self::start_so(laboratory, directory, durability, "").await
    }

    /// The same with further settings.
    pub(crate) async fn start_so(
        laboratory: &Laboratory,
        directory: &Path,
        durability: Durability,
        settings: &str,
    ) -> Result<Self> {
        let path = directory.join("stobj.toml");
        let durability = match durability {
            Durability::Durable => "durable",
            Durability::Relaxed => "relaxed",
        };
        let configuration =
            format!("{CONFIGURATION}[object-server]\ndurability = {durability:?}\n{settings}");
        std::fs::write(&path, configuration)?;
        let mut command = Command::new(&laboratory.stobj);
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--config"])
            .arg(&path)
            .arg("--data")
            .arg(directory.join("data"))
            .env("STOBJ_ADMIN_PASSWORD", KEY);
        let process = Process::start(program::without_settings(&mut command)).await;
        let auth = format!("http://{}/auth/v1.0", process.address());
        let endpoint = Endpoint::login(&Address::new("stobj", &auth, USER, KEY)?).await?;
        Ok(Self {
            process,
            directory: directory.to_owned(),
            endpoint,
        })
    }

    /// A command that works on it as its administrator.
    pub(crate) fn administered<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        program::without_settings(command)
            .env("ST_AUTH", format!("http://{}/auth/v1.0", self.process.address()))
            .env("ST_USER", "admin:admin")
            .env("ST_KEY", KEY)
    }

    /// Ends it in good order; gives its directory.
    pub(crate) async fn stop(mut self) -> Result<PathBuf> {
        self.process.terminate();
        let status = self.process.ended().await;
        anyhow::ensure!(
            status.success(),
            "stobj ended with {status}: {}",
            self.process.log().lines().join("\n")
        );
        Ok(self.directory)
    }

    /// Where the objects of `container` lie as files under their own names.
    pub(crate) fn files(&self, container: &str) -> Result<PathBuf> {
        let path = self.directory.join("data/objects/AUTH_bench").join(container);
        path.canonicalize().context("the container's directory")
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn processor_time(&self) -> Result<Duration> {
        usage::processor_time(self.process())
    }
}
