//! `stobj tree`: what is in a container or directory, nested, with totals.

use std::pin::Pin;

use clap::Args;
use common::functional::fs::{TreeKind, TreeNode};
use common::storage_client::Client;
use serde_json::json;

use super::remote::{self, Account, Place, counted, help, human_bytes, json_line, shown, usage};

/// As deep as a name can be.
const ALL: usize = 1024;

pub(super) const HELP: &str = help!(
    "  stobj tree photos
  stobj tree --depth 1 photos/2026/          only what is directly in it, with the totals of directories
  stobj tree --directories photos
  stobj tree --json photos | jq 'select(.type == \"directory\" and .objects == 0) | .path'

Only a stobj has trees; of another Swift, `stobj ls --recursive` lists all names."
);

#[derive(Debug, Args)]
pub(super) struct Tree {
    /// A container, or a directory in it (ends in a slash).
    #[arg(value_name = "CONTAINER[/DIRECTORY/]", value_parser = Place::parse)]
    place: Place,
    /// So many levels [default: all].
    #[arg(long, short, value_name = "LEVELS", value_parser = clap::value_parser!(u16).range(1..))]
    depth: Option<u16>,
    /// Show no objects, only directories.
    #[arg(long)]
    directories: bool,
    /// Print a JSON object a line, with whole names.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: Account,
}

/// What is being shown.
struct Printer<'a> {
    client: &'a Client,
    tree: &'a Tree,
    lines: String,
}

/// A directory whose children are shown, and how deep they go.
struct Level {
    place: Place,
    /// What stands in front of each line.
    indent: String,
    depth: usize,
}

/// Does it.
pub(super) async fn run(tree: Tree) -> anyhow::Result<()> {
    if !tree.place.is_directory() {
        return Err(usage(
            &tree.place.to_string(),
            "the name of a directory ends in a slash",
        ));
    }
    let client = tree.account.client()?;
    let mut printer = Printer {
        client: &client,
        tree: &tree,
        lines: String::new(),
    };
    let level = Level {
        place: tree.place.clone(),
        indent: String::new(),
        depth: tree.depth.map_or(ALL, usize::from),
    };
    let root = printer.page(&level, None).await?;
    printer.node(&root, &tree.place, "")?;
    printer.children(level, root).await?;
    printer.flush()
}

impl Printer<'_> {
    async fn page(&self, level: &Level, marker: Option<&str>) -> anyhow::Result<TreeNode> {
        let Place { container, name } = &level.place;
        let page = self.client.tree(container, name, Some(level.depth), None, marker);
        Ok(page.await?)
    }

    /// All children of a node, further pages of them included, each with its own.
    fn children<'a>(
        &'a mut self,
        level: Level,
        node: TreeNode,
    ) -> Pin<Box<dyn Future<Output = anyhow::Result<()>> + 'a>> {
        Box::pin(async move {
            let mut page = node;
            loop {
                let children = page.children.take().unwrap_or_default();
                let count = children.len();
                for (index, child) in children.into_iter().enumerate() {
                    let is_last = index + 1 == count && page.next.is_none();
                    self.child(&level, child, is_last).await?;
                }
                let Some(marker) = page.next.take() else {
                    return Ok(());
                };
                page = self.page(&level, Some(&marker)).await?;
            }
        })
    }

    async fn child(&mut self, level: &Level, child: TreeNode, is_last: bool) -> anyhow::Result<()> {
        if self.tree.directories && child.kind == TreeKind::File {
            return Ok(());
        }
        let place = level.place.with(&child.name);
        let (branch, below) = if is_last {
            ("└── ", "    ")
        } else {
            ("├── ", "│   ")
        };
        self.node(&child, &place, &format!("{}{branch}", level.indent))?;
        if child.kind == TreeKind::File {
            return Ok(());
        }
        let level = Level {
            place,
            indent: format!("{}{below}", level.indent),
            depth: level.depth.saturating_sub(1).max(1),
        };
        self.children(level, child).await
    }

    fn node(&mut self, node: &TreeNode, place: &Place, indent: &str) -> anyhow::Result<()> {
        use std::fmt::Write as _;
        let TreeNode {
            kind, objects, bytes, ..
        } = node;
        if self.tree.json {
            self.lines += &json_line(&json!({
                "path": place.to_string(), "type": kind, "objects": objects, "bytes": bytes,
            }))?;
        } else {
            let name = match indent {
                "" => place.to_string(),
                _ => node.name.clone(),
            };
            let size = human_bytes(*bytes);
            match kind {
                TreeKind::File => writeln!(self.lines, "{indent}{}  {size}", shown(&name))?,
                TreeKind::Container | TreeKind::Directory => {
                    writeln!(
                        self.lines,
                        "{indent}{}  {}, {size}",
                        shown(&name),
                        counted(*objects)
                    )?;
                }
            }
        }
        if self.lines.len() > 64 * 1024 {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> anyhow::Result<()> {
        Ok(remote::print(&std::mem::take(&mut self.lines))?)
    }
}
