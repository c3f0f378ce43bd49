//! Fills the mirror of an account anew from storage, when the database was emptied, replaced or restored, or when
//! somebody asks for it.
//!
//! The rows are sent under a new incarnation with the `seq` at which the walk began. What changes during the walk
//! waits in the queue with a greater one and is sent behind it, as the state it then has. The incarnation is begun once; a
//! database that loses its rows after that takes no more of it, and the filling begins anew.
//!
//! A tree operation during the walk may have hidden things from it, or shown them twice. So it is not sent at all: the
//! directories that it concerned are taken out of the mirror and walked again, until nothing of that kind came between. Only
//! then is the mirror told how far it is; until then whoever looks finds it unfinished.

use common::Error;
use common::functional::mirror::{Change, MAX_BATCH, Node};
use common::functional::object::Path;
use tokio::sync::mpsc;

use super::stream::{Filling, Stream};
use super::{account_row, container_row, directory_row, object_row, row};
use crate::node::NodePath;
use crate::walk::{Met, Walk};

/// Walks the account and sends all of it. Answers the `seq` that the mirror then has.
pub(super) async fn refill(stream: &Stream) -> Result<u64, Error> {
    let account = &stream.account;
    stream.sources.records.rewind();
    stream.filling.send_modify(|filling| {
        *filling = Filling {
            completed: filling.completed,
            ..Filling::default()
        };
    });
    let journal = &stream.sources.journal;
    // Before anything is walked in vain.
    journal.sync(journal.position()).await?;
    new_incarnation(stream).await?;
    // Only this begins with nothing: what follows is refused where it is not known any more.
    send(stream, 0, before_any(account.last_seq()), Vec::new()).await?;
    // While the mirror takes a batch the next one is gathered.
    let (sender, gathered) = mpsc::channel(1);
    let batch = Batch {
        stream,
        seq: account.last_seq(),
        changes: Vec::new(),
        gathered: sender,
    };
    let (through, ()) = tokio::try_join!(gather(stream, batch), send_all(stream, gathered))?;
    // What changed before the last tree operation, too, has to be there when the mirror hears that it has them.
    stream.send_until(through, before_any(through)).await?;
    // A change that a power cut can still take back must not be among them: its `seq` would be given again.
    journal.sync(journal.position()).await?;
    send(stream, before_any(through), through, Vec::new()).await?;
    stream.filling.send_modify(|filling| filling.completed += 1);
    Ok(through)
}

/// Walks the account until no tree operation came between. Answers the `seq` that the mirror has then.
async fn gather(stream: &Stream, mut batch: Batch<'_>) -> Result<u64, Error> {
    let account = &stream.account;
    if account.is_deleted() {
        // A new incarnation has nothing; more there is not to be.
        return Ok(batch.seq);
    }
    batch
        .add(Node::Account(Some(account_row(&account.attributes()))))
        .await?;
    for container in account.containers() {
        let row = container_row(&container.attributes());
        batch
            .add(Node::Container(container.name.clone(), Some(row)))
            .await?;
        let walk = Walk::new(stream.sources.engine.as_ref(), &account.name, &container.name);
        batch.walk(walk).await?;
    }
    let mut through = batch.seq;
    loop {
        // One that storage showed to the walk is in the queue when its containers have come to rest.
        for container in account.containers() {
            container.renames().await;
        }
        let (renames, last) = stream.take_renames();
        if renames.is_empty() {
            break;
        }
        (through, batch.seq) = (last, last);
        for rename in renames {
            for path in rename.from.into_iter().chain(rename.to) {
                batch.renew(path).await?;
            }
        }
    }
    batch.pass_on().await?;
    Ok(through)
}

/// Sends what is gathered, in its order. Until all is there the mirror hears that it has nothing yet.
async fn send_all(stream: &Stream, mut gathered: mpsc::Receiver<(u64, Vec<Change>)>) -> Result<(), Error> {
    while let Some((seq, changes)) = gathered.recv().await {
        send(stream, before_any(seq), before_any(seq), changes).await?;
    }
    Ok(())
}

/// Sends changes to a mirror that has those up to `after`.
async fn send(stream: &Stream, after: u64, through: u64, changes: Vec<Change>) -> Result<(), Error> {
    let (mut objects, mut bytes) = (0, 0);
    for change in &changes {
        if let Node::Object(_, _, Some(row)) = &change.node {
            (objects, bytes) = (objects + 1, bytes + row.bytes);
        }
    }
    if !stream.send_after(after, through, changes).await? {
        return Err(Error::internal(
            "the mirror did not take the rows it was filled with",
        ));
    }
    stream.filling.send_modify(|filling| {
        filling.objects += objects;
        filling.bytes += bytes;
    });
    Ok(())
}

/// What the mirror keeps of it; `None`: nothing, as nobody has taken it in yet.
pub(super) fn node(met: Met) -> Option<Node> {
    match met {
        Met::Object(path, attributes) => attributes
            .is_adopted()
            .then(|| Node::Object(path.container, path.object, Some(object_row(&attributes)))),
        Met::Directory(path, attributes) => {
            let row = Some(directory_row(&attributes));
            Some(Node::Directory(path.container, path.object, row))
        }
    }
}

struct Batch<'a> {
    stream: &'a Stream,
    seq: u64,
    changes: Vec<Change>,
    /// Where full ones go, with their `seq`.
    gathered: mpsc::Sender<(u64, Vec<Change>)>,
}

impl Batch<'_> {
    async fn add(&mut self, node: Node) -> Result<(), Error> {
        self.changes.push(Change { seq: self.seq, node });
        if self.changes.len() == MAX_BATCH {
            self.pass_on().await
        } else {
            Ok(())
        }
    }

    async fn walk(&mut self, mut walk: Walk<'_>) -> Result<(), Error> {
        while let Some(met) = walk.next().await? {
            if let Some(node) = node(met) {
                self.add(node).await?;
            }
        }
        Ok(())
    }

    /// What is there now, in the place of what the mirror has of it.
    async fn renew(&mut self, path: NodePath) -> Result<(), Error> {
        let account = &self.stream.account.name;
        let engine = self.stream.sources.engine.as_ref();
        match path {
            NodePath::Directory(container, directory) => {
                self.add(Node::Detached(container.clone(), directory.clone()))
                    .await?;
                self.walk(Walk::within(engine, account, &container, &directory))
                    .await
            }
            NodePath::Object(container, object) => {
                let path = Path {
                    account: account.clone(),
                    container,
                    object,
                };
                let row = row::or_nothing(engine.stat(&path).await)?;
                let row = row.filter(crate::node::ObjectAttributes::is_adopted);
                let row = row.as_ref().map(object_row);
                self.add(Node::Object(path.container, path.object, row)).await
            }
            NodePath::Account | NodePath::Container(_) => Ok(()),
        }
    }

    /// Has what was added so far sent.
    async fn pass_on(&mut self) -> Result<(), Error> {
        let changes = std::mem::take(&mut self.changes);
        let passed = self.gathered.send((self.seq, changes)).await;
        // Nobody receives any more when sending has failed, and that is what is answered.
        passed.map_err(|_| Error::unavailable("the mirror is not there", None))
    }
}

/// What a mirror has that has nothing of this term yet.
pub(super) const fn before_any(seq: u64) -> u64 {
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
