//! Containers and accounts.

use common::name::{AccountName, ContainerName};

use super::ground::{Ground, Plain, account_attributes, attributes, container_attributes, never, properties};
use crate::engine::EngineError;

/// Names a file system cannot hold, or an engine may use for itself.
const ODD: [&str; 12] = [
    ".",
    "..",
    ".stobj",
    "%",
    "%o",
    "%_",
    "x%+",
    "100%",
    "\u{1}",
    "\u{e4} \u{1f600}",
    "control",
    "lost+found",
];

fn container(name: &str) -> ContainerName {
    ContainerName::new(name).expect("checks use valid names")
}

fn account(name: &str) -> AccountName {
    AccountName::new(name).expect("checks use valid names")
}

impl Ground {
    async fn policy(&self, container: &ContainerName) -> Option<String> {
        let containers = self
            .engine
            .containers(&self.account)
            .await
            .expect("they can be listed");
        let found = containers.into_iter().find(|(name, _)| name == container);
        found.map(|(_, attributes)| attributes.storage_policy)
    }

    async fn remove_container(&self, container: &ContainerName) {
        let removed = self.engine.remove_container(&self.account, container).await;
        removed
            .expect("it can be removed")
            .sync()
            .await
            .expect("it can be synced");
    }
}

pub(super) async fn containers_are_kept(ground: &Ground) {
    assert_eq!(ground.policy(&ground.container).await.as_deref(), Some("first"));
    ground.put("a/b", b"stays").await;
    ground.put_container(&ground.container, "second").await;
    assert_eq!(ground.policy(&ground.container).await.as_deref(), Some("second"));
    ground.expect("a/b", Some(b"stays")).await;

    let nobody = account("AUTH_nobody");
    assert!(
        ground
            .engine
            .containers(&nobody)
            .await
            .expect("an absent account has none")
            .is_empty()
    );
    let refused = ground
        .engine
        .put_container(&nobody, &ground.container, container_attributes("x"))
        .await;
    assert!(matches!(refused, Err(EngineError::NoContainer)), "{refused:?}");
    let refused = ground.engine.remove_container(&nobody, &ground.container).await;
    assert!(matches!(refused, Err(EngineError::NoContainer)), "{refused:?}");
}

pub(super) async fn only_empty_containers_are_removed(ground: &Ground) {
    for name in ["a", "a/", "a/b/c", "/"] {
        ground.put(name, b"x").await;
        let refused = ground
            .engine
            .remove_container(&ground.account, &ground.container)
            .await;
        assert!(
            matches!(refused, Err(EngineError::NotEmpty)),
            "{name}: {refused:?}"
        );
        ground.expect(name, Some(b"x")).await;
        ground.remove(name).await;
    }
    ground.remove_container(&ground.container).await;
    assert_eq!(ground.policy(&ground.container).await, None);
    ground.expect("a", None).await;
    assert!(ground.remove("a").await.is_none());
    let children = ground
        .engine
        .children(&ground.account, &ground.container, "")
        .await;
    assert_eq!(children.expect("nothing lies in it"), []);
    let stage = ground.stage(b"x").await;
    let mut publication = Plain::new(attributes(b"x"));
    publication.committed = Some(never());
    let refused = stage.publish(ground.path("a"), publication).await;
    assert!(matches!(refused, Err(EngineError::NoContainer)), "{refused:?}");

    // The same name is another container now.
    ground.put_container(&ground.container, "again").await;
    ground.expect("a", None).await;
    ground.put("a", b"x").await;
    ground.expect("a", Some(b"x")).await;
}

pub(super) async fn odd_container_names_are_names(ground: &Ground) {
    let long = ["x".repeat(256), "%".repeat(256), "\u{1}".repeat(256)];
    let names: Vec<_> = ODD
        .into_iter()
        .chain(long.iter().map(String::as_str))
        .map(container)
        .collect();
    for name in &names {
        ground.put_container(name, name.as_str()).await;
        let inside = Ground {
            engine: ground.engine.clone(),
            account: ground.account.clone(),
            container: name.clone(),
        };
        inside.put("a/b", name.as_str().as_bytes()).await;
    }
    for name in &names {
        assert_eq!(ground.policy(name).await.as_deref(), Some(name.as_str()));
        let inside = Ground {
            engine: ground.engine.clone(),
            account: ground.account.clone(),
            container: name.clone(),
        };
        inside.expect("a/b", Some(name.as_str().as_bytes())).await;
        inside.remove("a/b").await;
        ground.remove_container(name).await;
        assert_eq!(ground.policy(name).await, None);
    }
}

pub(super) async fn accounts_are_kept(ground: &Ground) {
    let long = ["x".repeat(256), "%".repeat(256)];
    for (name, account_id) in ODD.into_iter().chain(long.iter().map(String::as_str)).zip(100..) {
        let name = account(name);
        assert_eq!(ground.engine.account(&name).await.expect("it can be read"), None);
        let mut attributes = account_attributes(account_id);
        ground
            .engine
            .put_account(&name, attributes.clone())
            .await
            .expect("it can be made");
        assert_eq!(
            ground.engine.account(&name).await.expect("it can be read"),
            Some(attributes.clone())
        );
        attributes.term += 1;
        attributes.properties = properties(30_000);
        ground
            .engine
            .put_account(&name, attributes.clone())
            .await
            .expect("it can be replaced");
        assert_eq!(
            ground.engine.account(&name).await.expect("it can be read"),
            Some(attributes)
        );
        assert!(
            ground
                .engine
                .accounts()
                .await
                .expect("they can be listed")
                .contains(&name)
        );
    }
}
