//! Fills the mirror of an account anew from storage, when the database was emptied, replaced or restored.
//!
//! The rows are sent under a new incarnation with the `seq` at which the walk began. What changes during the walk
//! waits in the queue with a greater one and is sent behind it, as the state it then has.

use common::Error;
use common::functional::mirror::{Change, MAX_BATCH, Node};

use super::stream::Stream;
use super::{account_row, container_row, directory_row, object_row};
use crate::walk::{Met, Walk};

/// Walks the account and sends all of it. Answers the `seq` that the mirror then has.
pub(super) async fn refill(stream: &Stream) -> Result<u64, Error> {
    let account = &stream.account;
    stream.sources.records.rewind();
    new_incarnation(stream).await?;
    let seq = account.last_seq();
    let mut batch = Batch {
        stream,
        seq,
        changes: Vec::new(),
    };
    batch
        .add(Node::Account(Some(account_row(&account.attributes()))))
        .await?;
    for container in account.containers() {
        let row = container_row(&container.attributes());
        batch
            .add(Node::Container(container.name.clone(), Some(row)))
            .await?;
        let mut walk = Walk::new(stream.sources.engine.as_ref(), &account.name, &container.name);
        while let Some(met) = walk.next().await? {
            batch.add(node(met)).await?;
        }
    }
    batch.send(seq).await?;
    Ok(seq)
}

fn node(met: Met) -> Node {
    match met {
        Met::Object(path, attributes) => {
            Node::Object(path.container, path.object, Some(object_row(&attributes)))
        }
        Met::Directory(path, attributes) => {
            Node::Directory(path.container, path.object, Some(directory_row(&attributes)))
        }
    }
}

struct Batch<'a> {
    stream: &'a Stream,
    seq: u64,
    changes: Vec<Change>,
}

impl Batch<'_> {
    async fn add(&mut self, node: Node) -> Result<(), Error> {
        self.changes.push(Change { seq: self.seq, node });
        if self.changes.len() == MAX_BATCH {
            self.send(before_any(self.seq)).await
        } else {
            Ok(())
        }
    }

    async fn send(&mut self, through: u64) -> Result<(), Error> {
        let changes = std::mem::take(&mut self.changes);
        let position = self.stream.apply(0, through, changes).await?;
        if position.seq < through {
            return Err(Error::internal(
                "the mirror did not take the rows it was filled with",
            ));
        }
        Ok(())
    }
}

/// What a mirror has that has nothing of this term yet.
const fn before_any(seq: u64) -> u64 {
    seq >> 40 << 40
}

/// Whatever the database holds of the account is void from here.
async fn new_incarnation(stream: &Stream) -> Result<(), Error> {
    let account = &stream.account;
    let _structure = account.structure.lock().await;
    let mut attributes = account.attributes().as_ref().clone();
    attributes.incarnation = getrandom::u64().map_err(Error::internal)? >> 1;
    stream
        .sources
        .engine
        .put_account(&account.name, attributes.clone())
        .await?;
    account.set_attributes(attributes);
    Ok(())
}
