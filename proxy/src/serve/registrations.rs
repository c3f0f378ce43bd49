//! Registrations that ended half-way are brought to their end.

use std::time::Duration;

use common::{Clock, Timestamp};
use middleware::registration::Registrations;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Part;

/// No registration takes longer.
const LONGEST_SECONDS: u64 = 300;
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(5);

/// Looks after them until the task is aborted. `None` of a process that makes none.
///
/// Where this is the only process that makes any, all that earlier ones have left are finished first; else, and later,
/// those that nobody can be at any more.
pub(super) fn spawn_finishing(registrations: Registrations, part: Part) -> Option<JoinHandle<()>> {
    if !matches!(part, Part::Everything | Part::Proxy) {
        return None;
    }
    let started = Clock::now();
    let mut are_earlier_left = part == Part::Everything;
    Some(tokio::spawn(async move {
        loop {
            let before = match are_earlier_left {
                true => started,
                false => Timestamp::from_seconds(Clock::now().seconds().saturating_sub(LONGEST_SECONDS)),
            };
            // The pipeline is not held while nothing is done, so that one that was replaced can end.
            if let Some(registration) = registrations.current() {
                match registration.finish_pending(before).await {
                    Ok(()) => are_earlier_left = false,
                    Err(error) => {
                        tracing::debug!("registrations cannot be brought to their end yet: {error}");
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }))
}
