//! What mends objects that others put there or changed, and those that rot.
//!
//! They need no walk of their own: [`children`](super::Engine::children) tells of every file with a name that an object can have, and
//! an object whose `etag` is unknown in [`stat`](super::Engine::stat) was put there or changed by other means. Its data is read as any
//! object's is. Both verbs change one object, so the owner holds what it holds for a change of it.

use common::functional::object::Path;

use super::{Changed, Committed, EngineFuture, Revise};
use crate::node::WriteId;

/// The verbs of repair.
pub trait RepairEngine {
    /// Gives an object attributes that speak of its data as it is, as [`revise`](super::Engine::revise) does, but only if it is still
    /// the one of this [`identity`](super::TreeEngine::identity). `revise` is given its present size and time of
    /// modification: whoever hashed the data before compares them with what they were then, and refuses when they differ. `None`:
    /// it is another one, or gone.
    fn adopt<'a>(
        &'a self,
        path: &'a Path,
        identity: u64,
        revise: Revise,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>>;

    /// Takes an object of this identity out of the tree whose data is not what it was, and keeps it aside under this id for
    /// whoever may save something of it. `None`: it is another one, or gone.
    fn quarantine<'a>(
        &'a self,
        path: &'a Path,
        identity: u64,
        id: WriteId,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>>;
}
