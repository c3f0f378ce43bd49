//! Watches a job of the running server until it ends: with a line of progress where a person looks, and a way to end it.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use common::functional::job::{Cancel, Job, Show};
use common::{Error, Outcome};

use super::administered::Administered;

/// How often it is asked how far the job has come; in the beginning more often, as most are short.
const OFTEN: Duration = Duration::from_millis(50);
const SELDOM: Duration = Duration::from_millis(500);
/// So often in a row the server may not answer.
const MAX_SILENT: u32 = 60;

/// How the watching ended.
#[derive(Debug)]
pub(super) enum Followed {
    /// So the job ended.
    Ended(Job),
    /// By Ctrl-C, with which the job was cancelled.
    Cancelled(String),
}

/// Watches a job until it ends, or the person does not want it any more.
///
/// # Errors
/// When the server has not answered for long.
pub(super) async fn follow(store: &Administered, job: Job) -> Result<Followed, Error> {
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let (mut line, mut pause, mut silent) = (Line::new(), OFTEN, 0);
    loop {
        tokio::select! {
            _ = &mut interrupted => {
                line.end();
                let cancel = Cancel { account: job.account, id: job.id.clone() };
                store.call(cancel).await?;
                return Ok(Followed::Cancelled(job.id));
            }
            () = tokio::time::sleep(pause) => {}
        }
        let show = Show {
            account: job.account.clone(),
            id: job.id.clone(),
        };
        match store.call(show).await {
            Ok(now) if now.state.has_ended() => {
                line.end();
                return Ok(Followed::Ended(now));
            }
            Ok(now) => {
                silent = 0;
                line.show(&now);
            }
            // The job goes on, or begins anew when the server is back.
            Err(error) if matches!(error.outcome(), Outcome::Unavailable(_)) && silent < MAX_SILENT => {
                silent += 1;
            }
            Err(error) => return Err(error),
        }
        pause = (pause * 2).min(SELDOM);
    }
}

/// One line on the terminal that is written again and again; nothing where nobody looks.
struct Line {
    is_shown: bool,
    is_written: bool,
}

impl Line {
    fn new() -> Self {
        Self {
            is_shown: io::stderr().is_terminal(),
            is_written: false,
        }
    }

    fn show(&mut self, job: &Job) {
        if !self.is_shown {
            return;
        }
        self.is_written = true;
        let text = progress(job);
        // Nobody sees it; then it need not be written either.
        let _nobody_looks = write!(io::stderr(), "\r\x1b[K{text}").and_then(|()| io::stderr().flush());
    }

    fn end(&self) {
        if self.is_written {
            let _nobody_looks = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn progress(job: &Job) -> String {
    let (kind, account, done) = (&job.kind, job.account.as_str().escape_debug(), job.done);
    let part = match job.total {
        Some(total) if total > 0 => {
            let percent = done.min(total) * 100 / total;
            format!("{done} of {total} objects, {percent} %")
        }
        _ => format!("{done} objects"),
    };
    let errors = match job.errors {
        0 => String::new(),
        errors => format!(", {errors} failed"),
    };
    format!("{kind} of {account}: {part}, {} MiB{errors}", job.bytes >> 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Timestamp;
    use common::functional::job::State;
    use common::name::AccountName;

    #[test]
    fn progress_is_one_line() {
        let mut job = Job {
            id: "0".into(),
            account: AccountName::new("AUTH_a\n").unwrap(),
            kind: "check".into(),
            source: None,
            destination: None,
            state: State::Running,
            done: 50,
            total: Some(200),
            bytes: 3 << 20,
            errors: 0,
            error: None,
            created: Timestamp::default(),
            ended: None,
            report: None,
        };
        assert_eq!(
            progress(&job),
            "check of AUTH_a\\n: 50 of 200 objects, 25 %, 3 MiB"
        );
        (job.total, job.errors) = (None, 2);
        assert_eq!(progress(&job), "check of AUTH_a\\n: 50 objects, 3 MiB, 2 failed");
    }
}
