//! How the writer shares its time between jobs that somebody waits for and what nobody waits for.
//!
//! What was detached is removed, and names are packed, step by step and at once when nobody has anything to be written. While
//! jobs come one upon the other, each step is followed by [`SHARE`] times its length for them, so that a mirror that is filled
//! anew does not wait for the removal of the one before it. After [`LONG`] of that there is a step after each job, so that
//! nothing is left behind for ever.

use std::time::Duration;

use tokio::time::Instant;

/// A step that took so long is followed by this many times that for jobs.
const SHARE: u32 = 15;
/// So long after a job the next one of its kind is expected.
const QUIET: Duration = Duration::from_millis(50);
/// So long at most the share is kept to.
const LONG: Duration = Duration::from_secs(600);

/// When the next step of what nobody waits for may begin.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// When the last job was done.
    job: Option<Instant>,
    /// When jobs have had their share.
    turn: Option<Instant>,
    /// Since when there has been something to do.
    behind: Option<Instant>,
}

impl Pace {
    /// A job that somebody waited for is done. `has_work`: there are steps to be done.
    pub(crate) fn job_done(&mut self, has_work: bool) {
        let now = Instant::now();
        self.job = Some(now);
        self.behind = has_work.then(|| self.behind.unwrap_or(now));
    }

    /// A step that began at `began` is done. `has_work`: there are further ones.
    pub(crate) fn step_done(&mut self, began: Instant, has_work: bool) {
        let now = Instant::now();
        self.turn = Some(now + now.duration_since(began) * SHARE);
        self.behind = has_work.then(|| self.behind.unwrap_or(began));
    }

    /// When the next step may begin.
    pub(crate) fn next(&self) -> Instant {
        let now = Instant::now();
        let (Some(job), Some(turn)) = (self.job, self.turn) else {
            return now;
        };
        if self.behind.is_some_and(|since| now.duration_since(since) > LONG) {
            return now;
        }
        turn.min(job + QUIET)
    }

    /// Whether it may begin now.
    pub(crate) fn is_due(&self) -> bool {
        self.next() <= Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const STEP: Duration = Duration::from_millis(10);

    /// A step that takes its time.
    async fn step(pace: &mut Pace) {
        let began = Instant::now();
        advance(STEP).await;
        pace.step_done(began, true);
    }

    #[tokio::test(start_paused = true)]
    async fn steps_follow_each_other_while_there_are_no_jobs() {
        let mut pace = Pace::default();
        assert!(pace.is_due());
        for _ in 0..3 {
            step(&mut pace).await;
            assert!(pace.is_due());
        }
        pace.job_done(true);
        advance(QUIET).await;
        step(&mut pace).await;
        assert!(pace.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_have_their_share_before_the_next_step() {
        let mut pace = Pace::default();
        step(&mut pace).await;
        let mut jobs = 0;
        loop {
            pace.job_done(true);
            if pace.is_due() {
                break;
            }
            advance(STEP / 2).await;
            jobs += 1;
        }
        assert_eq!(jobs, SHARE * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_step_is_followed_by_one_when_no_job_comes() {
        let mut pace = Pace::default();
        let began = Instant::now();
        advance(Duration::from_secs(5)).await;
        pace.step_done(began, true);
        pace.job_done(true);
        assert!(!pace.is_due());
        advance(QUIET).await;
        assert!(pace.is_due());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_left_behind_for_long_waits_no_more() {
        let mut pace = Pace::default();
        step(&mut pace).await;
        pace.job_done(true);
        assert!(!pace.is_due());
        advance(LONG).await;
        step(&mut pace).await;
        pace.job_done(true);
        assert!(pace.is_due());
        pace.step_done(Instant::now(), false);
        step(&mut pace).await;
        pace.job_done(true);
        assert!(!pace.is_due());
    }
}
