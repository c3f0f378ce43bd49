//! Trees with totals, out of the mirror.

use common::functional::Context;
use common::functional::fs::{MAX_TREE, Tree, TreeNode};
use common::functional::mirror::{self, TreePage};
use common::{Body, Error};

use crate::owner::Owner;

impl Owner {
    pub(crate) async fn tree(&self, call: Tree, context: &Context) -> Result<TreeNode, Error> {
        let is_directory = |name: &common::name::ObjectName| name.is_directory();
        if !call.directory.as_ref().is_none_or(is_directory) {
            return Err(Error::bad_request("The name of a directory ends in a slash."));
        }
        let (account, container, _) = self
            .admit(&call.account, &call.container, context, Body::empty())
            .await?;
        container.renames().await;
        let ask = mirror::Tree {
            at_least: self.barrier(&account).await?,
            container: call.container,
            directory: call.directory,
            depth: call.depth.unwrap_or(1).max(1),
            limit: call.limit.unwrap_or(MAX_TREE).min(MAX_TREE),
            marker: call.marker,
        };
        match self.ask_mirror(ask, context).await? {
            TreePage::Node(node) => node.ok_or_else(Error::not_found),
            TreePage::Behind(_) => Err(self.is_behind(&account)),
        }
    }
}
