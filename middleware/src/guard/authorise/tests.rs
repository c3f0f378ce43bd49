use std::collections::VecDeque;

use common::functional::{Authority, Caller, Grant, Identity, Scope, account, container, info, object, user};
use common::name::ObjectName;
use common::{Body, Secret, Timestamp};
use parking_lot::Mutex;

use super::*;
use crate::protocol::auth::{Checked, Settings};
use crate::testing::{Answering, account, container, context};

/// An owner that knows one account and one container, and what has reached it.
#[derive(Clone, Default)]
struct World {
    found: Arc<Mutex<info::Found>>,
    requests: Arc<Mutex<Vec<Action>>>,
    contexts: Arc<Mutex<Vec<RequestContext>>>,
    /// `Stale` answers to give before the real one.
    stale: Arc<Mutex<VecDeque<info::Found>>>,
    lookups: Arc<Mutex<usize>>,
}

const COLOR: (&str, &str) = ("x-container-meta-color", "blue");
const KEY: (&str, &str) = ("x-container-meta-temp-url-key", "secret");

impl World {
    fn with(account_acl: &str, read: &str, write: &str) -> Self {
        let world = Self::default();
        *world.found.lock() = found(1, account_acl, read, write);
        world
    }

    fn filter(&self) -> FunctionalService {
        let world = self.clone();
        let owner = Answering::with(move |_| {
            *world.lookups.lock() += 1;
            Ok(Reply::new(Answer::InfoGet(world.found.lock().clone())))
        });
        let world = self.clone();
        let inner = Answering::with_request(move |request| {
            if let Some(found) = world.stale.lock().pop_front() {
                return Err(Error::stale(found, request.body));
            }
            assert!(request.context.decided_under.account.is_some());
            world.contexts.lock().push(request.context);
            world.requests.lock().push(request.action.clone());
            answer(&request.action)
        });
        let reseller = reseller();
        functional(Authorise {
            checked: Arc::new(Checked {
                settings: Settings::default(),
                reseller,
            }),
            info_cache: Arc::new(InfoCache::new(owner)),
            inner,
        })
    }

    async fn ask(&self, caller: Caller, action: impl Into<Action>) -> Result<Reply, u16> {
        ask(&self.filter(), Authority::Caller(caller), action).await
    }

    async fn status(&self, caller: Caller, action: impl Into<Action>) -> u16 {
        self.ask(caller, action)
            .await
            .map_or_else(|status| status, |_| 200)
    }
}

fn reseller() -> auth::Reseller {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("stobj.toml");
    let toml = "[filter.auth]\nreseller_prefixes = [\"AUTH\", \"SERVICE\"]\n\
                [filter.auth.require_group]\nSERVICE = \"service\"\n";
    std::fs::write(&path, toml).unwrap();
    let mut config = Config::load(Some(&path), [], []);
    let owner = Answering::with(|_| Err(Error::internal("no owner here")));
    let keyring = common::token::Keyring::generate().unwrap();
    let mut context = Context::new(Arc::default(), owner, keyring, Arc::default());
    auth::checked(&mut config, &mut context).reseller.clone()
}

async fn ask(
    filter: &FunctionalService,
    authority: Authority,
    action: impl Into<Action>,
) -> Result<Reply, u16> {
    let request = Request {
        action: action.into(),
        context: RequestContext {
            authority,
            ..context()
        },
        body: Body::full("body"),
    };
    let outcome = filter.handle(request).await;
    outcome.map_err(|error| error.status().as_u16())
}

fn found(generation: u64, account_acl: &str, read: &str, write: &str) -> info::Found {
    let resource = |pairs: &[(&str, &str)]| {
        let mut properties = Properties::new();
        for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
            properties.insert(name, (*value).to_owned());
        }
        info::Resource {
            generation,
            state: info::State::Present,
            properties,
        }
    };
    info::Found {
        account: resource(&[("x-account-access-control", account_acl)]),
        container: Some(resource(&[
            ("x-container-read", read),
            ("x-container-write", write),
        ])),
    }
}

fn answer(action: &Action) -> Result<Reply, Error> {
    let mut properties = Properties::new();
    for (name, value) in [COLOR, KEY, ("x-container-read", "a")] {
        properties.insert(name, value);
    }
    let info = container::Info {
        properties,
        ..container::Info::default()
    };
    Ok(Reply::new(match action {
        Action::ContainerHead(_) => Answer::ContainerHead(info),
        Action::ContainerList(_) => Answer::ContainerList(container::Listing {
            info,
            entries: vec![],
        }),
        Action::AccountHead(_) => Answer::AccountHead(account::Info {
            properties: info.properties,
            ..account::Info::default()
        }),
        _ => Answer::ObjectDelete(object::Deleted {}),
    }))
}

fn path(object: &str) -> object::Path {
    object::Path {
        account: account(),
        container: container(),
        object: ObjectName::new(object).unwrap(),
    }
}

fn get() -> object::Head {
    object::Head {
        path: path("o"),
        conditions: common::conditions::Conditions::default(),
        open_expired: false,
    }
}

fn delete() -> object::Delete {
    object::Delete {
        path: path("o"),
        if_delete_at: None,
    }
}

fn list() -> container::List {
    container::List {
        account: account(),
        container: container(),
        query: common::functional::listing::Query::default(),
    }
}

fn post() -> container::Post {
    let mut properties = Properties::new();
    for (name, value) in [COLOR, KEY, ("x-container-write", "")] {
        properties.insert(name, value);
    }
    container::Post {
        account: account(),
        container: container(),
        properties,
    }
}

fn account_head() -> account::Head {
    account::Head { account: account() }
}

fn account_post() -> account::Post {
    account::Post {
        account: account(),
        properties: Properties::new(),
    }
}

fn account_delete() -> account::Delete {
    account::Delete { account: account() }
}

fn user(groups: &[&str]) -> Caller {
    Caller::User(Arc::new(Identity {
        user_id: 1,
        name: groups.get(1).copied().unwrap_or("x:y").to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
    }))
}

fn owner() -> Caller {
    user(&["test", "test:tester", "AUTH_test"])
}

fn stranger() -> Caller {
    user(&["test2", "test2:tester2", "AUTH_test2"])
}

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
        info_cache: Arc::new(InfoCache::new(owner_info)),
        inner,
    });
    let put = object::Put {
        path: path("o"),
        content_type: None,
        content_length: Some(4),
        etag: None,
        if_absent: false,
        delete_at: Some(Timestamp::from_seconds(1)),
        properties: Properties::new(),
        listing: None,
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

#[tokio::test]
async fn a_grant_reaches_no_further_than_its_scope() {
    let world = World::with("", "", "");
    let filter = world.filter();
    let grant = |container: Option<ContainerName>, object_prefix: &str| {
        Authority::Grant(Arc::new(Grant {
            minted_by: "tempurl".to_owned(),
            scope: Scope {
                account: account(),
                container,
                object_prefix: object_prefix.to_owned(),
            },
            actions: vec!["object/head".to_owned(), "container/list".to_owned()],
            on_behalf_of: Caller::Anonymous,
        }))
    };
    let other = ContainerName::new("other").unwrap();
    assert!(ask(&filter, grant(Some(container()), "o"), get()).await.is_ok());
    assert!(ask(&filter, grant(None, ""), get()).await.is_ok());
    assert!(ask(&filter, grant(None, ""), list()).await.is_ok());
    for (grant, action) in [
        (grant(Some(container()), "x"), Action::from(get())),
        (grant(Some(other), ""), get().into()),
        (grant(Some(container()), "o"), delete().into()),
        (grant(Some(container()), "o"), list().into()),
        (grant(None, ""), account_head().into()),
    ] {
        assert_eq!(ask(&filter, grant, action).await.unwrap_err(), 403);
    }
}

#[tokio::test]
async fn users_are_administrators_business() {
    let world = World::with("", "", "");
    let put = || user::Put {
        account: "test".to_owned(),
        name: "new".to_owned(),
        password: Secret::new("x"),
        groups: vec![],
        email: None,
        only_if_absent: false,
    };
    let fetch = common::functional::policy::Fetch { known_version: 0 };
    let admin = || user(&["admin", "admin:admin", ".reseller_admin"]);
    assert_eq!(world.status(owner(), put()).await, 403);
    assert_eq!(world.status(Caller::Anonymous, put()).await, 401);
    assert_eq!(
        world.status(admin(), fetch).await,
        403,
        "verifiers are for servers only"
    );
    let filter = in_front_of_conflict();
    let status = ask(&filter, Authority::Caller(admin()), put()).await.unwrap_err();
    assert_eq!(status, 409);
}

/// The filter before somebody who answers everything that arrives with 409.
fn in_front_of_conflict() -> FunctionalService {
    let inner = Answering::with(|_| Err(Error::conflict("it arrived")));
    functional(Authorise {
        checked: Arc::new(Checked {
            settings: Settings::default(),
            reseller: reseller(),
        }),
        info_cache: Arc::new(InfoCache::new(inner.clone())),
        inner,
    })
}

#[tokio::test]
async fn what_is_ones_own_is_everybodys_business() {
    let filter = in_front_of_conflict();
    let admin = || user(&["admin", "admin:admin", ".reseller_admin"]);
    let caller = Authority::Caller;
    let (account, name) = ("test".to_owned(), "tester".to_owned());
    let revoke = || user::Revoke {
        account: account.clone(),
        name: name.clone(),
        token: None,
    };
    let show = |email: Option<&str>| user::Show {
        account: account.clone(),
        name: name.clone(),
        email: email.map(str::to_owned),
    };
    let password = |old: Option<&str>| user::Password {
        account: account.clone(),
        name: name.clone(),
        password: Secret::new("new"),
        old_password: old.map(Secret::new),
    };
    let itself = || user(&["test", "test:tester"]);
    let other = || user(&["test", "test:tester2"]);
    assert_eq!(ask(&filter, caller(itself()), revoke()).await.unwrap_err(), 409);
    assert_eq!(ask(&filter, caller(other()), revoke()).await.unwrap_err(), 403);
    assert_eq!(ask(&filter, caller(itself()), show(None)).await.unwrap_err(), 409);
    assert_eq!(
        ask(&filter, caller(itself()), show(Some("a@b.c")))
            .await
            .unwrap_err(),
        403
    );
    assert_eq!(
        ask(&filter, caller(itself()), password(Some("old")))
            .await
            .unwrap_err(),
        409
    );
    assert_eq!(
        ask(&filter, caller(itself()), password(None)).await.unwrap_err(),
        403
    );
    assert_eq!(
        ask(&filter, caller(other()), password(Some("old")))
            .await
            .unwrap_err(),
        403
    );
    assert_eq!(
        ask(&filter, caller(admin()), password(None)).await.unwrap_err(),
        409
    );
}

#[tokio::test]
async fn who_registers_needs_a_grant() {
    let filter = in_front_of_conflict();
    let caller = Authority::Caller;
    let admin = || user(&["admin", "admin:admin", ".reseller_admin"]);
    let (account, name) = ("test".to_owned(), "tester".to_owned());
    let pend = || user::Pend {
        account: account.clone(),
        name: name.clone(),
        email: "a@example.org".to_owned(),
        password: Secret::new("new"),
        only_again: false,
    };
    let grant = |action: &str| {
        Authority::Grant(Arc::new(Grant {
            minted_by: "auth".to_owned(),
            scope: Scope {
                account: AccountName::new("AUTH_test").unwrap(),
                container: None,
                object_prefix: String::new(),
            },
            actions: vec![action.to_owned()],
            on_behalf_of: Caller::Anonymous,
        }))
    };
    assert_eq!(ask(&filter, caller(admin()), pend()).await.unwrap_err(), 403);
    assert_eq!(ask(&filter, grant("user/pend"), pend()).await.unwrap_err(), 409);
    assert_eq!(ask(&filter, grant("user/admit"), pend()).await.unwrap_err(), 401);
    let enable = user::Enable { account, name };
    assert_eq!(ask(&filter, grant("user/enable"), enable).await.unwrap_err(), 401);
}
