//! Takes in a file that was put into the storage, or changed there, by other means: hashes it and gives it attributes. From
//! then on it is counted and listed as any other object.

use std::sync::Arc;

use common::functional::Context;
use common::functional::object::Path;
use common::{Error, Outcome};

use super::Superseded;
use super::change::Change;
use super::content::{Pace, digest};
use super::room::growth;
use crate::account::uncancelled;
use crate::engine::Revise;
use crate::journal::Action;
use crate::node::ObjectAttributes;
use crate::owner::{Account, Container, Owner, Reservation, record, recorded};

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Adopted {
    /// It has attributes now.
    Done,
    /// It had them, or is not there.
    NotNeeded,
    /// It changed while it was read.
    Changing,
}

impl Owner {
    /// Takes the file at `path` in.
    ///
    /// # Errors
    /// 413 when it does not fit under a limit: it stays as it is. When it cannot be read, its container is gone or switched off,
    /// or the disk fails.
    pub(crate) async fn adopt_object(
        self: &Arc<Self>,
        account: &Arc<Account>,
        container: &Arc<Container>,
        path: &Path,
        context: &Context,
        pace: &Pace,
    ) -> Result<Adopted, Error> {
        if let Some(pause) = self.journal.pause() {
            tokio::time::sleep(pause).await;
        }
        let identity = self.engine.identity(path).await?;
        let (Some(identity), Some((attributes, reader))) = (identity, self.engine.open(path).await?) else {
            return Ok(Adopted::NotNeeded);
        };
        if !attributes.is_unhashed() {
            return Ok(Adopted::NotNeeded);
        }
        // Before it is read: what does not fit is not hashed in vain.
        let reservation = hold_room(account, container, path, &attributes)?;
        let (size, etag) = digest(reader, pace).await?;
        if size != attributes.size {
            return Ok(Adopted::Changing);
        }
        let change = Change::new(
            self,
            Arc::clone(account),
            Arc::clone(container),
            path.clone(),
            reservation,
        );
        let record = record(&recorded(context)?, "check/adopt", 201, size);
        let id = change.announce(Action::Put, Some(&attributes), record)?;
        let (changed, now) = (Superseded::default(), context.timestamp);
        let refused = changed.clone();
        let revise: Revise = Box::new(move |present: &ObjectAttributes| {
            let is_the_same = present.is_unhashed()
                && (present.size, present.modified) == (attributes.size, attributes.modified);
            if !is_the_same {
                return Err(refused.refuse());
            }
            Ok(ObjectAttributes {
                id,
                etag,
                // A clock that went wrong elsewhere must not keep later writes out.
                timestamp: present.timestamp.min(now),
                created: present.created.min(now),
                ..present.clone()
            })
        });
        match uncancelled(change.adopt(identity, revise)).await {
            Err(error) if changed.happened() && matches!(error.outcome(), Outcome::Conflict) => {
                Ok(Adopted::Changing)
            }
            Err(error) => Err(error),
            Ok(None) => Ok(Adopted::NotNeeded),
            Ok(Some(_)) => Ok(Adopted::Done),
        }
    }
}

/// Whether there is room for a file to be taken in, as things are.
///
/// # Errors
/// 413 when there is none.
pub(crate) fn room_for(
    account: &Arc<Account>,
    container: &Arc<Container>,
    path: &Path,
    attributes: &ObjectAttributes,
) -> Result<(), Error> {
    hold_room(account, container, path, attributes).map(drop)
}

/// Holds the room that a file needs to be taken in; nothing where there is no limit.
fn hold_room(
    account: &Arc<Account>,
    container: &Arc<Container>,
    path: &Path,
    attributes: &ObjectAttributes,
) -> Result<Option<Arc<Reservation>>, Error> {
    if !container.standing().is_limited() {
        return Ok(None);
    }
    let reservation = Reservation::new(account, container, &path.object);
    reservation.hold(growth(Some(attributes), attributes.size))?;
    Ok(Some(reservation))
}
