//! A directory with all that lies in it once more, and a move to another account, which begins so: both are jobs.

use std::sync::Arc;

use common::functional::Context;
use common::functional::fs::{CopyDirectory, Move, Moved};
use common::functional::job::Job;
use common::functional::object::Path;
use common::{Body, Error};

use super::copying::{DirectoryCopy, Ends};
use super::look::no_directory;
use crate::jobs::{Wanted, Work};
use crate::owner::Owner;

impl Owner {
    pub(crate) async fn copy_directory(
        self: &Arc<Self>,
        call: CopyDirectory,
        context: &Context,
    ) -> Result<Job, Error> {
        let copy = DirectoryCopy::new(call.source, call.destination, call.overwrite, false);
        self.begin_copy(copy, context).await
    }

    /// Moves a directory to another account.
    pub(super) async fn move_directory_between(
        self: &Arc<Self>,
        call: Move,
        context: &Context,
    ) -> Result<Moved, Error> {
        let copy = DirectoryCopy::new(call.source, call.destination, call.overwrite, true);
        let job = self.begin_copy(copy, context).await?;
        Ok(Moved::Job(Box::new(job)))
    }

    /// What can be refused at once is.
    async fn begin_copy(self: &Arc<Self>, copy: DirectoryCopy, context: &Context) -> Result<Job, Error> {
        check_names(&copy)?;
        let source = &copy.source;
        let (account, _, _) = self
            .admit(&source.account, &source.container, context, Body::empty())
            .await?;
        let ends = Ends::of(self, source, &copy.destination).await?;
        self.look_at_source(&copy, &ends, context).await?;
        self.look_at_destination(&copy, &ends, context).await?;
        self.check_lengths(&ends.from, source, &copy.destination).await?;
        let wanted = Wanted {
            source: Some(shown(source, source)),
            destination: Some(shown(&copy.destination, source)),
            work: Work::CopyDirectory(copy),
        };
        self.submit(&account, wanted, context).await
    }
}

/// `container/name`, with the account before it where that is not the job's.
pub(super) fn shown(path: &Path, of_job: &Path) -> String {
    let name = format!("{}/{}", path.container, path.object);
    match path.account == of_job.account {
        true => name,
        false => format!("{}/{name}", path.account),
    }
}

/// Whether the two names can be those of a copy at all.
fn check_names(copy: &DirectoryCopy) -> Result<(), Error> {
    let (source, destination) = (&copy.source, &copy.destination);
    if !source.object.is_directory() || !destination.object.is_directory() {
        return Err(no_directory());
    }
    let is_same_container =
        (&source.account, &source.container) == (&destination.account, &destination.container);
    let (from, to) = (source.object.as_str(), destination.object.as_str());
    match is_same_container && (to.starts_with(from) || from.starts_with(to)) {
        true => Err(Error::forbidden().with_text("Neither name of a copy may lie in the other.")),
        false => Ok(()),
    }
}
