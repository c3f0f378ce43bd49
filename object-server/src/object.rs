//! What the owner does with objects: one file a verb.
//!
//! | look at | for |
//! |---|---|
//! | `put.rs`, `post.rs`, `delete.rs`, `read.rs` | Swift's verbs; HEAD and GET are both reads |
//! | `state.rs` | an object switched off, and on again |
//! | `adopt.rs`, `quarantine.rs` | files that others put there or changed; data that is not what was stored |
//! | `change.rs` | what all changes share: announced, locked, visible, committed, durable |
//! | `body.rs`, `room.rs` | an upload taken in, and how much it may still bring |
//! | `content.rs` | what is there, read and hashed |

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Error, Outcome, Timestamp};

use crate::node::{ObjectAttributes, State};

mod adopt;
mod body;
mod change;
mod content;
mod delete;
mod post;
mod put;
mod quarantine;
mod read;
mod room;
mod state;

pub(crate) use adopt::{Adopted, room_for};
pub(crate) use content::{Pace, digest};

/// Whether the object's time has run out at `now`.
fn is_expired(attributes: &ObjectAttributes, now: Timestamp) -> bool {
    attributes.delete_at.is_some_and(|delete_at| delete_at <= now)
}

/// Refuses an object that is switched off, whatever else is true of it.
fn check_enabled(attributes: &ObjectAttributes) -> Result<(), Error> {
    match attributes.state {
        State::Enabled => Ok(()),
        State::Disabled => Err(Outcome::Disabled.into()),
    }
}

/// Set by an engine's closure when a later write was there first: not a failure, only too late.
#[derive(Clone, Debug, Default)]
struct Superseded(Arc<AtomicBool>);

impl Superseded {
    /// The refusal to give to the engine.
    fn refuse(&self) -> Error {
        self.0.store(true, Ordering::Release);
        Outcome::Conflict.into()
    }

    fn happened(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
