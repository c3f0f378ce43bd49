//! Jobs under way while their server cannot renew the lease of its storage.

use std::path::Path as FilePath;

use common::functional::check::{Adopt, Kind, Run};
use common::functional::job::{Cancel, Job, Show, State};
use common::functional::object::Path;
use common::functional::{Authority, Call, Caller, Context, Identity, account, ask, container, fs, object};
use common::name::{AccountName, ContainerName};
use common::service::FunctionalService;
use common::{Body, Clock, Properties};
use tempfile::TempDir;

use super::host::{Host, Running, give_locks_away, path, storage, until};
use super::*;
use crate::failure_point::Failure;
use crate::{Neighbours, let_through};

#[expect(dead_code, reason = "those who test the owner use all of it")]
#[path = "../../../tests/owner/mirror.rs"]
mod mirror;

use mirror::Mirror;

/// Where a copy is in its midst.
const COPYING: &str = "build:before_place";

/// What the guards say to everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Yes,
    No,
}

/// A storage with two objects in a directory, another account beside it, and who serves them.
struct World {
    host: Host,
    mirror: Mirror,
    word: Arc<Mutex<Word>>,
    root: TempDir,
    running: Running,
}

fn guards(word: &Arc<Mutex<Word>>) -> FunctionalService {
    let word = Arc::clone(word);
    FunctionalService::from_fn(move |question| {
        Box::pin(std::future::ready(match *word.lock() {
            Word::Nothing => Err(Error::unavailable("away", None)),
            Word::Yes => let_through(&question.context),
            Word::No => Err(Error::forbidden()),
        }))
    })
}

/// In the other account.
fn elsewhere(name: &str) -> Path {
    Path::new("AUTH_other", "k", name).unwrap()
}

/// Of an administrator, who hears of all jobs.
fn context() -> Context {
    static CLOCK: Clock = Clock::new();
    let identity = Identity {
        user_id: 1,
        name: "admin:admin".into(),
        groups: vec![".reseller_admin".into()],
        service_user_id: None,
    };
    Context {
        authority: Authority::Caller(Caller::User(Arc::new(identity))),
        ..Context::internal("test", CLOCK.next())
    }
}

impl World {
    async fn new() -> Self {
        let (mirror, word) = (Mirror::default(), Arc::new(Mutex::new(Word::Yes)));
        let mut host = Host::new("one");
        host.neighbours = Neighbours {
            account_server: mirror.service(),
            guards: guards(&word),
        };
        let (root, running) = storage(&host).await;
        running.put("d/a", "1").await.unwrap();
        running.put("d/e/b", "22").await.unwrap();
        let Path {
            account, container, ..
        } = elsewhere("any");
        let put = container::Put {
            account,
            container,
            storage_policy: None,
            properties: Properties::new(),
        };
        running.ask_as(put).await.unwrap();
        Self {
            host,
            mirror,
            word,
            root,
            running,
        }
    }

    /// A job that has come to this place for the `time`th time when the lease runs out; it waits.
    async fn late_at<F: Future<Output = Job>>(&self, point: &str, time: u64, begin: F) -> Job {
        let points = &self.host.points;
        let before = points.hits(point);
        points.arm_later(point, Failure::Wait, time - 1, u64::MAX);
        let job = begin.await;
        points.reached(point, before + time).await;
        self.let_run_out().await;
        points.disarm(point);
        self.waits(&job).await;
        job
    }

    /// The same of one that goes on only when the guards say something.
    async fn late_from_its_beginning<F: Future<Output = Job>>(&self, begin: F) -> Job {
        *self.word.lock() = Word::Nothing;
        let job = begin.await;
        self.let_run_out().await;
        *self.word.lock() = Word::Yes;
        self.waits(&job).await;
        job
    }

    async fn let_run_out(&self) {
        self.host.freeze().await;
        self.host.pass(6);
        assert_eq!(self.running.lease.check(), Err(NotHeld::Late));
    }

    async fn waits(&self, job: &Job) {
        until(|| async {
            let shown = self.running.show(job).await;
            assert!(!shown.state.has_ended(), "{shown:?}");
            self.running.lease.0.told.receiver_count() > 0
        })
        .await;
    }

    /// Nothing that was built, or is to be reaped.
    async fn nothing_is_left(&self) {
        for private in ["build", "trash"] {
            let directory = self.root.path().join(".stobj").join(private);
            until(|| async { std::fs::read_dir(&directory).unwrap().next().is_none() }).await;
        }
    }
}

impl Running {
    async fn ask_as<C: Call>(&self, call: C) -> Result<C::Answer, Error> {
        Ok(ask(&self.service, call, context(), Body::empty()).await?.0)
    }

    async fn copy(&self) -> Job {
        let call = fs::CopyDirectory {
            source: path("d/"),
            destination: path("n/"),
            overwrite: true,
        };
        self.ask_as(call).await.unwrap()
    }

    async fn move_elsewhere(&self, from: &str, to: &str) -> Job {
        let call = fs::Move {
            source: path(from),
            destination: elsewhere(to),
            overwrite: true,
        };
        match self.ask_as(call).await.unwrap() {
            fs::Moved::Job(job) => *job,
            fs::Moved::Done { .. } => panic!("a move to another account is a job"),
        }
    }

    async fn show(&self, job: &Job) -> Job {
        let show = Show {
            account: job.account.clone(),
            id: job.id.clone(),
        };
        self.ask_as(show).await.unwrap()
    }

    async fn ended(&self, job: &Job) -> Job {
        until(|| async { self.show(job).await.state.has_ended() }).await;
        self.show(job).await
    }

    async fn is_there(&self, path: Path) -> bool {
        let head = object::Head {
            path,
            conditions: Default::default(),
            open_expired: false,
        };
        match self.ask_as(head).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.status(), 404, "{error:?}");
                false
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_goes_on_to_another_account_when_the_lease_is_renewed() {
    // Before and behind each of the steps after which it cannot be taken back.
    for (point, time, done) in [
        (COPYING, 2, 1),
        ("rename:before", 1, 2),
        ("rename:before_prune", 1, 2),
        ("detach:before", 1, 2),
        ("detach:after", 1, 2),
    ] {
        let world = World::new().await;
        let running = &world.running;
        let job = world
            .late_at(point, time, running.move_elsewhere("d/", "n/"))
            .await;
        let shown = running.show(&job).await;
        let expected = (State::Running, done, Some(2), 0);
        assert_eq!(
            (shown.state, shown.done, shown.total, shown.errors),
            expected,
            "{point}"
        );
        world.host.thaw();
        let ended = running.ended(&job).await;
        assert_eq!(
            (ended.state, ended.done, ended.errors),
            (State::Done, 2, 0),
            "{point}: {ended:?}"
        );
        for (from, to) in [("d/a", "n/a"), ("d/e/b", "n/e/b")] {
            assert!(!running.is_there(path(from)).await, "{point}: {from}");
            assert!(running.is_there(elsewhere(to)).await, "{point}: {to}");
        }
        world.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_goes_on_to_another_account_when_the_lease_is_renewed() {
    for point in ["publish:before_lock", "remove:before_unlink"] {
        let world = World::new().await;
        let running = &world.running;
        let job = world
            .late_at(point, 1, running.move_elsewhere("old", "new"))
            .await;
        world.host.thaw();
        let ended = running.ended(&job).await;
        assert_eq!((ended.state, ended.done), (State::Done, 1), "{point}: {ended:?}");
        assert!(!running.is_there(path("old")).await, "{point}");
        assert!(running.is_there(elsewhere("new")).await, "{point}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cancelled_while_it_waits_does_not_go_on() {
    let world = World::new().await;
    let running = &world.running;
    let job = world.late_at(COPYING, 2, running.copy()).await;
    let cancel = Cancel {
        account: job.account.clone(),
        id: job.id.clone(),
    };
    // It cannot be written down yet, and so it is not said either.
    assert_eq!(running.ask_as(cancel).await.unwrap().state, State::Running);
    let copied = world.host.points.hits(COPYING);
    world.host.thaw();
    let ended = running.ended(&job).await;
    assert_eq!((ended.state, ended.done), (State::Cancelled, 1), "{ended:?}");
    assert_eq!(world.host.points.hits(COPYING), copied);
    assert!(!running.is_there(path("n/a")).await);
    world.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_any_more_has_nothing_done_when_the_lease_is_renewed() {
    let world = World::new().await;
    let running = &world.running;
    let job = world.late_at(COPYING, 2, running.copy()).await;
    *world.word.lock() = Word::No;
    let copied = world.host.points.hits(COPYING);
    world.host.thaw();
    let ended = running.ended(&job).await;
    assert_eq!(ended.state, State::Failed);
    assert_eq!(
        ended.error.as_deref(),
        Some("Who asked for it may not do it any more (403).")
    );
    assert_eq!(world.host.points.hits(COPYING), copied);
    assert!(!running.is_there(path("n/a")).await);
    world.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_goes_on_when_the_lease_is_renewed() {
    let world = World::new().await;
    let running = &world.running;
    let run = Run {
        account: path("any").account,
        deep: false,
        repair: true,
        examples: None,
    };
    let check = async { running.ask_as(run.clone()).await.unwrap() };
    until(|| async { world.mirror.objects().len() == 3 }).await;
    world
        .mirror
        .meddle("c", |rows| rows.retain(|name, _| name.as_str() != "old"));
    let job = world.late_from_its_beginning(check).await;
    world.host.thaw();
    let ended = running.ended(&job).await;
    assert_eq!((ended.state, ended.errors), (State::Done, 0), "{ended:?}");
    let kinds = ended.report.unwrap().kinds;
    let found: Vec<_> = kinds.iter().map(|of| (of.kind, of.count, of.repaired)).collect();
    assert_eq!(found, [(Kind::NotInMirror, 1, 1)]);
    assert_eq!(world.mirror.objects().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_taken_in_when_the_lease_is_renewed() {
    let world = World::new().await;
    let running = &world.running;
    let Path {
        account, container, ..
    } = path("any");
    for name in ["f", "g"] {
        std::fs::write(world.root.path().join("AUTH_test/c").join(name), "foreign").unwrap();
    }
    let adopt = Adopt {
        account: account.clone(),
        container: container.clone(),
        directory: None,
    };
    let adopting = async { running.ask_as(adopt).await.unwrap() };
    let job = world.late_from_its_beginning(adopting).await;
    world.host.thaw();
    let ended = running.ended(&job).await;
    assert_eq!((ended.state, ended.errors), (State::Done, 0), "{ended:?}");
    assert_eq!(objects(running, account, container).await, 5);
}

async fn objects(running: &Running, account: AccountName, container: ContainerName) -> u64 {
    let head = container::Head { account, container };
    running.ask_as(head).await.unwrap().objects
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_removed_when_the_lease_is_renewed() {
    const DETACHING: &str = "account:before_detach";
    let world = World::new().await;
    let (running, points) = (&world.running, &world.host.points);
    points.arm(DETACHING, Failure::Wait);
    let account = path("any").account;
    let delete = account::Delete {
        account: account.clone(),
    };
    running.ask_as(delete).await.unwrap();
    points.reached(DETACHING, 1).await;
    world.let_run_out().await;
    points.disarm(DETACHING);
    until(|| async { running.lease.0.told.receiver_count() > 0 }).await;
    world.host.thaw();
    until(|| async {
        let head = account::Head {
            account: account.clone(),
        };
        match running.ask_as(head).await {
            // Of that name there is nothing.
            Ok(info) => info.containers == 0,
            Err(error) => {
                assert_eq!(error.status(), 410, "{error:?}");
                false
            }
        }
    })
    .await;
    world.nothing_is_left().await;
}

/// Who took over, when the lease of the other one had run out.
async fn follower(world: &World, root: &FilePath) -> Running {
    let mut other = Host::new("other");
    other.neighbours = world.host.neighbours.clone();
    give_locks_away(root);
    assert!(other.engine(root).is_err());
    other.pass(11);
    other.start(root).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_goes_on_with_a_job_that_waited() {
    let world = World::new().await;
    let running = &world.running;
    let job = world.late_at(COPYING, 2, running.copy()).await;
    *world.word.lock() = Word::Nothing;
    let follower = follower(&world, world.root.path()).await;
    let shown = follower.show(&job).await;
    assert!(!shown.state.has_ended(), "{shown:?}");
    world.host.thaw();
    running.lease.lost().await;
    // Nobody waits any more, and who lost the storage has nothing to write of it.
    until(|| async { running.lease.0.told.receiver_count() == 0 }).await;
    world.running.server.abandon().await;
    let shown = follower.show(&job).await;
    assert!(!shown.state.has_ended(), "{shown:?}");
    *world.word.lock() = Word::Yes;
    let ended = follower.ended(&job).await;
    assert_eq!(
        (ended.state, ended.done, ended.errors),
        (State::Done, 2, 0),
        "{ended:?}"
    );
    assert!(follower.is_there(path("n/a")).await);
    assert!(follower.is_there(path("n/e/b")).await);
}
