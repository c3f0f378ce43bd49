//! The part of an account's tree that a group of changes touches: the account, containers and directories on the
//! way to what changed. Files are no part of it.

use std::collections::HashMap;

use common::name::{ContainerName, ObjectName};

use super::directories::Directories;
use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Key, Totals, kind};

/// The account's own node.
pub(super) const ACCOUNT: usize = 0;

/// Nodes, parents before their children.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    account_id: u64,
    nodes: Vec<Branch<'a>>,
    places: HashMap<(usize, &'a [u8]), usize>,
    /// Nodes by their depth: the account, containers, directories.
    levels: Vec<Vec<usize>>,
}

#[derive(Debug)]
struct Branch<'a> {
    parent: usize,
    path: &'a [u8],
    depth: usize,
    /// Its row; `None` is not known, or not there.
    id: Option<i64>,
    /// The row was made just now, so nothing is below it yet.
    is_new: bool,
    /// Something is to be stored below it, so it is made when it is not there.
    is_wanted: bool,
    /// Something below it was removed.
    is_shrunk: bool,
    change: Totals,
}

impl<'a> Tree<'a> {
    /// Of the account whose row is `id`.
    pub(super) fn new(account_id: u64, id: i64) -> Self {
        let account = Branch {
            parent: ACCOUNT,
            path: b"",
            depth: 0,
            id: Some(id),
            is_new: false,
            is_wanted: true,
            is_shrunk: false,
            change: Totals::default(),
        };
        Self {
            account_id,
            nodes: vec![account],
            places: HashMap::new(),
            levels: vec![vec![ACCOUNT]],
        }
    }

    /// The node of the segment `path` below `parent`.
    pub(super) fn node(&mut self, parent: usize, path: &'a [u8]) -> usize {
        if let Some(node) = self.places.get(&(parent, path)) {
            return *node;
        }
        let depth = self.nodes[parent].depth + 1;
        let node = self.nodes.len();
        self.nodes.push(Branch {
            parent,
            path,
            depth,
            id: None,
            is_new: false,
            is_wanted: false,
            is_shrunk: false,
            change: Totals::default(),
        });
        self.places.insert((parent, path), node);
        if self.levels.len() == depth {
            self.levels.push(Vec::new());
        }
        self.levels[depth].push(node);
        node
    }

    /// Where `name` is: the node above its last segment, that segment, and the node of its own when it is a directory's.
    pub(super) fn place(
        &mut self,
        container: &'a ContainerName,
        name: &'a ObjectName,
    ) -> (usize, &'a [u8], Option<usize>) {
        let mut parent = self.node(ACCOUNT, container.as_str().as_bytes());
        let mut directory = None;
        let mut last: &[u8] = b"";
        for segment in name.segments() {
            parent = directory.unwrap_or(parent);
            last = segment.as_bytes();
            directory = segment.ends_with('/').then(|| self.node(parent, last));
        }
        (parent, last, directory)
    }

    /// Something is to be stored at or below `node`.
    pub(super) fn want(&mut self, mut node: usize) {
        while !self.nodes[node].is_wanted {
            self.nodes[node].is_wanted = true;
            node = self.nodes[node].parent;
        }
    }

    /// The place of `node`, when its parent has a row.
    pub(super) fn key(&self, node: usize) -> Option<Key<'a>> {
        let branch = &self.nodes[node];
        Some((self.nodes[branch.parent].id?, branch.path))
    }

    /// The row of `node`.
    pub(super) fn id(&self, node: usize) -> Option<i64> {
        self.nodes[node].id
    }

    /// Whether the row of `node` was made just now.
    pub(super) fn is_new(&self, node: usize) -> bool {
        self.nodes[node].is_new
    }

    /// Counts `change` at `node`, and so at all above it.
    pub(super) fn count(&mut self, node: usize, change: Totals) {
        self.nodes[node].change += change;
        self.nodes[node].is_shrunk |= change.objects < 0;
    }

    /// Something of `node`'s is gone, which may be all that kept it or those above it.
    pub(super) fn shrink(&mut self, node: usize) {
        self.nodes[node].is_shrunk = true;
    }

    /// `node` left its place, and took with it what is counted at and below it.
    pub(super) fn leave(&mut self, node: usize, subtree: Totals) {
        let parent = self.nodes[node].parent;
        self.count(parent, -subtree);
        self.shrink(parent);
    }

    /// Whether `node` lies below `other`.
    pub(super) fn is_below(&self, mut node: usize, other: usize) -> bool {
        while node != ACCOUNT {
            node = self.nodes[node].parent;
            if node == other {
                return true;
            }
        }
        false
    }

    /// Finds the rows of all nodes, and makes those that are wanted and not there: level by level, few statements
    /// each.
    pub(super) async fn resolve(
        &mut self,
        connection: &mut Connection,
        directories: &mut Directories,
    ) -> Result<(), Failure> {
        for depth in 1..self.levels.len() {
            let mut unknown = Vec::new();
            let mut absent = Vec::new();
            for node in self.levels[depth].clone() {
                let Some(key) = self.key(node) else { continue };
                self.nodes[node].id = directories.find(key);
                if self.nodes[node].id.is_some() {
                    continue;
                }
                let parent = &self.nodes[self.nodes[node].parent];
                if parent.is_new { &mut absent } else { &mut unknown }.push(node);
            }
            absent.extend(self.look_up(connection, directories, &unknown).await?);
            absent.retain(|node| self.nodes[*node].is_wanted);
            if absent.is_empty() {
                continue;
            }
            let kind = if depth == 1 {
                kind::CONTAINER
            } else {
                kind::DIRECTORY
            };
            let mut keys: Vec<_> = absent.iter().filter_map(|node| self.key(*node)).collect();
            keys.sort_unstable();
            stobj::insert_directories(connection, self.account_id, kind, &keys).await?;
            if !self.look_up(connection, directories, &absent).await?.is_empty() {
                return Err(Failure::Inconsistent(
                    "a directory that was just made is not there",
                ));
            }
            for node in absent {
                self.nodes[node].is_new = true;
            }
        }
        Ok(())
    }

    /// Finds the rows of `nodes` and answers those that have none.
    async fn look_up(
        &mut self,
        connection: &mut Connection,
        directories: &mut Directories,
        nodes: &[usize],
    ) -> Result<Vec<usize>, Failure> {
        let mut keys: Vec<_> = nodes.iter().filter_map(|node| self.key(*node)).collect();
        keys.sort_unstable();
        let rows = stobj::lookup(connection, &keys).await?;
        let ids: HashMap<Key<'_>, i64> = rows
            .iter()
            .map(|row| ((row.parent, row.path.as_slice()), row.id))
            .collect();
        let mut absent = Vec::new();
        for &node in nodes {
            let Some(key) = self.key(node) else { continue };
            match ids.get(&key) {
                Some(id) => {
                    self.nodes[node].id = Some(*id);
                    directories.insert(key, *id);
                }
                None => absent.push(node),
            }
        }
        Ok(absent)
    }

    /// Brings the totals of all touched nodes up to date, one row each.
    pub(super) async fn store_totals(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        for node in (1..self.nodes.len()).rev() {
            let Branch {
                parent,
                change,
                is_shrunk,
                ..
            } = self.nodes[node];
            self.nodes[parent].change += change;
            self.nodes[parent].is_shrunk |= is_shrunk;
        }
        let mut changes: Vec<_> = self
            .nodes
            .iter()
            .filter(|node| node.change != Totals::default())
            .filter_map(|node| Some((node.id?, node.change)))
            .collect();
        changes.sort_unstable_by_key(|(id, _)| *id);
        stobj::add_totals(connection, &changes).await
    }

    /// Removes the directories that the group emptied, the deepest first, so that nothing cascades.
    pub(super) async fn prune(
        &self,
        connection: &mut Connection,
        directories: &mut Directories,
    ) -> Result<(), Failure> {
        let shrunk: HashMap<i64, usize> = self
            .levels
            .iter()
            .skip(2)
            .flatten()
            .filter(|node| self.nodes[**node].is_shrunk)
            .filter_map(|node| Some((self.nodes[*node].id?, *node)))
            .collect();
        let ids: Vec<i64> = shrunk.keys().copied().collect();
        let mut by_depth: Vec<Vec<i64>> = vec![Vec::new(); self.levels.len()];
        for id in stobj::emptied(connection, &ids).await? {
            if let Some(&node) = shrunk.get(&id) {
                by_depth[self.nodes[node].depth].push(id);
                if let Some(key) = self.key(node) {
                    directories.remove(key);
                }
            }
        }
        for ids in by_depth.iter().rev() {
            stobj::remove_childless(connection, ids).await?;
        }
        Ok(())
    }
}
