//! What the operation record costs the server: with the filter `record` in the pipeline, beside without it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::Method;
use tokio::process::Command;
use tokio::time::sleep;

use crate::laboratory::{CONNECTIONS, Laboratory, random};
use crate::load::{self, Make};
use crate::report::{Line, Report, Target};
use crate::samples::Samples;
use crate::store::Store;
use crate::wrk;

pub(super) const CONTAINER: &str = "bench-record";
const SMALL: usize = 4 << 10;
/// Uploads of one turn.
const UPLOADS: u64 = 10_000;
/// Fewer turns say nothing about so small a difference.
const ROUNDS: usize = 9;
/// A server that has used no core for so long has nothing left to tell its database.
const REST: Duration = Duration::from_millis(700);

/// GET and PUT of 4 KiB: the time of the server's, its database included.
pub(crate) async fn record(laboratory: &Laboratory, report: &mut Report) -> Result<()> {
    let without = without_record(laboratory).await?;
    get(laboratory, &without, report).await?;
    put(laboratory, &without, report).await
}

async fn get(laboratory: &Laboratory, without: &str, report: &mut Report) -> Result<()> {
    let stores = [
        Store::start(laboratory).await?,
        Store::start_with(laboratory, without).await?,
    ];
    for store in &stores {
        store.endpoint.put(CONTAINER, Bytes::new()).await?;
        store
            .endpoint
            .put(&format!("{CONTAINER}/object"), random(SMALL))
            .await?;
    }
    let mut samples = [Samples::default(), Samples::default()];
    let mut failures = Vec::new();
    for round in 0..laboratory.rounds.max(ROUNDS) {
        for turn in 0..2 {
            let at = (round + turn) % 2;
            let store = &stores[at];
            let url = store.endpoint.url(&format!("{CONTAINER}/object"));
            let before = store.processor_time()?;
            let outcome = wrk::run(&url, Some(&store.endpoint.token), laboratory.span).await?;
            let time = store.processor_time()? - before;
            samples[at].push(time.as_secs_f64() * 1e6 / outcome.requests);
            failures.extend(outcome.failures);
        }
    }
    add(report, "GET", 1.03, samples, failures);
    Ok(())
}

async fn put(laboratory: &Laboratory, without: &str, report: &mut Report) -> Result<()> {
    let mut samples = [Samples::default(), Samples::default()];
    for round in 0..laboratory.rounds.max(ROUNDS) {
        for turn in 0..2 {
            let at = (round + turn) % 2;
            let store = Store::start_with(laboratory, ["", without][at]).await?;
            samples[at].push(put_at(&store).await?);
            store.stop().await?;
        }
    }
    add(report, "PUT", 1.1, samples, Vec::new());
    Ok(())
}

/// The time that the server spends on an upload, in µs, until nothing of it is left to do.
pub(super) async fn put_at(store: &Store) -> Result<f64> {
    let endpoint = store.endpoint.clone();
    endpoint.put(CONTAINER, Bytes::new()).await?;
    let body = random(SMALL);
    let make: Make = Arc::new(move |number| {
        endpoint.request(&Method::PUT, &format!("{CONTAINER}/{number:08}"), body.clone())
    });
    let before = store.processor_time()?;
    load::complete(&store.endpoint, CONNECTIONS, UPLOADS, &make).await?;
    let mut time = store.processor_time()?;
    loop {
        sleep(REST).await;
        let now = store.processor_time()?;
        // A server at rest looks after its caches now and then.
        if now - time < Duration::from_millis(20) {
            return Ok((now - before).as_secs_f64() * 1e6 / UPLOADS as f64);
        }
        time = now;
    }
}

fn add(report: &mut Report, method: &str, times: f64, samples: [Samples; 2], failures: Vec<String>) {
    let [with, without] = samples;
    report.add(Line {
        work: format!("{method} 4 KiB, {CONNECTIONS} connections, recorded: time of the server's on a core"),
        unit: "µs a request",
        ours: with,
        other: Some(("the same without `record`".to_owned(), without)),
        target: Some(Target::TimesOrLess(times)),
        failures,
    });
}

/// The section `[pipeline]` with the guards of the default but for `record`, as the program tells them.
async fn without_record(laboratory: &Laboratory) -> Result<String> {
    let output = Command::new(&laboratory.stobj)
        .args(["config", "check", "--data"])
        .arg(laboratory.fresh()?)
        .output()
        .await?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let guards = told
        .lines()
        .find_map(|line| line.strip_prefix("guard:"))
        .context("the order of the filters")?;
    let others: Vec<_> = guards
        .split_whitespace()
        .filter(|name| *name != "record")
        .collect();
    Ok(format!("[pipeline]\nguard = {others:?}\n"))
}
