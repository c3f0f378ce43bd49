//! What is done before a log that grows faster than others follow is full.

use std::time::Duration;

use super::Journal;

/// How long a change holds back at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

impl Journal {
    /// Waits until the log has grown by a file, an eighth of its maximum at most, since this was last waited for.
    pub(crate) async fn grown(&self) {
        self.shared.rotated.notified().await;
    }

    /// How long a change should hold back before it is announced, so that the log does not come to its maximum: not at all
    /// below half of that, and then more and more, up to a second.
    pub(crate) fn pause(&self) -> Option<Duration> {
        let used = {
            let state = self.shared.state.lock();
            state.end - state.oldest
        };
        pause(used, self.shared.maximum)
    }
}

/// With the square of what is beyond the half: so a little is enough for few, and many are slowed down, too.
fn pause(used: u64, maximum: u64) -> Option<Duration> {
    let half = maximum / 2;
    let beyond = used.checked_sub(half).filter(|&beyond| beyond > 0)?;
    // Precise to 52 bits, and the log is never so long.
    let part = (beyond as f64 / half.max(1) as f64).min(1.0);
    Some(LONGEST_PAUSE.mul_f64(part * part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_hold_back_the_longer_the_fuller_the_log_is() {
        const MAXIMUM: u64 = 1 << 20;
        let of = |eighths: u64| pause(MAXIMUM * eighths / 8, MAXIMUM);
        assert_eq!((of(0), of(4)), (None, None));
        let pauses: Vec<_> = (5..=8).map(|eighths| of(eighths).unwrap()).collect();
        assert!(pauses.is_sorted_by(|one, next| one < next), "{pauses:?}");
        assert!(pauses[0] < Duration::from_millis(100));
        assert_eq!(pauses[3], LONGEST_PAUSE);
        // What ends a change is taken beyond the maximum.
        assert_eq!(of(9), Some(LONGEST_PAUSE));
        assert_eq!(pause(1, 0), Some(LONGEST_PAUSE));
    }
}
