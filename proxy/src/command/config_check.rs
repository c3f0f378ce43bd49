//! `stobj config check`: whether a server would start with this configuration.

use anyhow::bail;
use proxy::serve::{Part, Plan};

use super::{Source, say};

/// Builds the pipeline as a server would, but opens nothing.
pub(super) fn run(source: &Source) -> anyhow::Result<()> {
    let plan = match Plan::new(Part::Everything, source.load([])) {
        Ok(plan) => plan,
        Err(mistakes) => bail!("the configuration has mistakes:\n{mistakes}"),
    };
    let pipeline = plan.pipeline();
    let order = |names: &[String]| names.join(" ");
    say("ok")?;
    say(format_args!("protocol: {}", order(&pipeline.protocol)))?;
    say(format_args!("semantic: {}", order(&pipeline.semantic)))?;
    say(format_args!("guard:    {}", order(&pipeline.guard)))?;
    Ok(())
}
