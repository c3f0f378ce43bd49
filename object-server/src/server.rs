//! The object-server: opens what an owner is made of, and answers functional requests with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::constraints::Constraints;
use common::functional::{Action, Answer, Context, Reply, Request};
use common::service::{BoxFuture, FunctionalService};
use common::{Error, Outcome};
use futures::TryFutureExt as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::posix::{self, Posix, Watched};
use crate::engine::{ArcEngine, EngineError};
use crate::journal::Journal;
use crate::lease::Lease;
use crate::mirror_feed::{MirrorFeed, Sources};
use crate::owner::{Owner, Parts};
use crate::record_feed::RecordFeed;
use crate::remembered::Remembered;
use crate::settings::{Create, Settings};
use crate::tree::request_number;
use crate::tree_listing::TreeListing;

/// Changes that wait for the mirror at the end of the process get so long; the journal keeps the others.
const DRAIN: Duration = Duration::from_secs(5);

/// Between two looks whether the storage is leased from another machine.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A storage that was taken.
#[derive(Debug, Default)]
struct Held {
    lease: Lease,
    /// Whether another machine had it, and had not given it back.
    is_takeover: bool,
}

/// A running object-server.
#[derive(Debug)]
pub struct ObjectServer {
    owner: Arc<Owner>,
    stop: watch::Sender<bool>,
    checkpoints: JoinHandle<()>,
    records: JoinHandle<()>,
    reaper: JoinHandle<()>,
    /// What looks after the data.
    background: Vec<JoinHandle<()>>,
}

/// Whom an object-server asks.
#[derive(Clone, Debug)]
pub struct Neighbours {
    /// Has the mirror, and takes records.
    pub account_server: FunctionalService,
    /// The guards before this very server: its jobs ask them whether who asked for them still may. What they let through is
    /// answered by [`ObjectServer::service`].
    pub guards: FunctionalService,
}

impl ObjectServer {
    /// Opens the posix engine on `root`, recovers what an earlier process left, and is ready to answer. Where the storage may be served from another machine, it is waited for until that is over.
    ///
    /// # Errors
    /// When another process has the root, when it is not ours, or when the journal cannot be read.
    pub async fn open(
        settings: &Settings,
        root: &Path,
        constraints: Arc<Constraints>,
        neighbours: Neighbours,
    ) -> Result<Self, Error> {
        let watched = Watched::default();
        let engine = loop {
            match Self::engine(settings, root, false, &watched).await {
                Err(EngineError::Leased(_)) => tokio::time::sleep(LOOK_AGAIN).await,
                engine => break engine?,
            }
        };
        Self::open_posix(engine, settings, constraints, neighbours).await
    }

    /// Takes the storage at `root`, and remembers which one it is; where there is none it is made, or `must_exist`. Whoever
    /// tries again says what he has `watched` so far.
    pub(crate) async fn engine(
        settings: &Settings,
        root: &Path,
        must_exist: bool,
        watched: &Watched,
    ) -> Result<Posix, EngineError> {
        let failure_points = settings.failure_points()?;
        let (root, durability, create) = (root.to_owned(), settings.durability, settings.create);
        let (lease, watched) = (settings.lease(), watched.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let remembered = Remembered::of(&root);
            let known = remembered.read()?;
            let expected = known.clone().filter(|_| create != Create::Always);
            let expected = expected.map(|identity| posix::Expected {
                identity,
                remembered_in: remembered.path().to_owned(),
            });
            let engine = Posix::open(
                &root,
                &posix::Settings {
                    durability,
                    failure_points,
                    must_exist: must_exist || create == Create::Never,
                    expected,
                    lease,
                    watched,
                    ..posix::Settings::default()
                },
            )?;
            if known.as_ref() != Some(&engine.root_identity()) {
                remembered.write(&engine.root_identity())?;
            }
            Ok(engine)
        });
        opened.await.map_err(Error::internal)?
    }

    /// The server of a storage that was taken.
    pub(crate) async fn open_posix(
        engine: Posix,
        settings: &Settings,
        constraints: Arc<Constraints>,
        neighbours: Neighbours,
    ) -> Result<Self, Error> {
        let state_directory = engine.private_directory();
        let held = Held {
            lease: engine.lease(),
            is_takeover: engine.is_takeover(),
        };
        let engine = Arc::new(engine);
        Self::open_held(engine, held, settings, &state_directory, constraints, neighbours).await
    }

    /// The same on any engine, whose storage nobody else can have; journal and checkpoints lie in `state_directory`.
    ///
    /// # Errors
    /// When the journal cannot be read, or the engine fails.
    pub async fn open_on(
        engine: ArcEngine,
        settings: &Settings,
        state_directory: &Path,
        constraints: Arc<Constraints>,
        neighbours: Neighbours,
    ) -> Result<Self, Error> {
        let held = Held::default();
        Self::open_held(engine, held, settings, state_directory, constraints, neighbours).await
    }

    async fn open_held(
        engine: ArcEngine,
        held: Held,
        settings: &Settings,
        state_directory: &Path,
        constraints: Arc<Constraints>,
        neighbours: Neighbours,
    ) -> Result<Self, Error> {
        let lease = held.lease;
        let directory = state_directory.join("journal").join("0");
        let journal_is_new = !directory.exists();
        let journal_settings = settings.journal(settings.failure_points()?, lease.clone());
        let opened = tokio::task::spawn_blocking(move || Journal::open(&directory, &journal_settings)).await;
        let (journal, replay) = opened.map_err(Error::internal)??;
        let journal = Arc::new(journal);
        let Neighbours {
            account_server,
            guards,
        } = neighbours;
        let records = Arc::new(RecordFeed::new(Arc::clone(&journal), account_server.clone()));
        let sources = Sources {
            engine: Arc::clone(&engine),
            lease: lease.clone(),
            journal: Arc::clone(&journal),
            records: Arc::clone(&records),
        };
        let parts = Parts {
            feed: MirrorFeed::new(account_server, sources),
            records,
            tree_listing: TreeListing::new(Arc::clone(&engine), settings.listing_cache.0),
            engine,
            lease,
            journal,
            settings: settings.clone(),
            constraints,
            guards,
            state_directory: state_directory.to_owned(),
            takes_over: settings.standby || held.is_takeover,
        };
        let owner = Owner::open(parts, replay, journal_is_new).await?;
        owner.resume_jobs().await?;
        let (stop, stopped) = watch::channel(false);
        let records = tokio::spawn(Arc::clone(&owner).feed_records(stopped.clone()));
        let checkpoints = tokio::spawn(Arc::clone(&owner).keep_checkpoints(stopped.clone()));
        let background = vec![
            tokio::spawn(Arc::clone(&owner).keep_adopting(stopped.clone())),
            tokio::spawn(Arc::clone(&owner).keep_scrubbing(stopped.clone())),
        ];
        let reaper = tokio::spawn(Arc::clone(&owner).reap(stopped));
        Ok(Self {
            owner,
            stop,
            checkpoints,
            records,
            reaper,
            background,
        })
    }

    /// Answers functional requests. When another server has taken the storage over it says so.
    pub fn service(&self) -> FunctionalService {
        let owner = Arc::clone(&self.owner);
        FunctionalService::from_fn(move |request| {
            let owner = Arc::clone(&owner);
            if owner.lease.is_lost() {
                return Box::pin(std::future::ready(Err(Outcome::NotOwner.into())));
            }
            let is_change = !request.action.is_read() && !request.context.is_question;
            match is_change.then(|| owner.journal.pause()).flatten() {
                None => answer(owner, request),
                // Before anything is held that others wait for.
                Some(pause) => Box::pin(async move {
                    tokio::time::sleep(pause).await;
                    answer(owner, request).await
                }),
            }
        })
    }

    /// Waits until another server has taken the storage over.
    pub(crate) async fn lost(&self) {
        self.owner.lease.lost().await;
    }

    /// Ends when another server has taken the storage over: nothing is written down or told any more.
    pub(crate) async fn abandon(self) {
        self.stop.send_replace(true);
        self.owner.jobs.close().await;
        for task in self
            .background
            .iter()
            .chain([&self.checkpoints, &self.reaper, &self.records])
        {
            task.abort();
        }
    }

    /// Brings the mirror and the counters' checkpoint up to the last change and ends. Requests must have ended before.
    ///
    /// # Errors
    /// When the counters cannot be written down; the journal then still has all.
    pub async fn close(self) -> Result<(), Error> {
        if self.owner.lease.is_lost() {
            self.abandon().await;
            return Ok(());
        }
        self.stop.send_replace(true);
        self.owner.jobs.close().await;
        for task in self.background {
            task.await.map_err(Error::internal)?;
        }
        self.checkpoints.await.map_err(Error::internal)?;
        self.reaper.await.map_err(Error::internal)?;
        self.owner.feed.drain(DRAIN).await;
        self.owner.records.drain(DRAIN).await;
        self.records.abort();
        self.owner.checkpoint().await?;
        self.owner.journal.close().await?;
        self.owner.lease.give_back().await;
        Ok(())
    }
}

/// A future for each action: none is as large as the largest, and most requests are GETs.
fn answer(owner: Arc<Owner>, request: Request) -> BoxFuture<Reply, Error> {
    use Action as A;
    let Request {
        action,
        context: at,
        body,
    } = request;
    // What the guards must know to decide over a question is none itself.
    if at.is_question && !matches!(action, A::InfoGet(_) | A::AccountHead(_)) {
        return Box::pin(async move { owner.let_through(&action, at).await });
    }
    match action {
        A::InfoGet(get) => reply(async move { owner.info(get).await.map(Answer::InfoGet) }),
        A::AccountHead(head) => {
            reply(async move { owner.head_account(head, &at).await.map(Answer::AccountHead) })
        }
        A::AccountList(list) => {
            reply(async move { owner.list_account(list, &at).await.map(Answer::AccountList) })
        }
        A::AccountPut(put) => reply(async move { owner.put_account(put, &at).await.map(Answer::AccountPut) }),
        A::AccountPost(post) => {
            reply(async move { owner.post_account(post, &at).await.map(Answer::AccountPost) })
        }
        A::AccountDelete(delete) => {
            reply(async move { owner.delete_account(delete, &at).await.map(Answer::AccountDelete) })
        }
        A::FirewallState(set) => {
            reply(async move { owner.set_state(set, &at).await.map(Answer::FirewallState) })
        }
        A::ContainerHead(head) => {
            reply(async move { owner.head_container(head, &at).await.map(Answer::ContainerHead) })
        }
        A::ContainerList(list) => {
            reply(async move { owner.list_container(list, &at).await.map(Answer::ContainerList) })
        }
        A::ContainerPut(put) => {
            reply(async move { owner.put_container(put, &at).await.map(Answer::ContainerPut) })
        }
        A::ContainerPost(post) => {
            reply(async move { owner.post_container(post, &at).await.map(Answer::ContainerPost) })
        }
        A::ContainerDelete(delete) => reply(async move {
            owner
                .delete_container(delete, &at)
                .await
                .map(Answer::ContainerDelete)
        }),
        A::ObjectHead(head) => {
            reply(async move { owner.head_object(head, &at).await.map(Answer::ObjectHead) })
        }
        A::ObjectGet(get) => Box::pin(async move {
            let (got, body) = owner.get_object(get, &at).await?;
            let answer = Answer::ObjectGet(got);
            Ok(Reply { answer, body })
        }),
        A::ObjectPut(put) => {
            reply(async move { owner.put_object(put, &at, body).await.map(Answer::ObjectPut) })
        }
        A::ObjectPost(post) => {
            reply(async move { owner.post_object(post, &at).await.map(Answer::ObjectPost) })
        }
        A::ObjectDelete(delete) => {
            reply(async move { owner.delete_object(delete, &at).await.map(Answer::ObjectDelete) })
        }
        action => answer_job(owner, action, at),
    }
}

/// The same of jobs and what begins them.
fn answer_job(owner: Arc<Owner>, action: Action, at: Context) -> BoxFuture<Reply, Error> {
    use Action as A;
    match action {
        A::JobShow(show) => reply(async move { owner.show_job(show, &at).await.map(Answer::JobShow) }),
        A::JobList(list) => reply(async move { owner.list_jobs(list, &at).await.map(Answer::JobList) }),
        A::JobCancel(cancel) => {
            reply(async move { owner.cancel_job(cancel, &at).await.map(Answer::JobCancel) })
        }
        A::CheckRun(run) => reply(async move { owner.run_check(run, &at).await.map(Answer::CheckRun) }),
        A::CheckRebuild(rebuild) => {
            reply(async move { owner.run_rebuild(rebuild, &at).await.map(Answer::CheckRebuild) })
        }
        A::CheckAdopt(adopt) => {
            reply(async move { owner.run_adopt(adopt, &at).await.map(Answer::CheckAdopt) })
        }
        A::CheckAccounts(page) => {
            reply(async move { owner.check_accounts(page).await.map(Answer::CheckAccounts) })
        }
        A::QuotaSet(set) => reply(async move { owner.set_quota(set, &at).await.map(Answer::QuotaSet) }),
        A::QuotaShow(show) => reply(async move { owner.show_quota(show, &at).await.map(Answer::QuotaShow) }),
        A::QuotaList(list) => reply(async move { owner.list_quotas(list).await.map(Answer::QuotaList) }),
        action => answer_tree(owner, action, at),
    }
}

/// The same of what concerns the tree.
fn answer_tree(owner: Arc<Owner>, action: Action, at: Context) -> BoxFuture<Reply, Error> {
    use Action as A;
    match action {
        A::FsMakeDirectory(call) => once(owner, call.clone().into(), at, move |owner, at| async move {
            owner.make_directory(call, &at).await.map(Answer::FsMakeDirectory)
        }),
        A::FsMove(call) => once(owner, call.clone().into(), at, move |owner, at| async move {
            owner.move_node(call, &at).await.map(Answer::FsMove)
        }),
        A::FsCopyDirectory(call) => once(owner, call.clone().into(), at, move |owner, at| async move {
            owner.copy_directory(call, &at).await.map(Answer::FsCopyDirectory)
        }),
        A::FsRemoveDirectory(call) => once(owner, call.clone().into(), at, move |owner, at| async move {
            owner
                .remove_directory(call, &at)
                .await
                .map(Answer::FsRemoveDirectory)
        }),
        A::FsTree(tree) => reply(async move { owner.tree(tree, &at).await.map(Answer::FsTree) }),
        _ => Box::pin(std::future::ready(Err(Outcome::NotImplemented.into()))),
    }
}

/// Answers what must not be done twice for one transaction.
fn once<F: Future<Output = Result<Answer, Error>> + Send>(
    owner: Arc<Owner>,
    action: Action,
    at: Context,
    work: impl FnOnce(Arc<Owner>, Context) -> F + Send + 'static,
) -> BoxFuture<Reply, Error> {
    reply(async move {
        let at = Context {
            request: Some(request_number(&action)?),
            ..at
        };
        let begun = owner.journal.position();
        let work = work(Arc::clone(&owner), at.clone());
        owner.repeats.once(&at, begun, work).await
    })
}

fn reply(answer: impl Future<Output = Result<Answer, Error>> + Send + 'static) -> BoxFuture<Reply, Error> {
    Box::pin(answer.map_ok(Reply::new))
}
