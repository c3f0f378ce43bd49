//! A walk over all objects of a container, depth first.

use common::Error;
use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};

use crate::engine::{Engine, EngineError};
use crate::node::ObjectAttributes;

/// Where a walk is. What is made or removed while it goes may or may not be met.
pub(crate) struct Walk<'a> {
    engine: &'a dyn Engine,
    account: &'a AccountName,
    container: &'a ContainerName,
    /// Names still to be looked at, the next one last: those with a slash at their end are directories to read.
    ahead: Vec<Step>,
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

    /// The next object.
    pub(crate) async fn next(&mut self) -> Result<Option<(Path, ObjectAttributes)>, Error> {
        while let Some(step) = self.ahead.pop() {
            match step {
                Step::Directory(directory) => self.enter(&directory).await?,
                Step::Object(name) => {
                    let Ok(object) = ObjectName::new(name) else {
                        continue;
                    };
                    let path = Path {
                        account: self.account.clone(),
                        container: self.container.clone(),
                        object,
                    };
                    if let Some(attributes) = self.engine.stat(&path).await? {
                        return Ok(Some((path, attributes)));
                    }
                }
            }
        }
        Ok(None)
    }

    async fn enter(&mut self, directory: &str) -> Result<(), Error> {
        let children = match self
            .engine
            .children(self.account, self.container, directory)
            .await
        {
            Err(EngineError::NoContainer) => return Ok(()),
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
        Ok(())
    }
}
