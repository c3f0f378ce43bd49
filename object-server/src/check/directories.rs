//! Explicit directories: storage and mirror must have the same ones, also while they are empty.

use common::functional::check::Kind;
use common::functional::mirror::DirectoryRow;
use common::functional::object::Path;

use super::compare::{ATTEMPTS, Comparison};
use crate::jobs::End;
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
        let row = self.mirror.directory(&path.container, &path.object).await?;
        match row == Some(directory_row(attributes)) {
            true => Ok(()),
            false => self.settle_directory(container, path).await,
        }
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
            if self.repair {
                self.owner.retell_directory(self.account, path, explicit)?;
            }
            drop(lock);
            let told = |row: Option<DirectoryRow>| row.map(|row| format!("made at {}", row.created));
            self.note(Kind::Directory, path, told(storage), told(row), self.repair);
            return Ok(());
        }
    }
}
