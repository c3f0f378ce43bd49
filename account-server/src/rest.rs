//! How long what failed is let alone.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// So long nothing of it is tried again.
const REST: Duration = Duration::from_secs(5);

/// What failed rests for a while, and is tried again then.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    until: Option<Instant>,
}

impl Rest {
    /// It failed just now.
    pub(crate) fn begin(&mut self) {
        self.until = Some(Instant::now() + REST);
    }

    /// Whether it may be tried.
    pub(crate) fn is_over(&self) -> bool {
        self.until.is_none_or(|until| until <= Instant::now())
    }

    /// Waits for the end of a rest; for ever, where none began since the last one was waited for.
    pub(crate) async fn over(&mut self) {
        match self.until {
            Some(until) => sleep_until(until).await,
            None => std::future::pending().await,
        }
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rest_is_waited_for_once() {
        let mut rest = Rest::default();
        assert!(rest.is_over());
        rest.begin();
        assert!(!rest.is_over());
        let began = Instant::now();
        rest.over().await;
        assert_eq!(began.elapsed(), REST);
        assert!(rest.is_over());
        let again = tokio::time::timeout(2 * REST, rest.over()).await;
        assert!(again.is_err());
    }
}
