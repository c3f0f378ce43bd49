//! A client as everybody's: logs in by Swift's auth v1 and speaks to the store through its front door.
//!
//! The subcommands of the program use it, so what they do passes the same filters as what anybody else does.

use std::fmt;
use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::functional::{Action, Call};
use crate::wire::program;
use crate::{Body, Error, Outcome};

mod login;

pub use login::Login;

type HttpClient = legacy::Client<HttpConnector, Body>;

/// So long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// So long the store may take to answer.
const ANSWER: Duration = Duration::from_secs(120);
/// The longest answer that is read.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A client that logged in.
pub struct Client {
    client: HttpClient,
    authority: Authority,
    storage_url: String,
    token: HeaderValue,
}

impl Client {
    /// Logs in.
    ///
    /// # Errors
    /// 400 when the URL will not do, 401 when user or key are wrong, 503 when nobody answers.
    pub async fn log_in(login: &Login) -> Result<Self, Error> {
        let url: Uri = login
            .url
            .parse()
            .map_err(|_| Error::bad_request(format!("{} is no URL", login.url)))?;
        let authority = match (url.scheme(), url.authority()) {
            (Some(scheme), Some(authority)) if *scheme == Scheme::HTTP => authority.clone(),
            (Some(scheme), Some(_)) if *scheme == Scheme::HTTPS => {
                let why = "https is not spoken here; log in at the http address of the server";
                return Err(Error::bad_request(why));
            }
            _ => return Err(Error::bad_request(format!("{} is no http:// URL", login.url))),
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT));
        connector.set_nodelay(true);
        let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
        let request = Request::get(url)
            .header("x-auth-user", header_value(&login.user)?)
            .header("x-auth-key", header_value(login.key.expose())?)
            .body(Body::empty())
            .map_err(Error::internal)?;
        let (head, page) = exchange(&client, &authority, request).await?;
        if !head.status().is_success() {
            return Err(refusal(&head, &page));
        }
        let told = |name: &str| {
            let missing = || Error::bad_request(format!("{authority} speaks no auth v1: it gave no {name}"));
            head.headers().get(name).cloned().ok_or_else(missing)
        };
        let storage_url = told("x-storage-url")?;
        Ok(Self {
            token: told("x-auth-token")?,
            storage_url: String::from_utf8_lossy(storage_url.as_bytes()).into_owned(),
            client,
            authority,
        })
    }

    /// The URL of the account that was logged in to.
    pub fn storage_url(&self) -> &str {
        &self.storage_url
    }

    /// Sends a functional request and gives its answer.
    ///
    /// # Errors
    /// What the store answers; 503 when nobody does.
    pub async fn call<C: Call>(&self, call: C) -> Result<C::Answer, Error> {
        let action: Action = call.into();
        let name = action.name();
        let (path, json) = program::encode(&action)?;
        let request = Request::post(format!("http://{}{path}", self.authority))
            .header(CONTENT_TYPE, "application/json")
            .header("x-auth-token", self.token.clone())
            .body(Body::full(json))
            .map_err(Error::internal)?;
        let (head, json) = exchange(&self.client, &self.authority, request).await?;
        program::decode_reply::<C>(name, &head, &json)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Client({})", self.storage_url)
    }
}

/// One request and its whole answer.
async fn exchange(
    client: &HttpClient,
    authority: &Authority,
    request: Request<Body>,
) -> Result<(Response<()>, Vec<u8>), Error> {
    let unreachable = |why: &dyn fmt::Display| unavailable(format!("no answer from {authority}: {why}"));
    let answered = timeout(ANSWER, async {
        let response = client.request(request).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            unreachable(&cause.unwrap_or_else(|| error.to_string()))
        })?;
        let (head, body) = response.into_parts();
        let body = Body::new(body).collect(MAX_ANSWER).await;
        let body = body.map_err(|error| unreachable(&error))?;
        Ok((Response::from_parts(head, ()), body.to_vec()))
    });
    answered
        .await
        .unwrap_or_else(|_| Err(unreachable(&"it takes too long")))
}

fn header_value(text: &str) -> Result<HeaderValue, Error> {
    let value = HeaderValue::from_bytes(text.as_bytes());
    value.map_err(|_| Error::bad_request("user and key must not contain control characters"))
}

/// 503 with a text for the person who waits.
fn unavailable(text: String) -> Error {
    Error::new(Outcome::Unavailable(None)).with_text(text)
}

/// Why there was no log-in.
fn refusal(head: &Response<()>, page: &[u8]) -> Error {
    match head.status().as_u16() {
        401 | 403 => Error::from(Outcome::Unauthorized).with_text("user or key are wrong"),
        404 => Error::bad_request("there is no auth v1 at this URL"),
        status => {
            let text: String = String::from_utf8_lossy(page).chars().take(200).collect();
            unavailable(format!("the log-in was answered with {status}: {text}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    #[tokio::test]
    async fn urls_that_will_not_do_are_told() {
        for (url, why) in [
            ("https://127.0.0.1:1/auth/v1.0", "https"),
            ("/auth", "http://"),
            ("http://a b", "no URL"),
            ("http://127.0.0.1:1/auth/v1.0", "no answer from 127.0.0.1:1"),
        ] {
            let login = Login {
                url: url.into(),
                user: "a:b".into(),
                key: Secret::new("k"),
            };
            let error = Client::log_in(&login).await.unwrap_err();
            assert!(error.to_string().contains(why), "{url}: {error}");
        }
    }
}
