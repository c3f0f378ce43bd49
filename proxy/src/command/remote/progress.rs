//! What is shown of long work while it goes on, on a terminal only.

use std::time::Duration;

use anyhow::bail;
use common::functional::job::{Job, State};
use common::storage_client::{Client, Meter};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;

use super::{Output, printable};

/// Between two looks at the numbers.
const PERIOD: Duration = Duration::from_millis(100);
const OF_BYTES: &str = "{msg} {bytes} of {total_bytes}, {binary_bytes_per_sec} {wide_bar} {elapsed}";
const OF_OBJECTS: &str = "{msg} {pos} of {len} objects {wide_bar} {elapsed}";

/// A line about what is going on. It is gone when this is dropped.
#[derive(Debug)]
pub(in crate::command) struct Progress {
    bar: ProgressBar,
    meter: Meter,
    ticker: Option<JoinHandle<()>>,
}

impl Progress {
    /// Of bytes, as the meter counts them.
    pub(in crate::command) fn of_bytes(output: Output, what: &'static str) -> Self {
        let bar = bar(output, OF_BYTES);
        bar.set_message(what);
        let meter = Meter::default();
        let ticker = output.shows_progress().then(|| {
            let (bar, meter) = (bar.clone(), meter.clone());
            tokio::spawn(async move {
                loop {
                    bar.set_position(meter.bytes());
                    tokio::time::sleep(PERIOD).await;
                }
            })
        });
        Self { bar, meter, ticker }
    }

    /// What counts.
    pub(in crate::command) fn meter(&self) -> Meter {
        self.meter.clone()
    }

    /// There is more to do than was known.
    pub(in crate::command) fn grow(&self, bytes: u64) {
        self.bar.inc_length(bytes);
    }

    /// Lets something be written while the line is away.
    pub(in crate::command) fn suspend<T>(&self, write: impl FnOnce() -> T) -> T {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(ticker) = self.ticker.take() {
            ticker.abort();
        }
        self.bar.finish_and_clear();
    }
}

/// Waits until the job has ended, and shows meanwhile how far it is.
///
/// # Errors
/// When it did not do all that it should.
pub(in crate::command) async fn job_ended(client: &Client, job: Job, output: Output) -> anyhow::Result<Job> {
    let bar = bar(output, OF_OBJECTS);
    bar.set_message(job.kind.clone());
    let ended = client.job_ended(job, |job| {
        bar.set_length(job.total.unwrap_or(job.done));
        bar.set_position(job.done);
    });
    let ended = ended.await;
    bar.finish_and_clear();
    let job = ended?;
    match job.state {
        State::Done => Ok(job),
        State::Cancelled => bail!("job {}: somebody cancelled it; nothing of it is left", job.id),
        State::Failed | State::Queued | State::Running => {
            let why = printable(job.error.as_deref().unwrap_or("it does not say why"));
            bail!("job {}: it failed with {} objects: {why}", job.id, job.errors)
        }
    }
}

fn bar(output: Output, template: &str) -> ProgressBar {
    let target = match output.shows_progress() {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
