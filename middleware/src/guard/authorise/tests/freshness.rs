//! Decisions on what is remembered, and on what the owner knows better.

use super::*;

#[tokio::test]
async fn what_is_remembered_is_never_the_reason_of_a_refusal() {
    let world = World::with("", "", "");
    let filter = world.filter();
    let anonymous = || Authority::Caller(Caller::Anonymous);
    assert_eq!(ask(&filter, anonymous(), get()).await.unwrap_err(), 401);
    *world.found.lock() = found(2, "", ".r:*", "");
    assert!(ask(&filter, anonymous(), get()).await.is_ok());
    assert_eq!(*world.lookups.lock(), 2);
    assert!(ask(&filter, anonymous(), get()).await.is_ok());
    assert_eq!(*world.lookups.lock(), 2, "what allows is remembered");
    assert_eq!(world.contexts.lock()[0].decided_under.container, Some(2));
}

#[tokio::test]
async fn a_stale_decision_is_made_again() {
    let world = World::with("", ".r:*", "");
    world.stale.lock().push_back(found(5, "", ".r:*", ""));
    let filter = world.filter();
    let anonymous = Authority::Caller(Caller::Anonymous);
    assert!(ask(&filter, anonymous.clone(), get()).await.is_ok());
    assert_eq!(world.contexts.lock()[0].decided_under.container, Some(5));

    world.stale.lock().push_back(found(6, "", "", ""));
    *world.found.lock() = found(6, "", "", "");
    assert_eq!(ask(&filter, anonymous, get()).await.unwrap_err(), 401);
    assert_eq!(world.requests.lock().len(), 1);
}

#[tokio::test]
async fn an_owner_that_always_knows_better_is_503() {
    let world = World::with("", "", "");
    for generation in 2..9 {
        world.stale.lock().push_back(found(generation, "", "", ""));
    }
    assert_eq!(world.status(owner(), delete()).await, 503);
    assert_eq!(world.stale.lock().len(), 4);
}

#[tokio::test]
async fn the_unread_body_is_sent_again() {
    let stale = Mutex::new(Some(found(5, "", "", "")));
    let inner = Answering::with_request(move |request| match stale.lock().take() {
        Some(found) => Err(Error::stale(found, request.body)),
        None => {
            assert_eq!(request.body.exact_length(), Some(4));
            Err(Error::precondition_failed("it arrived"))
        }
    });
    let owner_info = Answering::with(|_| Ok(Reply::new(Answer::InfoGet(found(1, "", "", "")))));
    let filter = functional(Authorise {
        checked: Arc::new(Checked {
            settings: Settings::default(),
            reseller: reseller(),
        }),
        policy: Arc::new(PolicyCache::new(owner_info.clone())),
        info_cache: Arc::new(InfoCache::new(owner_info)),
        inner,
    });
    let put = object::Put {
        content_length: Some(4),
        delete_at: Some(Timestamp::from_seconds(1)),
        ..object::Put::new(path("o"))
    };
    let status = ask(&filter, Authority::Caller(owner()), put).await.unwrap_err();
    assert_eq!(status, 412);
}

#[tokio::test]
async fn a_write_of_a_container_is_forgotten_at_once() {
    let world = World::with("", "", "");
    let filter = world.filter();
    let by_owner = || Authority::Caller(owner());
    for _ in 0..3 {
        assert!(ask(&filter, by_owner(), get()).await.is_ok());
    }
    assert_eq!(*world.lookups.lock(), 1);
    assert!(ask(&filter, by_owner(), post()).await.is_ok());
    assert!(ask(&filter, by_owner(), get()).await.is_ok());
    assert_eq!(*world.lookups.lock(), 2);
}
