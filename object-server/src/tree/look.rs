//! What bears the names of an operation, and what stands against it.

use std::sync::Arc;

use common::functional::Context;
use common::functional::object::Path;
use common::name::{ContainerName, ObjectName};
use common::{Body, Error, Outcome, Timestamp};
use tokio::sync::OwnedRwLockWriteGuard;

use crate::journal::Footprint;
use crate::node::{NodePath, ObjectAttributes};
use crate::owner::{Account, Container, Owner, footprint};

/// What bears a name.
#[derive(Debug)]
pub(super) enum Present {
    Object {
        identity: u64,
        attributes: Box<ObjectAttributes>,
    },
    Directory {
        identity: u64,
        is_empty: bool,
    },
}

impl Present {
    pub(super) fn identity(&self) -> u64 {
        match self {
            Self::Object { identity, .. } | Self::Directory { identity, .. } => *identity,
        }
    }

    /// What it adds to the counters; `None`: the mirror has to say.
    pub(super) fn footprint(&self) -> Option<Footprint> {
        match self {
            Self::Object { attributes, .. } => Some(footprint(attributes)),
            Self::Directory { is_empty, .. } => is_empty.then(Footprint::default),
        }
    }

    /// Whether it is an object whose time has run out.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        match self {
            Self::Object { attributes, .. } => attributes.delete_at.is_some_and(|delete_at| delete_at <= now),
            Self::Directory { .. } => false,
        }
    }
}

/// The journal's name of an object, or of a directory.
pub(super) fn node(path: &Path) -> NodePath {
    let (container, name) = (path.container.clone(), path.object.clone());
    match path.object.is_directory() {
        true => NodePath::Directory(container, name),
        false => NodePath::Object(container, name),
    }
}

/// What is no directory's name was given where one belongs.
pub(super) fn no_directory() -> Error {
    Error::bad_request("The name of a directory ends in a slash.")
}

impl Owner {
    /// The account and container of a request for a directory.
    pub(super) async fn admit_directory(
        &self,
        path: &Path,
        context: &Context,
    ) -> Result<(Arc<Account>, Arc<Container>), Error> {
        if !path.object.is_directory() {
            return Err(no_directory());
        }
        let (account, container, _) = self
            .admit(&path.account, &path.container, context, Body::empty())
            .await?;
        Ok((account, container))
    }

    /// What bears a name: a directory, if it ends in a slash, else an object.
    pub(super) async fn present(&self, path: &Path) -> Result<Option<Present>, Error> {
        if path.object.is_directory() {
            let found = self.engine.directory(path).await?;
            return Ok(found.map(|directory| Present::Directory {
                identity: directory.identity,
                is_empty: directory.is_empty,
            }));
        }
        let attributes = self.engine.stat(path).await?;
        let identity = self.engine.identity(path).await?;
        Ok(attributes
            .zip(identity)
            .map(|(attributes, identity)| Present::Object {
                identity,
                attributes: Box::new(attributes),
            }))
    }

    /// Refuses a directory under whose new name some name in it would be too long.
    ///
    /// # Errors
    /// 400.
    pub(super) async fn check_lengths(
        &self,
        account: &Account,
        source: &Path,
        destination: &Path,
    ) -> Result<(), Error> {
        let (old, new) = (source.object.as_str().len(), destination.object.as_str().len());
        if new <= old {
            return Ok(());
        }
        let most = self.constraints.max_object_name_length.min(ObjectName::MAX_BYTES);
        let limit = most.saturating_sub(new - old);
        let fits = |longest: usize| longest <= limit;
        if account.longest_name(&source.container).is_some_and(fits) {
            return Ok(());
        }
        match fits(self.longest_below(source).await?) {
            true => Ok(()),
            false => Err(Error::bad_request("A name below it would become too long.")),
        }
    }

    /// The length of the longest name in a directory, read from storage.
    async fn longest_below(&self, top: &Path) -> Result<usize, Error> {
        let mut longest = top.object.as_str().len();
        let mut ahead = vec![top.object.as_str().to_owned()];
        while let Some(directory) = ahead.pop() {
            let children = self
                .engine
                .children(&top.account, &top.container, &directory)
                .await?;
            for child in children {
                longest = longest.max(directory.len() + child.segment.len());
                if child.segment.ends_with('/') {
                    ahead.push(format!("{directory}{}", child.segment));
                }
            }
        }
        Ok(longest)
    }
}

/// Refuses what concerns an object that is switched off.
///
/// # Errors
/// 403.
pub(super) fn check_enabled(account: &Account, node: &NodePath) -> Result<(), Error> {
    account.check_enabled()?;
    match account.is_disabled_in(node) {
        true => Err(Outcome::Disabled.into()),
        false => Ok(()),
    }
}

/// Refuses to take away, to give another name or to replace what has limits, or what has such a directory in it, unless who asks
/// may change these: with the directory its limit would be gone, and everybody who may write could make it anew. Asked under the
/// locks of the containers.
///
/// # Errors
/// 403.
pub(crate) fn check_limits(account: &Account, node: &NodePath, context: &Context) -> Result<(), Error> {
    match context.may_limit || !account.is_limited_in(node) {
        true => Ok(()),
        false => Err(Error::forbidden().with_text(
            "What it holds is limited there, or in a directory below: only who may change the limit may do this.",
        )),
    }
}

/// Takes the locks of containers, exclusively and in the order of their names.
///
/// # Errors
/// 404 when one was removed meanwhile.
pub(super) async fn lock(containers: &[Arc<Container>]) -> Result<Vec<OwnedRwLockWriteGuard<()>>, Error> {
    let mut order: Vec<&Arc<Container>> = containers.iter().collect();
    order.sort_unstable_by_key(|container| container.name.as_str());
    order.dedup_by(|one, other| one.name == other.name);
    let mut locks = Vec::with_capacity(order.len());
    for container in order {
        locks.push(container.lock.exclusive().await);
        if container.is_removed() {
            return Err(Error::not_found());
        }
    }
    Ok(locks)
}

/// The directory that a name lies in; `None`: the container itself.
pub(super) fn parent(path: &Path) -> Option<Path> {
    let name = path.object.as_str();
    let name = name.strip_suffix('/').unwrap_or(name);
    let (parent, _) = name.rsplit_once('/')?;
    Some(Path {
        object: ObjectName::new(format!("{parent}/")).ok()?,
        ..path.clone()
    })
}

/// A container of an account, which must be there.
///
/// # Errors
/// 404.
pub(super) fn container(account: &Account, name: &ContainerName) -> Result<Arc<Container>, Error> {
    account.container(name).ok_or_else(Error::not_found)
}
