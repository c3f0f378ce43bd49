//! The job that copies a directory: built where nobody sees it, breadth first, and attached in one step when it is complete.
//!
//! The copy of each object is whole: the object as it was at one moment. Directories that are moved in the source meanwhile could
//! hide something from the walk, so then all begins anew. A move to another account is a copy, whose source is detached under the
//! same locks under which the copy is attached, and only when nothing at all has changed there since the copying began.
//!
//! After a restart the copying goes on with its build, as far as that is durable (`copying/mark.rs`): what lies in it is compared with
//! the source as it is now, and only what differs is copied again (`copying/resume.rs`). So what comes of it is what a copying that
//! began after the restart would have made.
//!
//! Before a build is attached that is written down with the job, durably; and a build is dropped only when nothing is written down
//! of it. So whoever takes up a job that was complete, and whose build is gone, knows that it was attached.

use std::sync::Arc;
use std::time::Duration;

use common::functional::fs::{CopyDirectory, Move};
use common::functional::object::Path;
use common::functional::{Action, Context};
use common::{Error, Outcome};
use serde::{Deserialize, Serialize};
use tokio::sync::OwnedRwLockWriteGuard;

use super::look::{self, Present};
use crate::jobs::{End, Handle, Waiting, Work};
use crate::journal::Footprint;
use crate::node::WriteId;
use crate::owner::{Account, Container, Owner, Reservation, Watch};

mod attach;
mod build;
mod mark;
mod resume;
mod source;

use attach::Attached;
use build::Copied;
pub(crate) use mark::Mark;

/// So often all begins anew when the source changes in a way that a copy must not miss.
const ATTEMPTS: usize = 3;

/// Between two attempts while the mirror is away.
const RETRY: Duration = Duration::from_secs(1);

/// So often it is tried.
const RETRIES: usize = 600;

/// So long it is waited for the mirror to have the copy before the job ends.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is copied, or moved to another account, and where to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DirectoryCopy {
    /// Its name ends in a slash.
    pub(crate) source: Path,
    /// So does this one.
    pub(crate) destination: Path,
    /// Whether what bears that name is replaced.
    pub(crate) overwrite: bool,
    /// Whether the source is removed then.
    pub(crate) moves: bool,
    /// What was built, when it is about to be attached, or was.
    #[serde(default)]
    pub(crate) complete: Option<Complete>,
    /// How far a build is durable, when one has come some way.
    #[serde(default)]
    pub(crate) mark: Option<Mark>,
}

/// A copy to which nothing is missing but its name.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Complete {
    pub(crate) build: WriteId,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// The accounts and containers of a copy.
pub(super) struct Ends {
    pub(super) from: Arc<Account>,
    pub(super) from_container: Arc<Container>,
    pub(super) to: Arc<Account>,
    pub(super) to_container: Arc<Container>,
}

/// The locks of containers, held exclusively.
type Locks = Vec<OwnedRwLockWriteGuard<()>>;

impl DirectoryCopy {
    pub(super) fn new(source: Path, destination: Path, overwrite: bool, moves: bool) -> Self {
        Self {
            source,
            destination,
            overwrite,
            moves,
            complete: None,
            mark: None,
        }
    }

    const fn action(&self) -> &'static str {
        match self.moves {
            true => "fs/move",
            false => "fs/copy_directory",
        }
    }

    /// What was asked for.
    pub(crate) fn request(&self) -> Action {
        let (source, destination) = (self.source.clone(), self.destination.clone());
        let overwrite = self.overwrite;
        match self.moves {
            true => Move {
                source,
                destination,
                overwrite,
            }
            .into(),
            false => CopyDirectory {
                source,
                destination,
                overwrite,
            }
            .into(),
        }
    }
}

impl Ends {
    /// # Errors
    /// 404 when one of them is not there; 410 when its account was deleted.
    pub(super) async fn of(owner: &Owner, source: &Path, destination: &Path) -> Result<Self, Error> {
        let from = there(owner.account(&source.account).await?)?;
        let to = there(owner.account(&destination.account).await?)?;
        Ok(Self {
            from_container: look::container(&from, &source.container)?,
            to_container: look::container(&to, &destination.container)?,
            from,
            to,
        })
    }

    /// The generations of all that guards decide by.
    fn generations(&self) -> [u64; 4] {
        let of = |account: &Account, container: &Container| {
            [
                account.attributes().generation,
                account.container_generation(&container.name),
            ]
        };
        let [from, from_container] = of(&self.from, &self.from_container);
        let [to, to_container] = of(&self.to, &self.to_container);
        [from, from_container, to, to_container]
    }
}

fn there(account: Option<Arc<Account>>) -> Result<Arc<Account>, Error> {
    let account = account.ok_or_else(Error::not_found)?;
    match account.is_deleted() {
        true => Err(Outcome::Gone.into()),
        false => Ok(account),
    }
}

impl Owner {
    /// What bears the name of the source.
    ///
    /// # Errors
    /// 404 when nothing does; 403 when something in it is switched off, or is to go and has limits that stay.
    pub(super) async fn look_at_source(
        &self,
        copy: &DirectoryCopy,
        ends: &Ends,
        context: &Context,
    ) -> Result<Present, Error> {
        let present = self.present(&copy.source).await?.ok_or_else(Error::not_found)?;
        look::check_enabled(&ends.from, &look::node(&copy.source))?;
        if copy.moves {
            look::check_limits(&ends.from, &look::node(&copy.source), context)?;
        }
        Ok(present)
    }

    /// What bears the name of the copy.
    ///
    /// # Errors
    /// 403 when something in it is switched off, or has limits that stay; 412 when it is not to be replaced.
    pub(super) async fn look_at_destination(
        &self,
        copy: &DirectoryCopy,
        ends: &Ends,
        context: &Context,
    ) -> Result<Option<Present>, Error> {
        look::check_enabled(&ends.to, &look::node(&copy.destination))?;
        look::check_limits(&ends.to, &look::node(&copy.destination), context)?;
        let present = self.present(&copy.destination).await?;
        match present.is_some() && !copy.overwrite {
            true => Err(Error::precondition_failed("Something has the new name already.")),
            false => Ok(present),
        }
    }
}

/// Copies a directory, as a job.
pub(crate) async fn run(
    owner: &Arc<Owner>,
    copy: DirectoryCopy,
    context: &Context,
    handle: &Handle,
) -> Result<(), End> {
    let mut copying = Copying {
        owner,
        copy,
        context: context.clone(),
        handle,
    };
    if let Some(complete) = copying.copy.complete {
        return copying.was_attached(complete).await;
    }
    copying.context = owner.ask_first(handle).await?;
    for _ in 0..ATTEMPTS {
        if copying.attempt().await? {
            return Ok(());
        }
        handle.begin_anew();
    }
    Err(
        Error::conflict("The source was changed again and again while it was copied; nothing was done.")
            .into(),
    )
}

/// A copy under way.
struct Copying<'a> {
    owner: &'a Arc<Owner>,
    copy: DirectoryCopy,
    /// In which it was last let through.
    context: Context,
    handle: &'a Handle,
}

/// A copy that is about to be attached.
struct Build<'a> {
    id: WriteId,
    ends: &'a Ends,
    watch: Watch,
    reservation: Arc<Reservation>,
    copied: Copied,
    /// What an earlier process had come to.
    resumed: Option<Mark>,
}

impl Copying<'_> {
    /// `false`: the source changed in a way that the copy may have missed.
    async fn attempt(&mut self) -> Result<bool, End> {
        let (owner, handle) = (self.owner, self.handle);
        let (source, destination) = (&self.copy.source, &self.copy.destination);
        let ends = owner
            .insist(handle, || Ends::of(owner, source, destination))
            .await?;
        owner.look_at_source(&self.copy, &ends, &self.context).await?;
        let id = match &self.copy.mark {
            Some(mark) => mark.build,
            None => WriteId::random()?,
        };
        owner.insist(handle, || owner.engine.build(id)).await?;
        let attached = self.build_and_attach(id, &ends).await;
        match attached {
            Ok(Attached::Done(locks)) => self.end(&ends, locks).await.map(|()| true),
            // The next start goes on with it, or finds out what became of it.
            Err(End::Stopped) if self.copy.mark.is_some() || self.copy.complete.is_some() => {
                Err(End::Stopped)
            }
            other => {
                self.give_up(id).await?;
                other.map(|_| false)
            }
        }
    }

    async fn build_and_attach(&mut self, id: WriteId, ends: &Ends) -> Result<Attached, End> {
        let replaced = self
            .owner
            .look_at_destination(&self.copy, ends, &self.context)
            .await?;
        let replaced = self.expect(ends, replaced).await;
        let to = look::node(&self.copy.destination);
        let mut build = Build {
            id,
            ends,
            watch: ends.from.watch(look::node(&self.copy.source)),
            reservation: Reservation::of_build(&ends.to, &ends.to_container, to),
            copied: Copied::nothing(),
            resumed: self.copy.mark.clone(),
        };
        ends.from_container.renames().await;
        self.copy_all(&mut build, replaced).await?;
        // What was moved before this moment is known by now.
        ends.from_container.renames().await;
        if build.watch.saw_operations() || self.copy.moves && build.watch.saw_changes() {
            return Ok(Attached::SourceChanged);
        }
        self.attach_when_possible(&build).await
    }

    /// Attaches it as soon as the mirror and the lease let that be done.
    async fn attach_when_possible(&mut self, build: &Build<'_>) -> Result<Attached, End> {
        let mut waiting = Waiting::new(self.owner, self.handle);
        for _ in 0..RETRIES {
            self.handle.check()?;
            self.sync(build).await?;
            let end = match self.attach(build).await {
                Ok(attached) => return Ok(attached),
                Err(end) => end,
            };
            match waiting.after(end).await {
                Ok(()) => {}
                Err(End::Failed(error)) if is_temporary(&error) => {
                    tracing::debug!(%error, "a copy cannot be attached yet");
                    self.handle.unless_ended(tokio::time::sleep(RETRY)).await?;
                }
                Err(end) => return Err(end),
            }
        }
        Err(Error::unavailable("the mirror was away for too long", None).into())
    }

    /// Says how much there is to do, as far as the mirror knows, and answers how much is replaced.
    async fn expect(&self, ends: &Ends, replaced: Option<Present>) -> Footprint {
        let total = self.owner.totals(&ends.from, &self.copy.source, &self.context);
        if let Ok(total) = total.await {
            self.handle.expect(total.objects);
        }
        match replaced.map(|replaced| replaced.footprint()) {
            None => Footprint::default(),
            Some(Some(known)) => known,
            Some(None) => {
                let totals = self.owner.totals(&ends.to, &self.copy.destination, &self.context);
                totals.await.unwrap_or_default()
            }
        }
    }

    /// Removes the source of a move, and has the mirror come up to date.
    async fn end(&self, ends: &Ends, locks: Option<Locks>) -> Result<(), End> {
        match self.copy.moves {
            true => self.remove_source(ends, locks).await?,
            false => drop(locks),
        }
        self.owner.reaper.wake();
        let (account_id, seq) = (ends.to.account_id, ends.to.last_seq());
        self.owner.feed.reached(account_id, seq, PATIENCE).await;
        Ok(())
    }

    /// An earlier process attached it, and did not come to tell.
    async fn was_attached(&self, complete: Complete) -> Result<(), End> {
        self.handle.expect(complete.objects);
        self.handle.advance(complete.objects, complete.bytes);
        if !self.copy.moves {
            return Ok(());
        }
        let (source, destination) = (&self.copy.source, &self.copy.destination);
        let ends = Waiting::decided(self.owner, self.handle)
            .insist(|| Ends::of(self.owner, source, destination))
            .await?;
        self.end(&ends, None).await
    }

    /// Makes durable what was built.
    async fn sync(&self, build: &Build<'_>) -> Result<(), End> {
        let owner = self.owner;
        owner
            .insist(self.handle, || owner.engine.sync_build(build.id))
            .await
    }

    /// How far it is: to be written down with the job.
    fn note(&mut self, mark: Option<Mark>, complete: Option<Complete>) {
        (self.copy.mark, self.copy.complete) = (mark, complete);
        self.handle.set_work(Work::CopyDirectory(self.copy.clone()));
    }

    async fn give_up(&mut self, build: WriteId) -> Result<(), End> {
        let (owner, handle) = (self.owner, self.handle);
        if self.copy.mark.is_some() || self.copy.complete.is_some() {
            self.note(None, None);
            Waiting::decided(owner, handle)
                .insist(|| owner.keep_job(handle))
                .await?;
        }
        Waiting::decided(owner, handle)
            .insist(|| owner.engine.drop_build(build))
            .await?;
        owner.reaper.wake();
        Ok(())
    }
}

/// Whether another attempt may help.
fn is_temporary(error: &Error) -> bool {
    matches!(error.outcome(), Outcome::Unavailable(_))
}
