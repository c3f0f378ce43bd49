//! Keeps an object aside whose data is not what was stored: nobody is served wrong bytes, and whoever may save something of
//! them finds them.

use std::sync::Arc;

use common::functional::Context;
use common::functional::object::Path;
use common::{Clock, Error};

use super::change::Change;
use super::check_enabled;
use crate::account::uncancelled;
use crate::journal::Action;
use crate::owner::{Account, Container, Owner, record, recorded};

impl Owner {
    /// Whether the switch of the object lets it be taken out of the tree.
    ///
    /// # Errors
    /// 403 when it does not.
    pub(crate) async fn may_quarantine(&self, path: &Path) -> Result<(), Error> {
        let present = self.engine.stat(path).await?;
        present.as_ref().map_or(Ok(()), check_enabled)
    }

    /// Takes the object of this identity out of the tree; `false`: it is another one, or gone.
    ///
    /// What is switched off stays where it is: nobody is served its bytes, and were it taken away, everybody could make another
    /// object of its name.
    ///
    /// # Errors
    /// 403 when it or its account is switched off; when its container is gone, or the disk fails.
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
        check_enabled(&attributes)?;
        let context = recorded(&Context::internal("quarantine", Clock::now()))?;
        let change = Change::new(
            self,
            Arc::clone(account),
            Arc::clone(container),
            path.clone(),
            None,
        );
        let record = record(&context, "check/quarantine", 204, 0);
        let id = change.announce(Action::Delete, Some(&attributes), record)?;
        let is_aside = uncancelled(change.quarantine(identity, id)).await?.is_some();
        if is_aside {
            let quarantine = format!("{:016x}", id.0);
            tracing::error!(?path, quarantine, "an object whose data is damaged is kept aside");
        }
        Ok(is_aside)
    }
}
