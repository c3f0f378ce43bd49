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
    };
    let marker = tree.marker.as_deref().unwrap_or_default();
    growth.read(0, marker).await?;
    let mut level = 0..1;
    for _ in 1..tree.depth.clamp(1, MAX_TREE_DEPTH) {
        level = level.end..growth.branches.len();
        growth.read_all(level.clone()).await?;
    }
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
}

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
            self.hang(*at, own, None)?;
        }
        Ok(true)
    }

    /// Reads the children of one node behind `marker`, as many as the page holds.
    async fn read(&mut self, at: usize, marker: &str) -> Result<(), Failure> {
        if self.left == 0 {
            return self.hang(at, Vec::new(), Some(marker.to_owned()));
        }
        // No segment lies between a name and that name with a zero byte behind it.
        let from: Vec<u8> = match marker {
            "" => Vec::new(),
            _ => [marker.as_bytes(), &[0]].concat(),
        };
        let limit = self.left + 1;
        let id = self.branches[at].id;
        let mut rows = stobj::page(self.connection, id, (&from, END), false, limit).await?;
        let mut next = None;
        if rows.len() == limit {
            rows.truncate(self.left);
            next = rows.last().map(|row| text(&row.path)).transpose()?;
        }
        self.hang(at, rows, next)
    }

    /// Hangs rows on the node whose children they are.
    fn hang(&mut self, at: usize, rows: Vec<Node>, next: Option<String>) -> Result<(), Failure> {
        self.left -= rows.len();
        for row in rows {
            if row.kind != kind::DIRECTORY && row.delete_at.is_some_and(|time| time <= self.now) {
                continue;
            }
            let node = shown(&row)?;
            let (id, parent) = (row.id, at);
            self.branches.push(Branch { id, parent, node });
        }
        let node = &mut self.branches[at].node;
        node.children = Some(Vec::new());
        node.next = next;
        Ok(())
    }
}

fn shown(row: &Node) -> Result<TreeNode, Failure> {
    let (kind, objects, bytes) = if row.kind == kind::DIRECTORY {
        (TreeKind::Directory, row.sub_objects, row.sub_bytes)
    } else {
        (TreeKind::File, 1, row.bytes)
    };
    Ok(TreeNode {
        name: text(&row.path)?,
        kind,
        objects: counted(objects),
        bytes: counted(bytes),
        quota: None,
        children: None,
        next: None,
    })
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

fn text(path: &[u8]) -> Result<String, Failure> {
    let text = std::str::from_utf8(path).map_err(|_| Failure::Inconsistent("stobj.path is not UTF-8"))?;
    Ok(text.to_owned())
}
