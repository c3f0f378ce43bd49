//! The ground a check stands on: an account and a container of its own.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};
use common::{Etag, Properties, Timestamp};
use md5::{Digest as _, Md5};

use crate::engine::{
    ArcEngine, Changed, Committed, Decide, Directory, EngineError, Publication, Reader, Stage, TreeCommitted,
};
use crate::node::{
    AccountAttributes, ContainerAttributes, DirectoryAttributes, ObjectAttributes, State, WriteId,
};

/// A PUT of an owner who lets everything happen, unless he is told otherwise.
pub(crate) struct Plain {
    pub(crate) attributes: ObjectAttributes,
    pub(crate) decide: Option<Decide>,
    pub(crate) committed: Option<Committed>,
}

impl Plain {
    pub(crate) fn new(attributes: ObjectAttributes) -> Box<Self> {
        Box::new(Self {
            attributes,
            decide: Some(Box::new(|_| Ok(()))),
            committed: None,
        })
    }
}

impl Publication for Plain {
    fn attributes(&mut self, _: Option<&ObjectAttributes>) -> Result<ObjectAttributes, common::Error> {
        Ok(self.attributes.clone())
    }

    fn is_ready(&mut self) -> Result<bool, common::Error> {
        // Some have to be waited for.
        Ok(!self.attributes.properties.is_empty())
    }

    fn ready(&mut self) -> Pin<Box<dyn Future<Output = Result<(), common::Error>> + Send + '_>> {
        Box::pin(async {
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    fn decide(&mut self, present: Option<&ObjectAttributes>) -> Result<(), common::Error> {
        let decide = self.decide.take().expect("the owner is asked once");
        decide(present)
    }

    fn committed(&mut self, changed: &Changed) {
        if let Some(committed) = self.committed.take() {
            committed(changed);
        }
    }
}

/// An owner, and whether it was told of a change.
pub(super) fn told() -> (Arc<AtomicBool>, Committed) {
    let told = Arc::new(AtomicBool::new(false));
    let teller = Arc::clone(&told);
    let committed = Box::new(move |_: &Changed| teller.store(true, Ordering::Release));
    (told, committed)
}

/// The same of a change of the tree.
pub(super) fn told_of_tree() -> (Arc<AtomicBool>, TreeCommitted) {
    let told = Arc::new(AtomicBool::new(false));
    let teller = Arc::clone(&told);
    (told, Box::new(move || teller.store(true, Ordering::Release)))
}

/// An owner who is not to be told, as nothing changes.
pub(super) fn never() -> Committed {
    Box::new(|changed| panic!("nothing was to change, but {changed:?}"))
}

pub(super) struct Ground {
    pub(super) engine: ArcEngine,
    pub(super) account: AccountName,
    pub(super) container: ContainerName,
}

impl Ground {
    pub(super) async fn new(engine: &ArcEngine, check: &str) -> Self {
        let ground = Self {
            engine: engine.clone(),
            account: AccountName::new("AUTH_conformance").expect("this is a name"),
            container: ContainerName::new(check).expect("checks have names"),
        };
        let attributes = account_attributes(7);
        engine
            .put_account(&ground.account, attributes)
            .await
            .expect("an account can be made");
        ground.put_container(&ground.container, "first").await;
        ground
    }

    pub(super) async fn put_container(&self, container: &ContainerName, policy: &str) {
        let attributes = container_attributes(policy);
        let made = self
            .engine
            .put_container(&self.account, container, attributes)
            .await;
        made.expect("a container can be made")
            .sync()
            .await
            .expect("it can be synced");
    }

    pub(super) fn path(&self, name: &str) -> Path {
        Path {
            account: self.account.clone(),
            container: self.container.clone(),
            object: ObjectName::new(name).expect("checks use valid names"),
        }
    }

    pub(super) async fn stage(&self, data: &[u8]) -> Box<dyn Stage> {
        let length = Some(data.len() as u64);
        let stage = self.engine.stage(&self.account, &self.container, length).await;
        let mut stage = stage.expect("an object can be begun");
        // Odd pieces, so that no buffer is filled exactly.
        for piece in data.chunks(99_991) {
            stage
                .write(Bytes::copy_from_slice(piece))
                .await
                .expect("it can be written");
        }
        stage
    }

    pub(super) async fn put(&self, name: &str, data: &[u8]) -> Changed {
        self.put_with(name, data, attributes(data)).await
    }

    pub(super) async fn put_with(&self, name: &str, data: &[u8], attributes: ObjectAttributes) -> Changed {
        let stage = self.stage(data).await;
        let (told, committed) = told();
        let mut publication = Plain::new(attributes);
        publication.committed = Some(committed);
        let changed = stage.publish(self.path(name), publication).await;
        let changed = changed.unwrap_or_else(|error| panic!("{name:?} cannot be put: {error:?}"));
        assert!(told.load(Ordering::Acquire), "the owner was not told");
        changed
    }

    pub(super) async fn remove(&self, name: &str) -> Option<Changed> {
        let path = self.path(name);
        let (told, committed) = told();
        let removed = self.engine.remove(&path, Box::new(|_| Ok(())), committed).await;
        let changed = removed.unwrap_or_else(|error| panic!("{name:?} cannot be removed: {error:?}"));
        assert_eq!(
            told.load(Ordering::Acquire),
            changed.is_some(),
            "the owner is told of changes"
        );
        changed
    }

    pub(super) async fn open(&self, name: &str) -> Option<(ObjectAttributes, Box<dyn Reader>)> {
        let path = self.path(name);
        self.engine
            .open(&path)
            .await
            .unwrap_or_else(|error| panic!("{name:?} cannot be opened: {error:?}"))
    }

    pub(super) async fn stat(&self, name: &str) -> Option<ObjectAttributes> {
        let path = self.path(name);
        self.engine
            .stat(&path)
            .await
            .unwrap_or_else(|error| panic!("{name:?} cannot be looked at: {error:?}"))
    }

    pub(super) async fn read(&self, name: &str) -> Option<Vec<u8>> {
        let (attributes, reader) = self.open(name).await?;
        let data = read_all(reader).await;
        assert_eq!(attributes.size, data.len() as u64, "{name:?}");
        assert_eq!(attributes.etag, etag(&data), "{name:?}");
        Some(data)
    }

    pub(super) async fn expect(&self, name: &str, data: Option<&[u8]>) {
        let is_there = self.read(name).await;
        assert!(
            is_there.as_deref() == data,
            "{name:?} is {is_there:?}, not {data:?}"
        );
        assert_eq!(self.stat(name).await.is_some(), data.is_some(), "{name:?}");
    }

    /// All names, by a walk.
    pub(super) async fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(directory) = pending.pop() {
            let children = self
                .engine
                .children(&self.account, &self.container, &directory)
                .await;
            let children = children.expect("a directory can be listed");
            assert!(
                children.is_sorted_by(|one, next| one.segment < next.segment),
                "{children:?}"
            );
            for child in children {
                let name = format!("{directory}{}", child.segment);
                if child.segment.ends_with('/') {
                    pending.push(name.clone());
                }
                if child.is_object {
                    names.push(name);
                }
            }
        }
        names.sort();
        names
    }

    /// An explicit directory.
    pub(super) async fn make_directory(&self, name: &str) -> DirectoryAttributes {
        let attributes = DirectoryAttributes {
            id: WriteId::random().expect("there are random numbers"),
            created: Timestamp::from_seconds(1_700_000_000),
            ..DirectoryAttributes::default()
        };
        let path = self.path(name);
        let (told, committed) = told_of_tree();
        let made = self.engine.make_directory(&path, attributes, committed).await;
        made.unwrap_or_else(|error| panic!("{name:?} cannot be made: {error:?}"));
        assert!(told.load(Ordering::Acquire), "the owner was not told");
        attributes
    }

    pub(super) async fn remove_directory(&self, name: &str) -> bool {
        let path = self.path(name);
        let (told, committed) = told_of_tree();
        let removed = self.engine.remove_directory(&path, committed).await;
        let is_removed = removed.unwrap_or_else(|error| panic!("{name:?} cannot be removed: {error:?}"));
        assert_eq!(told.load(Ordering::Acquire), is_removed);
        is_removed
    }

    pub(super) async fn directory(&self, name: &str) -> Option<Directory> {
        let path = self.path(name);
        let found = self.engine.directory(&path).await;
        found.unwrap_or_else(|error| panic!("{name:?} cannot be looked at: {error:?}"))
    }

    pub(super) async fn rename(&self, from: &str, to: &str) -> bool {
        self.rename_path(&self.path(from), &self.path(to)).await
    }

    pub(super) async fn rename_path(&self, from: &Path, to: &Path) -> bool {
        let (told, committed) = told_of_tree();
        let id = WriteId::random().expect("there are random numbers");
        let renamed = self.engine.rename(from, to, id, committed).await;
        let is_renamed = renamed.unwrap_or_else(|error| panic!("{from:?} to {to:?}: {error:?}"));
        assert_eq!(told.load(Ordering::Acquire), is_renamed);
        is_renamed
    }

    /// Detaches a directory, which may be reaped then.
    pub(super) async fn detach(&self, name: &str, id: WriteId) -> bool {
        let is_detached = self.detach_held(name, id).await;
        self.engine.release(id);
        is_detached
    }

    pub(super) async fn detach_held(&self, name: &str, id: WriteId) -> bool {
        let path = self.path(name);
        let (told, committed) = told_of_tree();
        let detached = self.engine.detach(&path, id, committed).await;
        let is_detached = detached.unwrap_or_else(|error| panic!("{name:?} cannot be detached: {error:?}"));
        assert_eq!(told.load(Ordering::Acquire), is_detached);
        is_detached
    }

    /// All directories, by a walk, but the remains of implicit ones.
    pub(super) async fn directories(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut pending = vec![String::new()];
        while let Some(directory) = pending.pop() {
            let children = self
                .engine
                .children(&self.account, &self.container, &directory)
                .await;
            for child in children.expect("a directory can be listed") {
                let name = format!("{directory}{}", child.segment);
                if name.ends_with('/') && self.directory(&name).await.is_some() {
                    pending.push(name.clone());
                    found.push(name);
                }
            }
        }
        found.sort();
        found
    }

    /// Removes everything, and the container, which must be empty then.
    pub(super) async fn leave_empty(&self) {
        for name in self.directories().await.into_iter().rev() {
            if self
                .directory(&name)
                .await
                .is_some_and(|found| found.explicit.is_some())
            {
                assert!(
                    self.detach(&name, WriteId::random().expect("there are random numbers"))
                        .await
                );
            }
        }
        while self.engine.reap(100).await.expect("the trash can be emptied") {}
        for name in self.names().await {
            assert!(self.remove(&name).await.is_some(), "{name:?} was listed");
        }
        assert_eq!(self.names().await, Vec::<String>::new());
        let removed = self.engine.remove_container(&self.account, &self.container).await;
        removed
            .expect("an empty container can be removed")
            .sync()
            .await
            .expect("it can be synced");
        let gone = self.engine.remove_container(&self.account, &self.container).await;
        assert!(matches!(gone, Err(EngineError::NoContainer)), "{gone:?}");
    }
}

pub(super) async fn read_all(reader: Box<dyn Reader>) -> Vec<u8> {
    let body = reader.into_body(None);
    let length = body.exact_length().expect("a reader knows its length");
    let data = body.collect(usize::MAX).await.expect("it can be read").to_vec();
    assert_eq!(data.len() as u64, length);
    data
}

pub(super) fn etag(data: &[u8]) -> Etag {
    Etag::from_md5(Md5::digest(data).into())
}

pub(crate) fn attributes(data: &[u8]) -> ObjectAttributes {
    let timestamp = Timestamp::from_seconds(1_700_000_000);
    ObjectAttributes {
        id: WriteId::random().expect("there are random numbers"),
        timestamp,
        created: timestamp,
        size: 0,
        modified: 0,
        etag: etag(data),
        content_type: "text/x-conformance".to_owned(),
        delete_at: None,
        properties: Properties::new(),
        listing: None,
        state: State::Enabled,
        counted: None,
    }
}

/// Properties of so many bytes, in names and values.
pub(crate) fn properties(bytes: usize) -> Properties {
    let mut properties = Properties::new();
    let mut left = bytes;
    let mut name = String::new();
    for number in 0.. {
        if left == 0 {
            break;
        }
        name.clear();
        let _ = write!(name, "x-object-meta-{number:06}");
        let value = left.saturating_sub(name.len()).min(256);
        properties.insert(&name, vec![b'v'; value]);
        left = left.saturating_sub(name.len() + value);
    }
    properties
}

pub(crate) fn account_attributes(account_id: u64) -> AccountAttributes {
    AccountAttributes {
        account_id,
        id: WriteId(1),
        term: 1,
        incarnation: 1,
        generation: 0,
        created: Timestamp::from_seconds(1),
        timestamp: Timestamp::from_seconds(1),
        deleted: false,
        properties: Properties::new(),
        state: State::Enabled,
    }
}

pub(crate) fn container_attributes(policy: &str) -> ContainerAttributes {
    ContainerAttributes {
        id: WriteId(1),
        generation: 1,
        created: Timestamp::from_seconds(1),
        timestamp: Timestamp::from_seconds(1),
        storage_policy: policy.to_owned(),
        properties: Properties::new(),
        state: State::Enabled,
    }
}
