//! Requests for tokens.

use std::fmt;
use std::sync::Arc;

use common::functional::Identity;
use common::token::Token;
use common::{Body, Clock, Error, Secret, Timestamp, password};
use http::Response;
use http::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::Auth;
use crate::ClientAddress;
use crate::policy::Entry;
use crate::resource::{quote, unauthorized};

/// A token that was handed out, and for what.
#[derive(Clone, Debug)]
pub(super) struct Issued {
    generation: u64,
    groups: Vec<String>,
    expires: Timestamp,
    token_id: u64,
    text: String,
}

/// Who wants a token.
#[derive(Debug, PartialEq)]
struct Credentials {
    who: Who,
    key: Secret,
}

/// A user, as one says who one is.
#[derive(Debug, PartialEq)]
enum Who {
    /// `account:user`
    Login(String, String),
    /// By an e-mail address.
    Email(String),
}

impl Auth {
    /// Answers a request for a token; `account` stood in the path.
    pub(super) async fn login(&self, account: Option<String>, head: &Parts) -> Response<Body> {
        let headers = &head.headers;
        let credentials = match credentials(account.as_deref(), headers) {
            Ok(credentials) => credentials,
            Err(realm) => return unauthorized(realm.as_deref()),
        };
        let life = match self.life(headers) {
            Ok(life) => life,
            Err(error) => return error.into_response(),
        };
        let (login, address) = (credentials.who.to_string(), ClientAddress::of(&head.extensions));
        if let Err(wait) = self.attempts.check(&login, address) {
            return Error::too_many_attempts(wait).into_response();
        }
        let Ok(_permit) = self.logins.waiting.try_acquire() else {
            let later = Some(std::time::Duration::from_secs(1));
            return Error::unavailable("too many log-ins are waiting", later).into_response();
        };
        match self.verify(&credentials).await {
            Ok(Some(entry)) => {
                self.attempts.succeeded(&login, address);
                self.token_for(&entry, life, headers)
                    .unwrap_or_else(Error::into_response)
            }
            Ok(None) => {
                self.attempts.failed(&login, address);
                unauthorized(credentials.who.realm())
            }
            Err(error) => {
                tracing::error!(%error, "a password could not be verified");
                error.into_response()
            }
        }
    }

    /// The user, when the password is right. A refusal is only given after another look at the policy, so that a new
    /// user or password works at once.
    async fn verify(&self, credentials: &Credentials) -> Result<Option<Arc<Entry>>, Error> {
        let Credentials { who, key } = credentials;
        let lookup = || match who {
            Who::Login(account, user) => self.policy.by_login(account, user),
            Who::Email(email) => self.policy.by_email(email),
        };
        loop {
            let version = self.policy.version();
            let entry = lookup();
            let verifier = entry.as_ref().and_then(|entry| entry.user.verifier.clone());
            if password::verify(key.clone(), verifier).await? {
                return Ok(entry);
            }
            self.policy.refresh_in_time().await;
            // The other user is the same one unless something was changed meanwhile.
            let is_same = match (&entry, lookup()) {
                (Some(before), Some(now)) => before.user == now.user,
                (None, None) => true,
                _ => false,
            };
            if is_same || self.policy.version() == version {
                return Ok(None);
            }
        }
    }

    /// How long the token shall live, in seconds: as the setting says, or less when the client wants less.
    fn life(&self, headers: &HeaderMap) -> Result<u64, Error> {
        let most = self.checked.settings.token_life.0.as_secs();
        let Some(wanted) = headers.get("x-auth-token-lifetime") else {
            return Ok(most);
        };
        let wanted = wanted.to_str().ok().and_then(|text| text.parse::<u64>().ok());
        match wanted {
            Some(wanted) if wanted > 0 => Ok(wanted.min(most)),
            _ => Err(Error::bad_request(
                "X-Auth-Token-Lifetime: expected a number of seconds above 0",
            )),
        }
    }

    fn token_for(&self, entry: &Entry, life: u64, headers: &HeaderMap) -> Result<Response<Body>, Error> {
        let identity = self.identity_of(entry);
        let now = Clock::now();
        let issued = self
            .still_valid(entry, &identity, now)
            .filter(|issued| issued.expires.seconds() <= now.seconds() + life);
        let issued = match issued {
            Some(issued) => issued,
            None => self.issue(entry, &identity, life, now)?,
        };
        let left = issued.expires.seconds().saturating_sub(now.seconds());
        let mut response = Response::new(Body::empty());
        let mut set = |name: &'static str, value: HeaderValue| {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        };
        let token = HeaderValue::try_from(issued.text).map_err(Error::internal)?;
        set("x-auth-token", token.clone());
        set("x-storage-token", token);
        set("x-auth-token-expires", left.into());
        set("x-storage-url", self.storage_url(&entry.user.account, headers)?);
        let html = HeaderValue::from_static("text/html; charset=UTF-8");
        set(CONTENT_TYPE.as_str(), html);
        Ok(response)
    }

    fn still_valid(&self, entry: &Entry, identity: &Identity, now: Timestamp) -> Option<Issued> {
        let mut issued = self.logins.issued.lock();
        let last = issued.lookup(&entry.user.id)?;
        let is_good = last.generation == entry.user.generation
            && last.groups == identity.groups
            && last.expires.seconds() > now.seconds()
            && last.text.starts_with(&self.checked.reseller.first().text)
            && !self.policy.is_revoked(entry.user.id, last.token_id);
        is_good.then(|| last.clone())
    }

    fn issue(&self, entry: &Entry, identity: &Identity, life: u64, now: Timestamp) -> Result<Issued, Error> {
        let mut token_id = [0; 8];
        getrandom::fill(&mut token_id).map_err(|error| Error::internal(error.to_string()))?;
        let token = Token {
            user_id: entry.user.id,
            generation: entry.user.generation,
            expires: Timestamp::from_seconds(now.seconds() + life),
            token_id: u64::from_be_bytes(token_id),
        };
        let issued = Issued {
            generation: token.generation,
            groups: identity.groups.clone(),
            expires: token.expires,
            token_id: token.token_id,
            text: self.keyring.sign(&self.checked.reseller.first().text, &token),
        };
        // One that shall not live long is for who asked for it.
        if life == self.checked.settings.token_life.0.as_secs() {
            self.logins.issued.lock().insert(entry.user.id, issued.clone());
        }
        Ok(issued)
    }

    pub(super) fn storage_url(&self, account: &str, headers: &HeaderMap) -> Result<HeaderValue, Error> {
        let host = headers.get(HOST).map_or(&b"localhost"[..], HeaderValue::as_bytes);
        let mut url = format!("{}://", self.checked.settings.storage_url_scheme).into_bytes();
        url.extend_from_slice(host);
        url.extend_from_slice(b"/v1/");
        url.extend_from_slice(quote(&self.checked.reseller.first().text).as_bytes());
        url.extend_from_slice(quote(account).as_bytes());
        HeaderValue::try_from(url).map_err(Error::internal)
    }
}

/// The account that stands in the path, in the form `v1/{account}/auth`.
pub(super) fn account_in_path(rest: &str) -> Result<Option<String>, Error> {
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let segments: Vec<_> = rest.split('/').collect();
    match segments[..] {
        ["v1" | "v1.0" | "auth"] => Ok(None),
        ["v1" | "v1.0", account, "auth"] if !account.is_empty() => {
            let account = percent_decode_str(account).decode_utf8();
            let account = account.map_err(|_| Error::bad_request("the account is not UTF-8"))?;
            Ok(Some(account.into_owned()))
        }
        ["v1" | "v1.0" | "auth", _, _, _, ..] => Err(Error::not_found()),
        _ => Err(Error::bad_request("expected /v1.0 or /v1/{account}/auth")),
    }
}

impl Who {
    /// Whose realm a refusal names. That of an e-mail address is nobody's: it would tell that the address is known.
    fn realm(&self) -> Option<&str> {
        match self {
            Self::Login(account, _) => Some(account),
            Self::Email(_) => None,
        }
    }
}

/// By which failures are counted.
impl fmt::Display for Who {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Login(account, user) => write!(formatter, "{account}:{user}"),
            Self::Email(email) => formatter.write_str(&email.to_ascii_lowercase()),
        }
    }
}

/// Who wants a token, or else the realm of the refusal.
fn credentials(account: Option<&str>, headers: &HeaderMap) -> Result<Credentials, Option<String>> {
    let text = |name: &str| {
        let value = headers.get(name)?.as_bytes();
        let value = std::str::from_utf8(value).ok()?;
        (!value.is_empty()).then_some(value)
    };
    let of_auth = || text("x-auth-user").and_then(|user| user.split_once(':'));
    let of_storage = || text("x-storage-user").and_then(|user| user.split_once(':'));
    let email = || text("x-auth-user").or_else(|| text("x-storage-user"));
    let keys = ["x-auth-key", "x-storage-pass"];
    let (named, keys) = match account {
        None => (of_auth().or_else(of_storage), keys),
        Some(account) => {
            let plain = text("x-storage-user").map(|user| (account, user));
            let full = || of_auth().filter(|(named, _)| *named == account);
            (plain.or_else(full), ["x-storage-pass", "x-auth-key"])
        }
    };
    let key = keys.into_iter().find_map(text).map(Secret::new);
    if let (None, None, Some(email)) = (account, named, email().filter(|email| email.contains('@'))) {
        let who = Who::Email(email.to_owned());
        return key.map(|key| Credentials { who, key }).ok_or(None);
    }
    let realm = || account.map(str::to_owned);
    let (account, user) = named.ok_or_else(realm)?;
    match key {
        Some(key) if !account.is_empty() && !user.is_empty() => Ok(Credentials {
            who: Who::Login(account.to_owned(), user.to_owned()),
            key,
        }),
        _ => Err(Some(account.to_owned()).filter(|account| !account.is_empty())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_of_token_requests() {
        let status = |rest| account_in_path(rest).map_err(|error| error.status().as_u16());
        for rest in ["v1.0", "v1", "auth", "v1.0/", "auth/"] {
            assert_eq!(status(rest), Ok(None), "{rest}");
        }
        assert_eq!(status("v1/te%20st/auth"), Ok(Some("te st".to_owned())));
        for rest in ["", "v2", "v1/test", "v1/test/other", "v1//auth", "v1/%ff/auth"] {
            assert_eq!(status(rest), Err(400), "{rest}");
        }
        assert_eq!(status("v1/test/auth/more"), Err(404));
    }

    fn read(
        account: Option<&str>,
        pairs: &[(&'static str, &str)],
    ) -> Result<(String, String), Option<String>> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        credentials(account, &headers).map(|found| match found.who {
            Who::Login(account, user) => (account, user),
            Who::Email(email) => ("by e-mail".to_owned(), email),
        })
    }

    #[test]
    fn all_forms_of_headers() {
        let tester = || Ok(("test".to_owned(), "tester".to_owned()));
        let key = ("x-auth-key", "k");
        let pass = ("x-storage-pass", "k");
        assert_eq!(read(None, &[("x-auth-user", "test:tester"), key]), tester());
        assert_eq!(read(None, &[("x-storage-user", "test:tester"), pass]), tester());
        assert_eq!(
            read(Some("test"), &[("x-storage-user", "tester"), pass]),
            tester()
        );
        assert_eq!(
            read(Some("test"), &[("x-auth-user", "test:tester"), key]),
            tester()
        );
        assert_eq!(
            read(None, &[("x-auth-user", "a:ä:c"), key]),
            Ok(("a".to_owned(), "ä:c".to_owned()))
        );
        let by_email = || Ok(("by e-mail".to_owned(), "Joe@example.org".to_owned()));
        assert_eq!(read(None, &[("x-auth-user", "Joe@example.org"), key]), by_email());
        assert_eq!(
            read(None, &[("x-storage-user", "Joe@example.org"), pass]),
            by_email()
        );
        let both = ("x-auth-user", "test:joe@example.org");
        assert_eq!(
            read(None, &[both, key]),
            Ok(("test".to_owned(), "joe@example.org".to_owned()))
        );
        assert_eq!(read(None, &[("x-auth-user", "joe@example.org")]), Err(None));
    }

    #[test]
    fn incomplete_headers_are_refused_with_their_realm() {
        let key = ("x-auth-key", "k");
        let test = || Err(Some("test".to_owned()));
        assert_eq!(read(None, &[key]), Err(None));
        assert_eq!(read(None, &[("x-auth-user", "tester"), key]), Err(None));
        assert_eq!(read(None, &[("x-auth-user", "test:tester")]), test());
        assert_eq!(
            read(None, &[("x-auth-user", "test:tester"), ("x-auth-key", "")]),
            test()
        );
        assert_eq!(read(None, &[("x-auth-user", ":tester"), key]), Err(None));
        assert_eq!(
            read(Some("test"), &[("x-auth-user", "other:tester"), key]),
            test()
        );
    }

    proptest! {
        #[test]
        fn no_path_panics(rest in "[a-z0-9/.%]{0,30}|.{0,30}") {
            let _ = account_in_path(&rest);
        }
    }
}
