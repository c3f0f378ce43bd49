//! What a change finds in its place.

use common::name::ObjectName;
use rustix::fd::OwnedFd;

use super::attribute::{OverflowId, Read};
use super::confine::{self, Node, Wait};
use super::fresh::SyncSet;
use super::place::Place;
use super::store::Store;
use super::trouble::Trouble;
use crate::node::ObjectAttributes;

/// What stands at one of an object's two places.
pub(super) enum Slot {
    Absent,
    File(Read<ObjectAttributes>),
    Other,
}

/// What stands at both.
pub(super) struct Present {
    pub(super) plain: Slot,
    pub(super) escaped: Slot,
}

impl Slot {
    pub(super) fn attributes(&self) -> Option<&ObjectAttributes> {
        match self {
            Self::File(read) => Some(&read.attributes),
            Self::Absent | Self::Other => None,
        }
    }

    pub(super) fn overflow(&self) -> Option<OverflowId> {
        match self {
            Self::File(read) => read.overflow,
            Self::Absent | Self::Other => None,
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Self::File(_))
    }
}

impl Present {
    /// The object: plain before escaped, as readers have it.
    pub(super) fn attributes(&self) -> Option<&ObjectAttributes> {
        self.plain.attributes().or(self.escaped.attributes())
    }

    pub(super) fn garbage(&self, sync: &mut SyncSet) {
        sync.garbage(self.plain.overflow());
        // After a conversion that a crash cut short both are one file.
        if self.escaped.overflow() != self.plain.overflow() {
            sync.garbage(self.escaped.overflow());
        }
    }
}

impl Store {
    /// What stands at an object's places, for one who holds its stripe.
    pub(super) fn present(
        &self,
        name: &ObjectName,
        parent: &OwnedFd,
        place: &Place,
    ) -> Result<Present, Trouble> {
        let slot = |last: &str| -> Result<Slot, Trouble> {
            Ok(match confine::node(parent, last, Wait::Allowed)? {
                Node::Absent => Slot::Absent,
                Node::Other => Slot::Other,
                Node::File(file, stat) => Slot::File(self.read_object(name, &file, &stat, Wait::Allowed)?),
            })
        };
        Ok(Present {
            plain: slot(place.last())?,
            escaped: place
                .escaped_last()
                .map_or(Ok(Slot::Absent), |last| slot(&last))?,
        })
    }
}
