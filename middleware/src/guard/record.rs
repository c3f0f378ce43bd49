//! `record`: says of each request that concerns it who did what, and what came of it.
//!
//! A change gets a number, under which its owner keeps its record together with the change itself; how it ended is told
//! afterwards. Refusals are always told, also of what only reads, and other reads by a setting. What a filter asks in the
//! course of another request is told when it is a change or is refused, else it is a part of that one. So is a question
//! whether something would be let through.
//!
//! A read of which nothing is told costs only that its refusal would be noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use common::body::counted::counted;
use common::body::measured::{End, measured};
use common::config::Config;
use common::functional::{Action, Answer, Reply, Request};
use common::service::{BoxFuture, FunctionalService};
use common::{Body, Error};
use serde::{Deserialize, Serialize};

use crate::recorder::Recorder;
use crate::registry::Context;

mod operation;

pub(crate) use operation::Ended;

use operation::{Numbers, Operation};

/// Of who did not wait for the answer.
const CLIENT_GONE: u16 = 499;

/// Section `[filter.record]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether reads are recorded that were not refused.
    pub reads: bool,
}

/// Builds the filter around `inner`.
pub fn build(config: &mut Config, context: &mut Context, inner: FunctionalService) -> FunctionalService {
    let settings: Settings = config.read("filter.record");
    let record = RecordFilter {
        tells: Arc::new(Tells {
            recorder: Arc::clone(&context.recorder),
            numbers: Numbers::new(),
        }),
        reads: settings.reads,
        inner,
    };
    FunctionalService::from_fn(move |request| record.handle(request))
}

struct RecordFilter {
    tells: Arc<Tells>,
    reads: bool,
    inner: FunctionalService,
}

/// Whom to tell, and the numbers to tell it under.
struct Tells {
    recorder: Arc<Recorder>,
    numbers: Numbers,
}

impl RecordFilter {
    fn handle(&self, request: Request) -> BoxFuture<Reply, Error> {
        let is_read = request.action.is_read();
        let context = &request.context;
        match is_read && (!self.reads || context.is_inner) || context.is_question {
            true => self.notice_refusal(request),
            false if is_read => self.read(request),
            false => self.change(request),
        }
    }

    /// Most requests come this way.
    fn notice_refusal(&self, request: Request) -> BoxFuture<Reply, Error> {
        let operation = Operation::of(&request);
        // Where nobody can say, whoever has a question asks again.
        let refusals = match request.context.is_question {
            true => 400..500,
            false => 400..600,
        };
        let tells = Arc::clone(&self.tells);
        let answer = self.inner.handle(request);
        Box::pin(async move {
            let mut outcome = answer.await;
            match &mut outcome {
                Ok(reply) => tells.add_dropped(&mut reply.answer),
                Err(error) if refusals.contains(&error.status().as_u16()) => {
                    let id = tells.numbers.next();
                    tells
                        .recorder
                        .note(operation.end(id, error.status().as_u16(), 0, 0));
                }
                Err(_) => {}
            }
            outcome
        })
    }

    fn read(&self, request: Request) -> BoxFuture<Reply, Error> {
        let open = Open::new(&self.tells, &request);
        let answer = self.inner.handle(request);
        Box::pin(async move {
            let mut reply = match answer.await {
                Ok(reply) => reply,
                Err(error) => {
                    open.end(error.status().as_u16(), 0);
                    return Err(error);
                }
            };
            open.tells.add_dropped(&mut reply.answer);
            let status = operation::status_of(&reply.answer);
            if matches!(reply.answer, Answer::ObjectGet(_)) {
                reply.body = measured(reply.body, move |sent, end| match end {
                    End::Complete => open.end(status, sent),
                    End::Failed => open.end(500, sent),
                    End::Dropped => open.end(CLIENT_GONE, sent),
                });
            } else {
                open.end(status, 0);
            }
            Ok(reply)
        })
    }

    fn change(&self, mut request: Request) -> BoxFuture<Reply, Error> {
        let open = Open::new(&self.tells, &request);
        request.context.record_id = Some(open.id);
        if matches!(request.action, Action::ObjectPut(_)) {
            let body = std::mem::replace(&mut request.body, Body::empty());
            request.body = counted(body, Arc::clone(&open.received));
        }
        let answer = self.inner.handle(request);
        Box::pin(async move {
            let outcome = answer.await;
            match &outcome {
                Ok(reply) => open.end(operation::status_of(&reply.answer), 0),
                Err(error) => open.end(error.status().as_u16(), 0),
            }
            outcome
        })
    }
}

impl Tells {
    /// Who reads the record learns what it lacks.
    fn add_dropped(&self, answer: &mut Answer) {
        if let Answer::RecordList(page) = answer {
            page.dropped = self.recorder.dropped();
        }
    }
}

/// A request under way. Dropped before its end it is told that nobody waited for the answer.
struct Open {
    tells: Arc<Tells>,
    id: u64,
    operation: Option<Operation>,
    received: Arc<AtomicU64>,
}

impl Open {
    fn new(tells: &Arc<Tells>, request: &Request) -> Self {
        Self {
            tells: Arc::clone(tells),
            id: tells.numbers.next(),
            operation: Some(Operation::of(request)),
            received: Arc::default(),
        }
    }

    fn end(mut self, result: u16, sent: u64) {
        self.tell(result, sent);
    }

    fn tell(&mut self, result: u16, sent: u64) {
        if let Some(operation) = self.operation.take() {
            let received = self.received.load(Ordering::Relaxed);
            self.tells
                .recorder
                .note(operation.end(self.id, result, received, sent));
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.tell(CLIENT_GONE, 0);
    }
}

/// What is told of `request` when it ends so.
#[cfg(test)]
pub(crate) fn ended(request: &Request, id: u64, result: u16) -> Ended {
    Operation::of(request).end(id, result, 0, 0)
}

#[cfg(test)]
mod tests;
