//! `stobj check` and `stobj rebuild`: jobs of the running server that `ST_AUTH` names, followed to their end.

use std::process::ExitCode;

use clap::Args;
use common::functional::check::{Accounts, MAX_ACCOUNTS, Rebuild, Report, Run};
use common::functional::job::{Job, State};
use common::name::AccountName;
use serde::Serialize;

use super::administered::Administered;
use super::following::{Followed, follow};
use super::remote::printable;
use super::{runtime, say};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 when nothing differs, or all that differed was mended; 1 when differences are left; \
                        2 when it could not be checked.\n\nExamples:\n  stobj check\n  stobj check --account AUTH_test \
                        --deep\n  stobj check --repair --json | jq .differences"
)]
pub(super) struct Check {
    /// Check only this account, as in URLs: AUTH_test; may be given several times. Without it all are checked.
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: Vec<AccountName>,
    /// Read all data, too, and compare it with what was stored. It takes as long as reading all of the disk does.
    #[arg(long)]
    deep: bool,
    /// Mend what differs: send the mirror the right rows, correct counters and totals, take in files that were put or changed by
    /// other means and fit under all limits, keep aside what --deep finds damaged. Storage is never changed otherwise.
    #[arg(long)]
    repair: bool,
    /// Show so many examples of each kind of difference, at most 100.
    #[arg(long, value_name = "NUMBER", default_value_t = 10)]
    examples: usize,
    /// Print the whole report as one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 when it is done, 2 when it could not be.\n\nExamples:\n  stobj rebuild --account \
                        AUTH_test"
)]
pub(super) struct RebuildAll {
    /// Only this account, as in URLs: AUTH_test; may be given several times. Without it all accounts.
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: Vec<AccountName>,
    /// Print each job as a line of JSON.
    #[arg(long)]
    json: bool,
}

/// The report over all accounts.
#[derive(Debug, Default, Serialize)]
struct Total {
    differences: u64,
    repaired: u64,
    objects: u64,
    bytes: u64,
    /// Objects that could not be looked at.
    errors: u64,
    accounts: Vec<OfAccount>,
}

#[derive(Debug, Serialize)]
struct OfAccount {
    account: AccountName,
    job: String,
    errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    report: Report,
}

/// Checks, and says with which code to end.
///
/// # Errors
/// It could not be checked.
pub(super) fn run(check: &Check) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let store = Administered::running().await?;
        let mut total = Total::default();
        for account in accounts(&store, &check.account).await? {
            let run = Run {
                account: account.clone(),
                deep: check.deep,
                repair: check.repair,
                examples: Some(check.examples),
            };
            let job = store.call(run).await?;
            let job = completed(follow(&store, job).await?)?;
            let of_account = OfAccount::of(job);
            if !check.json {
                of_account.print()?;
            }
            total.add(of_account);
        }
        if check.json {
            say(serde_json::to_string(&total)?)?;
        }
        let is_left = total.differences > total.repaired || total.errors > 0;
        Ok(ExitCode::from(u8::from(is_left)))
    })
}

/// Fills the mirror of accounts anew.
///
/// # Errors
/// It could not be done.
pub(super) fn run_rebuild(rebuild: &RebuildAll) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let store = Administered::running().await?;
        for account in accounts(&store, &rebuild.account).await? {
            let job = store.call(Rebuild { account }).await?;
            let job = completed(follow(&store, job).await?)?;
            if rebuild.json {
                say(serde_json::to_string(&job)?)?;
            } else {
                let (account, done) = (printable(job.account.as_str()), job.done);
                say(format!("{account}: {done} objects are in the mirror again"))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
}

/// Those that were named, or all.
async fn accounts(store: &Administered, named: &[AccountName]) -> anyhow::Result<Vec<AccountName>> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let mut all: Vec<AccountName> = Vec::new();
    loop {
        let marker = all.last().cloned();
        let page = store.call(Accounts { marker }).await?.accounts;
        let is_last = page.len() < MAX_ACCOUNTS;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

pub(super) fn account(text: &str) -> anyhow::Result<AccountName> {
    Ok(AccountName::new(text)?)
}

/// The job when it did all it could.
pub(super) fn completed(followed: Followed) -> anyhow::Result<Job> {
    match followed {
        Followed::Ended(job) if job.state == State::Done => Ok(job),
        Followed::Ended(job) => {
            let why = job.error.unwrap_or_else(|| "somebody cancelled it".to_owned());
            anyhow::bail!("{}: {why}", job.account)
        }
        Followed::Cancelled(id) => anyhow::bail!("cancelled (job {id})"),
    }
}

impl OfAccount {
    fn of(job: Job) -> Self {
        Self {
            account: job.account,
            job: job.id,
            errors: job.errors,
            error: job.error,
            report: job.report.map(|report| *report).unwrap_or_default(),
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        let Report {
            containers,
            objects,
            bytes,
            differences,
            repaired,
            kinds,
        } = &self.report;
        let account = printable(self.account.as_str());
        say(format!(
            "{account}: {containers} containers, {objects} objects, {bytes} bytes: {differences} differences, {repaired} \
             mended"
        ))?;
        for of_kind in kinds {
            let (kind, count) = (of_kind.kind.as_str(), of_kind.count);
            say(format!("  {kind}: {count}, {} mended", of_kind.repaired))?;
            for example in &of_kind.examples {
                let path = printable(&example.path);
                let side = |name: &str, what: &Option<String>| {
                    let text = what.as_ref().map(|what| printable(what));
                    text.map(|text| format!("; {name}: {text}")).unwrap_or_default()
                };
                let (storage, found) = (side("storage", &example.storage), side("found", &example.found));
                let reason = side("not mended", &example.reason);
                say(format!("    {path}{storage}{found}{reason}"))?;
            }
        }
        if let Some(error) = &self.error {
            say(format!("  {} could not be looked at: {error}", self.errors))?;
        }
        Ok(())
    }
}

impl Total {
    fn add(&mut self, account: OfAccount) {
        self.differences += account.report.differences;
        self.repaired += account.report.repaired;
        self.objects += account.report.objects;
        self.bytes += account.report.bytes;
        self.errors += account.errors;
        self.accounts.push(account);
    }
}
