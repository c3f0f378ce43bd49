//! The account-server as a service over functional requests.

use std::sync::Arc;
use std::task::{Context, Poll};

use common::functional::mirror::{Apply, MAX_BATCH, Position};
use common::functional::user::{Password, Put, Written};
use common::functional::{Action, Answer, Reply, Request};
use common::service::BoxFuture;
use common::{Error, Outcome};
use tokio::sync::oneshot;
use tower::Service;

use crate::reader::{Found, Question};
use crate::server::Inner;
use crate::table::user::User;
use crate::users::{self, Change};
use crate::{reader, writer};

/// How often a change of a user is tried that others change at the same time.
const ATTEMPTS: usize = 5;

/// Answers the actions that are SQL's; all others are not implemented here.
#[derive(Clone, Debug)]
pub(crate) struct Front(pub(crate) Arc<Inner>);

impl Service<Request> for Front {
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<Reply, Error>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let inner = Arc::clone(&self.0);
        Box::pin(async move { inner.answer(request).await.map(Reply::new) })
    }
}

impl Inner {
    async fn answer(&self, request: Request) -> Result<Answer, Error> {
        let time = request.context.timestamp.units();
        let question = match request.action {
            Action::MirrorOpen(open) => Question::Position(open.account_id),
            Action::MirrorListAccount(list) => Question::ListAccount(list),
            Action::MirrorListContainer(list) => Question::ListContainer(list),
            Action::PolicyFetch(fetch) => Question::Policy(fetch),
            Action::FirewallList(list) => Question::Disabled(list),
            Action::MirrorApply(apply) => return self.apply(apply).await.map(Answer::MirrorApply),
            Action::UserPut(put) => return self.put_user(put, time).await.map(Answer::UserPut),
            Action::UserPassword(password) => {
                return self.set_password(password, time).await.map(Answer::UserPassword);
            }
            _ => return Err(Outcome::NotImplemented.into()),
        };
        match self.ask(question).await? {
            Found::Answer(answer) => Ok(*answer),
            Found::User(_) => Err(Error::internal("a user was found where none was asked for")),
        }
    }

    async fn apply(&self, apply: Apply) -> Result<Position, Error> {
        if apply.changes.len() > MAX_BATCH {
            return Err(Error::bad_request("a batch holds at most 1000 changes"));
        }
        self.write(|waiting| writer::Job::Apply(apply, waiting)).await
    }

    async fn put_user(&self, put: Put, time: u64) -> Result<Written, Error> {
        users::check(&put.account, &put.name)?;
        for _ in 0..ATTEMPTS {
            let before = self.user(&put.account, &put.name).await?;
            let Some(change) = users::put(&put, before, time).await? else {
                return Ok(Written { created: false });
            };
            if let Some(written) = self.change(change).await? {
                return Ok(written);
            }
        }
        Err(Error::conflict("the user is being changed by somebody else"))
    }

    async fn set_password(&self, password: Password, time: u64) -> Result<Written, Error> {
        for _ in 0..ATTEMPTS {
            let before = self.user(&password.account, &password.name).await?;
            let before = before.ok_or_else(Error::not_found)?;
            let change = users::password(&password, before, time).await?;
            if let Some(written) = self.change(change).await? {
                return Ok(written);
            }
        }
        Err(Error::conflict("the user is being changed by somebody else"))
    }

    async fn user(&self, account: &str, name: &str) -> Result<Option<User>, Error> {
        match self
            .ask(Question::User(account.to_owned(), name.to_owned()))
            .await?
        {
            Found::User(user) => Ok(user),
            Found::Answer(_) => Err(Error::internal("a user was asked for and something else found")),
        }
    }

    async fn change(&self, change: Change) -> Result<Option<Written>, Error> {
        self.write(|waiting| writer::Job::User(change, waiting)).await
    }

    /// Lets a reader answer.
    async fn ask(&self, question: Question) -> Result<Found, Error> {
        let asking = async {
            let (waiting, answer) = oneshot::channel();
            let job = reader::Job { question, waiting };
            self.questions.put(job).await.map_err(|_| closing())?;
            answer.await.map_err(|_| closing())?
        };
        self.breaker.guard(asking).await
    }

    /// Lets the writer do something.
    async fn write<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> writer::Job,
    ) -> Result<T, Error> {
        let writing = async {
            let (waiting, answer) = oneshot::channel();
            self.jobs.send(job(waiting)).await.map_err(|_| closing())?;
            answer.await.map_err(|_| closing())?
        };
        self.breaker.guard(writing).await
    }
}

fn closing() -> Error {
    Error::unavailable("the account-server is closing", None)
}
