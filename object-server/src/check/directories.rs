//! Explicit directories: storage and mirror must have the same ones, also while they are empty.

use common::functional::check::Kind;
use common::functional::mirror::DirectoryRow;
use common::functional::object::Path;
use common::quota::Limits;

use super::compare::{ATTEMPTS, Comparison};
use crate::jobs::{End, Waiting};
use crate::mirror_feed::directory_row;
use crate::node::DirectoryAttributes;
use crate::owner::Container;

impl Comparison<'_> {
    /// Compares a directory that storage shows as explicit with what the mirror has of it.
    pub(super) async fn directory(
        &mut self,
        container: &Container,
        path: &Path,
        attributes: &DirectoryAttributes,
    ) -> Result<(), End> {
        self.limits(container, path, attributes.limits).await?;
        let row = self.mirror.directory(&path.container, &path.object).await?;
        match row == Some(directory_row(attributes)) {
            true => Ok(()),
            false => self.settle_directory(container, path).await,
        }
    }

    /// The limits that storage shows are those that are in force; else what is in the directory is counted, while nobody changes
    /// anything in the container.
    async fn limits(&mut self, container: &Container, path: &Path, limits: Limits) -> Result<(), End> {
        let in_force = || {
            let limits = self.account.directory_limits(&path.container, &path.object);
            limits.map(|(_, limits)| limits)
        };
        if !limits.are_set() || in_force() == Some(limits) {
            return Ok(());
        }
        let lock = container.lock.exclusive().await;
        let found = self.owner.engine.directory(path).await?;
        let stored = found.and_then(|found| found.explicit).unwrap_or_default().limits;
        let former = in_force();
        if container.is_removed() || !stored.are_set() || former == Some(stored) {
            return Ok(());
        }
        if self.repair {
            let counted = self
                .owner
                .count_directory(&path.account, &path.container, &path.object)
                .await?;
            self.account
                .limit_directory(container, &path.object, stored, Some(counted));
        }
        drop(lock);
        let (stored, former) = (told(stored), told(former.unwrap_or_default()));
        self.note(Kind::Counter, path, stored, former, self.repair);
        Ok(())
    }

    /// Compares one that the mirror has with what storage shows.
    pub(super) async fn directory_of_mirror(&mut self, path: &Path) -> Result<(), End> {
        let Some(container) = self.account.container(&path.container) else {
            return Ok(());
        };
        let found = self.owner.engine.directory(path).await?;
        match found.is_some_and(|directory| directory.explicit.is_some()) {
            true => Ok(()),
            false => self.settle_directory(&container, path).await,
        }
    }

    /// Looks whether both really differ, while nobody makes, moves or removes directories.
    async fn settle_directory(&mut self, container: &Container, path: &Path) -> Result<(), End> {
        let mut attempts = ATTEMPTS;
        let mut waiting = Waiting::new(self.owner, self.handle);
        loop {
            self.mirror.reached().await?;
            let lock = container.lock.exclusive().await;
            if container.is_removed() {
                return Ok(());
            }
            let found = self.owner.engine.directory(path).await?;
            let explicit = found.and_then(|directory| directory.explicit);
            let mirror = self.mirror.hurried();
            let row = match mirror.directory(&path.container, &path.object).await {
                Err(End::Failed(_)) if attempts > 0 => {
                    attempts -= 1;
                    continue;
                }
                row => row?,
            };
            let storage = explicit.as_ref().map(directory_row);
            if storage == row {
                return Ok(());
            }
            let mended = match self.repair {
                true => self.owner.retell_directory(self.account, path, explicit),
                false => Ok(()),
            };
            drop(lock);
            if let Err(error) = mended {
                waiting.after(error).await?;
                continue;
            }
            let told = |row: Option<DirectoryRow>| row.map(|row| format!("made at {}", row.created));
            self.note(Kind::Directory, path, told(storage), told(row), self.repair);
            return Ok(());
        }
    }
}

fn told(limits: Limits) -> Option<String> {
    let told = |limit: Option<u64>, of: &str| limit.map(|limit| format!("{limit} {of}"));
    let limits = [told(limits.objects, "objects"), told(limits.bytes, "bytes")];
    let limits: Vec<String> = limits.into_iter().flatten().collect();
    Some(match limits.is_empty() {
        true => "no limits".to_owned(),
        false => format!("limited to {}", limits.join(", ")),
    })
}
