//! Behind the guards: each functional request goes to the server that answers it.

use std::sync::{Arc, OnceLock};

use common::functional::{Action, Reply, Request};
use common::service::{BoxFuture, FunctionalService};
use common::{Error, Outcome};

/// The servers behind a pipeline. The pipeline is built, and its configuration proven right, before any server is
/// opened; until [`connect`](Self::connect) every request is answered 503.
#[derive(Clone, Debug, Default)]
pub struct Dispatch(Arc<OnceLock<Servers>>);

#[derive(Debug)]
struct Servers {
    /// Owns every account as long as there is one object-server.
    owner: FunctionalService,
    account_server: FunctionalService,
}

impl Dispatch {
    /// With no servers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends requests to these servers from now on; they stay the same ever after.
    pub fn connect(&self, object_server: FunctionalService, account_server: FunctionalService) {
        let servers = Servers {
            owner: object_server,
            account_server,
        };
        if self.0.set(servers).is_err() {
            tracing::error!("a pipeline was connected twice; it keeps its first servers");
        }
    }

    /// The innermost stage of the pipeline.
    pub fn into_service(self) -> FunctionalService {
        FunctionalService::from_fn(move |request| match self.0.get() {
            Some(servers) => servers.handle(request),
            None => refuse(Error::unavailable("the servers are not open yet", None)),
        })
    }
}

impl Servers {
    fn handle(&self, request: Request) -> BoxFuture<Reply, Error> {
        match system_of(&request.action) {
            "info" | "account" | "container" | "quota" | "fs" | "job" | "check" => self.owner.handle(request),
            "object" if matches!(request.action, Action::ObjectCopy(_)) => {
                // The `copy` filter takes these apart; without it nobody can.
                refuse(Outcome::NotImplemented.into())
            }
            "object" => self.owner.handle(request),
            "firewall" if matches!(request.action, Action::FirewallState(_)) => self.owner.handle(request),
            "firewall" if matches!(request.action, Action::FirewallList(_)) => {
                self.account_server.handle(request)
            }
            "mirror" | "user" | "policy" | "record" | "search" => self.account_server.handle(request),
            // What a filter answers (`firewall/rules`) needs that filter in the pipeline.
            _ => refuse(Outcome::NotImplemented.into()),
        }
    }
}

fn refuse(error: Error) -> BoxFuture<Reply, Error> {
    Box::pin(std::future::ready(Err(error)))
}

fn system_of(action: &Action) -> &'static str {
    action.name().split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::functional::{Context, object, policy};
    use common::{Body, Timestamp};
    use tower::service_fn;

    fn saying(who: &'static str) -> FunctionalService {
        FunctionalService::new(service_fn(move |_: Request| async move {
            Err::<Reply, _>(Error::bad_request(who))
        }))
    }

    async fn asked(dispatch: &Dispatch, action: impl Into<Action>) -> (u16, String) {
        let request = Request {
            action: action.into(),
            context: Context::internal("tx", Timestamp::default()),
            body: Body::empty(),
        };
        let error = dispatch.clone().into_service().handle(request).await.unwrap_err();
        (
            error.status().as_u16(),
            error.text().unwrap_or_default().to_owned(),
        )
    }

    fn path() -> object::Path {
        object::Path::new("a", "c", "o").unwrap()
    }

    #[tokio::test]
    async fn each_system_has_its_server() {
        let dispatch = Dispatch::new();
        let delete = || object::Delete {
            path: path(),
            if_delete_at: None,
        };
        assert_eq!(asked(&dispatch, delete()).await.0, 503);
        dispatch.connect(saying("owner"), saying("sql"));
        assert_eq!(asked(&dispatch, delete()).await, (400, "owner".into()));
        let fetch = policy::Fetch { known_version: 0 };
        assert_eq!(asked(&dispatch, fetch).await, (400, "sql".into()));
        let get = object::Get {
            path: path(),
            conditions: common::conditions::Conditions::default(),
            ranges: None,
            open_expired: false,
        };
        let copy = object::Copy {
            source: get,
            destination: object::Put::new(path()),
            fresh_metadata: false,
        };
        assert_eq!(asked(&dispatch, copy).await.0, 501);
    }

    #[test]
    fn every_action_has_a_system_of_ours() {
        for name in Action::NAMES {
            let (system, _) = name.split_once('/').unwrap();
            assert!(
                [
                    "info",
                    "account",
                    "container",
                    "object",
                    "mirror",
                    "user",
                    "policy",
                    "quota",
                    "record",
                    "firewall",
                    "fs",
                    "job",
                    "check",
                    "search"
                ]
                .contains(&system),
                "{name}"
            );
        }
    }
}
