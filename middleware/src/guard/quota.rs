//! `quota`: who may limit what an account or a container holds, and what a limit may say.
//!
//! Follows Swift's "Account Quotas" and "Container Quotas" middleware. A container's limits are set by whoever may
//! POST to it, an account's by administrators alone. Here only the requests that set them are looked at: that they
//! hold is the owner's business, who alone knows at every moment how much there is and what else is on its way.

use common::config::Config;
use common::functional::{Action, Authority, Context as RequestContext, Reply, Request};
use common::quota::{ACCOUNT_BYTES, ACCOUNT_OBJECTS, CONTAINER_BYTES, CONTAINER_OBJECTS, parse};
use common::service::FunctionalService;
use common::{Error, Properties};

use crate::filter::{FunctionalFilter, functional};
use crate::registry::Context;

/// Builds the filter around `inner`; nothing about it can be set.
pub fn build(_config: &mut Config, context: &mut Context, inner: FunctionalService) -> FunctionalService {
    context.features.announce("account_quotas");
    context.features.announce("container_quotas");
    functional(Quota { inner })
}

struct Quota {
    inner: FunctionalService,
}

impl FunctionalFilter for Quota {
    fn inner(&self) -> &FunctionalService {
        &self.inner
    }

    fn concerns(&self, request: &Request) -> bool {
        matches!(
            request.action,
            Action::AccountPut(_)
                | Action::AccountPost(_)
                | Action::ContainerPut(_)
                | Action::ContainerPost(_)
        )
    }

    async fn handle(&self, request: Request) -> Result<Reply, Error> {
        match &request.action {
            Action::AccountPut(put) => check_account(&put.properties, &request.context)?,
            Action::AccountPost(post) => check_account(&post.properties, &request.context)?,
            Action::ContainerPut(put) => check_container(&put.properties)?,
            Action::ContainerPost(post) => check_container(&post.properties)?,
            _ => {}
        }
        self.inner.handle(request).await
    }
}

/// Also to take a limit away needs an administrator.
fn check_account(changes: &Properties, context: &RequestContext) -> Result<(), Error> {
    for (name, what) in [(ACCOUNT_BYTES, "bytes"), (ACCOUNT_OBJECTS, "count")] {
        let Some(value) = changes.value(name) else {
            continue;
        };
        if !is_administrator(context) {
            return Err(Error::forbidden());
        }
        check(value, what)?;
    }
    Ok(())
}

fn check_container(changes: &Properties) -> Result<(), Error> {
    for (name, what) in [(CONTAINER_BYTES, "bytes"), (CONTAINER_OBJECTS, "count")] {
        if let Some(value) = changes.value(name) {
            check(value, what)?;
        }
    }
    Ok(())
}

/// An empty value takes the limit away.
fn check(value: &[u8], what: &str) -> Result<(), Error> {
    if value.is_empty() || parse(value).is_some() {
        return Ok(());
    }
    Err(Error::bad_request(format!("Invalid {what} quota.")))
}

fn is_administrator(context: &RequestContext) -> bool {
    match &context.authority {
        Authority::Caller(caller) => caller.is_administrator(),
        Authority::Grant(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use common::Body;
    use common::functional::{Answer, Caller, Grant, Identity, Scope, account, container, object};

    use super::*;
    use crate::testing::{Answering, account as account_name, container as container_name, context};

    fn by(groups: &[&str]) -> RequestContext {
        let identity = Identity {
            user_id: 1,
            name: "test:tester".to_owned(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
            service_user_id: None,
        };
        RequestContext {
            authority: Authority::Caller(Caller::User(Arc::new(identity))),
            ..context()
        }
    }

    fn properties(changes: &[(&str, &str)]) -> Properties {
        let mut properties = Properties::new();
        for (name, value) in changes {
            properties.insert(name, value.as_bytes().to_vec());
        }
        properties
    }

    /// The status of the refusal; 0: it was let through.
    async fn asked(action: impl Into<Action>, context: RequestContext) -> u16 {
        let filter = Quota {
            inner: Answering::with(|_| Ok(Reply::new(Answer::ObjectDelete(object::Deleted {})))),
        };
        let request = Request {
            action: action.into(),
            context,
            body: Body::empty(),
        };
        assert!(filter.concerns(&request));
        match filter.handle(request).await {
            Ok(_) => 0,
            Err(error) => error.status().as_u16(),
        }
    }

    fn account_post(changes: &[(&str, &str)]) -> account::Post {
        account::Post {
            account: account_name(),
            properties: properties(changes),
        }
    }

    #[tokio::test]
    async fn only_administrators_limit_accounts() {
        for name in [ACCOUNT_BYTES, ACCOUNT_OBJECTS] {
            for value in ["5", "0", "", "much"] {
                let post = account_post(&[("x-account-meta-a", "b"), (name, value)]);
                let owner = by(&["test", "AUTH_test", ".admin"]);
                assert_eq!(asked(post.clone(), owner).await, 403, "{name} {value}");
                assert_eq!(asked(post.clone(), context()).await, 403);
                let expected = if value == "much" { 400 } else { 0 };
                assert_eq!(asked(post, by(&[".reseller_admin"])).await, expected);
            }
        }
        let put = account::Put {
            account: account_name(),
            properties: properties(&[(ACCOUNT_BYTES, "-1")]),
        };
        assert_eq!(asked(put, by(&[".reseller_admin"])).await, 400);
        assert_eq!(
            asked(account_post(&[("x-account-meta-a", "b")]), by(&[])).await,
            0
        );
    }

    #[tokio::test]
    async fn a_lent_right_limits_no_account() {
        let grant = Grant {
            minted_by: "tempurl".to_owned(),
            scope: Scope {
                account: account_name(),
                container: None,
                object_prefix: String::new(),
            },
            actions: vec!["account/post".to_owned()],
            on_behalf_of: by(&[".reseller_admin"]).authority.caller().clone(),
        };
        let granted = RequestContext {
            authority: Authority::Grant(Arc::new(grant)),
            ..context()
        };
        assert_eq!(asked(account_post(&[(ACCOUNT_BYTES, "5")]), granted).await, 403);
    }

    #[tokio::test]
    async fn whoever_may_post_to_a_container_limits_it() {
        for (value, status) in [
            ("10", 0),
            ("0", 0),
            ("", 0),
            ("ten", 400),
            ("-1", 400),
            ("1.5", 400),
        ] {
            for name in [CONTAINER_BYTES, CONTAINER_OBJECTS] {
                let post = container::Post {
                    account: account_name(),
                    container: container_name(),
                    properties: properties(&[(name, value)]),
                };
                assert_eq!(asked(post, by(&[])).await, status, "{name} {value}");
                let put = container::Put {
                    account: account_name(),
                    container: container_name(),
                    storage_policy: None,
                    properties: properties(&[(name, value)]),
                };
                assert_eq!(asked(put, by(&[])).await, status, "{name} {value}");
            }
        }
    }

    #[test]
    fn nothing_else_is_looked_at() {
        let filter = Quota {
            inner: Answering::with(|_| Ok(Reply::new(Answer::ObjectDelete(object::Deleted {})))),
        };
        let head = container::Head {
            account: account_name(),
            container: container_name(),
        };
        let request = Request {
            action: head.into(),
            context: context(),
            body: Body::empty(),
        };
        assert!(!filter.concerns(&request));
    }
}
