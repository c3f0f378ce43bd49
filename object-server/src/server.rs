//! The object-server: opens what an owner is made of, and answers functional requests with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use common::constraints::Constraints;
use common::functional::{Action, Answer, Reply, Request};
use common::service::FunctionalService;
use common::{Body, Error, Outcome};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::engine::ArcEngine;
use crate::engine::posix::{self, Posix};
use crate::journal::Journal;
use crate::mirror_feed::{MirrorFeed, Sources};
use crate::owner::{Owner, Parts};
use crate::settings::Settings;
use crate::tree_listing::TreeListing;

/// Changes that wait for the mirror at the end of the process get so long; the journal keeps the others.
const DRAIN: Duration = Duration::from_secs(5);

/// A running object-server.
#[derive(Debug)]
pub struct ObjectServer {
    owner: Arc<Owner>,
    stop: watch::Sender<bool>,
    checkpoints: JoinHandle<()>,
}

impl ObjectServer {
    /// Opens the posix engine on `root`, recovers what an earlier process left, and is ready to answer. `mirror` is
    /// the account-server.
    ///
    /// # Errors
    /// When another process has the root, when it is not ours, or when the journal cannot be read.
    pub async fn open(
        settings: &Settings,
        root: &Path,
        constraints: Arc<Constraints>,
        mirror: FunctionalService,
    ) -> Result<Self, Error> {
        let failure_points = settings.failure_points()?;
        let engine_settings = posix::Settings {
            durability: settings.durability,
            failure_points,
        };
        let path = root.to_owned();
        let opened = tokio::task::spawn_blocking(move || Posix::open(&path, &engine_settings)).await;
        let engine = opened.map_err(Error::internal)??;
        let state_directory = engine.private_directory();
        Self::open_on(Arc::new(engine), settings, &state_directory, constraints, mirror).await
    }

    /// The same on any engine; journal and checkpoints lie in `state_directory`.
    ///
    /// # Errors
    /// When the journal cannot be read, or the engine fails.
    pub async fn open_on(
        engine: ArcEngine,
        settings: &Settings,
        state_directory: &Path,
        constraints: Arc<Constraints>,
        mirror: FunctionalService,
    ) -> Result<Self, Error> {
        let directory = state_directory.join("journal").join("0");
        let journal_is_new = !directory.exists();
        let journal_settings = settings.journal(settings.failure_points()?);
        let opened = tokio::task::spawn_blocking(move || Journal::open(&directory, &journal_settings)).await;
        let (journal, replay) = opened.map_err(Error::internal)??;
        let journal = Arc::new(journal);
        let sources = Sources {
            engine: Arc::clone(&engine),
            journal: Arc::clone(&journal),
        };
        let parts = Parts {
            feed: MirrorFeed::new(mirror, sources),
            tree_listing: TreeListing::new(Arc::clone(&engine), settings.listing_cache.0),
            engine,
            journal,
            settings: settings.clone(),
            constraints,
            state_directory: state_directory.to_owned(),
        };
        let owner = Owner::open(parts, replay, journal_is_new).await?;
        let (stop, stopped) = watch::channel(false);
        let checkpoints = tokio::spawn(Arc::clone(&owner).keep_checkpoints(stopped));
        Ok(Self {
            owner,
            stop,
            checkpoints,
        })
    }

    /// Answers functional requests.
    pub fn service(&self) -> FunctionalService {
        let owner = Arc::clone(&self.owner);
        FunctionalService::new(tower::service_fn(move |request| {
            answer(Arc::clone(&owner), request)
        }))
    }

    /// Brings the mirror and the counters' checkpoint up to the last change and ends. Requests must have ended before.
    ///
    /// # Errors
    /// When the counters cannot be written down; the journal then still has all.
    pub async fn close(self) -> Result<(), Error> {
        self.stop.send_replace(true);
        self.checkpoints.await.map_err(Error::internal)?;
        self.owner.feed.drain(DRAIN).await;
        self.owner.checkpoint().await?;
        self.owner.journal.close().await
    }
}

async fn answer(owner: Arc<Owner>, request: Request) -> Result<Reply, Error> {
    let Request {
        action,
        context,
        body,
    } = request;
    let context = &context;
    let answer = match action {
        Action::InfoGet(get) => Answer::InfoGet(owner.info(get).await?),
        Action::AccountHead(head) => Answer::AccountHead(owner.head_account(head, context).await?),
        Action::AccountList(list) => Answer::AccountList(owner.list_account(list, context).await?),
        Action::AccountPut(put) => Answer::AccountPut(owner.put_account(put, context).await?),
        Action::AccountPost(post) => Answer::AccountPost(owner.post_account(post, context).await?),
        Action::AccountDelete(delete) => Answer::AccountDelete(owner.delete_account(delete, context).await?),
        Action::ContainerHead(head) => Answer::ContainerHead(owner.head_container(head, context).await?),
        Action::ContainerList(list) => Answer::ContainerList(owner.list_container(list, context).await?),
        Action::ContainerPut(put) => Answer::ContainerPut(owner.put_container(put, context).await?),
        Action::ContainerPost(post) => Answer::ContainerPost(owner.post_container(post, context).await?),
        Action::ContainerDelete(delete) => {
            Answer::ContainerDelete(owner.delete_container(delete, context).await?)
        }
        Action::ObjectHead(head) => Answer::ObjectHead(owner.head_object(head, context).await?),
        Action::ObjectGet(get) => {
            let (got, body) = owner.get_object(get, context).await?;
            return Ok(Reply {
                answer: Answer::ObjectGet(got),
                body,
            });
        }
        Action::ObjectPut(put) => Answer::ObjectPut(owner.put_object(put, context, body).await?),
        Action::ObjectPost(post) => Answer::ObjectPost(owner.post_object(post, context).await?),
        Action::ObjectDelete(delete) => Answer::ObjectDelete(owner.delete_object(delete, context).await?),
        _ => return Err(Outcome::NotImplemented.into()),
    };
    Ok(Reply {
        answer,
        body: Body::empty(),
    })
}
