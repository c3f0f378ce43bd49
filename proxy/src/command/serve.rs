//! `stobj serve`: the whole store in one process; and `stobj proxy`, `stobj object-server`, `stobj account-server`:
//! each a part of it.

use std::io::{self, IsTerminal as _};
use std::net::TcpListener;

use anyhow::{Context as _, bail};
use clap::Args;
use listenfd::ListenFd;
use proxy::serve::{Part, Plan};
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
    let plan = match Plan::new(part, arguments.source.load(listen)) {
        Ok(plan) => plan,
        Err(mistakes) => bail!("the configuration has mistakes:\n{mistakes}"),
    };
    start_log(plan.log())?;
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("no threads can be started")?;
    runtime.block_on(serve(plan, socket))
}

async fn serve(plan: Plan, socket: Option<TcpListener>) -> anyhow::Result<()> {
    let mut ends = Ends::new().context("signals cannot be caught")?;
    let mut server = plan.start_on(socket).await?;
    if let Some(told) = server.first_start() {
        say(told)?;
    }
    say(format_args!("listening on http://{}", server.address()))?;
    tokio::select! {
        () = ends.next() => {}
        told = server.late_first_start() => {
            say(told)?;
            ends.next().await;
        }
    }
    tracing::info!("ending, as soon as the requests under way are answered; a second signal ends at once");
    tokio::select! {
        stopped = server.stop() => stopped.context("not everything could be written down"),
        () = ends.next() => bail!("ended at once; what was under way is lost"),
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

/// The signals that ask for the end.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
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
