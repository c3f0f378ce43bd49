//! What `stobj mv` and `stobj cp` share: where it goes, and what comes of it.

use clap::Args;
use common::storage_client::{Client, Destination, Outcome};
use serde_json::json;

use super::remote::{self, Output, Place, job_ended, json_line};

#[derive(Debug, Args)]
pub(super) struct To {
    /// The new name; or the container or directory (ends in a slash) that it goes into.
    #[arg(value_name = "CONTAINER[/NAME]", value_parser = Place::parse)]
    pub(super) place: Place,
    /// In this account, as in its URL [default: the same].
    #[arg(long, value_name = "ACCOUNT")]
    pub(super) to_account: Option<String>,
    /// Leave alone what bears the name already; that is a failure (412).
    #[arg(long)]
    pub(super) no_overwrite: bool,
    /// Do not wait for the job that does it; print its id.
    #[arg(long)]
    pub(super) no_wait: bool,
}

impl To {
    pub(super) fn destination<'a>(&'a self, place: &'a Place) -> Destination<'a> {
        Destination {
            account: self.to_account.as_deref(),
            container: &place.container,
            name: &place.name,
            keep_existing: self.no_overwrite,
        }
    }
}

/// Waits for the job, if there is one that shall be waited for, and tells.
pub(super) async fn settle(
    client: &Client,
    outcome: Outcome,
    source: &Place,
    destination: &Place,
    no_wait: bool,
    output: Output,
) -> anyhow::Result<()> {
    let job = match outcome {
        Outcome::Done { .. } => None,
        Outcome::Job(job) if no_wait => {
            let line = match output.json {
                true => json_line(&job)?,
                false => format!("{}\n", job.id),
            };
            return Ok(remote::print(&line)?);
        }
        Outcome::Job(job) => Some(job_ended(client, *job, output).await?),
    };
    if output.json {
        let (source, destination) = (source.to_string(), destination.to_string());
        let line = json!({"source": source, "destination": destination, "job": job});
        remote::print(&json_line(&line)?)?;
    }
    Ok(())
}
