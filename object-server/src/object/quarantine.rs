//! Keeps an object aside whose data is not what was stored: nobody is served wrong bytes, and whoever may save something of
//! them finds them.

use std::sync::Arc;

use common::functional::Context;
use common::functional::object::Path;
use common::{Clock, Error};

use super::change::Change;
use crate::account::uncancelled;
use crate::journal::Action;
use crate::owner::{Account, Container, Owner, record};

impl Owner {
    /// Takes the object of this identity out of the tree; `false`: it is another one, or gone.
    ///
    /// # Errors
    /// When its container is gone or switched off, or the disk fails.
    pub(crate) async fn quarantine_object(
        self: &Arc<Self>,
        account: &Arc<Account>,
        container: &Arc<Container>,
        path: &Path,
        identity: u64,
    ) -> Result<bool, Error> {
        let Some(attributes) = self.engine.stat(path).await? else {
            return Ok(false);
        };
        let context = Context::internal("quarantine", Clock::now());
        let change = Change::new(
            self,
            Arc::clone(account),
            Arc::clone(container),
            path.clone(),
            None,
        );
        let record = record(&context, "check/quarantine", 204, 0);
        let id = change.announce(Action::Delete, Some(&attributes), record)?;
        tracing::error!(
            ?path,
            quarantine = format!("{:016x}", id.0),
            "an object whose data is damaged is kept aside"
        );
        Ok(uncancelled(change.quarantine(identity, id)).await?.is_some())
    }
}
