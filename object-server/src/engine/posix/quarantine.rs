//! Objects whose data is not what it was: kept aside in `.stobj/quarantine/`, each with a file that tells its name.

use std::fmt::Write as _;

use common::functional::object::Path;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags};

use super::attribute::write_all;
use super::confine::{self, Wait};
use super::fresh::SyncSet;
use super::place::{self, Place};
use super::spot::identity;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::{Changed, Committed, EngineError};
use crate::node::WriteId;

impl Store {
    /// Takes an object of this identity out of the tree.
    pub(super) fn quarantine(
        &self,
        path: &Path,
        known: u64,
        id: WriteId,
        committed: Committed,
    ) -> Result<Option<Changed>, EngineError> {
        let Some(container) = self.container(&path.account, &path.container, Wait::Allowed)? else {
            return Ok(None);
        };
        let place = Place::of(&path.object);
        let parent = confine::existing_directory(&container.directory, place.parent(), Wait::Allowed)?;
        let Some(parent) = parent else { return Ok(None) };
        let _changing = self.kept().changing(path);
        let mut sync = SyncSet::default();
        let mut emptied = place.parent().to_owned();
        let old = {
            let _stripe = self.stripes().lock(&container.path, place.stripe());
            let present = self.present(&path.object, &parent, &place)?;
            let file = self.find_file(&container, &place)?;
            let is_it = file.as_ref().map(identity).transpose()? == Some(known);
            let Some(old) = present.attributes().filter(|_| is_it).cloned() else {
                return Ok(None);
            };
            let name = format!("{:016x}", id.0);
            self.note_name(path, &name)?;
            self.change("quarantine:before")?;
            if let Some(escaped) = place.escaped().filter(|_| present.escaped.is_file()) {
                place::split(&escaped).0.clone_into(&mut emptied);
            }
            if present.plain.is_file() {
                // The one that counts goes last.
                if present.escaped.is_file() {
                    self.unlink_escaped(&parent, &place, &mut sync)?;
                }
                self.rename_new(&parent, place.last(), self.quarantined(), &name)?;
            } else {
                let escaped = place.escaped_last().unwrap_or_default();
                let (chunk, last) = place::split(&escaped);
                let directory = confine::directory(&parent, chunk, Wait::Allowed)?;
                self.rename_new(&directory, last, self.quarantined(), &name)?;
                sync.open(directory);
            }
            old
        };
        self.pass("quarantine:after")?;
        sync.open(parent);
        sync.open(self.open_quarantine()?);
        self.prune(&container, &emptied, &mut sync);
        let changed = Changed {
            old: Some(old),
            new: None,
        };
        committed(&changed);
        sync.finish(self, &container.path)?;
        Ok(Some(changed))
    }

    /// Writes down what an object was called.
    fn note_name(&self, path: &Path, name: &str) -> Result<(), Trouble> {
        let mut text = String::new();
        let (account, container, object) = (
            path.account.as_str(),
            path.container.as_str(),
            path.object.as_str(),
        );
        let _ = writeln!(text, "{account}/{container}/{object}");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(
            self.quarantined(),
            format!("{name}.name"),
            flags,
            Mode::from(0o600),
        )?;
        write_all(&file, text.as_bytes())?;
        if self.is_durable() {
            rustix::fs::fsync(&file)?;
        }
        Ok(())
    }

    fn open_quarantine(&self) -> Result<OwnedFd, Trouble> {
        Ok(confine::directory(self.quarantined(), "", Wait::Allowed)?)
    }
}
