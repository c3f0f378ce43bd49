//! Trees with totals, out of the mirror.

use std::collections::HashMap;

use common::functional::Context;
use common::functional::fs::{MAX_TREE, Tree, TreeNode, TreeQuota};
use common::functional::mirror::{self, TreePage};
use common::name::{ContainerName, ObjectName};
use common::{Body, Error};

use super::look::no_directory;
use crate::owner::{Account, Owner};

impl Owner {
    pub(crate) async fn tree(&self, call: Tree, context: &Context) -> Result<TreeNode, Error> {
        let is_directory = |name: &ObjectName| name.is_directory();
        if !call.directory.as_ref().is_none_or(is_directory) {
            return Err(no_directory());
        }
        let (account, container, _) = self
            .admit(&call.account, &call.container, context, Body::empty())
            .await?;
        container.renames().await;
        let limits = limits(&account, &call.container);
        let top = call.directory.as_ref().map(ToString::to_string);
        let ask = mirror::Tree {
            at_least: self.barrier(&account).await?,
            container: call.container,
            directory: call.directory,
            depth: call.depth.unwrap_or(1).max(1),
            limit: call.limit.unwrap_or(MAX_TREE).min(MAX_TREE),
            marker: call.marker,
        };
        match self.ask_mirror(ask, context).await? {
            TreePage::Node(node) => {
                let mut node = node.ok_or_else(Error::not_found)?;
                if !limits.is_empty() {
                    limit(&mut node, &top.unwrap_or_default(), &limits);
                }
                Ok(node)
            }
            TreePage::Behind(_) => Err(self.is_behind(&account)),
        }
    }
}

/// The limits of the directories of a container, by their names.
fn limits(account: &Account, container: &ContainerName) -> HashMap<String, TreeQuota> {
    let limited = account.limited_directories(container).into_iter();
    let limits = limited.filter_map(|quota| {
        let (bytes, objects) = (quota.bytes.limit, quota.objects.limit);
        Some((quota.directory?.to_string(), TreeQuota { bytes, objects }))
    });
    limits.collect()
}

/// Says of a node with this name, and of those in it, what they may hold.
fn limit(node: &mut TreeNode, name: &str, limits: &HashMap<String, TreeQuota>) {
    node.quota = limits.get(name).copied();
    for child in node.children.iter_mut().flatten() {
        let name = format!("{name}{}", child.name);
        limit(child, &name, limits);
    }
}
