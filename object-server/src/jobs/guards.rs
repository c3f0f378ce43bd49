//! Jobs answer to the guards as requests do: what let the request through may be otherwise when its job gets its turn.
//!
//! The owner sends what was asked for through the guards once more, as a *question*: nothing is done, and what comes through is
//! answered by the owner itself with the context in which it came. So all of them decide as they do over any request, on users,
//! rules, lists and switches of this moment. That is done before a job begins ([`Owner::ask_first`]), each second while it runs,
//! and before its result is seen ([`Owner::ask_guards`]). Only a refusal ends a job; who cannot be asked is asked again.

use std::convert::Infallible;
use std::time::Duration;

use common::functional::job::Jobs as JobList;
use common::functional::{Action, Answer, Context, Reply, Request};
use common::{Body, Error, Outcome};
use http_body_util::{BodyExt as _, Limited};

use super::{End, Handle};
use crate::owner::Owner;

/// Between two questions while a job runs.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two when there was no answer.
const RETRY: Duration = Duration::from_millis(200);
/// No context is larger than what servers send each other.
const MAX_CONTEXT: usize = 64 << 10;

/// The answer to a question that came through all guards in this context.
///
/// # Errors
/// When the context cannot be written.
pub fn let_through(context: &Context) -> Result<Reply, Error> {
    let context = serde_json::to_vec(context).map_err(Error::internal)?;
    Ok(Reply {
        // Nobody looks at it: what counts is that there is one.
        answer: Answer::JobList(JobList { jobs: Vec::new() }),
        body: Body::full(context),
    })
}

impl Owner {
    /// Answers a question that came through the guards, when it was decided under what is true now.
    ///
    /// # Errors
    /// `Stale`; what is refused without guards: 403 for what is switched off, 404, 410.
    pub(crate) async fn let_through(&self, action: &Action, context: Context) -> Result<Reply, Error> {
        let path = match action {
            Action::FsMove(rename) => Some(&rename.source),
            Action::FsCopyDirectory(copy) => Some(&copy.source),
            Action::CheckRun(_) | Action::CheckRebuild(_) | Action::CheckAdopt(_) => None,
            _ => return Err(Error::internal("nothing of this kind is asked again")),
        };
        if let Some(path) = path {
            self.admit(&path.account, &path.container, &context, Body::empty())
                .await?;
        }
        let_through(&context)
    }

    /// Asks whether who asked for the job may have it done now. Answers the context in which that is so.
    ///
    /// # Errors
    /// What the guards refuse it with; 503 when they do not answer.
    pub(crate) async fn ask_guards(&self, handle: &Handle) -> Result<Context, Error> {
        let stored = handle.stored();
        let mut context = stored.context;
        let Some(action) = stored.work.request(&stored.job) else {
            return Ok(context);
        };
        (context.is_question, context.is_inner) = (true, true);
        let closed = || Error::unavailable("the server is closing", None);
        let guards = self.jobs.guards.lock().clone().ok_or_else(closed)?;
        let reply = guards.handle(Request {
            action,
            context,
            body: Body::empty(),
        });
        let body = Limited::new(reply.await?.body, MAX_CONTEXT).collect().await;
        let body = body.map_err(Error::internal)?.to_bytes();
        let let_through: Context = serde_json::from_slice(&body).map_err(Error::internal)?;
        Ok(Context {
            is_question: false,
            is_inner: false,
            ..let_through
        })
    }

    /// The same before a job begins, as often as it takes. From now on it is asked again while the job runs.
    ///
    /// # Errors
    /// The job is not to go on.
    pub(crate) async fn ask_first(&self, handle: &Handle) -> Result<Context, End> {
        loop {
            match handle.unless_ended(self.ask_guards(handle)).await? {
                Ok(context) => {
                    handle.answers_to_guards();
                    return Ok(context);
                }
                Err(error) if is_temporary(&error) => {
                    tracing::debug!(%error, "nobody can say yet whether a job may begin");
                    handle.unless_ended(tokio::time::sleep(RETRY)).await?;
                }
                Err(error) => {
                    handle.refuse(&error);
                    handle.check()?;
                }
            }
        }
    }

    /// Asks once more when all is done but the last step.
    ///
    /// # Errors
    /// What the guards say; a job that they refuse is told so.
    pub(crate) async fn ask_last(&self, handle: &Handle) -> Result<Context, Error> {
        let asked = self.ask_guards(handle).await;
        if let Err(error) = &asked
            && !is_temporary(error)
        {
            handle.refuse(error);
        }
        asked
    }

    /// Asks again and again while a job runs, and ends it when it is refused.
    pub(super) async fn keep_asking(&self, handle: &Handle) -> Infallible {
        loop {
            tokio::time::sleep(PAUSE).await;
            if !handle.does_answer_to_guards() {
                continue;
            }
            match self.ask_guards(handle).await {
                Err(error) if !is_temporary(&error) => handle.refuse(&error),
                _ => {}
            }
        }
    }
}

/// Whether it says nothing about the job.
fn is_temporary(error: &Error) -> bool {
    matches!(error.outcome(), Outcome::Unavailable(_) | Outcome::NotOwner)
}

/// What a job ends with that is refused.
pub(super) fn refused(error: &Error) -> Error {
    let why = match error.outcome() {
        Outcome::Unauthorized | Outcome::Forbidden | Outcome::Disabled => {
            "Who asked for it may not do it any more"
        }
        _ => "It cannot be done any more",
    };
    let text = match error.text() {
        Some(text) => format!("{why}: {text}"),
        None => format!("{why} ({}).", error.status().as_u16()),
    };
    Error::from(error.outcome().clone()).with_text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why() {
        let told = |error: Error| refused(&error).text().unwrap_or_default().to_owned();
        assert_eq!(
            told(Error::forbidden()),
            "Who asked for it may not do it any more (403)."
        );
        let gone = Error::from(Outcome::Unauthorized).with_text("The user is gone.");
        assert_eq!(
            told(gone),
            "Who asked for it may not do it any more: The user is gone."
        );
        assert_eq!(told(Error::not_found()), "It cannot be done any more (404).");
    }
}
