//! What the filters cost, by an example of the crate that puts them together.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::laboratory::Laboratory;
use crate::report::{Line, Report, Target};
use crate::samples::Samples;

/// Runs the program at `path`, which prints nanoseconds behind `pipeline:`.
pub(crate) async fn pipeline(laboratory: &Laboratory, path: &Path, report: &mut Report) -> Result<()> {
    let mut samples = Samples::default();
    for _ in 0..laboratory.rounds {
        let output = Command::new(path)
            .arg("--bench")
            .kill_on_drop(true)
            .output()
            .await?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let line = text.lines().find_map(|line| line.strip_prefix("pipeline:"));
        let words = line.and_then(|line| line.split_whitespace().next());
        let nanoseconds: f64 = words.with_context(|| text.to_string())?.parse()?;
        samples.push(nanoseconds / 1e3);
    }
    report.add(Line {
        work: "GET through the whole default pipeline, without front and storage: time on a core".to_owned(),
        unit: "µs a request",
        ours: samples,
        other: None,
        target: Some(Target::AtMost(5.0)),
        failures: Vec::new(),
    });
    Ok(())
}
