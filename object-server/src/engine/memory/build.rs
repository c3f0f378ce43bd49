//! What is being built in memory, and what is mended.

use common::functional::object::Path;
use common::{Error, Properties, Timestamp};

use super::container::{Container, next_identity};
use super::object::Object;
use super::{Contents, Memory};
use crate::engine::{
    BuildEngine, Changed, Child, Committed, Directory, EngineError, EngineFuture, GoOn, Placing,
    RepairEngine, Revise, TreeCommitted,
};
use crate::node::{ContainerAttributes, DirectoryAttributes, ObjectAttributes, State, WriteId};

/// The name of a directory that is being built, in a container of its own.
const TOP: &str = "t/";

fn unseen() -> Container {
    let mut container = Container::new(ContainerAttributes {
        id: WriteId::default(),
        generation: 0,
        created: Timestamp::default(),
        timestamp: Timestamp::default(),
        storage_policy: String::new(),
        properties: Properties::new(),
        state: State::Enabled,
    });
    container.know(TOP);
    container
}

fn no_build() -> EngineError {
    Error::not_found().into()
}

impl BuildEngine for Memory {
    fn build(&self, build: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(async move {
            self.0.lock().builds.entry(build).or_insert_with(unseen);
            Ok(())
        })
    }

    fn builds(&self) -> EngineFuture<'_, Vec<WriteId>> {
        Box::pin(async { Ok(self.0.lock().builds.keys().copied().collect()) })
    }

    fn built(&self, build: WriteId) -> EngineFuture<'_, Option<Directory>> {
        Box::pin(async move {
            Ok(self
                .0
                .lock()
                .builds
                .get_mut(&build)
                .map(|unseen| unseen.know(TOP)))
        })
    }

    fn build_directory<'a>(
        &'a self,
        build: WriteId,
        directory: &'a str,
        attributes: DirectoryAttributes,
    ) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            let mut contents = self.0.lock();
            let unseen = contents.builds.get_mut(&build).ok_or_else(no_build)?;
            unseen.make_directory(&format!("{TOP}{directory}"), attributes);
            Ok(())
        })
    }

    fn copy_object<'a>(
        &'a self,
        from: &'a Path,
        build: WriteId,
        name: &'a str,
        revise: Revise,
        _placing: Placing,
        go_on: GoOn,
    ) -> EngineFuture<'a, Option<ObjectAttributes>> {
        Box::pin(async move {
            go_on()?;
            let Some(source) = self.object(from) else {
                return Ok(None);
            };
            let mut attributes = revise(&source.attributes)?;
            (attributes.size, attributes.modified) = (source.attributes.size, source.attributes.modified);
            let mut contents = self.0.lock();
            let unseen = contents.builds.get_mut(&build).ok_or_else(no_build)?;
            let copy = Object {
                identity: next_identity(),
                attributes: attributes.clone(),
                data: source.data,
            };
            unseen.objects.insert(format!("{TOP}{name}").into(), copy);
            Ok(Some(attributes))
        })
    }

    fn built_object<'a>(
        &'a self,
        build: WriteId,
        name: &'a str,
    ) -> EngineFuture<'a, Option<ObjectAttributes>> {
        Box::pin(async move {
            let contents = self.0.lock();
            let object = contents.builds.get(&build).and_then(|unseen| {
                let name = format!("{TOP}{name}");
                unseen.objects.get(name.as_str())
            });
            Ok(object.map(|object| object.attributes.clone()))
        })
    }

    fn remove_built_object<'a>(&'a self, build: WriteId, name: &'a str) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            if let Some(unseen) = self.0.lock().builds.get_mut(&build) {
                unseen.remove(&format!("{TOP}{name}"));
            }
            Ok(())
        })
    }

    fn trim_build<'a>(
        &'a self,
        build: WriteId,
        directory: &'a str,
        kept: Vec<Child>,
        is_explicit: bool,
    ) -> EngineFuture<'a, ()> {
        Box::pin(async move {
            let mut contents = self.0.lock();
            let unseen = contents.builds.get_mut(&build).ok_or_else(no_build)?;
            let directory = format!("{TOP}{directory}");
            if !is_explicit {
                unseen.make_implicit(&directory);
            }
            for child in unseen.children(&directory) {
                let name = format!("{directory}{}", child.segment);
                let kept = kept.iter().find(|kept| kept.segment == child.segment);
                if kept.is_none() && name.ends_with('/') {
                    drop(unseen.take(&name));
                } else if child.is_object && !kept.is_some_and(|kept| kept.is_object) {
                    unseen.remove(&name);
                }
            }
            Ok(())
        })
    }

    fn sync_build(&self, _build: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    fn attach<'a>(
        &'a self,
        build: WriteId,
        to: &'a Path,
        replaced: WriteId,
        committed: TreeCommitted,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let Contents {
                accounts,
                builds,
                trash,
                ..
            } = &mut *self.0.lock();
            let Some(unseen) = builds.get_mut(&build) else {
                return Ok(false);
            };
            if unseen.directory(TOP).is_none() {
                return Ok(false);
            }
            let account = accounts.get_mut(&to.account).ok_or(EngineError::NoContainer)?;
            let target = account.containers.get_mut(&to.container);
            let target = target.ok_or(EngineError::NoContainer)?;
            let name = to.object.as_str();
            let bore = target.directory(name).map(|_| target.take(name));
            target.put(name, unseen.take(TOP));
            trash.extend(bore.map(|bore| (replaced, bore)));
            builds.remove(&build);
            committed();
            Ok(true)
        })
    }

    fn settle_attach<'a>(
        &'a self,
        _build: WriteId,
        to: &'a Path,
        identity: u64,
        _replaced: WriteId,
    ) -> EngineFuture<'a, bool> {
        Box::pin(async move {
            let there = self.known(to);
            Ok(there.is_some_and(|directory| directory.identity == identity))
        })
    }

    fn drop_build(&self, build: WriteId) -> EngineFuture<'_, ()> {
        Box::pin(async move {
            self.0.lock().builds.remove(&build);
            Ok(())
        })
    }
}

impl RepairEngine for Memory {
    fn adopt<'a>(
        &'a self,
        path: &'a Path,
        identity: u64,
        revise: Revise,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async move { self.revise_object(path, Some(identity), revise, committed) })
    }

    fn quarantine<'a>(
        &'a self,
        path: &'a Path,
        identity: u64,
        id: WriteId,
        committed: Committed,
    ) -> EngineFuture<'a, Option<Changed>> {
        Box::pin(async move {
            let mut contents = self.0.lock();
            let name = path.object.as_str();
            let Some(container) = contents.container(path) else {
                return Ok(None);
            };
            let Some(object) = container
                .objects
                .get(name)
                .filter(|found| found.identity == identity)
                .cloned()
            else {
                return Ok(None);
            };
            container.remove(name);
            let changed = Changed {
                old: Some(object.attributes.clone()),
                new: None,
            };
            contents.quarantine.insert(id, object);
            committed(&changed);
            Ok(Some(changed))
        })
    }
}
