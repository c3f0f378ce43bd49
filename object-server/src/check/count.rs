//! Looking at objects one by one, and counting them.

use std::sync::Arc;

use common::functional::check::Kind;
use common::functional::object::Path;
use common::name::ObjectName;

use super::compare::Comparison;
use crate::engine::EngineError;
use crate::jobs::End;
use crate::node::ObjectAttributes;
use crate::owner::{Container, Recount, Step, footprint};
use crate::walk::{Named, Walk};

/// How often a container is counted again when directories moved meanwhile.
const ATTEMPTS: usize = 3;

impl Comparison<'_> {
    /// Passes a name, and before it those that changed since their directory was read. What there is under it.
    pub(super) async fn pass(
        &mut self,
        container: &Container,
        recount: &Recount,
        path: &Path,
    ) -> Result<Option<ObjectAttributes>, End> {
        let mut first: Vec<ObjectName> = Vec::new();
        loop {
            self.handle.check()?;
            let next = Path {
                object: first.last().unwrap_or(&path.object).clone(),
                ..path.clone()
            };
            let locks = self.owner.lock_name(container, &next).await;
            let attributes = self.look(&next).await?;
            let holds = attributes.as_ref().map(footprint).unwrap_or_default();
            let step = recount.pass(&next.object, holds);
            drop(locks);
            match step {
                Step::First(name) => first.push(name),
                Step::Passed if first.pop().is_some() => {}
                Step::Passed => return Ok(attributes),
            }
        }
    }

    /// What the storage shows, and nothing where it cannot be read.
    async fn look(&mut self, path: &Path) -> Result<Option<ObjectAttributes>, End> {
        match self.owner.engine.stat(path).await {
            Ok(attributes) => Ok(attributes),
            Err(EngineError::NoContainer) => Ok(None),
            Err(error @ (EngineError::Corrupt(_) | EngineError::Io(_))) => {
                self.note(Kind::Unreadable, path, Some(error.to_string()), None, false);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the counting of a container: its counter must be what is there.
    pub(super) async fn compare_counter(
        &mut self,
        container: &Arc<Container>,
        recount: Recount,
    ) -> Result<(), End> {
        let mut recount = Some(recount);
        for _ in 0..ATTEMPTS {
            let counting = match recount.take() {
                Some(recount) => recount,
                None => self.count_again(container).await?,
            };
            self.pass_left(container, &counting).await?;
            let Some(counted) = counting.end(self.repair && !container.is_removed()) else {
                continue;
            };
            if container.is_removed() {
                return Ok(());
            }
            if counted.there != counted.counters {
                let (there, said) = (counted.there, counted.counters);
                let there = shown(there.objects, there.bytes);
                let said = shown(said.objects, said.bytes);
                let path = container.name.to_string();
                self.findings.note(Kind::Counter, path, there, said, self.repair);
            }
            for (directory, there, said) in counted.limited {
                let there = shown(there.objects, there.bytes);
                let said = shown(said.objects, said.bytes);
                let path = format!("{}/{directory}", container.name);
                self.findings.note(Kind::Counter, path, there, said, self.repair);
            }
            return Ok(());
        }
        let name = &container.name;
        self.handle.note_failure(|| {
            format!("{name} could not be counted: its directories kept moving, or too much changed")
        });
        Ok(())
    }

    /// Which containers there are must be what the counters of the account know.
    pub(super) async fn counted_containers(&mut self) {
        // Nobody makes or removes one.
        let _structure = self.account.structure.lock().await;
        for (name, counted) in self.account.miscounted_containers(self.repair) {
            let said = counted.and_then(|count| shown(count.objects, count.bytes));
            let there = counted.is_none().then(|| "there".to_owned());
            self.findings
                .note(Kind::Counter, name.to_string(), there, said, self.repair);
        }
    }

    async fn count_again(&mut self, container: &Container) -> Result<Recount, End> {
        let recount = self.account.recount(&container.name);
        let mut walk = Walk::new(self.owner.engine.as_ref(), &self.account.name, &container.name);
        while let Some(named) = walk.next_name().await? {
            if let Named::Object(path) = named {
                self.pass(container, &recount, &path).await?;
            }
        }
        Ok(recount)
    }

    async fn pass_left(&mut self, container: &Container, recount: &Recount) -> Result<(), End> {
        while let Some(object) = recount.left() {
            let path = Path {
                account: self.account.name.clone(),
                container: container.name.clone(),
                object,
            };
            self.pass(container, recount, &path).await?;
        }
        Ok(())
    }
}

fn shown(objects: u64, bytes: u64) -> Option<String> {
    Some(format!("{objects} objects, {bytes} bytes"))
}
