//! Directories in memory.

use common::functional::object::Path;

use super::Memory;
use crate::engine::tree::names_directories;
use crate::engine::{Directory, EngineError, EngineFuture, TreeCommitted, TreeEngine};
use crate::node::{DirectoryAttributes, WriteId};

impl TreeEngine for Memory {
    fn directory<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<Directory>> {
        Box::pin(async { Ok(self.known(path)) })
    }

    fn make_directory<'a>(
        &'a self,
        path: &'a Path,
        attributes: DirectoryAttributes,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            let made = self.within(path, |container| {
                container.make_directory(path.object.as_str(), attributes);
                committed();
            });
            made.ok_or(EngineError::NoContainer)
        })
    }

    fn remove_directory<'a>(&'a self, path: &'a Path, committed: TreeCommitted) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let removed = self.within(path, |container| {
                let name = path.object.as_str();
                let found = container.directory(name);
                let is_removed =
                    found.is_some_and(|directory| directory.is_empty && directory.explicit.is_some());
                if is_removed {
                    container.remove_directory(name);
                    committed();
                }
                is_removed
            });
            Ok(removed.unwrap_or(false))
        })
    }

    fn identity<'a>(&'a self, path: &'a Path) -> EngineFuture<'a, Option<u64>> {
        Box::pin(async { Ok(self.object(path).map(|object| object.identity)) })
    }

    fn rename<'a>(
        &'a self,
        from: &'a Path,
        to: &'a Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let is_directory = names_directories(from, to)?;
            let mut contents = self.0.lock();
            let (from_name, to_name) = (from.object.as_str(), to.object.as_str());
            contents.container(to).ok_or(EngineError::NoContainer)?;
            let Some(source) = contents.container(from) else {
                return Ok(false);
            };
            if is_directory {
                if source.directory(from_name).is_none() {
                    return Ok(false);
                }
                let moved = source.take(from_name);
                let target = contents.container(to).ok_or(EngineError::NoContainer)?;
                let bore = target.directory(to_name).map(|_| target.take(to_name));
                target.put(to_name, moved);
                contents.trash.extend(bore.map(|bore| (replaced, bore)));
            } else {
                let Some(object) = source.objects.remove(from_name) else {
                    return Ok(false);
                };
                let target = contents.container(to).ok_or(EngineError::NoContainer)?;
                target.objects.insert(to_name.into(), object);
            }
            // Only now, as it may have come to lie below one of those it left.
            if let Some(source) = contents.container(from) {
                source.prune(from_name);
            }
            committed();
            Ok(true)
        })
    }

    fn settle_rename<'a>(
        &'a self,
        _from: &'a Path,
        to: &'a Path,
        identity: u64,
        _replaced: WriteId,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let there = match to.object.is_directory() {
                true => self.known(to).map(|directory| directory.identity),
                false => self.object(to).map(|object| object.identity),
            };
            Ok(there == Some(identity))
        })
    }

    fn detach<'a>(&'a self, path: &'a Path, id: WriteId, committed: TreeCommitted) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let mut contents = self.0.lock();
            let name = path.object.as_str();
            let taken = contents.container(path).and_then(|container| {
                container.directory(name)?;
                let taken = container.take(name);
                container.prune(name);
                Some(taken)
            });
            let Some(taken) = taken else { return Ok(false) };
            contents.detached.insert(id, taken);
            committed();
            Ok(true)
        })
    }

    fn settle_detach<'a>(&'a self, _path: &'a Path, identity: u64, id: WriteId) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let contents = self.0.lock();
            let detached = contents.detached.get(&id);
            Ok(detached.is_some_and(|detached| detached.identity() == Some(identity)))
        })
    }

    fn release(&self, id: WriteId) {
        let mut contents = self.0.lock();
        if let Some(detached) = contents.detached.remove(&id) {
            contents.trash.insert(id, detached);
        }
    }

    fn reap(&self, entries: usize) -> EngineFuture<'_, bool> {
        Box::pin(async move {
            let trash = &mut self.0.lock().trash;
            let mut left = Some(entries);
            while let (Some(entries), Some(mut first)) = (left, trash.first_entry()) {
                left = first.get_mut().reap(entries);
                if left.is_some() {
                    first.remove();
                }
            }
            Ok(!trash.is_empty())
        })
    }
}

impl Memory {
    pub(super) fn known(&self, path: &Path) -> Option<Directory> {
        self.within(path, |container| container.directory(path.object.as_str()))
            .flatten()
    }
}
