//! `mirror/tree`: a container or a directory as nested nodes, breadth before depth, so that a page that is cut short shows
//! what is near. Totals come from the rows of directories; nothing is counted.

use common::Timestamp;
use common::functional::fs::{MAX_TREE, MAX_TREE_DEPTH, TreeKind, TreeNode};
use common::functional::mirror::{Tree, TreePage};

use crate::listing;
use crate::sql::{Connection, Failure};
use crate::table::stobj::{self, Node, Stored, kind};
use crate::table::{counted, stored};

/// Of so many directories the children are read with one statement.
const TOGETHER: usize = 64;

/// So many rows at least are read with one statement, once some of a page were left out.
const READ_ON: usize = 1024;

/// Behind every segment: no text holds this byte.
const END: &[u8] = &[0xff];

/// A page. Objects that have run out at `now` are left out of it; totals count them until they are removed.
pub(crate) async fn page(
    connection: &mut Connection,
    tree: &Tree,
    now: Timestamp,
) -> Result<TreePage, Failure> {
    let account = match listing::account_node(connection, tree.at_least).await? {
        Ok(account) => account,
        Err(behind) => return Ok(TreePage::Behind(behind)),
    };
    let Some(root) = find(connection, account, tree).await? else {
        return Ok(TreePage::Node(None));
    };
    let mut growth = Growth {
        connection,
        now: stored(now.units()),
        left: tree.limit.clamp(1, MAX_TREE),
        branches: vec![outermost(tree, &root)],
        nameless: None,
    };
    let marker = tree.marker.as_deref().unwrap_or_default();
    growth.read(0, marker).await?;
    let mut level = 0..1;
    for _ in 1..tree.depth.clamp(1, MAX_TREE_DEPTH) {
        level = level.end..growth.branches.len();
        growth.read_all(level.clone()).await?;
    }
    growth.tell_of_nameless();
    Ok(TreePage::Node(folded(growth.branches)))
}

/// The row of the container or the directory.
async fn find(
    connection: &mut Connection,
    account: Option<i64>,
    tree: &Tree,
) -> Result<Option<Stored>, Failure> {
    let Some(mut parent) = account else {
        return Ok(None);
    };
    let directory = tree.directory.iter().flat_map(|name| name.segments());
    let mut found = None;
    for segment in std::iter::once(tree.container.as_str()).chain(directory) {
        found = stobj::find(connection, (parent, segment.as_bytes())).await?;
        match &found {
            Some(row) => parent = row.id,
            None => return Ok(None),
        }
    }
    Ok(found)
}

fn outermost(tree: &Tree, row: &Stored) -> Branch {
    let (name, kind) = match &tree.directory {
        Some(directory) => (directory.to_string(), TreeKind::Directory),
        None => (tree.container.to_string(), TreeKind::Container),
    };
    let node = TreeNode {
        name,
        kind,
        objects: counted(row.subtree.objects),
        bytes: counted(row.subtree.bytes),
        quota: None,
        children: None,
        next: None,
    };
    Branch {
        id: row.id,
        parent: 0,
        node,
    }
}

/// A node and the one that it hangs on, which stands before it.
#[derive(Debug)]
struct Branch {
    id: i64,
    parent: usize,
    node: TreeNode,
}

/// A tree while it grows: nodes by their levels, those of a parent side by side.
#[derive(Debug)]
struct Growth<'a> {
    connection: &'a mut Connection,
    now: i64,
    /// How many nodes the page may still have.
    left: usize,
    branches: Vec<Branch>,
    /// The first row that was left out as it has no name that could be shown, and how many there were.
    nameless: Option<(i64, usize)>,
}

/// A row and its segment, which is text.
type Named = (String, Node);

impl Growth<'_> {
    /// Reads the children of all directories among these nodes, as far as the page holds them.
    async fn read_all(&mut self, level: std::ops::Range<usize>) -> Result<(), Failure> {
        let directories: Vec<usize> = level
            .filter(|at| self.branches[*at].node.kind == TreeKind::Directory)
            .collect();
        for some in directories.chunks(TOGETHER) {
            if !self.read_together(some).await? {
                for at in some {
                    self.read(*at, "").await?;
                }
            }
        }
        Ok(())
    }

    /// Reads all children of these directories; `false`, and nothing is read, when there are more than the page holds.
    async fn read_together(&mut self, directories: &[usize]) -> Result<bool, Failure> {
        if self.left == 0 {
            return Ok(false);
        }
        let ids: Vec<i64> = directories.iter().map(|at| self.branches[*at].id).collect();
        let limit = self.left + 1;
        let mut rows = stobj::children(self.connection, &ids, false, limit).await?;
        if rows.len() == limit {
            return Ok(false);
        }
        for at in directories {
            let id = self.branches[*at].id;
            let own: Vec<Node> = rows.extract_if(.., |row| row.parent == id).collect();
            let own = self.named(own);
            self.hang(*at, own, None);
        }
        Ok(true)
    }

    /// Reads the children of one node behind `marker`, as many as the page holds.
    async fn read(&mut self, at: usize, marker: &str) -> Result<(), Failure> {
        if self.left == 0 {
            self.hang(at, Vec::new(), Some(marker.to_owned()));
            return Ok(());
        }
        let id = self.branches[at].id;
        let mut from = match marker {
            "" => Vec::new(),
            _ => behind(marker.as_bytes()),
        };
        let mut limit = self.left + 1;
        let mut children: Vec<Named> = Vec::new();
        // One more than the page holds tells that there are more. No marker could pass those that are left out.
        while children.len() <= self.left {
            let rows = stobj::page(self.connection, id, (&from, END), false, limit).await?;
            let last = rows.last().filter(|_| rows.len() == limit);
            let next = last.map(|row| behind(&row.path));
            children.extend(self.named(rows));
            let Some(next) = next else { break };
            from = next;
            limit = limit.max(READ_ON);
        }
        let has_more = children.len() > self.left;
        children.truncate(self.left);
        let next = children.last().filter(|_| has_more).map(|(name, _)| name.clone());
        self.hang(at, children, next);
        Ok(())
    }

    /// Leaves out what has no name that could be shown. It must not keep anybody from all others, and a check mends it.
    fn named(&mut self, rows: Vec<Node>) -> Vec<Named> {
        let mut named = Vec::with_capacity(rows.len());
        for row in rows {
            match std::str::from_utf8(&row.path) {
                Ok(name) => named.push((name.to_owned(), row)),
                Err(_) => self.nameless.get_or_insert((row.id, 0)).1 += 1,
            }
        }
        named
    }

    fn tell_of_nameless(&self) {
        if let Some((id, rows)) = self.nameless {
            tracing::warn!(
                id,
                rows,
                "a tree leaves rows out that have no name; `stobj check` tells of them"
            );
        }
    }

    /// Hangs rows on the node whose children they are.
    fn hang(&mut self, at: usize, children: Vec<Named>, next: Option<String>) {
        self.left -= children.len();
        for (name, row) in children {
            if row.kind != kind::DIRECTORY && row.delete_at.is_some_and(|time| time <= self.now) {
                continue;
            }
            let node = shown(name, &row);
            let (id, parent) = (row.id, at);
            self.branches.push(Branch { id, parent, node });
        }
        let node = &mut self.branches[at].node;
        node.children = Some(Vec::new());
        node.next = next;
    }
}

fn shown(name: String, row: &Node) -> TreeNode {
    let (kind, objects, bytes) = if row.kind == kind::DIRECTORY {
        (TreeKind::Directory, row.sub_objects, row.sub_bytes)
    } else {
        (TreeKind::File, 1, row.bytes)
    };
    TreeNode {
        name,
        kind,
        objects: counted(objects),
        bytes: counted(bytes),
        quota: None,
        children: None,
        next: None,
    }
}

/// Puts each node into the one that it hangs on. The outermost one is what is left.
fn folded(mut branches: Vec<Branch>) -> Option<TreeNode> {
    while branches.len() > 1 {
        let Branch { parent, node, .. } = branches.pop()?;
        branches[parent].node.children.get_or_insert_default().push(node);
        // All children of a node stand behind it, so the last of them is in now if the node is next.
        if let Some(next) = branches.last_mut()
            && let Some(children) = &mut next.node.children
        {
            children.reverse();
        }
    }
    branches.pop().map(|branch| branch.node)
}

/// The least segment behind this one.
fn behind(segment: &[u8]) -> Vec<u8> {
    [segment, &[0]].concat()
}
