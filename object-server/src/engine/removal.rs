//! What an engine does with accounts that were deleted.
//!
//! Nobody changes anything in such an account any more, and nobody is served what lies in it: the owner sees to that before it
//! asks for any of this. Each verb may be asked for again after a crash, and then finds done what was.

use common::name::{AccountName, ContainerName};

use super::EngineFuture;
use crate::node::WriteId;

/// The verbs of the end of an account.
pub trait RemovalEngine {
    /// Takes a container with all below it out of the tree, into the trash under this id. Durable when answered; reaped as all is
    /// that lies there. `false`: it is not there.
    fn detach_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        id: WriteId,
    ) -> EngineFuture<'a, bool>;

    /// Whether something is in the trash under this id that will still be reaped before the next start.
    fn is_in_trash(&self, id: WriteId) -> EngineFuture<'_, bool>;

    /// Removes the account of this number: what is left under its name goes to the trash under this id, then its attributes are
    /// gone. Durable when answered. An account of another number that bears the name stays as it is.
    fn remove_account<'a>(
        &'a self,
        account: &'a AccountName,
        account_id: u64,
        id: WriteId,
    ) -> EngineFuture<'a, ()>;
}
