//! `wrk`, which asks for one thing as often as it can: the cheapest client there is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::laboratory::CONNECTIONS;

/// What it said.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) requests: f64,
    pub(crate) rate: f64,
    /// Broken connections, time-outs, answers that are no success.
    pub(crate) failures: Option<String>,
}

/// Loads `url` from one thread over [`CONNECTIONS`] connections.
pub(crate) async fn run(url: &str, token: Option<&str>, span: Duration) -> Result<Outcome> {
    let mut command = Command::new("wrk");
    command
        .args([
            "-t1",
            &format!("-c{CONNECTIONS}"),
            &format!("-d{}s", span.as_secs().max(1)),
        ])
        .kill_on_drop(true);
    if let Some(token) = token {
        command.args(["-H", &format!("X-Auth-Token: {token}")]);
    }
    let output = command.arg(url).output().await.context("wrk")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk: {text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&text).with_context(|| format!("wrk said:\n{text}"))
}

fn parse(text: &str) -> Option<Outcome> {
    let mut outcome = Outcome::default();
    for line in text.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            outcome.requests = requests.parse().ok()?;
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            outcome.rate = rate.trim().parse().ok()?;
        } else if line.starts_with("Socket errors:") || line.starts_with("Non-2xx") {
            outcome.failures = Some(line.to_owned());
        }
    }
    (outcome.requests > 0.0 && outcome.rate > 0.0).then_some(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FINE: &str = "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 32 connections\n  \
        30250 requests in 1.00s, 124.71MB read\nRequests/sec:  30213.45\nTransfer/sec:    124.5MB\n";

    #[test]
    fn what_it_says_is_understood() {
        let fine = parse(FINE).unwrap();
        assert_eq!(
            (fine.requests, fine.rate, fine.failures),
            (30250.0, 30213.45, None)
        );
        let bad = parse(&format!("{FINE}  Non-2xx or 3xx responses: 7\n")).unwrap();
        assert_eq!(bad.failures.as_deref(), Some("Non-2xx or 3xx responses: 7"));
        assert_eq!(parse("unable to connect"), None);
    }
}
