//! What is removed from the record in time, a bounded step at a time.

use std::time::Duration;

use common::functional::record::Marker;
use common::{Clock, Timestamp};
use tokio::time::Instant;

use crate::Settings;
use crate::sql::{Connection, Failure};
use crate::table::record;

/// Between two looks for what is too old or too much; a tenth of the age, where that is shorter.
const PERIOD: Duration = Duration::from_secs(60);

/// The most rows that a step removes, but for those of the very same time.
const REMOVED: i64 = 1000;

/// The most rows that a step counts.
const COUNTED: u64 = 10_000;

/// What may be kept, and what is being done about it.
#[derive(Debug)]
pub(crate) struct Retention {
    age: Duration,
    count: u64,
    task: Task,
}

/// Each goes on where it is after a failure, or begins anew.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// Nothing is to be done until then.
    Rest(Instant),
    /// What is older is removed; then whether there is too much is found out.
    Forget(Timestamp, ThenCount),
    /// Going back in time, so many more may be kept before this one.
    Count(Marker, u64),
}

type ThenCount = bool;

impl Retention {
    /// As the settings say; the first look is due.
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            age: settings.record_retention_age.0,
            count: settings.record_retention_count,
            task: Task::Rest(Instant::now()),
        }
    }

    /// Waits until there is something to do; for ever, where everything is kept.
    pub(crate) async fn due(&self) {
        match self.task {
            _ if self.keeps_everything() => std::future::pending().await,
            Task::Rest(until) => tokio::time::sleep_until(until).await,
            Task::Forget(..) | Task::Count(..) => {}
        }
    }

    /// Whether there is something to do.
    pub(crate) fn is_due(&self) -> bool {
        match self.task {
            _ if self.keeps_everything() => false,
            Task::Rest(until) => until <= Instant::now(),
            Task::Forget(..) | Task::Count(..) => true,
        }
    }

    fn keeps_everything(&self) -> bool {
        self.age.is_zero() && self.count == 0
    }

    /// Nothing is done for a while.
    pub(crate) fn rest(&mut self) {
        let period = match self.age.is_zero() {
            true => PERIOD,
            false => PERIOD.min(self.age / 10),
        };
        self.task = Task::Rest(Instant::now() + period.max(Duration::from_secs(1)));
    }

    /// Does one step. After a failure the transaction is still open.
    pub(crate) async fn step(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        connection.begin_write().await?;
        let next = match self.task {
            Task::Rest(_) => self.begin(),
            Task::Forget(before, then_count) => self.forget(connection, before, then_count).await?,
            Task::Count(marker, left) => self.count(connection, marker, left).await?,
        };
        connection.commit().await?;
        match next {
            Some(task) => self.task = task,
            None => self.rest(),
        }
        Ok(())
    }

    fn begin(&self) -> Option<Task> {
        let age = u64::try_from(self.age.as_micros() / 10).unwrap_or(u64::MAX);
        match age {
            0 => self.begin_to_count(),
            age => {
                let oldest = Clock::now().units().saturating_sub(age);
                Some(Task::Forget(Timestamp::from_units(oldest), true))
            }
        }
    }

    fn begin_to_count(&self) -> Option<Task> {
        let newest = Marker {
            time: Timestamp::from_units(i64::MAX.cast_unsigned()),
            id: i64::MAX.cast_unsigned(),
        };
        (self.count > 0).then_some(Task::Count(newest, self.count))
    }

    async fn forget(
        &self,
        connection: &mut Connection,
        before: Timestamp,
        then_count: ThenCount,
    ) -> Result<Option<Task>, Failure> {
        match record::older(connection, before, REMOVED).await? {
            Some(first_left) => {
                if record::forget_before(connection, first_left).await? == 0 {
                    // All of them are of one time.
                    let behind = Timestamp::from_units(first_left.units() + 1);
                    record::forget_before(connection, behind).await?;
                }
                Ok(Some(Task::Forget(before, then_count)))
            }
            None => {
                record::forget_before(connection, before).await?;
                Ok(then_count.then(|| self.begin_to_count()).flatten())
            }
        }
    }

    async fn count(
        &self,
        connection: &mut Connection,
        marker: Marker,
        left: u64,
    ) -> Result<Option<Task>, Failure> {
        let step = left.min(COUNTED);
        let reached = record::behind(connection, marker, i64::try_from(step).unwrap_or(i64::MAX)).await?;
        Ok(match reached {
            None => None,
            Some(reached) if step < left => Some(Task::Count(reached, left - step)),
            // Those of its very time stay with it.
            Some(reached) => Some(Task::Forget(reached.time, false)),
        })
    }
}
