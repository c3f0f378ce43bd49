//! A container's objects beside its rows in the mirror.

use std::sync::Arc;

use common::functional::check::Kind;
use common::functional::mirror::{KeptObject, ObjectRow};
use common::functional::object::Path;
use common::name::ObjectName;

use super::findings::Findings;
use super::rows::Mirror;
use crate::jobs::{End, Handle, Waiting};
use crate::mirror_feed::object_row;
use crate::node::ObjectAttributes;
use crate::owner::{Account, Container, NameLocks, Owner};
use crate::walk::{Named, Walk};

/// So many names that seem to differ are gathered before they are looked at again.
const MAX_SUSPECTS: usize = 1000;
/// How often it is tried to see a row while nobody changes its name.
pub(super) const ATTEMPTS: usize = 10;

/// A check of an account under way.
pub(super) struct Comparison<'a> {
    pub(super) owner: &'a Arc<Owner>,
    pub(super) account: &'a Arc<Account>,
    pub(super) handle: &'a Handle,
    pub(super) deep: bool,
    pub(super) repair: bool,
    pub(super) mirror: Mirror<'a>,
    pub(super) findings: Findings<'a>,
}

impl<'a> Comparison<'a> {
    /// Compares a container.
    pub(super) async fn container(&mut self, container: &Arc<Container>) -> Result<(), End> {
        self.findings.looked_at_container();
        let recount = self.account.recount(&container.name);
        let (owner, account) = (self.owner, self.account);
        let mut walk = Walk::new(owner.engine.as_ref(), &account.name, &container.name);
        let mut rows = self.mirror.rows(&container.name);
        let mut suspects = Vec::new();
        while let Some(named) = walk.next_name().await? {
            let path = match named {
                Named::Object(path) => path,
                Named::Directory(directory, attributes) => {
                    self.directory(container, &directory, &attributes).await?;
                    continue;
                }
            };
            while let Some(row) = rows.peek().await?
                && row.name < path.object
            {
                suspects.extend(rows.take().map(|row| row.name));
                self.settle_many(container, &mut suspects, MAX_SUSPECTS).await?;
            }
            let has_row = rows.peek().await?.is_some_and(|row| row.name == path.object);
            let row = if has_row { rows.take() } else { None };
            let attributes = self.pass(container, &recount, &path).await?;
            if let Some(attributes) = &attributes {
                self.findings.looked_at(attributes.size);
                self.examine(container, &path, attributes).await?;
            }
            if difference(attributes.as_ref(), row.as_ref()).is_some() {
                suspects.push(path.object);
                self.settle_many(container, &mut suspects, MAX_SUSPECTS).await?;
            }
        }
        while rows.peek().await?.is_some() {
            suspects.extend(rows.take().map(|row| row.name));
            self.settle_many(container, &mut suspects, MAX_SUSPECTS).await?;
        }
        self.settle_many(container, &mut suspects, 1).await?;
        self.compare_counter(container, recount).await?;
        self.findings.tell();
        Ok(())
    }

    /// Looks at those that seem to differ again, once there are so many.
    async fn settle_many(
        &mut self,
        container: &Container,
        suspects: &mut Vec<ObjectName>,
        limit: usize,
    ) -> Result<(), End> {
        if suspects.len() < limit {
            return Ok(());
        }
        for object in suspects.drain(..) {
            let path = Path {
                account: self.account.name.clone(),
                container: container.name.clone(),
                object,
            };
            self.settle(container, &path).await?;
        }
        Ok(())
    }

    async fn settle(&mut self, container: &Container, path: &Path) -> Result<(), End> {
        let mut waiting = Waiting::new(self.owner, self.handle);
        while let Err(end) = self.settle_once(container, path).await {
            waiting.after(end).await?;
        }
        Ok(())
    }

    /// Looks whether an object and its row really differ, while nobody changes it.
    async fn settle_once(&mut self, container: &Container, path: &Path) -> Result<(), End> {
        let (locks, row) = self.still(container, path).await?;
        if container.is_removed() {
            return Ok(());
        }
        let attributes = self.owner.engine.stat(path).await?;
        let Some(kind) = difference(attributes.as_ref(), row.as_ref()) else {
            return Ok(());
        };
        if self.repair {
            self.owner.retell_object(self.account, path, &locks).await?;
        }
        let storage = attributes.filter(ObjectAttributes::is_adopted);
        let storage = storage.map(|attributes| object_row(&attributes));
        let (storage, found) = shown(storage.as_ref(), row.as_ref());
        self.note(kind, path, storage, found, self.repair);
        Ok(())
    }

    /// Keeps others off a name, and reads its row as it then is.
    async fn still(
        &self,
        container: &Container,
        path: &Path,
    ) -> Result<(NameLocks, Option<KeptObject>), End> {
        let mut attempts = ATTEMPTS;
        loop {
            // Not while others are kept out: then only what came since is to be waited for.
            self.mirror.reached().await?;
            let locks = self.owner.lock_name(container, path).await;
            let row = self.mirror.hurried().object(&path.container, &path.object).await;
            match row {
                Err(End::Failed(_)) if attempts > 0 => attempts -= 1,
                row => return Ok((locks, row?)),
            }
        }
    }

    /// Notes a difference of an object.
    pub(super) fn note(
        &mut self,
        kind: Kind,
        path: &Path,
        storage: Option<String>,
        found: Option<String>,
        is_repaired: bool,
    ) {
        let place = format!("{}/{}", path.container, path.object);
        self.findings.note(kind, place, storage, found, is_repaired);
    }
}

/// In what an object and its row differ. A file that nobody has hashed is another matter than its row.
fn difference(attributes: Option<&ObjectAttributes>, row: Option<&KeptObject>) -> Option<Kind> {
    match (attributes.filter(|attributes| attributes.is_adopted()), row) {
        (None, None) => None,
        (Some(_), None) => Some(Kind::NotInMirror),
        (None, Some(_)) => Some(Kind::NotInStorage),
        (Some(attributes), Some(_)) if attributes.counted.is_some() => None,
        (Some(attributes), Some(row)) => {
            let is_equal = row.is_sound && row.row == object_row(attributes);
            (!is_equal).then_some(Kind::Row)
        }
    }
}

/// What both say: of two that differ only where they do.
fn shown(storage: Option<&ObjectRow>, found: Option<&KeptObject>) -> (Option<String>, Option<String>) {
    let (Some(storage), Some(found)) = (storage, found) else {
        return (storage.map(shortly), found.map(|found| shortly(&found.row)));
    };
    let (one, other) = (fields(storage), fields(&found.row));
    let differ = || one.iter().zip(&other).filter(|(one, other)| one != other);
    let told = |(name, value): &(&str, String)| format!("{name} {value}");
    let (one, other): (Vec<_>, Vec<_>) = differ().map(|(one, other)| (told(one), told(other))).unzip();
    match one.is_empty() {
        true => (
            Some(shortly(storage)),
            Some("its row is of another kind".to_owned()),
        ),
        false => (Some(one.join(", ")), Some(other.join(", "))),
    }
}

fn shortly(row: &ObjectRow) -> String {
    format!("{} bytes, {}, {}", row.bytes, row.etag, row.content_type)
}

fn fields(row: &ObjectRow) -> [(&'static str, String); 8] {
    let ObjectRow {
        timestamp,
        bytes,
        etag,
        content_type,
        delete_at,
        listing,
        metadata,
        state,
    } = row;
    [
        ("bytes", bytes.to_string()),
        ("etag", etag.to_string()),
        ("type", content_type.clone()),
        ("written at", timestamp.to_string()),
        (
            "ends at",
            delete_at.map_or_else(|| "never".to_owned(), |at| at.to_string()),
        ),
        ("listed as", format!("{listing:?}")),
        ("metadata", format!("{metadata:?}")),
        ("state", format!("{state:?}")),
    ]
}
