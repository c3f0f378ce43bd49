//! Asks an object-server as a proxy would.

use std::path::Path as Directory;
use std::sync::Arc;

use common::constraints::Constraints;
use common::functional::account::Info as AccountInfo;
use common::functional::container::{Entry, Info as ContainerInfo};
use common::functional::firewall::{SetState, State};
use common::functional::listing::Query;
use common::functional::object::{Info, Path, Stored};
use common::functional::{Authority, Call, Caller, Context, Identity, account, ask, container, fs, object};
use common::name::{AccountName, ContainerName, ObjectName};
use common::service::FunctionalService;
use common::{Body, Clock, Error, Properties};
use object_server::engine::ArcEngine;
use object_server::{Neighbours, ObjectServer, Settings, let_through};

static CLOCK: Clock = Clock::new();

pub(crate) struct Client {
    pub(crate) service: FunctionalService,
    pub(crate) server: ObjectServer,
}

pub(crate) fn account() -> AccountName {
    AccountName::new("AUTH_test").unwrap()
}

/// Of somebody else.
pub(crate) fn other_account() -> AccountName {
    AccountName::new("AUTH_other").unwrap()
}

pub(crate) fn container_name(name: &str) -> ContainerName {
    ContainerName::new(name).unwrap()
}

pub(crate) fn path(container: &str, name: &str) -> Path {
    Path {
        account: account(),
        container: container_name(container),
        object: ObjectName::new(name).unwrap(),
    }
}

/// A path in the other account.
pub(crate) fn elsewhere(container: &str, name: &str) -> Path {
    Path {
        account: other_account(),
        ..path(container, name)
    }
}

pub(crate) fn put(path: Path) -> object::Put {
    object::Put {
        content_type: Some("text/plain".into()),
        ..object::Put::new(path)
    }
}

/// The context of who may change limits, too.
pub(crate) fn context() -> Context {
    let now = CLOCK.next();
    Context {
        may_limit: true,
        record_id: Some(now.units()),
        ..Context::internal(format!("tx-{now}"), now)
    }
}

/// The context of who may do everything.
pub(crate) fn administrator() -> Context {
    let identity = Identity {
        user_id: 1,
        name: "admin:admin".into(),
        groups: vec![".reseller_admin".into()],
        service_user_id: None,
    };
    Context {
        authority: Authority::Caller(Caller::User(Arc::new(identity))),
        ..context()
    }
}

/// That of a refusal.
pub(crate) fn status<T: std::fmt::Debug>(result: Result<T, Error>) -> u16 {
    result.unwrap_err().status().as_u16()
}

/// The mirror, and guards that let everything through.
pub(crate) fn neighbours(account_server: FunctionalService) -> Neighbours {
    Neighbours {
        account_server,
        guards: FunctionalService::from_fn(|question| {
            Box::pin(std::future::ready(let_through(&question.context)))
        }),
    }
}

impl Client {
    pub(crate) async fn open(
        engine: &ArcEngine,
        state: &Directory,
        settings: &Settings,
        mirror: FunctionalService,
    ) -> Self {
        let constraints = Arc::new(Constraints::default());
        let server = ObjectServer::open_on(
            Arc::clone(engine),
            settings,
            state,
            constraints,
            neighbours(mirror),
        )
        .await
        .unwrap();
        Self {
            service: server.service(),
            server,
        }
    }

    pub(crate) async fn ask_as<C: Call>(&self, call: C, context: Context) -> Result<C::Answer, Error> {
        Ok(ask(&self.service, call, context, Body::empty()).await?.0)
    }

    pub(crate) async fn ask<C: Call>(&self, call: C) -> Result<C::Answer, Error> {
        Ok(ask(&self.service, call, context(), Body::empty()).await?.0)
    }

    pub(crate) async fn make_container(&self, name: &str) -> Result<bool, Error> {
        let put = container::Put {
            account: account(),
            container: container_name(name),
            storage_policy: None,
            properties: Properties::new(),
        };
        Ok(self.ask(put).await?.created)
    }

    pub(crate) async fn remove_container(&self, name: &str) -> Result<(), Error> {
        self.ask(container::Delete {
            account: account(),
            container: container_name(name),
        })
        .await
        .map(|_| ())
    }

    pub(crate) async fn put(&self, container: &str, name: &str, data: &str) -> Result<Stored, Error> {
        let body = Body::full(data.to_owned());
        Ok(ask(&self.service, put(path(container, name)), context(), body)
            .await?
            .0)
    }

    pub(crate) async fn get(&self, container: &str, name: &str) -> Result<(Info, String), Error> {
        let get = object::Get {
            path: path(container, name),
            conditions: Default::default(),
            ranges: None,
            open_expired: false,
        };
        let (got, body) = ask(&self.service, get, context(), Body::empty()).await?;
        let bytes = body.collect(1 << 20).await.unwrap();
        Ok((got.info, String::from_utf8(bytes.to_vec()).unwrap()))
    }

    pub(crate) async fn delete(&self, container: &str, name: &str) -> Result<(), Error> {
        self.ask(object::Delete {
            path: path(container, name),
            if_delete_at: None,
        })
        .await
        .map(|_| ())
    }

    pub(crate) async fn make_directory(&self, container: &str, name: &str) -> Result<(), Error> {
        self.ask(fs::MakeDirectory {
            path: path(container, name),
            create_parents: true,
        })
        .await
        .map(|_| ())
    }

    /// Whether something was replaced.
    pub(crate) async fn rename(&self, from: (&str, &str), to: (&str, &str)) -> Result<bool, Error> {
        let moved = self
            .ask(fs::Move {
                source: path(from.0, from.1),
                destination: path(to.0, to.1),
                overwrite: true,
            })
            .await?;
        match moved {
            fs::Moved::Done { replaced } => Ok(replaced),
            fs::Moved::Job(job) => panic!("a move in an account became the job {job:?}"),
        }
    }

    /// The objects and bytes that were in it.
    pub(crate) async fn remove_directory(&self, container: &str, name: &str) -> Result<(u64, u64), Error> {
        let path = path(container, name);
        let removed = self.ask(fs::RemoveDirectory { path }).await?;
        Ok((removed.objects, removed.bytes))
    }

    pub(crate) async fn set_state(&self, container: &str, name: &str, state: State) -> Result<(), Error> {
        let path = path(container, name);
        self.ask(SetState {
            account: path.account,
            container: Some(path.container),
            object: Some(path.object),
            state,
        })
        .await
        .map(|_| ())
    }

    pub(crate) async fn head_container(&self, name: &str) -> Result<ContainerInfo, Error> {
        self.ask(container::Head {
            account: account(),
            container: container_name(name),
        })
        .await
    }

    pub(crate) async fn head_account(&self) -> Result<AccountInfo, Error> {
        self.ask(account::Head { account: account() }).await
    }

    pub(crate) async fn list(&self, name: &str) -> Result<Vec<(String, u64)>, Error> {
        let list = container::List {
            account: account(),
            container: container_name(name),
            query: Query::default(),
        };
        let listing = self.ask(list).await?;
        let entries = listing.entries.into_iter().map(|entry| match entry {
            Entry::Object(object) => (object.name.to_string(), object.bytes),
            Entry::Subdir(name) => (name, 0),
        });
        Ok(entries.collect())
    }

    pub(crate) async fn names(&self, container: &str) -> Vec<String> {
        let listing = self.list(container).await.unwrap();
        listing.into_iter().map(|(name, _)| name).collect()
    }

    /// The objects and bytes in a container, as its owner counts them.
    pub(crate) async fn counted(&self, container: &str) -> (u64, u64) {
        let info = self.head_container(container).await.unwrap();
        (info.objects, info.bytes)
    }
}
