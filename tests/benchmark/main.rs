//! The measuring part of `tests/bench`, which builds everything, starts the peers and explains the options.
//!
//! Each row alternates between stobj and what it is compared with, so that a machine that gets busier does it to
//! both; the report has the medians, and the least and the most beside them.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use endpoint::{Address, Endpoint};
use laboratory::Laboratory;
use report::Report;

mod connection;
mod endpoint;
mod floor;
mod grown;
mod laboratory;
mod load;
mod machine;
mod nginx;
mod report;
mod rows;
mod samples;
mod store;
mod transfer;
mod usage;
mod wrk;

#[derive(Debug, Parser)]
struct Options {
    /// Only these rows.
    rows: Vec<Row>,
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// NAME=http://HOST:PORT/auth/v1.0,USER,KEY
    #[arg(long = "peer")]
    peers: Vec<Address>,
    /// In the container of which one page is timed, and in the largest directory or tree.
    #[arg(long, default_value_t = 1_000_000)]
    objects: usize,
    /// Where the data lie while it runs.
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    stobj: PathBuf,
    #[arg(long)]
    pipeline: PathBuf,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Row {
    Get,
    GetLarge,
    Put,
    PutLarge,
    List,
    ListMillion,
    Memory,
    Pipeline,
    Record,
    Quota,
    Tree,
    Names,
    Rebuild,
}

fn main() -> ExitCode {
    match bench(Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether every row could be measured.
fn bench(options: Options) -> Result<bool> {
    let directory = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(&options.directory)
        .with_context(|| format!("{} cannot be used", options.directory.display()))?;
    // The load comes out of one thread: the servers have the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let laboratory = Laboratory::new(&options, directory.path())?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            outcome = measure(options, laboratory) => outcome,
            () = interrupted() => bail!("interrupted"),
        }
    });
    // Whatever still writes ends before its directory goes.
    drop(runtime);
    note("removing the data");
    directory.close()?;
    outcome
}

async fn measure(options: Options, laboratory: Laboratory) -> Result<bool> {
    let mut peers = Vec::new();
    for address in &options.peers {
        let endpoint = Endpoint::login(address).await;
        peers.push(endpoint.with_context(|| format!("{} does not let us in", address.name))?);
    }
    let mut report = Report::default();
    machine::describe(&options, &laboratory, &mut report)?;
    let rows = match options.rows.is_empty() {
        true => Row::value_variants(),
        false => &options.rows,
    };
    for row in rows {
        match row {
            Row::Get => rows::get::small(&laboratory, &peers, &mut report).await,
            Row::GetLarge => rows::get::large(&laboratory, &peers, &mut report).await,
            Row::Put => rows::put::small(&laboratory, &peers, &mut report).await,
            Row::PutLarge => rows::put::large(&laboratory, &peers, &mut report).await,
            Row::List => rows::list::pages(&laboratory, &peers, &mut report).await,
            Row::ListMillion => rows::list::one_page(&laboratory, options.objects, &mut report).await,
            Row::Memory => rows::memory::memory(&laboratory, &mut report).await,
            Row::Record => rows::record::record(&laboratory, &mut report).await,
            Row::Quota => rows::quota::quota(&laboratory, &mut report).await,
            Row::Tree => rows::tree::tree(&laboratory, options.objects, &mut report).await,
            Row::Names => rows::names::names(&laboratory, options.objects, &mut report).await,
            Row::Rebuild => rows::rebuild::rebuild(&laboratory, options.objects, &mut report).await,
            Row::Pipeline => rows::pipeline::pipeline(&laboratory, &options.pipeline, &mut report).await,
        }
        .with_context(|| format!("row {row:?}"))?;
    }
    io::stdout().write_all(report.to_string().as_bytes())?;
    Ok(report.is_complete())
}

async fn interrupted() {
    let mut signals = Vec::new();
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        signals.extend(signal(kind));
    }
    std::future::poll_fn(|context| {
        match signals
            .iter_mut()
            .any(|signal| signal.poll_recv(context).is_ready())
        {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

/// Tells what is going on, beside the report.
fn note(text: &str) {
    // Nobody can be told that nobody can be told.
    let _ = writeln!(io::stderr(), "{text}");
}

impl Options {
    fn span(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}
