//! `stobj serve`: the whole store in one process; and `stobj proxy`, `stobj object-server`, `stobj account-server`:
//! each a part of it.

use std::io::{self, IsTerminal as _};
use std::net::TcpListener;

use anyhow::{Context as _, bail};
use clap::Args;
use common::config::Config;
use listenfd::ListenFd;
use proxy::serve::{Part, Plan, Server};
use proxy::settings::{Log, LogFormat};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::{Source, say};

/// What can be said about a server.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    source: Source,
    /// Where to listen [default: as configured; a proxy at 127.0.0.1:8080, an object-server at port 6200, an
    /// account-server at 6202]; port 0 is any that is free.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

/// Runs until the process is told to end.
pub(super) fn run(part: Part, arguments: &Serve) -> anyhow::Result<()> {
    let socket = socket_handed_over()?;
    let (section, key) = match part {
        Part::Everything | Part::Proxy => ("proxy", "listen"),
        Part::ObjectServer => ("cluster", "object_server"),
        Part::AccountServer => ("cluster", "account_server"),
    };
    let listen = arguments.listen.clone().map(|listen| (section, key, listen));
    let source = arguments.source.clone();
    let load = move || source.load(listen.clone());
    let plan = match Plan::new(part, load()) {
        Ok(plan) => plan,
        Err(mistakes) => bail!("the configuration has mistakes:\n{mistakes}"),
    };
    start_log(plan.log())?;
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads can be started")?;
    runtime.block_on(serve(plan, socket, load))
}

/// Until the end; `load` reads the configuration again.
async fn serve(
    plan: Plan,
    socket: Option<TcpListener>,
    load: impl Fn() -> Config + Clone + Send + 'static,
) -> anyhow::Result<()> {
    let mut signals = Signals::new().context("signals cannot be caught")?;
    let mut server = plan.start_on(socket).await?;
    if let Some(told) = server.first_start() {
        say(told)?;
    }
    say(format_args!("listening on http://{}", server.address()))?;
    loop {
        tokio::select! {
            wish = signals.next() => match wish {
                Wish::End => break,
                Wish::Renewal => renew(&server, load.clone()).await,
            },
            told = server.late_first_start() => say(told)?,
        }
    }
    tracing::info!("ending, as soon as the requests under way are answered; a second signal ends at once");
    tokio::select! {
        stopped = server.stop() => stopped.context("not everything could be written down"),
        () = signals.end() => bail!("ended at once; what was under way is lost"),
    }
}

/// Reads the configuration again, and says what came of it.
async fn renew(server: &Server, load: impl FnOnce() -> Config + Send + 'static) {
    let config = match tokio::task::spawn_blocking(load).await {
        Ok(config) => config,
        Err(error) => {
            tracing::error!("the configuration could not be read again: {error}");
            return;
        }
    };
    match server.renew(config) {
        Ok(needing_restart) => {
            if !needing_restart.is_empty() {
                let settings = needing_restart.join(", ");
                tracing::warn!("changed, but not before a restart: {settings}");
            }
            tracing::info!("the configuration was read again; it holds for every request from now on");
        }
        Err(mistakes) => tracing::error!(
            "the configuration was read again and has mistakes; what held before goes on:\n{mistakes}"
        ),
    }
}

/// The socket that systemd, or whoever else keeps it while the server restarts, passes on (`LISTEN_FDS`).
fn socket_handed_over() -> anyhow::Result<Option<TcpListener>> {
    let mut passed = ListenFd::from_env();
    if passed.len() > 1 {
        bail!("{} sockets were handed over; one is needed", passed.len());
    }
    passed
        .take_tcp_listener(0)
        .context("the socket that was handed over")
}

/// What a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    End,
    /// That the configuration is read again.
    Renewal,
}

/// The signals that ask for something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::End,
            _ = self.interrupt.recv() => Wish::End,
            _ = self.hang_up.recv() => Wish::Renewal,
        }
    }

    /// The next that asks for the end: who is ending reads nothing again.
    async fn end(&mut self) {
        while self.next().await != Wish::End {}
    }
}

fn start_log(settings: &Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&settings.level).context("[log] level")?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    let started = match settings.format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}

/// Connections and open objects are files; the usual limit of 1024 is for programs that use few.
fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!("the limit of open files cannot be raised: {error}");
    }
}
