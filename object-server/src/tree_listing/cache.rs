//! Directories that were read once and are kept right ever after.
//!
//! A directory is read by one task while all who want it wait. What is published meanwhile is kept beside it and
//! applied to what was read: each change says what is true of one segment after it, and the changes of one name come
//! in their order, so it makes no difference which of them the reading had already seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use common::Error;
use common::name::{AccountName, ContainerName, ObjectName};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::directory::{Change, Segments};
use crate::engine::{ArcEngine, Child, EngineError};

/// More changes of one directory while it is read, and it is read again.
const MAX_CHANGES: usize = 16_384;

/// A directory that changes this fast for so many readings is given up.
const MAX_READINGS: usize = 4;

/// So many segments are sorted and packed on the worker; more go to the blocking pool.
const MAX_PACKED_INLINE: usize = 4096;

/// What an entry takes beside its segments.
const OVERHEAD: usize = 256;

/// A directory, shared between the cache and who reads it.
pub(super) type Directory = RwLock<Segments>;

type Read = Result<Arc<Directory>, Arc<EngineError>>;
type Directories = HashMap<Arc<str>, Slot>;
type Container = (AccountName, ContainerName);

/// The directories of all containers, within a bound.
#[derive(Debug)]
pub(super) struct Cache {
    engine: ArcEngine,
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    containers: HashMap<Container, Directories>,
    /// The kept directories by their last use.
    used: BTreeMap<u64, (Container, Arc<str>)>,
    last_use: u64,
    last_reading: u64,
    bytes: usize,
}

#[derive(Debug)]
enum Slot {
    Reading(Reading),
    Kept(Kept),
}

#[derive(Debug)]
struct Reading {
    number: u64,
    /// What happened since it began.
    changes: Vec<(Box<str>, Change)>,
    is_too_much: bool,
    done: watch::Receiver<Option<Read>>,
}

#[derive(Debug)]
struct Kept {
    directory: Arc<Directory>,
    bytes: usize,
    last_use: u64,
}

impl Cache {
    pub(super) fn new(engine: ArcEngine, limit: usize) -> Self {
        Self {
            engine,
            limit,
            state: Mutex::default(),
        }
    }

    pub(super) fn engine(&self) -> &ArcEngine {
        &self.engine
    }

    /// The directory, as of some moment between call and answer.
    pub(super) async fn directory(
        self: &Arc<Self>,
        container: &Container,
        directory: &str,
    ) -> Result<Arc<Directory>, Error> {
        let mut done = match self.look_up(container, directory) {
            Ok(directory) => return Ok(directory),
            Err(done) => done,
        };
        let read = done.wait_for(Option::is_some).await;
        match read.as_deref() {
            Ok(Some(Ok(directory))) => Ok(Arc::clone(directory)),
            Ok(Some(Err(error))) => Err(failed(error)),
            _ => Err(Error::unavailable("the reading of a directory was cut off", None)),
        }
    }

    /// The directory if it is kept; else word of its reading, which is begun if need be.
    fn look_up(
        self: &Arc<Self>,
        container: &Container,
        directory: &str,
    ) -> Result<Arc<Directory>, watch::Receiver<Option<Read>>> {
        let mut state = self.state.lock();
        let state = &mut *state;
        match state
            .containers
            .get_mut(container)
            .and_then(|directories| directories.get_mut(directory))
        {
            Some(Slot::Kept(kept)) => {
                state.last_use += 1;
                if let Some(name) = state.used.remove(&kept.last_use) {
                    state.used.insert(state.last_use, name);
                }
                kept.last_use = state.last_use;
                Ok(Arc::clone(&kept.directory))
            }
            Some(Slot::Reading(reading)) => Err(reading.done.clone()),
            None => {
                state.last_reading += 1;
                let (sender, done) = watch::channel(None);
                let number = state.last_reading;
                let name: Arc<str> = directory.into();
                let reading = Reading {
                    number,
                    changes: Vec::new(),
                    is_too_much: false,
                    done: done.clone(),
                };
                let directories = state.containers.entry(container.clone()).or_default();
                directories.insert(Arc::clone(&name), Slot::Reading(reading));
                let reader = Reader {
                    cache: Arc::clone(self),
                    container: container.clone(),
                    name,
                    number,
                };
                // A task of its own: who asked first may go away, the others still wait.
                tokio::spawn(async move {
                    let read = reader.read().await;
                    sender.send_replace(Some(read));
                });
                Err(done)
            }
        }
    }

    /// An object became visible or vanished.
    pub(super) fn note(
        &self,
        account: &AccountName,
        container: &ContainerName,
        name: &ObjectName,
        present: bool,
    ) {
        let mut state = self.state.lock();
        if state.containers.is_empty() {
            return;
        }
        let state = &mut *state;
        let container = (account.clone(), container.clone());
        let Some(directories) = state.containers.get_mut(&container) else {
            return;
        };
        let bytes = &mut state.bytes;
        if present {
            appear(directories, name, bytes);
        } else {
            vanish(directories, name, bytes);
        }
        state.evict(self.limit);
    }

    pub(super) fn forget_container(&self, account: &AccountName, container: &ContainerName) {
        let mut state = self.state.lock();
        if let Some(directories) = state.containers.remove(&(account.clone(), container.clone())) {
            for slot in directories.into_values() {
                if let Slot::Kept(kept) = slot {
                    state.used.remove(&kept.last_use);
                    state.bytes -= kept.bytes;
                }
            }
        }
    }

    /// Bytes kept at present.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }
}

fn appear(directories: &mut Directories, name: &ObjectName, bytes: &mut usize) {
    let text = name.as_str();
    let mut start = 0;
    for segment in name.segments() {
        let end = start + segment.len();
        let change = if end == text.len() {
            Change::Object
        } else {
            Change::Entered
        };
        if let Some(slot) = directories.get_mut(&text[..start]) {
            slot.apply(segment, change, bytes);
        }
        start = end;
    }
}

fn vanish(directories: &mut Directories, name: &ObjectName, bytes: &mut usize) {
    let text = name.as_str();
    let mut end = text.len();
    let mut change = Change::NoObject;
    for segment in name.segments().rev() {
        let start = end - segment.len();
        let is_directory = segment.ends_with('/');
        // An implicit directory goes with the last thing in it. Only one that is known can be known to be empty.
        let is_emptied = is_directory && directories.get(&text[..end]).is_some_and(Slot::is_empty);
        if change == Change::Emptied && !is_emptied {
            return;
        }
        if let Some(slot) = directories.get_mut(&text[..start]) {
            slot.apply(segment, change, bytes);
            if is_emptied && change == Change::NoObject {
                slot.apply(segment, Change::Emptied, bytes);
            }
        }
        if is_directory && !is_emptied {
            return;
        }
        (end, change) = (start, Change::Emptied);
    }
}

impl Slot {
    fn apply(&mut self, segment: &str, change: Change, bytes: &mut usize) {
        match self {
            Self::Kept(kept) => {
                let mut segments = kept.directory.write();
                let before = segments.bytes();
                segments.apply(segment, change);
                *bytes = *bytes + segments.bytes() - before;
                kept.bytes = kept.bytes + segments.bytes() - before;
            }
            Self::Reading(reading) if reading.changes.len() < MAX_CHANGES => {
                reading.changes.push((segment.into(), change));
            }
            Self::Reading(reading) => {
                reading.is_too_much = true;
                reading.changes = Vec::new();
            }
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Kept(kept) => kept.directory.read().is_empty(),
            Self::Reading(_) => false,
        }
    }
}

impl State {
    /// Gives up directories, the longest unused first, until all fit.
    fn evict(&mut self, limit: usize) {
        while self.bytes > limit {
            let Some((_, (container, directory))) = self.used.pop_first() else {
                return;
            };
            self.remove(&container, &directory);
        }
    }

    fn remove(&mut self, container: &Container, directory: &str) {
        let Some(directories) = self.containers.get_mut(container) else {
            return;
        };
        if let Some(Slot::Kept(kept)) = directories.remove(directory) {
            self.bytes -= kept.bytes;
        }
        if directories.is_empty() {
            self.containers.remove(container);
        }
    }

    fn reading(&mut self, reader: &Reader) -> Option<&mut Reading> {
        match self
            .containers
            .get_mut(&reader.container)?
            .get_mut(&reader.name)?
        {
            Slot::Reading(reading) if reading.number == reader.number => Some(reading),
            Slot::Reading(_) | Slot::Kept(_) => None,
        }
    }
}

/// Who reads a directory. When it goes, however it goes, nobody waits for it any more.
struct Reader {
    cache: Arc<Cache>,
    container: Container,
    name: Arc<str>,
    number: u64,
}

impl Reader {
    async fn read(&self) -> Read {
        let (account, container) = &self.container;
        for _ in 0..MAX_READINGS {
            let children = self.cache.engine.children(account, container, &self.name).await?;
            let segments = pack(children).await?;
            if let Some(directory) = self.keep(segments) {
                return Ok(directory);
            }
        }
        Err(Arc::new(EngineError::Unavailable(
            "a directory changes faster than it can be read".into(),
        )))
    }

    /// Applies what happened meanwhile and keeps the directory; `None`: that was too much.
    fn keep(&self, mut segments: Segments) -> Option<Arc<Directory>> {
        let mut state = self.cache.state.lock();
        let Some(reading) = state.reading(self) else {
            // The container was removed meanwhile. Who waits asked before that.
            return Some(Arc::new(RwLock::new(segments)));
        };
        if std::mem::take(&mut reading.is_too_much) {
            reading.changes = Vec::new();
            return None;
        }
        for (segment, change) in reading.changes.drain(..) {
            segments.apply(&segment, change);
        }
        let bytes = segments.bytes() + self.name.len() + OVERHEAD;
        let directory = Arc::new(RwLock::new(segments));
        state.last_use += 1;
        let last_use = state.last_use;
        let kept = Kept {
            directory: Arc::clone(&directory),
            bytes,
            last_use,
        };
        if let Some(directories) = state.containers.get_mut(&self.container) {
            directories.insert(Arc::clone(&self.name), Slot::Kept(kept));
        }
        state
            .used
            .insert(last_use, (self.container.clone(), Arc::clone(&self.name)));
        state.bytes += bytes;
        state.evict(self.cache.limit);
        Some(directory)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.cache.state.lock();
        if state.reading(self).is_some() {
            state.remove(&self.container, &self.name);
        }
    }
}

async fn pack(children: Vec<Child>) -> Result<Segments, EngineError> {
    if children.len() <= MAX_PACKED_INLINE {
        return Ok(Segments::new(children));
    }
    let packed = tokio::task::spawn_blocking(move || Segments::new(children));
    packed
        .await
        .map_err(|error| EngineError::Unavailable(error.to_string()))
}

/// One failure for all who waited.
fn failed(error: &Arc<EngineError>) -> Error {
    match error.as_ref() {
        EngineError::NoContainer => Error::not_found(),
        EngineError::Corrupt(_) => Error::internal(Arc::clone(error)),
        EngineError::Refused(_)
        | EngineError::NotEmpty
        | EngineError::Full
        | EngineError::Unavailable(_)
        | EngineError::Taken(_)
        | EngineError::Leased(_)
        | EngineError::Missing(_)
        | EngineError::Io(_) => Error::unavailable(Arc::clone(error), None),
    }
}
