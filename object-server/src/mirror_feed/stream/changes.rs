//! What the mirror is told of a batch: of each path that changed the state that storage shows now, wherever a tree operation has
//! taken it since.

use common::Error;
use common::functional;
use common::functional::mirror::{Change, Node};
use common::name::{ContainerName, ObjectName};

use super::super::queue::{Batch, Waiting, What};
use super::super::{account_row, container_row, directory_row, object_row, row};
use super::Stream;
use crate::node::{NodePath, ObjectAttributes};

impl Stream {
    /// What the mirror is told of a batch.
    pub(super) async fn changes(&self, batch: &Batch) -> Result<Vec<Change>, Error> {
        if self.account.is_deleted() {
            // With it goes all that is still to be told of what lay in it.
            let node = Node::Account(None);
            let seq = batch.through;
            return Ok(vec![Change { seq, node }]);
        }
        let mut changes = Vec::with_capacity(batch.waiting.len());
        for (_, waiting) in &batch.waiting {
            self.add(waiting, &mut changes).await?;
        }
        Ok(changes)
    }

    /// Adds what the mirror is told of a change.
    async fn add(&self, waiting: &Waiting, changes: &mut Vec<Change>) -> Result<(), Error> {
        let seq = waiting.seq;
        match &waiting.what {
            What::Node(path, state) => {
                let node = self.state_of(path, state.as_ref(), seq).await?;
                changes.push(Change { seq, node });
            }
            What::Rename(rename, state) => match (&rename.to, row::renamed(rename)) {
                (_, Some(node)) => changes.push(Change { seq, node }),
                // Whoever reads in between rather sees the object twice than never.
                (Some(to), None) => {
                    let node = self.state_of(to, state.as_ref(), seq).await?;
                    changes.push(Change { seq, node });
                    changes.extend(rename.from.as_ref().map(|from| Change {
                        seq: seq + 1,
                        node: row::gone(from),
                    }));
                }
                (None, None) => {}
            },
        }
        Ok(())
    }

    /// The state of a node that had this name at `seq`, as that was then or is now.
    async fn state_of(&self, path: &NodePath, known: Option<&Node>, seq: u64) -> Result<Node, Error> {
        if let Some(node) = known {
            return Ok(node.clone());
        }
        loop {
            let now_called = || self.state.lock().queue.now_called(path, seq);
            let Some(now) = now_called() else {
                return Ok(row::gone(path));
            };
            // While this is held no tree operation in the container is between storage and the queue.
            let container = match &now {
                NodePath::Object(container, _) | NodePath::Directory(container, _) => {
                    self.account.container(container)
                }
                NodePath::Account | NodePath::Container(_) => None,
            };
            let _lock = match &container {
                Some(container) => Some(container.lock.shared().await),
                None => None,
            };
            if now_called().as_ref() == Some(&now) {
                return self.read(path, &now).await;
            }
        }
    }

    /// What storage shows under the name `now`, as the state of `path`.
    async fn read(&self, path: &NodePath, now: &NodePath) -> Result<Node, Error> {
        let engine = &self.sources.engine;
        let place = |container: &ContainerName, name: &ObjectName| functional::object::Path {
            account: self.account.name.clone(),
            container: container.clone(),
            object: name.clone(),
        };
        Ok(match (path.clone(), now) {
            (NodePath::Account, _) => {
                let attributes = self.account.attributes();
                Node::Account((!attributes.deleted).then(|| account_row(&attributes)))
            }
            (NodePath::Container(name), _) => {
                let found = self.account.container(&name);
                let row = found.map(|found| container_row(&found.attributes()));
                Node::Container(name, row)
            }
            (NodePath::Object(container, object), NodePath::Object(now_in, now)) => {
                let found = row::or_nothing(engine.stat(&place(now_in, now)).await)?;
                let found = found.filter(ObjectAttributes::is_adopted);
                Node::Object(container, object, found.as_ref().map(object_row))
            }
            (NodePath::Directory(container, directory), NodePath::Directory(now_in, now)) => {
                let found = row::or_nothing(engine.directory(&place(now_in, now)).await)?;
                let explicit = found.and_then(|found| found.explicit);
                Node::Directory(container, directory, explicit.as_ref().map(directory_row))
            }
            (path, _) => row::gone(&path),
        })
    }
}
