//! What jobs do, by kind.

use std::sync::Arc;

use common::functional::Action;
use common::functional::check::{Adopt, Rebuild, Run};
use common::functional::job::Job;
use serde::{Deserialize, Serialize};

use super::store::Stored;
use super::{End, Handle};
use crate::node::WriteId;
use crate::owner::{Account, Owner};
use crate::tree::{DirectoryCopy, ObjectMove};

/// What a job does, with all it must know to begin anew.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Compares storage, mirror and counters.
    Check(Run),
    /// Fills the mirror anew.
    Rebuild,
    /// Takes in files that were put there by other means.
    Adopt(Adopt),
    /// Copies a directory, or moves it to another account.
    CopyDirectory(DirectoryCopy),
    /// Moves an object to another account.
    MoveObject(ObjectMove),
    /// Removes an account that was deleted.
    RemoveAccount,
}

impl Work {
    /// As it stands in a job.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Check(_) => "check",
            Self::Rebuild => "rebuild",
            Self::Adopt(_) => "adopt",
            Self::CopyDirectory(copy) if !copy.moves => "copy",
            Self::CopyDirectory(_) | Self::MoveObject(_) => "move",
            Self::RemoveAccount => "remove_account",
        }
    }

    /// What was asked for when it was begun; `None`: that was done then, and it only cleans up.
    pub(super) fn request(&self, job: &Job) -> Option<Action> {
        Some(match self {
            Self::Check(run) => run.clone().into(),
            Self::Rebuild => Rebuild {
                account: job.account.clone(),
            }
            .into(),
            Self::Adopt(adopt) => adopt.clone().into(),
            Self::CopyDirectory(copy) => copy.request(),
            Self::MoveObject(moving) => moving.request(),
            Self::RemoveAccount => return None,
        })
    }

    /// The directory that it builds and has come some way with: it goes on with that after a restart.
    pub(super) const fn build(&self) -> Option<WriteId> {
        match self {
            Self::CopyDirectory(DirectoryCopy { mark: Some(mark), .. }) => Some(mark.build),
            _ => None,
        }
    }

    /// Whether it removes the account: then it waits by itself, cannot be taken back, and is gone with the account.
    pub(super) const fn is_removal(&self) -> bool {
        matches!(self, Self::RemoveAccount)
    }

    /// Whether only administrators hear of it.
    pub(super) const fn is_for_administrators(&self) -> bool {
        match self {
            Self::Check(_) | Self::Rebuild | Self::Adopt(_) | Self::RemoveAccount => true,
            Self::CopyDirectory(_) | Self::MoveObject(_) => false,
        }
    }
}

/// Does it.
pub(super) async fn run(
    owner: &Arc<Owner>,
    account: &Arc<Account>,
    stored: Stored,
    handle: &Handle,
) -> Result<(), End> {
    match &stored.work {
        Work::Check(run) => {
            owner.ask_first(handle).await?;
            crate::check::run(owner, account, run, handle).await
        }
        Work::Rebuild => {
            owner.ask_first(handle).await?;
            crate::check::rebuild(owner, account, handle).await
        }
        Work::Adopt(adopt) => {
            let context = owner.ask_first(handle).await?;
            crate::check::adopt(owner, account, adopt, &context, handle).await
        }
        // These ask by themselves, unless all but the end was done before.
        Work::CopyDirectory(copy) => crate::tree::copy(owner, copy.clone(), &stored.context, handle).await,
        Work::MoveObject(moving) => {
            crate::tree::move_object(owner, moving.clone(), &stored.context, handle).await
        }
        Work::RemoveAccount => crate::account::remove(owner, &stored, handle).await,
    }
}
