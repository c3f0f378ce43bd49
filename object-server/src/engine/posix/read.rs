//! Looking objects up: first among those that are open, then from memory on the async worker, and on the blocking pool only
//! when that fails.

use std::sync::Arc;

use common::functional::object::Path;
use rustix::fd::OwnedFd;
use rustix::fs::Stat;
use rustix::io::Errno;
use tokio::time::Instant;

use super::body::File;
use super::confine::{self, Node, Wait};
use super::place::Place;
use super::store::Store;
use super::trouble::Trouble;
use crate::engine::EngineError;
use crate::node::ObjectAttributes;

/// How often a read starts again because attributes were replaced under it.
const RESTARTS: usize = 100;

/// An object that was found, open.
pub(super) type Found = (Arc<File>, ObjectAttributes);

/// The same with what the file system says of the file.
type Looked = (Found, Stat);

impl Store {
    /// Opens an object.
    pub(super) async fn look_up(self: &Arc<Self>, path: &Path) -> Result<Option<Found>, EngineError> {
        let miss = match self.kept().find(path, Instant::now()) {
            Ok(found) => return Ok(Some(found)),
            Err(miss) => miss,
        };
        let looked = match self.look_up_once(path, Wait::Never) {
            Err(Trouble::Errno(Errno::AGAIN)) => {
                let (store, path) = (Arc::clone(self), path.clone());
                super::blocking(move || store.look_up_patiently(&path)).await?
            }
            looked => looked?,
        };
        Ok(looked.map(|(found, stat)| {
            self.kept().keep(miss, path, &found, &stat);
            found
        }))
    }

    /// The attributes of an object, asked for in a job, which may wait.
    pub(super) fn look_at(&self, path: &Path) -> Result<Option<ObjectAttributes>, EngineError> {
        let looked = self.look_up_patiently(path)?;
        Ok(looked.map(|((_, attributes), _)| attributes))
    }

    fn look_up_patiently(&self, path: &Path) -> Result<Option<Looked>, EngineError> {
        let mut restarts = RESTARTS;
        loop {
            match self.look_up_once(path, Wait::Allowed) {
                Err(Trouble::Moved) if restarts > 0 => restarts -= 1,
                answer => return Ok(answer?),
            }
        }
    }

    fn look_up_once(&self, path: &Path, wait: Wait) -> Result<Option<Looked>, Trouble> {
        let Some(container) = self.container(&path.account, &path.container, wait)? else {
            return Ok(None);
        };
        let place = Place::of(&path.object);
        let found = |file: OwnedFd, stat: Stat| -> Result<Option<Looked>, Trouble> {
            let attributes = self.read_object(&path.object, &file, &stat, wait)?.attributes;
            let file = Arc::new(File::new(file, attributes.size));
            Ok(Some(((file, attributes), stat)))
        };
        if let Node::File(file, stat) = confine::node(&container.directory, place.plain(), wait)? {
            return found(file, stat);
        }
        // A file that stands aside for a directory goes from plain to escaped, never back while it lives: whoever
        // looks in this order cannot miss it.
        let Some(escaped) = place.escaped() else {
            return Ok(None);
        };
        match confine::node(&container.directory, &escaped, wait)? {
            Node::File(file, stat) => found(file, stat),
            Node::Absent | Node::Other => Ok(None),
        }
    }
}
