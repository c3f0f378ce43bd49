//! One request to the other process, and what it says to it, within bounds.

use std::sync::Arc;
use std::time::Duration;

use http::header::EXPECT;
use http::{HeaderValue, Request as HttpRequest, Response, StatusCode, Uri};
use hyper::body::Incoming;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::held_body::HeldBody;
use super::reply_body::ReplyBody;
use super::{RETRY_AFTER, Remote, breaker};
use crate::body::BoxError;
use crate::functional::Reply;
use crate::wire::{self, RequestHead};
use crate::{Body, Clock, Error};

/// How long an exchange may take.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    /// For each step, where a body flows.
    pub(super) patience: Duration,
    /// For all of it, where none does.
    pub(super) deadline: Instant,
}

/// An exchange that came to no end.
pub(super) struct Broken {
    pub(super) error: Error,
    /// Whether the same request may fare better at once.
    pub(super) may_pass: bool,
    /// Whether the server surely has done nothing of it.
    pub(super) is_unsent: bool,
}

impl Remote {
    /// One request and what the server says to it; the outer error is one of the way there and back.
    pub(super) async fn exchange(
        self: &Arc<Self>,
        name: &str,
        head: &RequestHead,
        held: Option<&HeldBody>,
        sent: Body,
        wait: Wait,
    ) -> Result<Result<Reply, Error>, Broken> {
        let place = timeout(self.patience.connect, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            return Err(self.unsent("too many requests are under way to it"));
        };
        let request = self
            .http_request(head, held, sent)
            .map_err(|error| self.broken(error, false))?;
        let response = self.send(request, held, wait).await?;
        let status = response.status();
        let remote = Arc::clone(self);
        let response = response.map(|incoming| Body::new(ReplyBody::new(incoming, place, remote)));
        let deadline = match held {
            Some(_) => Instant::now() + wait.patience,
            None => wait.deadline,
        };
        match timeout_at(deadline, wire::decode_reply(name, response)).await {
            Ok(Ok(Some(result))) => Ok(result),
            Ok(Ok(None)) => Err(self.broken(not_a_reply(status), false)),
            Ok(Err(error)) => Err(self.broken(error, true)),
            Err(_) => Err(self.late("its answer did not arrive in time")),
        }
    }

    fn http_request(
        &self,
        head: &RequestHead,
        held: Option<&HeldBody>,
        sent: Body,
    ) -> Result<HttpRequest<Body>, http::Error> {
        let uri = Uri::builder()
            .scheme("http")
            .authority(self.authority.clone())
            .path_and_query(head.path.as_str())
            .build()?;
        let mut request = HttpRequest::post(uri).body(sent)?;
        *request.headers_mut() = head.signed(&self.key, Clock::now());
        if let Some(held) = held {
            let expect = HeaderValue::from_static("100-continue");
            request.headers_mut().insert(EXPECT, expect);
            let open = held.opener();
            hyper::ext::on_informational(&mut request, move |informational| {
                if informational.status() == StatusCode::CONTINUE {
                    open();
                }
            });
        }
        Ok(request)
    }

    /// Sends the request and waits for the head of the answer. While the body waits for its maker, no time runs.
    async fn send(
        self: &Arc<Self>,
        request: HttpRequest<Body>,
        held: Option<&HeldBody>,
        wait: Wait,
    ) -> Result<Response<Incoming>, Broken> {
        let begun = Instant::now();
        let sending = self.client.request(request);
        tokio::pin!(sending);
        let mut deadline = wait.deadline;
        loop {
            tokio::select! {
                response = &mut sending => {
                    return response.map_err(|error| {
                        let is_apart = error.is_connect();
                        if is_apart && begun.elapsed() >= self.patience.connect {
                            breaker::open(self);
                        }
                        match is_apart {
                            true => self.unsent(error),
                            false => self.broken(error, true),
                        }
                    });
                }
                () = sleep_until(deadline) => {}
            }
            let now = Instant::now();
            deadline = match held {
                Some(held) => held.owed_since().unwrap_or(now) + wait.patience,
                None => wait.deadline,
            };
            if deadline <= now {
                return Err(self.late("it did not answer in time"));
            }
        }
    }

    /// The other process did not do what it had to: nobody else shall wait for it.
    fn late(self: &Arc<Self>, why: &'static str) -> Broken {
        breaker::open(self);
        self.broken(why, false)
    }

    fn broken(&self, why: impl Into<BoxError>, may_pass: bool) -> Broken {
        let why = why.into();
        let text = format!("the server at {}: {}", self.authority, with_causes(why.as_ref()));
        tracing::debug!("{text}");
        Broken {
            error: Error::unavailable(text, Some(RETRY_AFTER)),
            may_pass,
            is_unsent: false,
        }
    }

    /// The same of a request that never reached the server, or that it did not touch.
    pub(super) fn unsent(&self, why: impl Into<BoxError>) -> Broken {
        Broken {
            is_unsent: true,
            ..self.broken(why, false)
        }
    }
}

fn not_a_reply(status: StatusCode) -> String {
    match status {
        StatusCode::FORBIDDEN => {
            "it does not know this server: the files of the keys differ, or the clocks do by more than a minute"
                .to_owned()
        }
        status => format!("this is no reply of a server of ours ({status})"),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
