//! The circuit breaker: when the other process does not answer, nobody waits for it.
//!
//! One time-out opens it. While it is open every request is refused at once, and one task asks the process whether it
//! is there: immediately, because a single slow request is no reason to refuse the others, and then once a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::sleep;

use super::Remote;

/// The pause between two tries.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// Open (the process does not answer) or closed (it does, as far as is known).
#[derive(Debug, Default)]
pub(super) struct Breaker {
    is_open: AtomicBool,
}

impl Breaker {
    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }
}

/// A request to `remote` got no answer in time.
pub(super) fn open(remote: &Arc<Remote>) {
    if !remote.breaker.is_open.swap(true, Ordering::Relaxed) {
        tokio::spawn(probe(Arc::downgrade(remote)));
    }
}

/// Asks until the process is there, or nobody needs it any more.
async fn probe(remote: Weak<Remote>) {
    let mut is_away = false;
    loop {
        let Some(remote) = remote.upgrade() else { return };
        if remote.is_there().await {
            remote.breaker.is_open.store(false, Ordering::Relaxed);
            if is_away {
                tracing::info!(server = %remote.authority, "the server answers again");
            }
            return;
        }
        if !is_away {
            tracing::warn!(server = %remote.authority, "the server does not answer; requests that need it are refused");
            is_away = true;
        }
        drop(remote);
        sleep(PROBE_INTERVAL).await;
    }
}
