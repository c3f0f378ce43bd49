//! Changes of whole branches: what is removed, moved or detached takes all below it along. Each is one `UPDATE` of one row,
//! whatever is below, and the totals of what is above it.

use common::functional::mirror::{Apply, Change, Moved, Node};
use common::name::{ContainerName, ObjectName};

use super::Work;
use super::tree::Tree;
use crate::packer;
use crate::sql::Failure;
use crate::table::stobj::{self, Key, Stored};
use crate::table::stored;
use crate::table::tree_epoch::{self, Epoch};

impl Work<'_> {
    /// Does what `change` does to a branch. Without a row there is nothing to do: an implicit directory in which no object
    /// lies has none.
    pub(super) async fn change_branch(
        &mut self,
        apply: &Apply,
        change: &Change,
        epoch: &mut Epoch,
    ) -> Result<(), Failure> {
        let Some(account_node) = epoch.node else {
            return Ok(());
        };
        let has_left = match &change.node {
            Node::Account(_) => {
                let key = (stobj::ROOT, apply.account.as_str().as_bytes());
                let removed = self.remove_branch(key, change.seq).await?;
                if removed.is_some() {
                    epoch.node = None;
                }
                removed.is_some()
            }
            Node::Container(name, _) => {
                let key = (account_node, name.as_str().as_bytes());
                let removed = self.remove_branch(key, change.seq).await?;
                if let Some(row) = &removed {
                    stobj::add_totals(self.connection, &[(account_node, -row.subtree)]).await?;
                }
                removed.is_some()
            }
            Node::Moved(moved) => {
                let tree = Tree::new(apply.account_id, account_node);
                self.move_directory(apply.account_id, tree, moved).await?
            }
            Node::Detached(container, directory) => {
                let tree = Tree::new(apply.account_id, account_node);
                self.detach_directory(tree, container, directory).await?
            }
            Node::Object(..) | Node::Directory(..) => false,
        };
        epoch.epoch += i64::from(has_left);
        Ok(())
    }

    /// Forgets everything known of the account of this name, whatever its number was.
    pub(super) async fn forget(&mut self, account: &[u8]) -> Result<(), Failure> {
        let key = (stobj::ROOT, account);
        if let Some(row) = stobj::find(self.connection, key).await? {
            tree_epoch::forget_node(self.connection, row.id).await?;
            self.detach(key, row.id).await?;
        }
        Ok(())
    }

    /// Takes a container, or the account, away with all that is left below it, unless its row is of a later change.
    async fn remove_branch(&mut self, key: Key<'_>, seq: u64) -> Result<Option<Stored>, Failure> {
        let row = stobj::find(self.connection, key).await?;
        let Some(row) = row.filter(|row| row.seq < stored(seq)) else {
            return Ok(None);
        };
        self.detach(key, row.id).await?;
        Ok(Some(row))
    }

    /// A directory takes another place; what was there is detached. Answers whether anything left its place.
    async fn move_directory<'c>(
        &mut self,
        account_id: u64,
        mut tree: Tree<'c>,
        moved: &'c Moved,
    ) -> Result<bool, Failure> {
        let (_, _, from) = tree.place(&moved.container, &moved.directory);
        let (parent, path, to) = tree.place(&moved.to_container, &moved.to_directory);
        let (Some(from), Some(to)) = (from, to) else {
            return Ok(false);
        };
        tree.resolve(self.connection, self.directories).await?;
        let moving = self.row(&tree, from).await?;
        let replaced = self.row(&tree, to).await?;
        if moving.is_none() && replaced.is_none() {
            return Ok(false);
        }
        if let Some((key, row)) = &replaced {
            self.detach(*key, row.id).await?;
            tree.leave(to, row.subtree);
        }
        if let Some((key, row)) = &moving {
            tree.want(parent);
            tree.resolve(self.connection, self.directories).await?;
            let parent_id = tree.id(parent).ok_or(Failure::Inconsistent(
                "a directory that was just made is not there",
            ))?;
            stobj::relocate(self.connection, row.id, (parent_id, path)).await?;
            if row.path != path {
                packer::note_renamed(self.connection, account_id, row.id, path).await?;
            }
            self.directories.remove(*key);
            self.directories.insert((parent_id, path), row.id);
            // What lay below the one that it replaces was taken off with that.
            if !(replaced.is_some() && tree.is_below(from, to)) {
                tree.leave(from, row.subtree);
            }
            tree.count(parent, row.subtree);
        }
        self.settle(tree).await?;
        Ok(true)
    }

    /// A directory leaves the tree. Answers whether there was one.
    async fn detach_directory<'c>(
        &mut self,
        mut tree: Tree<'c>,
        container: &'c ContainerName,
        directory: &'c ObjectName,
    ) -> Result<bool, Failure> {
        let (_, _, Some(node)) = tree.place(container, directory) else {
            return Ok(false);
        };
        tree.resolve(self.connection, self.directories).await?;
        let Some((key, row)) = self.row(&tree, node).await? else {
            return Ok(false);
        };
        self.detach(key, row.id).await?;
        tree.leave(node, row.subtree);
        self.settle(tree).await?;
        Ok(true)
    }

    /// The row of a node, when it has one.
    async fn row<'c>(&mut self, tree: &Tree<'c>, node: usize) -> Result<Option<(Key<'c>, Stored)>, Failure> {
        let Some(key) = tree.key(node).filter(|_| tree.id(node).is_some()) else {
            return Ok(None);
        };
        let row = stobj::find(self.connection, key).await?;
        Ok(row.map(|row| (key, row)))
    }

    /// Brings the totals above up to date, and removes the directories that hold nothing any more.
    async fn settle(&mut self, mut tree: Tree<'_>) -> Result<(), Failure> {
        tree.store_totals(self.connection).await?;
        tree.prune(self.connection, self.directories).await
    }

    /// Takes a row out of its place: an empty one is gone, another one waits for the reaper.
    async fn detach(&mut self, key: Key<'_>, id: i64) -> Result<(), Failure> {
        self.directories.remove(key);
        if stobj::has_child(self.connection, id).await? {
            self.has_trash = true;
            stobj::detach(self.connection, id).await
        } else {
            stobj::remove(self.connection, &[id]).await
        }
    }
}
