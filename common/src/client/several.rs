//! Several object-servers of one storage, one of which owns the accounts while the others stand by.
//!
//! A request goes to the one that last answered. Where that is not there, or says that it is not the owner, the others are
//! asked in turn, for a bounded time; whatever may have been done is not asked for again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{RETRY_AFTER, Remote};
use crate::functional::{Reply, Request};
use crate::service::FunctionalService;
use crate::{Error, Outcome};

/// So long an owner is looked for: one that takes over has read its journal by then, or is not awaited.
const SEARCH: Duration = Duration::from_secs(2);
/// Between two rounds.
const PAUSE: Duration = Duration::from_millis(100);

/// The servers, and which of them answered last.
pub struct Several {
    servers: Vec<Arc<Remote>>,
    current: AtomicUsize,
}

impl Several {
    /// Of these servers, the likely owner first.
    pub fn new(servers: Vec<Arc<Remote>>) -> Self {
        Self {
            servers,
            current: AtomicUsize::new(0),
        }
    }

    /// As a stage of the pipeline.
    pub fn into_service(self) -> FunctionalService {
        let servers = Arc::new(self);
        FunctionalService::new(tower::service_fn(move |request| {
            let servers = Arc::clone(&servers);
            async move { servers.handle(request).await }
        }))
    }

    async fn handle(&self, mut request: Request) -> Result<Reply, Error> {
        let deadline = Instant::now() + SEARCH;
        loop {
            let first = self.current.load(Ordering::Relaxed);
            let mut last = None;
            for step in 0..self.servers.len() {
                let at = (first + step) % self.servers.len();
                let failed = match self.servers[at].attempt(request).await {
                    Ok(reply) => {
                        self.current.store(at, Ordering::Relaxed);
                        return Ok(reply);
                    }
                    Err(failed) => failed,
                };
                let Some(again) = failed.again else {
                    if !matches!(failed.error.outcome(), Outcome::Unavailable(_)) {
                        self.current.store(at, Ordering::Relaxed);
                    }
                    return Err(failed.error);
                };
                request = *again;
                last = Some(failed.error);
            }
            if Instant::now() >= deadline {
                let nobody = || Error::unavailable("there is no object-server", Some(RETRY_AFTER));
                return Err(last.unwrap_or_else(nobody));
            }
            sleep(PAUSE).await;
        }
    }
}

impl fmt::Debug for Several {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_list().entries(&self.servers).finish()
    }
}
