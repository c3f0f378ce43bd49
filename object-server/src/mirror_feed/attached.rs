//! Tells the mirror of a directory that was attached, with all that lies in it.
//!
//! Its rows are walked from storage when it is its turn, and sent under the `seq` of the attach, behind word that the mirror is to
//! forget what bore the name. Until the last of them is there the mirror is not told that it has that `seq`, so nobody sees
//! them come. What changed since waits in the queue with a greater one.
//!
//! A tree operation that came later waits there, too, and is sent behind it. So what it took elsewhere is walked there, and sent under
//! the name that it had when it was attached. When one comes during the walk, all is walked once more.

use common::Error;
use common::functional::mirror::{Change, MAX_BATCH, Node};
use common::functional::object::Path;
use common::name::{ContainerName, ObjectName};

use super::stream::Stream;
use super::{object_row, refill, row};
use crate::node::{NodePath, ObjectAttributes};
use crate::tree::{Rename, lies_in};
use crate::walk::Walk;

/// Sends it, after which the mirror has everything up to `through`; `false`: the mirror stands elsewhere than thought.
pub(super) async fn send(stream: &Stream, seq: u64, to: &NodePath, through: u64) -> Result<bool, Error> {
    let NodePath::Directory(container, directory) = to else {
        return Err(Error::internal("only directories are attached"));
    };
    let mut sending = Sending {
        stream,
        seq,
        changes: Vec::new(),
        is_elsewhere: false,
    };
    sending
        .add(Node::Detached(container.clone(), directory.clone()))
        .await?;
    let mut renames = stream.renames_after(seq).await;
    loop {
        let tops = tops(to, &renames);
        for top in &tops {
            sending.walk(top, to, &renames).await?;
        }
        let now = stream.renames_after(seq).await;
        let is_settled = now[renames.len().min(now.len())..]
            .iter()
            .all(|later| tops.iter().all(|top| !disturbs(later, top)));
        if is_settled {
            break;
        }
        renames = now;
    }
    if sending.is_elsewhere {
        return Ok(false);
    }
    stream.send_changes(sending.changes, through).await
}

/// The names under which all that lay in `to` lies now, after these tree operations.
fn tops(to: &NodePath, renames: &[Rename]) -> Vec<NodePath> {
    let mut tops = vec![to.clone()];
    for rename in renames {
        let left = rename.from.as_ref().zip(rename.to.as_ref());
        let taken = left.filter(|(from, _)| tops.iter().any(|top| lies_in(from, top)));
        let taken = taken.map(|(_, to)| to.clone());
        tops = tops.iter().filter_map(|top| rename.after(top)).collect();
        tops.extend(taken);
        tops.sort_unstable();
        tops.dedup();
    }
    tops
}

/// What is called `path` now was called this before these tree operations; `None`: it was not there.
fn formerly(path: &NodePath, renames: &[Rename]) -> Option<NodePath> {
    let mut later = renames.iter().rev();
    later.try_fold(path.clone(), |path, rename| rename.before(&path))
}

/// Whether a walk of `top` may have missed what this operation moved.
fn disturbs(rename: &Rename, top: &NodePath) -> bool {
    let from = rename.from.as_ref();
    from.is_some_and(|from| lies_in(from, top) || lies_in(top, from))
}

struct Sending<'a> {
    stream: &'a Stream,
    seq: u64,
    changes: Vec<Change>,
    is_elsewhere: bool,
}

impl Sending<'_> {
    async fn add(&mut self, node: Node) -> Result<(), Error> {
        let seq = self.seq;
        self.changes.push(Change { seq, node });
        if self.changes.len() < MAX_BATCH || self.is_elsewhere {
            return Ok(());
        }
        self.stream.is_slow();
        let changes = std::mem::take(&mut self.changes);
        let reached = self.stream.acknowledged();
        self.is_elsewhere = !self.stream.send_changes(changes, reached).await?;
        Ok(())
    }

    /// Walks what is called `top` now.
    async fn walk(&mut self, top: &NodePath, to: &NodePath, renames: &[Rename]) -> Result<(), Error> {
        let (account, engine) = (&self.stream.account.name, self.stream.sources.engine.as_ref());
        match top {
            NodePath::Directory(container, directory) => {
                let mut walk = Walk::within(engine, account, container, directory);
                while let Some(met) = walk.next().await? {
                    if self.is_elsewhere {
                        return Ok(());
                    }
                    if let Some(node) = refill::node(met) {
                        self.add_as_it_was(node, to, renames).await?;
                    }
                }
                Ok(())
            }
            NodePath::Object(container, object) => {
                let path = Path {
                    account: account.clone(),
                    container: container.clone(),
                    object: object.clone(),
                };
                let found = row::or_nothing(engine.stat(&path).await)?;
                match found.filter(ObjectAttributes::is_adopted) {
                    Some(found) => {
                        let node = Node::Object(path.container, path.object, Some(object_row(&found)));
                        self.add_as_it_was(node, to, renames).await
                    }
                    None => Ok(()),
                }
            }
            NodePath::Account | NodePath::Container(_) => Ok(()),
        }
    }

    /// Adds a node under the name that it had when it was attached, if it was.
    async fn add_as_it_was(&mut self, node: Node, to: &NodePath, renames: &[Rename]) -> Result<(), Error> {
        let now = row::node_path(&node);
        let then = now.and_then(|now| formerly(&now, renames));
        match then.filter(|then| lies_in(then, to)) {
            Some(then) => match called(node, then) {
                Some(node) => self.add(node).await,
                None => Ok(()),
            },
            None => Ok(()),
        }
    }
}

/// The same node under another name.
fn called(node: Node, path: NodePath) -> Option<Node> {
    let name: (ContainerName, ObjectName) = match path {
        NodePath::Object(container, name) | NodePath::Directory(container, name) => (container, name),
        NodePath::Account | NodePath::Container(_) => return None,
    };
    match node {
        Node::Object(_, _, row) => Some(Node::Object(name.0, name.1, row)),
        Node::Directory(_, _, row) => Some(Node::Directory(name.0, name.1, row)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str) -> NodePath {
        NodePath::Object(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
    }

    fn directory(name: &str) -> NodePath {
        NodePath::Directory(ContainerName::new("c").unwrap(), ObjectName::new(name).unwrap())
    }

    fn rename(from: NodePath, to: Option<NodePath>) -> Rename {
        Rename { from: Some(from), to }
    }

    #[test]
    fn what_was_moved_since_is_walked_where_it_is() {
        let renames = [
            rename(directory("d/x/"), Some(directory("k/"))),
            rename(object("d/o"), Some(object("p"))),
            rename(directory("d/"), Some(directory("e/f/"))),
            rename(directory("elsewhere/"), Some(directory("e/f/in/"))),
            rename(directory("e/"), Some(directory("g/"))),
            rename(directory("k/gone/"), None),
        ];
        let tops = tops(&directory("d/"), &renames);
        assert_eq!(tops, [object("p"), directory("g/f/"), directory("k/")]);
        for (now, then) in [
            (object("g/f/a"), Some(object("d/a"))),
            (object("k/b"), Some(object("d/x/b"))),
            (object("p"), Some(object("d/o"))),
            (object("g/f/in/y"), Some(object("elsewhere/y"))),
            (object("d/new"), None),
        ] {
            assert_eq!(formerly(&now, &renames), then, "{now:?}");
        }
    }

    #[test]
    fn only_what_takes_away_disturbs_a_walk() {
        let top = directory("d/e/");
        for (rename, expected) in [
            (rename(directory("d/e/x/"), Some(directory("y/"))), true),
            (rename(object("d/e/o"), Some(object("y"))), true),
            (rename(directory("d/"), Some(directory("y/"))), true),
            (rename(directory("d/e/"), None), true),
            (rename(directory("y/"), Some(directory("d/e/x/"))), false),
            (rename(directory("y/"), Some(directory("z/"))), false),
            (
                Rename {
                    from: None,
                    to: Some(directory("d/e/x/")),
                },
                false,
            ),
        ] {
            assert_eq!(disturbs(&rename, &top), expected, "{rename:?}");
        }
    }
}
