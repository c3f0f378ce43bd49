//! What callers may do, by what they are and by what the lists say.

use super::*;

#[tokio::test]
async fn a_private_container_is_its_owners() {
    let world = World::with("", "", "");
    for (caller, expected) in [
        (owner(), 200),
        (stranger(), 403),
        (user(&["test", "test:tester3"]), 403),
        (Caller::Anonymous, 401),
    ] {
        assert_eq!(world.status(caller.clone(), get()).await, expected, "{caller:?}");
        assert_eq!(
            world.status(caller.clone(), delete()).await,
            expected,
            "{caller:?}"
        );
        assert_eq!(world.status(caller.clone(), list()).await, expected, "{caller:?}");
        assert_eq!(world.status(caller.clone(), post()).await, expected, "{caller:?}");
        assert_eq!(
            world.status(caller.clone(), account_head()).await,
            expected,
            "{caller:?}"
        );
    }
}

#[tokio::test]
async fn a_public_container_is_read_by_everybody() {
    let world = World::with("", ".r:*", "");
    assert_eq!(world.status(Caller::Anonymous, get()).await, 200);
    assert_eq!(world.status(Caller::Anonymous, list()).await, 401);
    assert_eq!(world.status(stranger(), list()).await, 403);
    assert_eq!(world.status(Caller::Anonymous, delete()).await, 401);
    let world = World::with("", ".r:*,.rlistings", "");
    assert_eq!(world.status(Caller::Anonymous, list()).await, 200);
    assert_eq!(world.status(Caller::Anonymous, post()).await, 401);
}

#[tokio::test]
async fn a_referrer_is_looked_at() {
    let world = World::with("", ".r:.example.com", "");
    let filter = world.filter();
    for (referrer, is_allowed) in [
        (Some("http://www.example.com/page"), true),
        (Some("http://evil.com"), false),
        (None, false),
    ] {
        let request = Request {
            action: get().into(),
            context: RequestContext {
                referrer: referrer.map(Into::into),
                ..context()
            },
            body: Body::empty(),
        };
        assert_eq!(filter.handle(request).await.is_ok(), is_allowed, "{referrer:?}");
    }
}

#[tokio::test]
async fn groups_of_the_lists_read_and_write() {
    let world = World::with("", "test2:tester2", "test3");
    let writer = || user(&["test3", "test3:w"]);
    assert_eq!(world.status(stranger(), get()).await, 200);
    assert_eq!(world.status(stranger(), list()).await, 200);
    assert_eq!(world.status(stranger(), delete()).await, 403);
    assert_eq!(world.status(writer(), delete()).await, 200);
    assert_eq!(world.status(writer(), get()).await, 403);
    assert_eq!(world.status(writer(), list()).await, 403);
    assert_eq!(world.status(writer(), post()).await, 403);
}

#[tokio::test]
async fn rights_of_the_accounts_list() {
    let acl = r#"{"admin":["a"],"read-write":["b"],"read-only":["c"]}"#;
    let world = World::with(acl, "", "");
    let table = [
        // head, delete object, post container, head account, post account, delete account
        ("a", [200, 200, 200, 200, 200, 403]),
        ("b", [200, 200, 200, 200, 403, 403]),
        ("c", [200, 403, 403, 200, 403, 403]),
        ("d", [403, 403, 403, 403, 403, 403]),
    ];
    for (group, expected) in table {
        let who = || user(&[group, "x:y"]);
        let found = [
            world.status(who(), get()).await,
            world.status(who(), delete()).await,
            world.status(who(), post()).await,
            world.status(who(), account_head()).await,
            world.status(who(), account_post()).await,
            world.status(who(), account_delete()).await,
        ];
        assert_eq!(found, expected, "{group}");
    }
}

#[tokio::test]
async fn administrators_of_everything() {
    let world = World::with("", "", "");
    let admin = || user(&["admin", "admin:admin", ".reseller_admin"]);
    let reader = || user(&["admin", "admin:r", ".reseller_reader"]);
    assert_eq!(world.status(admin(), account_delete()).await, 200);
    assert_eq!(world.status(admin(), delete()).await, 200);
    assert_eq!(world.status(owner(), account_delete()).await, 403);
    assert_eq!(world.status(reader(), get()).await, 200);
    assert_eq!(world.status(reader(), delete()).await, 403);
    for name in ["AUTH_", "AUTH_.internal", "OTHER_test", ".internal"] {
        let head = account::Head {
            account: AccountName::new(name).unwrap(),
        };
        assert_eq!(world.status(admin(), head).await, 403, "{name}");
    }
}

#[tokio::test]
async fn a_prefix_may_require_a_group() {
    let world = World::with("", "", "");
    let head = || account::Head {
        account: AccountName::new("SERVICE_test").unwrap(),
    };
    let without = user(&["test", "test:tester", "AUTH_test", "SERVICE_test"]);
    let with = user(&["test", "test:tester", "AUTH_test", "SERVICE_test", "service"]);
    let service = user(&["test5", "test5:tester5", "service"]);
    assert_eq!(world.status(without, head()).await, 403);
    assert_eq!(world.status(with, head()).await, 200);
    assert_eq!(world.status(service, head()).await, 403);
}

#[tokio::test]
async fn only_the_owner_sees_and_sets_the_owners_properties() {
    let world = World::with(r#"{"read-write":["b"]}"#, "", "");
    let head = || container::Head {
        account: account(),
        container: container(),
    };
    let properties = |reply: Reply| match reply.answer {
        Answer::ContainerHead(info) => info.properties,
        Answer::ContainerList(listing) => listing.info.properties,
        Answer::AccountHead(info) => info.properties,
        answer => panic!("{answer:?}"),
    };
    let other = || user(&["b", "b:c"]);
    assert_eq!(
        properties(world.ask(owner(), head()).await.unwrap()).text(KEY.0),
        Some(KEY.1)
    );
    for action in [Action::from(head()), list().into(), account_head().into()] {
        let seen = properties(world.ask(other(), action).await.unwrap());
        assert_eq!(seen.text(KEY.0), None);
        assert_eq!(seen.text("x-container-read"), None);
        assert_eq!(seen.text(COLOR.0), Some(COLOR.1));
    }
    world.requests.lock().clear();
    assert_eq!(world.status(other(), post()).await, 200);
    assert_eq!(world.status(owner(), post()).await, 200);
    let requests = world.requests.lock();
    let [Action::ContainerPost(by_other), Action::ContainerPost(by_owner)] = &requests[..] else {
        panic!("{requests:?}")
    };
    assert_eq!(by_other.properties.len(), 1);
    assert_eq!(by_owner.properties.len(), 3);
}

#[tokio::test]
async fn a_missing_container_is_only_missing_for_those_who_may_look() {
    let world = World::with("", "", "");
    world.found.lock().container = Some(info::Resource::default());
    assert_eq!(world.status(owner(), get()).await, 404);
    assert_eq!(world.status(stranger(), get()).await, 403);
    assert_eq!(world.status(Caller::Anonymous, delete()).await, 401);
    assert!(world.requests.lock().is_empty());
    assert_eq!(
        world.status(owner(), list()).await,
        200,
        "the owner says so itself"
    );
    world.found.lock().account.state = info::State::Deleted;
    assert_eq!(
        world.status(owner(), get()).await,
        200,
        "and so of a deleted account"
    );
}
