//! Two servers on machines that do not know of each other: the lock of one is given to the other, as a network file system
//! does with that of a machine it has lost sight of.

use common::functional::object::Path;
use common::functional::{Context, ask, container, fs, object};
use common::name::ObjectName;
use common::{Body, Clock, Properties};

use super::host::{Host, RENEWAL, Running, give_locks_away, leases, path, storage, until};
use super::*;
use crate::engine::EngineError;
use crate::failure_point::Failure;

impl Running {
    /// One change of every kind; what each is answered.
    async fn change_all(&self) -> Vec<Error> {
        let (path, to) = (path("old"), path("moved"));
        let post = object::Post {
            path: path.clone(),
            content_type: None,
            delete_at: None,
            properties: Properties::new(),
            open_expired: false,
        };
        let delete = object::Delete {
            path: path.clone(),
            if_delete_at: None,
        };
        let moved = fs::Move {
            source: path.clone(),
            destination: to,
            overwrite: true,
        };
        let make = fs::MakeDirectory {
            path: Path {
                object: ObjectName::new("new/").unwrap(),
                ..path.clone()
            },
            create_parents: true,
        };
        let remove = container::Delete {
            account: path.account.clone(),
            container: path.container.clone(),
        };
        let answers = [
            self.put("new", "data").await,
            self.ask(post, "").await.map(drop),
            self.ask(delete, "").await.map(drop),
            self.ask(moved, "").await.map(drop),
            self.ask(make, "").await.map(drop),
            self.ask(remove, "").await.map(drop),
        ];
        let refused = answers.into_iter().filter_map(Result::err);
        // Of the container it is said that it is not empty; as it is.
        refused.filter(|error| error.status() != 409).collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_cannot_renew_changes_nothing_until_he_can() {
    let host = Host::new("one");
    let (_root, running) = storage(&host).await;
    host.points
        .arm(RENEWAL, Failure::Error(io::ErrorKind::ReadOnlyFilesystem));
    host.renewed().await;
    host.pass(4);
    running.put("still", "in time").await.unwrap();
    host.pass(2);
    let refused = running.change_all().await;
    assert_eq!(refused.len(), 5);
    for error in refused {
        assert!(
            matches!(error.outcome(), Outcome::Unavailable(Some(_))),
            "{error:?}"
        );
    }
    assert_eq!(running.get("old").await.unwrap(), "old");
    host.thaw();
    until(|| async { running.put("new", "again").await.is_ok() }).await;
    assert_eq!(running.get("old").await.unwrap(), "old");
    assert_eq!(running.get("still").await.unwrap(), "in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_over_waits_until_a_lease_was_not_renewed_for_ten_seconds() {
    let (one, other) = (Host::new("one"), Host::new("other"));
    let (root, owner) = storage(&one).await;
    let root = root.path();
    assert!(matches!(other.engine(root), Err(EngineError::Taken(_))));
    give_locks_away(root);
    one.freeze().await;
    assert!(matches!(other.engine(root), Err(EngineError::Leased(_))));
    other.pass(9);
    assert!(matches!(other.engine(root), Err(EngineError::Leased(_))));
    // It lives: all begins anew.
    one.thaw();
    one.renewed().await;
    one.freeze().await;
    other.pass(2);
    assert!(matches!(other.engine(root), Err(EngineError::Leased(_))));
    other.pass(9);
    assert!(matches!(other.engine(root), Err(EngineError::Leased(_))));
    owner.put("last", "acknowledged").await.unwrap();
    other.pass(1);
    let follower = other.start(root).await.unwrap();
    assert_eq!(follower.get("last").await.unwrap(), "acknowledged");
    follower.put("old", "new").await.unwrap();

    // All that time has passed for the other one as well, which does not know yet.
    one.pass(12);
    let refused = owner.change_all().await;
    assert_eq!(refused.len(), 5);
    assert!(refused.iter().all(|error| error.status() == 503), "{refused:?}");
    one.thaw();
    owner.server.lost().await;
    let told = owner.get("old").await.unwrap_err();
    assert!(matches!(told.outcome(), Outcome::NotOwner), "{told:?}");
    for error in owner.change_all().await {
        assert!(matches!(error.outcome(), Outcome::NotOwner), "{error:?}");
    }
    owner.server.close().await.unwrap();
    assert_eq!(follower.get("old").await.unwrap(), "new");
    assert!(follower.get("new").await.is_err());
}

/// Where a PUT is when its server is cut off, and whether it is there then.
async fn cut_off_at(point: &str, is_there: bool) {
    let (one, other) = (Host::new("one"), Host::new("other"));
    let (root, owner) = storage(&one).await;
    let root = root.path();
    one.points.arm(point, Failure::Wait);
    let before = one.points.hits(point);
    let service = owner.service.clone();
    let lease = owner.lease.clone();
    let server = owner.server;
    let putting = tokio::spawn(async move {
        let put = object::Put {
            content_length: Some(5),
            ..object::Put::new(path("cut"))
        };
        let context = Context::internal("test", Clock::now());
        ask(&service, put, context, Body::full("whole")).await.map(|_| ())
    });
    one.points.reached(point, before + 1).await;
    give_locks_away(root);
    one.freeze().await;
    assert!(matches!(other.engine(root), Err(EngineError::Leased(_))));
    for host in [&one, &other] {
        host.pass(11);
    }
    let follower = other.start(root).await.unwrap();
    let found = follower.get("cut").await;
    match is_there {
        true => assert_eq!(found.unwrap(), "whole"),
        false => assert_eq!(found.unwrap_err().status(), 404),
    }
    one.thaw();
    lease.lost().await;
    one.points.disarm(point);
    match putting.await.unwrap() {
        // It was in the journal before.
        Ok(()) => assert!(is_there && point == "sync:before"),
        Err(error) => assert_eq!(error.status(), 503, "{point}"),
    }
    server.close().await.unwrap();
    let found = follower.get("cut").await;
    assert_eq!(found.is_ok(), is_there, "{point}");
    follower.put("cut", "other").await.unwrap();
    assert_eq!(follower.get("cut").await.unwrap(), "other");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_about_to_be_published_is_not() {
    cut_off_at("publish:before_lock", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_is_whole() {
    cut_off_at("publish:after", true).await;
    cut_off_at("sync:before", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_its_midst_goes_on_when_the_lease_is_renewed() {
    const MIDST: &str = "remove:before_unlink_plain";
    let host = Host::new("one");
    let (_root, running) = storage(&host).await;
    host.points.arm(MIDST, Failure::Wait);
    let service = running.service.clone();
    let deleting = tokio::spawn(async move {
        let delete = object::Delete {
            path: path("old"),
            if_delete_at: None,
        };
        let context = Context::internal("test", Clock::now());
        ask(&service, delete, context, Body::empty()).await.map(drop)
    });
    host.points.reached(MIDST, 1).await;
    host.freeze().await;
    host.pass(6);
    host.points.disarm(MIDST);
    assert_eq!(running.put("new", "data").await.unwrap_err().status(), 503);
    host.thaw();
    deleting.await.unwrap().unwrap();
    assert_eq!(running.get("old").await.unwrap_err().status(), 404);
}

#[tokio::test]
async fn nobody_waits_for_a_process_of_the_same_kernel_or_what_was_given_back() {
    let (mut one, mut other) = (Host::new("one"), Host::new("other"));
    let root = tempfile::tempdir().unwrap();
    let engine = one.engine(root.path()).unwrap();
    one.crash(engine).await;
    let again = one.engine(root.path()).unwrap();
    assert!(!again.is_takeover());
    again.lease().give_back().await;
    assert_eq!(again.lease().check(), Err(NotHeld::Lost));
    drop(again);
    let taken = other.engine(root.path()).unwrap();
    assert!(!taken.is_takeover());
    other.crash(taken).await;
    assert!(matches!(one.engine(root.path()), Err(EngineError::Leased(_))));
    one.pass(10);
    for _ in 0..2 {
        let engine = one.engine(root.path()).unwrap();
        assert!(engine.is_takeover(), "also when the first one crashed at once");
        one.crash(engine).await;
    }
    // A kernel of which nothing is known is nobody's.
    let mut unknown = Host::new("");
    let root = tempfile::tempdir().unwrap();
    let engine = unknown.engine(root.path()).unwrap();
    unknown.crash(engine).await;
    assert!(matches!(unknown.engine(root.path()), Err(EngineError::Leased(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_somebody_removed_is_made_anew_with_another_number() {
    let (mut one, mut other) = (Host::new("one"), Host::new("other"));
    let root = tempfile::tempdir().unwrap();
    let engine = one.engine(root.path()).unwrap();
    let first = leases(root.path());
    assert_eq!(first.len(), 1);
    std::fs::remove_file(&first[0]).unwrap();
    until(|| async { leases(root.path()).len() == 1 }).await;
    assert!(leases(root.path()) > first);
    assert_eq!(engine.lease().check(), Ok(()));
    one.crash(engine).await;
    // One that nobody can read is waited for as well; and so is it when all are gone.
    std::fs::write(&leases(root.path())[0], b"torn").unwrap();
    for _ in 0..2 {
        assert!(matches!(other.engine(root.path()), Err(EngineError::Leased(_))));
        other.pass(10);
        let engine = other.engine(root.path()).unwrap();
        other.crash(engine).await;
        std::fs::remove_file(&leases(root.path())[0]).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_follow_one_does() {
    let (mut one, two, three) = (Host::new("one"), Host::new("two"), Host::new("three"));
    let root = tempfile::tempdir().unwrap();
    let engine = one.engine(root.path()).unwrap();
    one.crash(engine).await;
    for host in [&two, &three] {
        assert!(matches!(host.engine(root.path()), Err(EngineError::Leased(_))));
        host.pass(10);
    }
    let owner = two.engine(root.path()).unwrap();
    std::fs::rename(root.path().join(".stobj/lock"), root.path().join(".stobj/lost")).unwrap();
    assert!(matches!(three.engine(root.path()), Err(EngineError::Leased(_))));
    // Cut off, taken over, and back: it finds its number gone, and the next one taken.
    two.freeze().await;
    assert!(matches!(three.engine(root.path()), Err(EngineError::Leased(_))));
    three.pass(10);
    let follower = three.engine(root.path()).unwrap();
    two.thaw();
    owner.lease().lost().await;
    three.renewed().await;
    assert_eq!(follower.lease().check(), Ok(()));
    assert_eq!(leases(root.path()).len(), 1);
}
