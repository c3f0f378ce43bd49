//! `auth`: who calls. Log-in by name and password for a token, and tokens for an identity.
//!
//! Follows Swift's "TempAuth" page (auth v1): `GET /auth/v1.0` with `X-Auth-User: account:user` (or an e-mail address)
//! and `X-Auth-Key`; `DELETE` there makes a token void, `POST /auth/register` makes users. These are the policy's, so that log-in needs no database; tokens are signed, so that checking one needs nothing
//! but the policy. Whether the caller *may* is decided by the guard `authorise`; here only who it *is*.
//!
//! A token that starts with our reseller prefix and is not valid is 401 at once, for public content too, so that a
//! client notices that it must log in again; a token of another shape is as none.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use common::config::Config;
use common::functional::{Caller, Identity};
use common::service::{FunctionalService, HttpService};
use common::token::{Keyring, Token};
use common::{Body, Clock, Error, Outcome};
use http::header::HeaderMap;
use http::{Method, Request, Response, StatusCode};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::bounded::BoundedMap;
use crate::filter::{ProtocolFilter, pass, protocol};
use crate::policy::{Entry, PolicyCache};
use crate::registration::Registration;
use crate::registry::Context;
use crate::resource::{add_realm, realm_of, unauthorized};
use crate::{Attempts, Authenticated, TransactionId};

mod login;
mod register;
mod revoke;
mod settings;

pub use settings::{Admission, Prefix, Reseller, Settings};
pub(crate) use settings::{Checked, checked};

/// So many users' tokens are remembered, to be handed out again.
const REMEMBERED_TOKENS: usize = 10_000;
/// So many log-ins wait for one of the two password verifications that run at once; more are sent away.
const WAITING_LOGINS: usize = 64;

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, context: &mut Context, inner: HttpService) -> HttpService {
    let checked = checked(config, context);
    let registration = Arc::new(Registration {
        entrance: context.entrance.clone(),
        owner: context.owner.clone(),
        policy: Arc::clone(&context.policy),
        prefix: checked.reseller.first().text.clone(),
    });
    context.registrations.add(&registration);
    protocol(Auth {
        registration,
        checked,
        keyring: context.keyring.clone(),
        policy: Arc::clone(&context.policy),
        attempts: Arc::clone(&context.attempts),
        entrance: context.entrance.clone(),
        logins: Arc::clone(&context.logins),
        inner,
    })
}

struct Auth {
    checked: Arc<Checked>,
    keyring: Keyring,
    policy: Arc<PolicyCache>,
    attempts: Arc<Attempts>,
    /// Where it sends functional requests on clients' behalf.
    entrance: FunctionalService,
    registration: Arc<Registration>,
    logins: Arc<Logins>,
    inner: HttpService,
}

/// What of log-ins outlives a pipeline.
pub(crate) struct Logins {
    /// The last token of each user.
    issued: Mutex<BoundedMap<u64, login::Issued>>,
    waiting: Semaphore,
}

impl Default for Logins {
    fn default() -> Self {
        Self {
            issued: Mutex::new(BoundedMap::new(REMEMBERED_TOKENS)),
            waiting: Semaphore::new(WAITING_LOGINS),
        }
    }
}

/// Tokens are nobody's to read.
impl fmt::Debug for Logins {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Logins")
    }
}

impl ProtocolFilter for Auth {
    fn inner(&self) -> &HttpService {
        &self.inner
    }

    async fn handle(&self, mut request: Request<Body>) -> Response<Body> {
        if self.policy.version() == 0 {
            return not_ready(&request);
        }
        let path = request.uri().path();
        if let Some(rest) = path.strip_prefix(&self.checked.settings.auth_prefix) {
            let rest = rest.to_owned();
            // In a box of its own, so that the future of every other request is no larger than it must be.
            return Box::pin(self.answer(&rest, request)).await;
        }
        let Ok(caller) = self.authenticate(request.headers()).await else {
            return unauthorized(realm_of(path).as_deref());
        };
        let uri = request.uri().clone();
        request.extensions_mut().insert(Authenticated(caller));
        let mut response = pass(&self.inner, request).await;
        if response.status() == StatusCode::UNAUTHORIZED {
            add_realm(&mut response, realm_of(uri.path()).as_deref());
        }
        response
    }
}

/// A token of ours that is not valid.
struct InvalidToken;

impl Auth {
    /// Answers a request to what lies below the prefix of log-in; `rest` is the path behind it.
    async fn answer(&self, rest: &str, request: Request<Body>) -> Response<Body> {
        let (head, body) = request.into_parts();
        if rest.strip_suffix('/').unwrap_or(rest) == register::PATH {
            return self.register(head, body).await;
        }
        let account = match login::account_in_path(rest) {
            Ok(account) => account,
            Err(error) => return error.into_response(),
        };
        match head.method {
            Method::GET => self.login(account, &head).await,
            Method::DELETE => self.revoke(&head).await,
            _ => {
                let methods = vec!["GET".to_owned(), "DELETE".to_owned()];
                Error::from(Outcome::MethodNotAllowed(methods)).into_response()
            }
        }
    }

    async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, InvalidToken> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let token = text("x-auth-token").or_else(|| text("x-storage-token"));
        let Some(token) = token.and_then(|token| self.without_prefix(token)) else {
            return Ok(Caller::Anonymous);
        };
        let identity = self.identify(token).await.ok_or(InvalidToken)?;
        let service = text("x-service-token").and_then(|token| self.without_prefix(token));
        let service = match service {
            Some(token) => self.identify(token).await,
            None => None,
        };
        Ok(Caller::User(match service {
            Some(service) => Arc::new(with_groups_of(&identity, &service)),
            None => identity,
        }))
    }

    fn without_prefix<'a>(&self, token: &'a str) -> Option<&'a str> {
        token.strip_prefix(&self.checked.reseller.first().text)
    }

    /// Whose the token is; `token` is without its reseller prefix.
    async fn identify(&self, token: &str) -> Option<Arc<Identity>> {
        let (entry, _) = self.verified(token).await?;
        Some(self.identity_of(&entry))
    }

    /// What a valid token says, and of whom.
    async fn verified(&self, token: &str) -> Option<(Arc<Entry>, Token)> {
        let token = token.strip_prefix("tk")?;
        let token = self.keyring.verify(token, Clock::now()).ok()?;
        let is_behind = |entry: &Option<Arc<Entry>>| match entry {
            Some(entry) => entry.user.generation < token.generation,
            None => true,
        };
        let mut entry = self.policy.by_token(token.user_id, token.token_id).ok()?;
        if is_behind(&entry) {
            // Another server knew the user when it signed the token.
            self.policy.refresh_in_time().await;
            entry = self.policy.by_token(token.user_id, token.token_id).ok()?;
        }
        let entry = entry.filter(|entry| entry.user.generation == token.generation)?;
        Some((entry, token))
    }

    fn identity_of(&self, entry: &Entry) -> Arc<Identity> {
        let reseller = &self.checked.reseller;
        let make = || Arc::new(reseller.identity_of(&entry.user));
        let (made_under, identity) = entry.identity.get_or_init(|| (reseller.clone(), make()));
        // The pipeline before this one may have had other prefixes.
        match made_under == reseller {
            true => Arc::clone(identity),
            false => make(),
        }
    }
}

/// The user of one token with the groups of another one's.
pub(crate) fn with_groups_of(identity: &Identity, service: &Identity) -> Identity {
    let mut together = identity.clone();
    together.groups.extend(service.groups.iter().cloned());
    together.service_user_id = Some(service.user_id);
    together
}

/// Without a policy nobody can be told from anybody else, so nothing is let through.
fn not_ready(request: &Request<Body>) -> Response<Body> {
    let id = TransactionId::of(request.extensions());
    tracing::warn!(transaction_id = %id, "refused: there is no policy yet");
    Error::unavailable("there is no policy yet", Some(Duration::from_secs(1))).into_response()
}

#[cfg(test)]
mod tests;
