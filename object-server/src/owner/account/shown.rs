//! What an account in memory tells of itself and of its containers: to guards, heads, quotas and listings.

use common::functional::info::{Resource, State};
use common::functional::quota::Quota;
use common::functional::{account, container};
use common::name::ContainerName;

use super::super::Container;
use super::Account;

impl Account {
    /// What guards decide by.
    pub(crate) fn resource(&self) -> Resource {
        let attributes = self.attributes();
        Resource {
            generation: attributes.generation,
            state: if attributes.deleted {
                State::Deleted
            } else {
                State::Present
            },
            properties: attributes.properties.clone(),
        }
    }

    /// What guards decide by, of a container there or not.
    pub(crate) fn container_resource(&self, name: &ContainerName) -> Resource {
        let tree = self.tree.read();
        match tree.containers.get(name) {
            Some(container) => {
                let attributes = container.attributes();
                Resource {
                    generation: attributes.generation,
                    state: State::Present,
                    properties: attributes.properties.clone(),
                }
            }
            None => Resource {
                generation: tree.containers_changed,
                ..Resource::default()
            },
        }
    }

    /// The generation alone, for the comparison that every request makes.
    pub(crate) fn container_generation(&self, name: &ContainerName) -> u64 {
        let tree = self.tree.read();
        tree.containers
            .get(name)
            .map_or(tree.containers_changed, |container| {
                container.attributes().generation
            })
    }

    pub(crate) fn info(&self) -> account::Info {
        let attributes = self.attributes();
        let totals = self.ledger.lock().counters.totals();
        account::Info {
            created: attributes.created,
            containers: totals.containers,
            objects: totals.objects,
            bytes: totals.bytes,
            properties: attributes.properties.clone(),
        }
    }

    /// What the account holds, and may hold.
    pub(crate) fn quota(&self) -> Quota {
        let ledger = self.ledger.lock();
        let totals = ledger.counters.totals();
        let used = (totals.bytes, totals.objects);
        Quota::new(self.name.clone(), None, used, ledger.room.limits)
    }

    /// What a container holds, and may hold.
    pub(crate) fn container_quota(&self, container: &Container) -> Quota {
        let ledger = self.ledger.lock();
        let count = ledger.counters.container(&container.name);
        let used = (count.bytes, count.objects);
        let name = Some(container.name.clone());
        Quota::new(self.name.clone(), name, used, container.room.lock().limits)
    }

    /// The account's listing as it stands in memory, in byte order of names.
    pub(crate) fn lines(&self) -> Vec<account::Entry> {
        let containers = self.containers();
        let ledger = self.ledger.lock();
        containers
            .iter()
            .map(|container| {
                let count = ledger.counters.container(&container.name);
                account::Entry::Container {
                    name: container.name.clone(),
                    objects: count.objects,
                    bytes: count.bytes,
                    last_modified: container.attributes().timestamp,
                }
            })
            .collect()
    }

    pub(crate) fn container_info(&self, container: &Container) -> container::Info {
        let attributes = container.attributes();
        let count = self.count(&container.name);
        container::Info {
            created: attributes.created,
            last_modified: attributes.timestamp,
            objects: count.objects,
            bytes: count.bytes,
            storage_policy: attributes.storage_policy.clone(),
            properties: attributes.properties.clone(),
        }
    }
}
