//! A walk over all objects and explicit directories of a container, or of a directory in it, depth first.

use common::Error;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};

use crate::engine::{Engine, EngineError};
use crate::node::{DirectoryAttributes, ObjectAttributes};

/// Where a walk is. What is made or removed while it goes may or may not be met.
pub(crate) struct Walk<'a> {
    engine: &'a dyn Engine,
    account: &'a AccountName,
    container: &'a ContainerName,
    /// Names still to be looked at, the next one last: those with a slash at their end are directories to read.
    ahead: Vec<Step>,
}

/// What a walk meets.
pub(crate) enum Met {
    /// An object.
    Object(Path, ObjectAttributes),
    /// An explicit directory, before what lies in it.
    Directory(Path, DirectoryAttributes),
}

/// The same, where an object has only been seen in its directory.
pub(crate) enum Named {
    /// An object, which may be gone by now.
    Object(Path),
    /// An explicit directory, before what lies in it.
    Directory(Path, DirectoryAttributes),
}

enum Step {
    Directory(String),
    Object(String),
}

impl<'a> Walk<'a> {
    /// At the beginning. A container that is not there has no objects.
    pub(crate) fn new(
        engine: &'a dyn Engine,
        account: &'a AccountName,
        container: &'a ContainerName,
    ) -> Self {
        Self {
            engine,
            account,
            container,
            ahead: vec![Step::Directory(String::new())],
        }
    }

    /// The same over this directory only.
    pub(crate) fn within(
        engine: &'a dyn Engine,
        account: &'a AccountName,
        container: &'a ContainerName,
        directory: &ObjectName,
    ) -> Self {
        let own = Step::Object(directory.to_string());
        Self {
            engine,
            account,
            container,
            // Its own object is the last.
            ahead: vec![own, Step::Directory(directory.to_string())],
        }
    }

    /// The next object or explicit directory.
    pub(crate) async fn next(&mut self) -> Result<Option<Met>, Error> {
        while let Some(named) = self.next_name().await? {
            match named {
                Named::Directory(path, attributes) => return Ok(Some(Met::Directory(path, attributes))),
                Named::Object(path) => {
                    if let Some(attributes) = self.engine.stat(&path).await? {
                        return Ok(Some(Met::Object(path, attributes)));
                    }
                }
            }
        }
        Ok(None)
    }

    /// The next name of an object that was there when its directory was read, or explicit directory. Objects come in byte
    /// order of their names.
    pub(crate) async fn next_name(&mut self) -> Result<Option<Named>, Error> {
        while let Some(step) = self.ahead.pop() {
            let named = match step {
                Step::Directory(directory) => self.enter(directory).await?,
                Step::Object(name) => self.path(name).map(Named::Object),
            };
            if named.is_some() {
                return Ok(named);
            }
        }
        Ok(None)
    }

    fn path(&self, name: String) -> Option<Path> {
        Some(Path {
            account: self.account.clone(),
            container: self.container.clone(),
            object: ObjectName::new(name).ok()?,
        })
    }

    async fn enter(&mut self, directory: String) -> Result<Option<Named>, Error> {
        let children = match self
            .engine
            .children(self.account, self.container, &directory)
            .await
        {
            Err(EngineError::NoContainer) => return Ok(None),
            children => children?,
        };
        for child in children.into_iter().rev() {
            let name = format!("{directory}{}", child.segment);
            if child.segment.ends_with('/') {
                self.ahead.push(Step::Directory(name.clone()));
            }
            if child.is_object {
                self.ahead.push(Step::Object(name));
            }
        }
        let Some(path) = self.path(directory) else {
            return Ok(None);
        };
        let found = self.engine.directory(&path).await?;
        let explicit = found.and_then(|directory| directory.explicit);
        Ok(explicit.map(|attributes| Named::Directory(path, attributes)))
    }
}
