//! `stobj jobs`: what the server does for the account in the background.

use anyhow::Context as _;
use clap::Args;
use common::functional::job::{Job, State};

use super::remote::{self, Account, Output, help, human_bytes, job_ended, json_line, shown};

pub(super) const HELP: &str = help!(
    "  stobj jobs                                 those under way, and the last that ended
  stobj jobs 00c0ffee00c0ffee                one of them
  stobj jobs 00c0ffee00c0ffee --wait         until it has ended; exit code 1 if it failed
  stobj jobs 00c0ffee00c0ffee --cancel       what it made so far is taken back

Only a stobj has jobs."
);

#[derive(Debug, Args)]
pub(super) struct Jobs {
    /// One job [default: all].
    #[arg(value_name = "ID")]
    id: Option<String>,
    /// End it before its time.
    #[arg(long, requires = "id")]
    cancel: bool,
    /// Wait until it has ended.
    #[arg(long, requires = "id")]
    wait: bool,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    account: Account,
}

/// Does it.
pub(super) async fn run(jobs: Jobs) -> anyhow::Result<()> {
    let client = jobs.account.client()?;
    let Some(id) = &jobs.id else {
        let all = client.jobs().await?.jobs;
        let lines: anyhow::Result<String> = all.iter().map(|job| line(job, jobs.output)).collect();
        return Ok(remote::print(&lines?)?);
    };
    let job = match jobs.cancel {
        true => client.cancel_job(id).await?,
        false => client.job(id).await?,
    };
    let ended = match (jobs.wait, jobs.cancel) {
        (true, true) => client.job_ended(job, |_| {}).await?,
        (true, false) => job_ended(&client, job, jobs.output).await?,
        (false, _) => job,
    };
    remote::print(&line(&ended, jobs.output)?).context("standard output")
}

fn line(job: &Job, output: Output) -> anyhow::Result<String> {
    if output.json {
        return json_line(job);
    }
    let state = match job.state {
        State::Queued => "queued",
        State::Running => "running",
        State::Done => "done",
        State::Failed => "failed",
        State::Cancelled => "cancelled",
    };
    let total = job
        .total
        .map_or_else(|| "?".to_owned(), |total| total.to_string());
    let created = job.created.iso();
    let mut line = format!(
        "{}  {}  {:<14} {state:<9} {} of {total} objects, {}, {} errors",
        job.id,
        created.get(..19).unwrap_or(&created).replace('T', " "),
        job.kind,
        job.done,
        human_bytes(job.bytes),
        job.errors,
    );
    let places = [
        ("  ", &job.source),
        (" -> ", &job.destination),
        ("  ", &job.error),
    ];
    for (before, text) in places {
        if let Some(text) = text {
            line += before;
            line += &shown(text);
        }
    }
    Ok(line + "\n")
}
