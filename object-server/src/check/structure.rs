//! Whether the rows of the mirror make up a tree, and its totals are the sums of what lies below.

use common::functional::check::Kind;
use common::functional::mirror::{Fault, Inspection, MAX_MEND, Wrong};
use common::functional::object::Path;

use super::compare::Comparison;
use crate::jobs::End;

/// How often totals are counted again until nothing is wrong with any.
const ATTEMPTS: usize = 3;

impl Comparison<'_> {
    /// Inspects all rows. What cannot be where it is leaves the tree with `repair`; its objects are told of again when they are
    /// compared. Totals are mended [at the end](Self::mend_totals).
    pub(super) async fn structure(&mut self) -> Result<(), End> {
        let (mut after, mut account) = (None, None);
        loop {
            self.handle.check()?;
            let page = self.mirror.inspect(after).await?;
            let mut misplaced = Vec::new();
            for Fault { id, path, wrong } in page.faults {
                let (kind, storage, found) = match wrong {
                    Wrong::Place(why) => {
                        misplaced.push(id);
                        (Kind::Structure, None, Some(why))
                    }
                    Wrong::Totals { sums, totals } => (Kind::Total, Some(shown(sums)), Some(shown(totals))),
                };
                self.findings.note(kind, path, storage, found, self.repair);
            }
            if self.repair {
                for some in misplaced.chunks(MAX_MEND) {
                    self.mirror.mend(some, &[]).await?;
                }
            }
            account = account.or(page.account);
            for (name, row) in page.containers {
                self.container_of_mirror(&name, &row).await?;
            }
            for (container, object, _) in page.directories {
                let account = self.account.name.clone();
                let path = Path {
                    account,
                    container,
                    object,
                };
                self.directory_of_mirror(&path).await?;
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.account_of_mirror(account.as_ref()).await
    }

    /// Has all totals say what lies below, after everything else is mended.
    pub(super) async fn mend_totals(&self) -> Result<(), End> {
        for _ in 0..ATTEMPTS {
            let (mut after, mut is_right) = (None, true);
            loop {
                self.handle.check()?;
                let Inspection { faults, next, .. } = self.mirror.inspect(after).await?;
                let of_totals = faults
                    .iter()
                    .filter(|fault| matches!(fault.wrong, Wrong::Totals { .. }));
                let ids: Vec<i64> = of_totals.map(|fault| fault.id).collect();
                is_right &= ids.is_empty();
                for some in ids.chunks(MAX_MEND) {
                    self.mirror.mend(&[], some).await?;
                }
                after = next;
                if after.is_none() {
                    break;
                }
            }
            if is_right {
                return Ok(());
            }
        }
        self.handle
            .note_failure(|| "totals of the mirror are still wrong; a rebuild fills it anew".to_owned());
        Ok(())
    }
}

fn shown((objects, bytes): (i64, i64)) -> String {
    format!("{objects} objects, {bytes} bytes")
}
