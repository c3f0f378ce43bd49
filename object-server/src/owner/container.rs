//! One container of an account in memory: its lock, what it is, and how it stands.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use common::name::ContainerName;
use common::quota::Limits;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::locks::ContainerLock;
use super::reservation::Room;
use crate::journal::Position;
use crate::node::ContainerAttributes;

/// A container of an account in memory.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: ContainerName,
    pub(crate) lock: ContainerLock,
    /// Locked while the account's ledger is, and never without it.
    pub(super) room: Mutex<Room>,
    pub(super) attributes: RwLock<Arc<ContainerAttributes>>,
    standing: AtomicU8,
    /// How often tree operations in it began and ended: odd, while storage shows one and the account's order may not.
    renames: watch::Sender<u64>,
    /// Where the journal says that the last of them was made.
    last_operation: Mutex<Position>,
}

/// A tree operation that storage may show already and the account's order may not. It holds the locks of these containers
/// exclusively.
#[derive(Debug)]
pub(crate) struct Renaming(Vec<Arc<Container>>);

/// What a change of an object must know of its container, which changes only under the container's lock, held
/// exclusively.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing(u8);

impl Container {
    pub(crate) fn new(name: ContainerName, attributes: ContainerAttributes) -> Self {
        let limits = Limits::of_container(&attributes.properties);
        let container = Self {
            name,
            lock: ContainerLock::default(),
            room: Mutex::new(Room::new(limits)),
            attributes: RwLock::new(Arc::new(attributes)),
            standing: AtomicU8::new(0),
            renames: watch::Sender::new(0),
            last_operation: Mutex::default(),
        };
        container.set(Standing::LIMITED, limits.are_set());
        container
    }

    pub(crate) fn attributes(&self) -> Arc<ContainerAttributes> {
        Arc::clone(&self.attributes.read())
    }

    /// How it stands just now; to be asked again under its lock.
    pub(crate) fn standing(&self) -> Standing {
        Standing(self.standing.load(Ordering::Acquire))
    }

    /// Whether it was removed since it was looked up; asked again under its lock.
    pub(crate) fn is_removed(&self) -> bool {
        self.standing().is_removed()
    }

    /// Waits until no tree operation in it is between storage and the account's order, and answers how many there were:
    /// when the answer is the same after something was read from storage, that was read of one tree.
    pub(crate) async fn renames(&self) -> u64 {
        let mut renames = self.renames.subscribe();
        // The sender lives as long as this container does.
        renames
            .wait_for(|renames| renames % 2 == 0)
            .await
            .map_or(0, |renames| *renames)
    }

    /// Where the journal says that the last tree operation in it was made. Before that is durable a start would look for what the
    /// operation made, so nobody may change anything here; asked under its lock.
    pub(crate) fn last_operation(&self) -> Position {
        *self.last_operation.lock()
    }

    pub(super) fn note_operation(&self, made: Position) {
        *self.last_operation.lock() = made;
    }

    pub(super) fn set_in_limited_account(&self, is_limited: bool) {
        self.set(Standing::IN_LIMITED_ACCOUNT, is_limited);
    }

    pub(super) fn set(&self, bit: u8, is_set: bool) {
        if is_set {
            self.standing.fetch_or(bit, Ordering::Release);
        } else {
            self.standing.fetch_and(!bit, Ordering::Release);
        }
    }
}

impl Renaming {
    /// From now on.
    pub(crate) fn of(containers: &[Arc<Container>]) -> Self {
        let renaming = Self(containers.to_vec());
        renaming.step();
        renaming
    }

    fn step(&self) {
        for container in &self.0 {
            container.renames.send_modify(|renames| *renames += 1);
        }
    }
}

impl Drop for Renaming {
    fn drop(&mut self) {
        self.step();
    }
}

impl Standing {
    pub(super) const REMOVED: u8 = 1;
    pub(super) const LIMITED: u8 = 2;
    pub(super) const IN_LIMITED_ACCOUNT: u8 = 4;
    pub(super) const LIMITED_INSIDE: u8 = 8;

    /// Whether the container was removed since it was looked up.
    pub(crate) fn is_removed(self) -> bool {
        self.0 & Self::REMOVED != 0
    }

    /// Whether the container, its account, or a directory in it has a limit.
    pub(crate) fn is_limited(self) -> bool {
        self.0 & (Self::LIMITED | Self::IN_LIMITED_ACCOUNT | Self::LIMITED_INSIDE) != 0
    }
}
