//! One request and its answer: with a token, again where that is safe, and as an error where it is a refusal.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Uri};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::Shared;
use super::access::Access;
use super::error::{Error, Failure};
use super::log_in::LoggedIn;
use super::request::{Repeat, Request, Target};
use super::transport::{Broken, Incomings, retry_after};
use crate::Body;

/// So much of the text of a refusal is read.
const MAX_REFUSAL: usize = 64 * 1024;
/// And so many characters of it are shown.
const MAX_SHOWN: usize = 300;

/// An answer that is a success.
pub(super) struct Answer {
    pub(super) head: Response<()>,
    content: Content,
    what: String,
}

enum Content {
    Whole(Bytes),
    Streamed(Incomings),
}

/// What came of sending a request once.
enum Attempt {
    Answered(Answer),
    /// The token is not, or no more, valid.
    TokenRefused,
    /// Nothing was done.
    NotNow(Failure),
    /// Something may have been done.
    Doubtful(Failure),
    Failed(Failure),
}

impl Shared {
    /// Sends it, again if need be.
    pub(super) async fn send(&self, mut request: Request) -> Result<Answer, Error> {
        let what = std::mem::take(&mut request.what);
        let sent = self.send_until(&mut request, &what).await;
        sent.map_err(|failure| match failure {
            Sent::Failed(failure) => Error::new(what, failure),
            Sent::NoLogIn(error) => error,
        })
    }

    async fn send_until(&self, request: &mut Request, what: &str) -> Result<Answer, Sent> {
        let mut attempts = 0;
        let mut is_doubtful = false;
        let mut refused = None;
        loop {
            let logged_in = self.logged_in(refused.as_ref()).await?;
            let body = request.body().await.map_err(Failure::Local)?;
            let body = body.ok_or_else(|| once_only(Failure::Unauthorized))?;
            let http = prepared(request, &logged_in, &self.server, body)?;
            let failure = match self.attempt(http, request.answer_limit, what).await {
                Attempt::Answered(answer) => return Ok(answer),
                Attempt::TokenRefused if refused.is_none() => {
                    refused = Some(logged_in);
                    continue;
                }
                Attempt::TokenRefused => return Err(Failure::Unauthorized.into()),
                Attempt::NotNow(failure) => failure,
                Attempt::Doubtful(failure) => {
                    is_doubtful = true;
                    if request.repeat == Repeat::No {
                        return Err(Failure::Unknown(failure.to_string()).into());
                    }
                    failure
                }
                // What is gone now may have been taken away by the attempt before, of which nothing was heard.
                Attempt::Failed(Failure::NotFound) if is_doubtful && request.repeat == Repeat::AsRemoval => {
                    return Ok(Answer::nothing(what));
                }
                Attempt::Failed(failure) => return Err(failure.into()),
            };
            attempts += 1;
            if !request.has_body_left() {
                return Err(once_only(failure).into());
            }
            if self.pause(attempts, &failure).await.is_none() {
                return Err(failure.into());
            }
        }
    }

    /// Sends it once; whatever the answer is, it is the answer. Only a token that has ended is renewed.
    pub(super) async fn exchange_once(&self, mut request: Request) -> Result<Answer, Error> {
        let logged_in = self.logged_in(None).await?;
        let answer = self.exchange(&mut request, &logged_in).await?;
        if answer.head.status() != StatusCode::UNAUTHORIZED || matches!(self.access, Access::Token { .. }) {
            return Ok(answer);
        }
        let renewed = self.logged_in(Some(&logged_in)).await?;
        self.exchange(&mut request, &renewed).await
    }

    async fn exchange(&self, request: &mut Request, logged_in: &LoggedIn) -> Result<Answer, Error> {
        let what = request.what.clone();
        let failed = |failure| Error::new(what.clone(), failure);
        let body = request.body().await.map_err(|error| failed(error.into()))?;
        let http = prepared(request, logged_in, &self.server, body.unwrap_or_default());
        let sent = self.transport.send(http.map_err(&failed)?).await;
        let (head, incoming) = sent.map_err(|broken| {
            failed(match broken {
                Broken::NeverSent(why) => Failure::Unreachable(why),
                Broken::Source(error) => error.into(),
                Broken::InTheMidst(why) => Failure::Unknown(why),
            })
        })?;
        let whole = incoming.collect(super::request::MAX_ANSWER).await;
        let content = Content::Whole(whole.map_err(|why| failed(Failure::Unknown(why)))?);
        Ok(Answer { head, content, what })
    }

    async fn attempt(&self, http: http::Request<Body>, answer_limit: Option<usize>, what: &str) -> Attempt {
        let (head, incoming) = match self.transport.send(http).await {
            Ok(answer) => answer,
            Err(Broken::NeverSent(why)) => return Attempt::NotNow(Failure::Unreachable(why)),
            Err(Broken::Source(error)) => return Attempt::Failed(error.into()),
            Err(Broken::InTheMidst(why)) => return Attempt::Doubtful(Failure::Unreachable(why)),
        };
        let status = head.status();
        if status.is_success() {
            let content = match answer_limit {
                None => Content::Streamed(incoming),
                Some(limit) => match incoming.collect(limit).await {
                    Ok(whole) => Content::Whole(whole),
                    Err(why) => return Attempt::Doubtful(Failure::Unreachable(why)),
                },
            };
            let what = what.to_owned();
            return Attempt::Answered(Answer { head, content, what });
        }
        if let Some(failure) = pause_asked(&head) {
            // Without a time to come back nobody says that nothing was done.
            return match &failure {
                Failure::Unavailable {
                    retry_after: Some(_), ..
                } => Attempt::NotNow(failure),
                _ => Attempt::Doubtful(failure),
            };
        }
        let text = refusal_text(&head, incoming).await;
        match status.as_u16() {
            401 => Attempt::TokenRefused,
            404 => Attempt::Failed(Failure::NotFound),
            _ => Attempt::Failed(Failure::Refused { status, text }),
        }
    }

    /// Waits before the next attempt; `None`: there is none.
    pub(super) async fn pause(&self, attempts: usize, failure: &Failure) -> Option<()> {
        let settings = &self.settings;
        if attempts >= settings.attempts {
            return None;
        }
        let doubled = 1_u32 << (attempts - 1).min(16);
        let mut pause = (settings.first_pause * doubled).min(settings.longest_pause);
        if let Failure::Unavailable {
            retry_after: Some(after),
            ..
        } = failure
        {
            if *after > settings.longest_pause {
                return None;
            }
            pause = pause.max(*after);
        }
        sleep(pause).await;
        Some(())
    }
}

impl Answer {
    fn nothing(what: &str) -> Self {
        let mut head = Response::new(());
        *head.status_mut() = StatusCode::NO_CONTENT;
        Self {
            head,
            content: Content::Whole(Bytes::new()),
            what: what.to_owned(),
        }
    }

    pub(super) fn into_headers(self) -> HeaderMap {
        self.head.into_parts().0.headers
    }

    /// The bytes of an answer that was asked for as a whole.
    pub(super) fn whole(&self) -> Bytes {
        match &self.content {
            Content::Whole(bytes) => bytes.clone(),
            Content::Streamed(_) => Bytes::new(),
        }
    }

    /// The head, and the bytes as they come.
    pub(super) fn streamed(self) -> Result<(Response<()>, Incomings), Error> {
        match self.content {
            Content::Streamed(incoming) => Ok((self.head, incoming)),
            Content::Whole(_) => Err(Error::new(
                self.what,
                Failure::NotUnderstood("there is no body".into()),
            )),
        }
    }

    /// The bytes as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.whole())
            .map_err(|error| Error::new(&self.what, Failure::NotUnderstood(error.to_string())))
    }
}

/// Why nothing was answered.
enum Sent {
    Failed(Failure),
    NoLogIn(Error),
}

impl From<Failure> for Sent {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Sent {
    fn from(error: Error) -> Self {
        Self::NoLogIn(error)
    }
}

/// The failure of an answer that asks to come again.
pub(super) fn pause_asked(head: &Response<()>) -> Option<Failure> {
    let status = head.status();
    matches!(status.as_u16(), 408 | 429 | 498 | 499 | 500 | 502 | 503 | 504).then(|| Failure::Unavailable {
        status,
        retry_after: retry_after(status, head.headers()),
    })
}

/// What a refusal says, without the marks of a page.
pub(super) async fn refusal_text(head: &Response<()>, incoming: Incomings) -> String {
    let page = incoming.collect(MAX_REFUSAL).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&page);
    if !text.trim_start().starts_with("<html") {
        return text.trim().chars().take(MAX_SHOWN).collect();
    }
    // The page of an outcome: its sentence stands between <p> and </p>, and says no more than the status.
    let sentence = text
        .split_once("<p>")
        .and_then(|(_, rest)| rest.split_once("</p>"));
    match (sentence, head.status().as_u16()) {
        (Some((sentence, _)), code) if !matches!(code, 403 | 404 | 405 | 409 | 412 | 413) => {
            sentence.chars().take(MAX_SHOWN).collect()
        }
        _ => String::new(),
    }
}

/// The body was there once only, so that the failure is the last word.
fn once_only(failure: Failure) -> Failure {
    match failure {
        Failure::Unreachable(why) => {
            Failure::Unknown(format!("{why}, and what was sent cannot be read again"))
        }
        failure => failure,
    }
}

fn prepared(
    request: &Request,
    logged_in: &LoggedIn,
    server: &str,
    body: Body,
) -> Result<http::Request<Body>, Failure> {
    let base = match request.target {
        Target::OfAccount(_) => &logged_in.storage_url,
        Target::OfServer(_) => server,
    };
    let url = format!("{base}{}", request.path_and_query());
    let url: Uri = url
        .parse()
        .map_err(|error| Failure::Usage(format!("{url:?}: {error}")))?;
    let mut http = http::Request::new(body);
    *http.method_mut() = request.method.clone();
    *http.uri_mut() = url;
    *http.headers_mut() = request.headers.clone();
    http.headers_mut().insert("x-auth-token", logged_in.token.clone());
    Ok(http)
}
