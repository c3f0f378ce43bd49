//! The end of accounts in memory.

use common::name::{AccountName, ContainerName};

use super::Memory;
use crate::engine::{EngineFuture, RemovalEngine};
use crate::node::WriteId;

impl RemovalEngine for Memory {
    fn detach_container<'a>(
        &'a self,
        account: &'a AccountName,
        container: &'a ContainerName,
        id: WriteId,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let mut contents = self.0.lock();
            let account = contents.accounts.get_mut(account);
            let taken = account.and_then(|account| account.containers.remove(container));
            let Some(mut taken) = taken else { return Ok(false) };
            contents.trash.insert(id, taken.take(""));
            Ok(true)
        })
    }

    fn is_in_trash(&self, id: WriteId) -> EngineFuture<'_, bool> {
        Box::pin(async move { Ok(self.0.lock().trash.contains_key(&id)) })
    }

    fn remove_account<'a>(
        &'a self,
        account: &'a AccountName,
        account_id: u64,
        _id: WriteId,
    ) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            let accounts = &mut self.0.lock().accounts;
            let is_it = |found: &super::Account| found.attributes.account_id == account_id;
            if accounts.get(account).is_some_and(is_it) {
                accounts.remove(account);
            }
            Ok(())
        })
    }
}
