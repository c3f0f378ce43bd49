//! The switch of an object: the same object, but that nobody can use it.

use std::sync::Arc;

use common::functional::Context;
use common::functional::firewall::StateSet;
use common::functional::object::Path;
use common::{Body, Error};

use super::change::Change;
use crate::account::uncancelled;
use crate::engine::Revise;
use crate::journal::Action;
use crate::node::{ObjectAttributes, State};
use crate::owner::{Owner, record};

impl Owner {
    /// Sets the switch and nothing else: what a client sees of the object afterwards is as before. An object whose time has
    /// run out has a switch as long as it is stored.
    pub(crate) async fn set_object_state(
        self: &Arc<Self>,
        path: Path,
        state: State,
        context: &Context,
    ) -> Result<StateSet, Error> {
        let (account, container, _) = self
            .admit(&path.account, &path.container, context, Body::empty())
            .await?;
        let present = self.engine.stat(&path).await?.ok_or_else(Error::not_found)?;
        let change = Change::new(self, account, container, path, None);
        let record = record(context, "firewall/state", 202, 0);
        let id = change.announce(Action::Post, Some(&present), record)?;
        let revise: Revise = Box::new(move |present: &ObjectAttributes| {
            Ok(ObjectAttributes {
                id,
                state,
                ..present.clone()
            })
        });
        match uncancelled(change.revise(revise)).await? {
            None => Err(Error::not_found()),
            Some(changed) => Ok(StateSet {
                changed: changed.old.is_none_or(|old| old.state != state),
            }),
        }
    }
}
