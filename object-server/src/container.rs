//! What the owner does with containers.

use std::sync::Arc;

use common::functional::Context;
use common::functional::container::{Delete, Entry, Head, Info, List, Listing, Post, Put, Written};
use common::functional::mirror::{ListContainer, Node};
use common::{Body, Error, Properties, Timestamp};

use crate::account::uncancelled;
use crate::journal::Action;
use crate::mirror_feed::container_row;
use crate::node::{ContainerAttributes, NodePath, State};
use crate::owner::{Account, Container, Owner, PRESENT, record};

const METADATA: &str = "x-container-meta-";

/// So often a page is read from storage while tree operations come between.
const MAX_READINGS: usize = 3;

/// The only storage policy.
const DEFAULT_POLICY: &str = "default";

impl Owner {
    pub(crate) async fn head_container(&self, head: Head, context: &Context) -> Result<Info, Error> {
        let (account, container, _) = self
            .admit(&head.account, &head.container, context, Body::empty())
            .await?;
        container.renames().await;
        Ok(account.container_info(&container))
    }

    pub(crate) async fn list_container(&self, list: List, context: &Context) -> Result<Listing, Error> {
        let (account, container, _) = self
            .admit(&list.account, &list.container, context, Body::empty())
            .await?;
        // What a reader saw in storage must not be missing here.
        container.renames().await;
        let info = account.container_info(&container);
        let now = context.timestamp;
        let entries = match self.mirrored(&account).await {
            Some(at_least) => {
                let query = list.query.clone();
                let ask = ListContainer {
                    at_least,
                    container: list.container.clone(),
                    query,
                    now,
                };
                self.page(ask, context, &account).await
            }
            None => None,
        };
        let entries = match entries {
            Some(entries) => entries,
            None => self.read_tree(&list, &container, now).await?,
        };
        Ok(Listing { info, entries })
    }

    /// A page read from storage. A tree operation meanwhile could have it show an object twice, or never: then it is read
    /// again, at last with tree operations kept off.
    async fn read_tree(
        &self,
        list: &List,
        container: &Container,
        now: Timestamp,
    ) -> Result<Vec<Entry>, Error> {
        let page = || {
            self.tree_listing
                .page(&list.account, &list.container, &list.query, now)
        };
        for _ in 0..MAX_READINGS {
            let renames = container.renames().await;
            let entries = page().await?;
            if container.renames().await == renames {
                return Ok(entries);
            }
        }
        let _no_renames = container.lock.shared().await;
        page().await
    }

    pub(crate) async fn put_container(
        self: &Arc<Self>,
        put: Put,
        context: &Context,
    ) -> Result<Written, Error> {
        let (account, _) = self
            .admit_account(&put.account, Some(&put.container), context, Body::empty())
            .await?;
        let account = self.account_or_autocreate(&put.account, account, context).await?;
        if let Some(policy) = &put.storage_policy
            && !policy.eq_ignore_ascii_case(DEFAULT_POLICY)
        {
            return Err(Error::bad_request(format!(
                "There is no storage policy {policy}."
            )));
        }
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move {
            let _structure = account.structure.lock().await;
            account.check_enabled()?;
            match account.container(&put.container) {
                Some(container) => {
                    owner
                        .change(&account, &container, &put.properties, "container/put", &context)
                        .await?;
                    Ok(Written { created: false })
                }
                None => {
                    owner.make(&account, put, &context).await?;
                    Ok(Written { created: true })
                }
            }
        })
        .await
    }

    pub(crate) async fn post_container(
        self: &Arc<Self>,
        post: Post,
        context: &Context,
    ) -> Result<Written, Error> {
        self.post_container_as(post, "container/post", context).await
    }

    /// The same, recorded as `action`.
    pub(crate) async fn post_container_as(
        self: &Arc<Self>,
        post: Post,
        action: &'static str,
        context: &Context,
    ) -> Result<Written, Error> {
        let (account, container, _) = self
            .admit(&post.account, &post.container, context, Body::empty())
            .await?;
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move {
            owner
                .change(&account, &container, &post.properties, action, &context)
                .await?;
            Ok(Written { created: false })
        })
        .await
    }

    pub(crate) async fn delete_container(
        self: &Arc<Self>,
        delete: Delete,
        context: &Context,
    ) -> Result<Written, Error> {
        let (account, container, _) = self
            .admit(&delete.account, &delete.container, context, Body::empty())
            .await?;
        let (owner, context) = (Arc::clone(self), context.clone());
        uncancelled(async move { owner.remove(&account, &container, &context).await }).await
    }

    async fn make(self: &Arc<Self>, account: &Account, put: Put, context: &Context) -> Result<(), Error> {
        let limit = self.constraints.max_containers_per_account;
        if limit > 0 && account.info().containers >= limit {
            return Err(Error::forbidden().with_text(format!("Reached container limit of {limit}")));
        }
        let properties = self
            .constraints
            .merged(&Properties::new(), &put.properties, METADATA)?;
        let begun = self.begin(
            account,
            Action::Put,
            NodePath::Container(put.container.clone()),
            None,
            record(context, "container/put", 201, 0),
        )?;
        begun.sync().await?;
        let attributes = ContainerAttributes {
            id: begun.id,
            generation: account.next_generation(),
            created: context.timestamp,
            timestamp: context.timestamp,
            storage_policy: DEFAULT_POLICY.to_owned(),
            properties,
            state: State::Enabled,
        };
        let generation = attributes.generation;
        let unsynced = self
            .engine
            .put_container(&account.name, &put.container, attributes.clone())
            .await?;
        let row = container_row(&attributes);
        let node = Node::Container(put.container.clone(), Some(row));
        let _announcement = begun.announcement();
        let position = begun.commit(account, None, Some(PRESENT), node)?;
        account.add_container(Arc::new(Container::new(put.container, attributes)), generation);
        let (storage, journal) = tokio::join!(unsynced.sync(), self.journal.sync(position));
        storage?;
        journal
    }

    /// Merges properties into an existing container.
    async fn change(
        self: &Arc<Self>,
        account: &Account,
        container: &Container,
        changes: &Properties,
        action: &'static str,
        context: &Context,
    ) -> Result<(), Error> {
        let guard = container.lock.exclusive().await;
        account.check_enabled()?;
        if container.is_removed() {
            return Err(Error::not_found());
        }
        let mut attributes: ContainerAttributes = container.attributes().as_ref().clone();
        attributes.properties = self
            .constraints
            .merged(&attributes.properties, changes, METADATA)?;
        let begun = self.begin(
            account,
            Action::Post,
            NodePath::Container(container.name.clone()),
            Some(PRESENT),
            record(context, action, 204, 0),
        )?;
        begun.sync().await?;
        attributes.id = begun.id;
        attributes.timestamp = attributes.timestamp.max(context.timestamp);
        attributes.generation = account.next_generation();
        let unsynced = self
            .engine
            .put_container(&account.name, &container.name, attributes.clone())
            .await?;
        let node = Node::Container(container.name.clone(), Some(container_row(&attributes)));
        let _announcement = begun.announcement();
        let position = begun.commit(account, Some(PRESENT), Some(PRESENT), node)?;
        account.set_container_attributes(container, attributes);
        drop(guard);
        let (storage, journal) = tokio::join!(unsynced.sync(), self.journal.sync(position));
        storage?;
        journal
    }

    async fn remove(
        self: &Arc<Self>,
        account: &Account,
        container: &Container,
        context: &Context,
    ) -> Result<Written, Error> {
        let structure = account.structure.lock().await;
        let guard = container.lock.exclusive().await;
        account.check_enabled()?;
        if container.is_removed() {
            return Err(Error::not_found());
        }
        if account.count(&container.name).objects > 0 {
            return Err(Error::conflict("The container is not empty."));
        }
        let begun = self.begin(
            account,
            Action::Delete,
            NodePath::Container(container.name.clone()),
            Some(PRESENT),
            record(context, "container/delete", 204, 0),
        )?;
        begun.sync().await?;
        let unsynced = match self.engine.remove_container(&account.name, &container.name).await {
            Ok(unsynced) => unsynced,
            Err(error) => {
                begun.abort();
                return Err(error.into());
            }
        };
        let generation = account.next_generation();
        let node = Node::Container(container.name.clone(), None);
        let _announcement = begun.announcement();
        let position = begun.commit(account, Some(PRESENT), None, node)?;
        account.remove_container(&container.name, generation);
        self.tree_listing.forget_container(&account.name, &container.name);
        drop((guard, structure));
        let (storage, journal) = tokio::join!(unsynced.sync(), self.journal.sync(position));
        storage?;
        journal?;
        Ok(Written { created: false })
    }
}
