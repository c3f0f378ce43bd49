//! Takes in what somebody put into a container's directory: an import in place.

use std::sync::Arc;

use common::functional::Context;
use common::functional::check::{Adopt, Kind, MAX_EXAMPLES};
use common::{Clock, Error, Outcome};

use super::content::NO_ROOM;
use super::findings::Findings;
use crate::jobs::{End, Handle};
use crate::object::{Adopted, Pace};
use crate::owner::{Account, Owner};
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
            let Met::Object(path, attributes) = met else {
                continue;
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
            let adopting = self
                .owner
                .adopt_object(self.account, &container, &path, &context, &pace);
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
                Err(error) if matches!(error.outcome(), Outcome::TooLarge) => {
                    self.handle.note_failure(|| format!("{}: {NO_ROOM}", path.object));
                    findings.note_refused(kind, place, found, NO_ROOM);
                    continue;
                }
                Err(error) => {
                    self.handle.note_failure(|| format!("{}: {error}", path.object));
                    false
                }
            };
            findings.note(kind, place, found, None, is_done);
        }
        findings.tell();
        Ok(())
    }
}
