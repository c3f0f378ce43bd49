//! Takes in what somebody put into a container's directory: an import in place.

use std::sync::Arc;

use common::functional::Context;
use common::functional::check::{Adopt, Kind, MAX_EXAMPLES};
use common::functional::object::Path;
use common::{Clock, Error, Outcome};

use super::content::NO_ROOM;
use super::findings::Findings;
use crate::jobs::{End, Handle};
use crate::node::WriteId;
use crate::object::{Adopted, Pace};
use crate::owner::{Account, Container, Owner};
use crate::walk::{Met, Walk};

/// An import in place under way.
pub(super) struct Adopting<'a> {
    pub(super) owner: &'a Arc<Owner>,
    pub(super) account: &'a Arc<Account>,
    pub(super) context: &'a Context,
    pub(super) handle: &'a Handle,
}

impl Adopting<'_> {
    /// Looks at all that lies there; what is taken in already is passed over, so it can begin anew at any time.
    pub(super) async fn run(&self, adopt: &Adopt) -> Result<(), End> {
        let container = self.account.container(&adopt.container);
        let container = container.ok_or_else(Error::not_found)?;
        let mut findings = Findings::new(MAX_EXAMPLES, self.handle);
        let (engine, account) = (self.owner.engine.as_ref(), &self.account.name);
        let mut walk = match &adopt.directory {
            Some(directory) => Walk::within(engine, account, &adopt.container, directory),
            None => Walk::new(engine, account, &adopt.container),
        };
        while let Some(met) = walk.next().await? {
            self.handle.check()?;
            let (path, attributes) = match met {
                Met::Object(path, attributes) => (path, attributes),
                Met::Directory(path, attributes) => {
                    if attributes.id == WriteId::default() {
                        let telling = || self.tell_directory(&container, &path);
                        self.owner.insist(self.handle, telling).await?;
                    }
                    continue;
                }
            };
            findings.looked_at(attributes.size);
            if !attributes.is_unhashed() {
                continue;
            }
            let context = Context {
                timestamp: Clock::now(),
                ..self.context.clone()
            };
            let pace = Pace::new(0);
            let adopting = self.owner.insist(self.handle, || {
                self.owner
                    .adopt_object(self.account, &container, &path, &context, &pace)
            });
            let place = format!("{}/{}", path.container, path.object);
            let found = Some(format!("{} bytes", attributes.size));
            let kind = match attributes.is_adopted() {
                true => Kind::ChangedFile,
                false => Kind::ForeignFile,
            };
            let is_done = match self.handle.unless_ended(adopting).await? {
                Ok(Adopted::Done) => true,
                Ok(Adopted::NotNeeded) => continue,
                Ok(Adopted::Changing) => {
                    self.handle
                        .note_failure(|| format!("{}: it changes while it is read", path.object));
                    false
                }
                Err(End::Failed(error)) if matches!(error.outcome(), Outcome::TooLarge) => {
                    self.handle.note_failure(|| format!("{}: {NO_ROOM}", path.object));
                    findings.note_refused(kind, place, found, NO_ROOM);
                    continue;
                }
                Err(End::Failed(error)) => {
                    self.handle.note_failure(|| format!("{}: {error}", path.object));
                    false
                }
                Err(end) => return Err(end),
            };
            findings.note(kind, place, found, None, is_done);
        }
        findings.tell();
        Ok(())
    }

    /// Tells the mirror of a directory that somebody made by other means: it stays when it is empty.
    async fn tell_directory(&self, container: &Container, path: &Path) -> Result<(), End> {
        let _lock = container.lock.exclusive().await;
        if container.is_removed() {
            return Ok(());
        }
        let found = self.owner.engine.directory(path).await?;
        if let Some(made) = found.and_then(|directory| directory.explicit) {
            self.owner.retell_directory(self.account, path, Some(made))?;
        }
        Ok(())
    }
}
