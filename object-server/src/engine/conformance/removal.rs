//! The end of accounts.

use common::name::{AccountName, ContainerName};

use super::ground::{Ground, account_attributes};
use crate::node::WriteId;

fn id() -> WriteId {
    WriteId::random().expect("there are random numbers")
}

impl Ground {
    /// Another account of this number, with a container.
    async fn account(&self, name: &str, account_id: u64) -> Self {
        let other = Self {
            engine: self.engine.clone(),
            account: AccountName::new(name).expect("checks use valid names"),
            container: ContainerName::new("x".repeat(250) + "%").expect("checks use valid names"),
        };
        let attributes = account_attributes(account_id);
        let made = other.engine.put_account(&other.account, attributes).await;
        made.expect("an account can be made");
        other.put_container(&other.container, "first").await;
        other
    }

    async fn detach_container(&self, id: WriteId) -> bool {
        let detached = self
            .engine
            .detach_container(&self.account, &self.container, id)
            .await;
        detached.expect("a container can be detached")
    }

    async fn is_in_trash(&self, id: WriteId) -> bool {
        let found = self.engine.is_in_trash(id).await;
        found.expect("the trash can be looked at")
    }

    async fn remove_account(&self, account_id: u64) {
        let removed = self.engine.remove_account(&self.account, account_id, id()).await;
        removed.expect("an account can be removed");
    }

    async fn account_id(&self) -> Option<u64> {
        let found = self.engine.account(&self.account).await;
        let found = found.expect("an account can be read");
        found.map(|attributes| attributes.account_id)
    }
}

pub(super) async fn containers_are_detached_whole(ground: &Ground) {
    let account = ground.account("AUTH_detached", 1001).await;
    for name in ["a", "d/x", "d/e/f"] {
        account.put(name, b"x").await;
    }
    let number = id();
    assert!(!account.is_in_trash(number).await);
    assert!(account.detach_container(number).await);
    for name in ["a", "d/x", "d/e/f"] {
        account.expect(name, None).await;
    }
    let left = account.engine.containers(&account.account).await;
    assert!(left.expect("containers can be listed").is_empty());
    assert!(!account.detach_container(id()).await, "it is gone");
    assert!(account.is_in_trash(number).await);
    while account.engine.reap(100).await.expect("the trash can be emptied") {}
    assert!(!account.is_in_trash(number).await);
    account.remove_account(1001).await;
}

pub(super) async fn accounts_are_removed(ground: &Ground) {
    for name in ["AUTH_removed".to_owned(), format!("AUTH_{}", "%".repeat(200))] {
        let account = ground.account(&name, 1002).await;
        account.put("a/b", b"x").await;
        account.remove_account(1003).await;
        assert_eq!(account.account_id().await, Some(1002), "that is another one");
        account.expect("a/b", Some(b"x")).await;
        for _ in 0..2 {
            account.remove_account(1002).await;
            assert_eq!(account.account_id().await, None);
            account.expect("a/b", None).await;
        }
        let accounts = account.engine.accounts().await;
        let accounts = accounts.expect("accounts can be listed");
        assert!(!accounts.contains(&account.account));

        // The name is another one's now, whatever becomes of the first.
        let again = ground.account(&name, 1004).await;
        again.remove_account(1002).await;
        assert_eq!(again.account_id().await, Some(1004));
        again.expect("a/b", None).await;
        again.remove_account(1004).await;
    }
    while ground.engine.reap(100).await.expect("the trash can be emptied") {}
}
