//! Swift's auth v1: user and key for a token and the account's URL.

use std::sync::Arc;

use http::header::HeaderValue;

use super::access::{Access, Login};
use super::error::{Error, Failure};
use super::exchange::refusal_text;
use super::transport::Broken;
use super::{Shared, server_of};
use crate::Body;

/// What a log-in brings.
#[derive(Debug)]
pub(super) struct LoggedIn {
    pub(super) storage_url: String,
    pub(super) token: HeaderValue,
}

impl Shared {
    /// The token to use; a new one when `refused` is the one that was used last.
    pub(super) async fn logged_in(&self, refused: Option<&Arc<LoggedIn>>) -> Result<Arc<LoggedIn>, Error> {
        if let Some(logged_in) = self.usable(refused) {
            return Ok(logged_in);
        }
        // Whoever waited here takes what the one before brought.
        let closed = |_| Error::new("log-in", Failure::Usage("the client is being dropped".into()));
        let _only_one = self.log_in.acquire().await.map_err(closed)?;
        if let Some(logged_in) = self.usable(refused) {
            return Ok(logged_in);
        }
        let new = Arc::new(match &self.access {
            Access::Token { .. } if refused.is_some() => {
                return Err(Error::new("the token", Failure::Unauthorized));
            }
            Access::Token { storage_url, token } => LoggedIn {
                storage_url: storage_url.trim_end_matches('/').to_owned(),
                token: secret(token.expose())?,
            },
            Access::Login { login, storage_url } => self.ask_for_token(login, storage_url.as_deref()).await?,
        });
        *self.logged_in.lock() = Some(Arc::clone(&new));
        Ok(new)
    }

    fn usable(&self, refused: Option<&Arc<LoggedIn>>) -> Option<Arc<LoggedIn>> {
        let current = self.logged_in.lock().clone()?;
        match refused {
            Some(refused) if Arc::ptr_eq(refused, &current) => None,
            _ => Some(current),
        }
    }

    async fn ask_for_token(&self, login: &Login, storage_url: Option<&str>) -> Result<LoggedIn, Error> {
        let failed = |failure| Error::new(format!("log-in at {}", login.url), failure);
        let is_first = self.logged_in.lock().is_none();
        let mut attempt = 0;
        let (head, incoming) = loop {
            let request = http::Request::get(&login.url)
                .header("x-auth-user", header_value(&login.user)?)
                .header("x-auth-key", secret(login.key.expose())?)
                .body(Body::empty())
                .map_err(|error| failed(Failure::Usage(error.to_string())))?;
            let failure = match self.transport.send(request).await {
                Ok((head, incoming)) => match super::exchange::pause_asked(&head) {
                    None => break (head, incoming),
                    Some(failure) => failure,
                },
                Err(Broken::Source(error)) => return Err(failed(error.into())),
                // Who was never there will hardly come; who was there may be starting anew.
                Err(Broken::NeverSent(why)) if is_first => return Err(failed(Failure::Unreachable(why))),
                Err(Broken::NeverSent(why) | Broken::InTheMidst(why)) => Failure::Unreachable(why),
            };
            attempt += 1;
            self.pause(attempt, &failure)
                .await
                .ok_or_else(|| failed(failure))?;
        };
        let status = head.status();
        if !status.is_success() {
            let text = refusal_text(&head, incoming).await;
            return Err(failed(match status.as_u16() {
                401 | 403 => Failure::Unauthorized,
                404 => Failure::NotUnderstood("there is no auth v1 at this URL".into()),
                _ => Failure::Refused { status, text },
            }));
        }
        let told = |name: &str| {
            let missing = || failed(Failure::NotUnderstood(format!("it gave no {name}")));
            head.headers().get(name).cloned().ok_or_else(missing)
        };
        let url = match storage_url {
            Some(url) => url.to_owned(),
            None => String::from_utf8_lossy(told("x-storage-url")?.as_bytes()).into_owned(),
        };
        let (is_secure, _) = server_of(&url)?;
        if is_secure && !self.server.starts_with("https:") {
            let why = format!("the account is at {url}; log in by https too");
            return Err(failed(Failure::Usage(why)));
        }
        let mut token = told("x-auth-token")?;
        token.set_sensitive(true);
        let storage_url = url.trim_end_matches('/').to_owned();
        Ok(LoggedIn { storage_url, token })
    }
}

fn secret(text: &str) -> Result<HeaderValue, Error> {
    let mut value = header_value(text)?;
    value.set_sensitive(true);
    Ok(value)
}

fn header_value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        let why = "user, key and token must not contain control characters";
        Error::new("log-in", Failure::Usage(why.into()))
    })
}
