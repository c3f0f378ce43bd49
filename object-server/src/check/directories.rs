//! Explicit directories, of which the mirror must have a row also while they are empty.

use common::functional::check::Kind;
use common::functional::object::Path;

use super::compare::{ATTEMPTS, Comparison};
use crate::jobs::End;
use crate::owner::Container;

impl Comparison<'_> {
    /// Looks whether the mirror has a directory that storage shows as explicit.
    pub(super) async fn directory(&mut self, container: &Container, path: &Path) -> Result<(), End> {
        if self.mirror.has_directory(&path.container, &path.object).await? {
            return Ok(());
        }
        let mut attempts = ATTEMPTS;
        loop {
            self.mirror.reached().await?;
            // Nobody makes, moves or removes directories meanwhile.
            let lock = container.lock.exclusive().await;
            let found = self.owner.engine.directory(path).await?;
            let Some(explicit) = found.and_then(|directory| directory.explicit) else {
                return Ok(());
            };
            let mirror = self.mirror.hurried();
            match mirror.has_directory(&path.container, &path.object).await {
                Err(End::Failed(_)) if attempts > 0 => attempts -= 1,
                Err(end) => return Err(end),
                Ok(true) => return Ok(()),
                Ok(false) => {
                    if self.repair {
                        self.owner.retell_directory(self.account, path, explicit)?;
                    }
                    drop(lock);
                    let there = Some("there".to_owned());
                    self.note(Kind::Directory, path, there, None, self.repair);
                    return Ok(());
                }
            }
        }
    }
}
