use std::collections::VecDeque;

use common::functional::{Authority, Caller, Grant, Identity, Scope, account, container, info, object, user};
use common::name::ObjectName;
use common::{Body, Secret, Timestamp};
use parking_lot::Mutex;

use super::*;
use crate::protocol::auth::{Checked, Settings};
use crate::testing::{Answering, account, container, context};

mod freshness;
mod lent;
mod rights;
mod users;

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
            policy: Arc::new(PolicyCache::new(owner.clone())),
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
        service_user_id: None,
    }))
}

fn owner() -> Caller {
    user(&["test", "test:tester", "AUTH_test"])
}

fn stranger() -> Caller {
    user(&["test2", "test2:tester2", "AUTH_test2"])
}
