//! What a directory holds, as the mirror counts it.

use std::time::Duration;

use common::functional::mirror::{AtLeast, Open, Total, Totals};
use common::functional::object::Path;
use common::functional::{self, Call, Context};
use common::{Body, Error};

use crate::journal::Footprint;
use crate::owner::{Account, Owner};

/// When to come back, while the mirror is away.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// So long the mirror may take while the locks of containers are held; mostly it was asked just before.
const PATIENCE: Duration = Duration::from_secs(1);

/// What asks the mirror while it holds the locks of containers.
///
/// # Errors
/// 503 when that takes too long for all those who wait for the locks.
pub(super) async fn briefly<T>(asking: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(asked) => asked,
        Err(late) => Err(Error::unavailable(late, Some(RETRY_AFTER))),
    }
}

impl Owner {
    /// Waits until the mirror has all changes of the account.
    ///
    /// # Errors
    /// 503 when it does not have them in time.
    pub(super) async fn barrier(&self, account: &Account) -> Result<AtLeast, Error> {
        let at_least = self.mirrored(account).await;
        at_least.ok_or_else(|| Error::unavailable("the mirror does not keep up", Some(RETRY_AFTER)))
    }

    /// The same, and that the mirror is there: that it has all may have been long ago.
    ///
    /// # Errors
    /// 503.
    pub(super) async fn reach_mirror(&self, account: &Account, context: &Context) -> Result<(), Error> {
        self.barrier(account).await?;
        let account_id = account.account_id;
        self.ask_mirror(Open { account_id }, context).await.map(|_| ())
    }

    /// What a directory holds. Whoever has the container's lock exclusively is told of all there is.
    ///
    /// # Errors
    /// 503 when the mirror does not say.
    pub(super) async fn totals(
        &self,
        account: &Account,
        path: &Path,
        context: &Context,
    ) -> Result<Footprint, Error> {
        let at_least = self.barrier(account).await?;
        let ask = Totals {
            at_least,
            container: path.container.clone(),
            directory: path.object.clone(),
        };
        match self.ask_mirror(ask, context).await? {
            Total::Counted { objects, bytes, .. } => Ok(Footprint { objects, bytes }),
            Total::Behind(_) => Err(self.is_behind(account)),
        }
    }

    /// What the mirror answers in time.
    ///
    /// # Errors
    /// 503.
    pub(super) async fn ask_mirror<C: Call>(&self, call: C, context: &Context) -> Result<C::Answer, Error> {
        let asking = functional::ask(self.feed.account_server(), call, context.clone(), Body::empty());
        match tokio::time::timeout(self.settings.listing_timeout.0, asking).await {
            Ok(Ok((answer, _))) => Ok(answer),
            Ok(Err(error)) => Err(Error::unavailable(error, Some(RETRY_AFTER))),
            Err(late) => Err(Error::unavailable(late, Some(RETRY_AFTER))),
        }
    }

    /// The mirror has less than it had acknowledged.
    pub(super) fn is_behind(&self, account: &Account) -> Error {
        self.feed.suspect(account.account_id);
        Error::unavailable("the mirror lost what it had", Some(RETRY_AFTER))
    }
}
