//! The switch of an object: the same object, but that nobody can use it.

use std::sync::Arc;

use common::functional::Context;
use common::functional::firewall::StateSet;
use common::functional::object::Path;
use common::{Body, Error};

use super::change::{Change, Verb};
use crate::account::uncancelled;
use crate::engine::Revise;
use crate::journal::Action;
use crate::node::{ObjectAttributes, State};
use crate::owner::{Owner, footprint, object_node, record};

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
        let begun = self.begin(
            &account,
            Action::Post,
            object_node(&path.container, &path.object),
            Some(footprint(&present)),
            record(context, "firewall/state", 202, 0),
        )?;
        begun.sync().await?;
        let id = begun.id;
        let revise: Revise = Box::new(move |present: &ObjectAttributes| {
            Ok(ObjectAttributes {
                id,
                state,
                ..present.clone()
            })
        });
        let change = Change {
            owner: Arc::clone(self),
            account,
            container,
            path,
            begun,
        };
        match uncancelled(change.carry_out(Verb::Revise(revise))).await? {
            None => Err(Error::not_found()),
            Some(changed) => Ok(StateSet {
                changed: changed.old.is_none_or(|old| old.state != state),
            }),
        }
    }
}
