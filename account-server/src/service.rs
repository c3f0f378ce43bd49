//! The account-server as a service over functional requests.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use common::functional::mirror::{Apply, MAX_MEND, Mend, Position};
use common::functional::record::{Commit, Complete, Kept, MAX_BATCH as MAX_RECORDS};
use common::functional::search::Find;
use common::functional::{Action, Answer, Reply, Request};
use common::service::BoxFuture;
use common::{Clock, Error, Timestamp};
use tokio::sync::oneshot;
use tower::Service;

use crate::reader::{Found, Question};
use crate::records::{self, Told};
use crate::search::Query;
use crate::server::Inner;
use crate::{mirror, reader, writer};

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
            Action::MirrorTotals(totals) => Question::Totals(totals),
            Action::MirrorRows(rows) => Question::Rows(rows),
            Action::MirrorInspect(inspect) => Question::Inspect(inspect),
            Action::MirrorTree(tree) => Question::Tree(tree, request.context.timestamp),
            Action::SearchFind(find) => {
                return self.search(find, request.context.timestamp).await;
            }
            Action::RecordList(list) => {
                records::check(&list)?;
                Question::Records(list)
            }
            Action::FirewallList(list) => Question::Disabled(list),
            Action::PolicyFetch(fetch) => {
                self.seen.fetch_max(fetch.known_version, Ordering::Relaxed);
                Question::Policy(fetch, Clock::now())
            }
            Action::MirrorApply(apply) => return self.apply(apply).await.map(Answer::MirrorApply),
            Action::MirrorMend(mend) => return self.mend(mend).await.map(Answer::MirrorMend),
            Action::RecordCommit(Commit { records }) => {
                return self.keep(Told::ByOwner(records)).await.map(Answer::RecordCommit);
            }
            Action::RecordComplete(Complete { records }) => {
                return self
                    .keep(Told::ByProxy(records))
                    .await
                    .map(Answer::RecordComplete);
            }
            action => return self.administer(action, time).await,
        };
        match self.ask(question).await? {
            Found::Answer(answer) => Ok(*answer),
            Found::Users(_) | Found::TooMuch => Err(Error::internal("what was found was not asked for")),
        }
    }

    /// Searches take long: so many at once that readers are left for all else.
    async fn search(&self, find: Find, now: Timestamp) -> Result<Answer, Error> {
        let query = Box::new(Query::new(find)?);
        let place = self.searches.acquire();
        let _place = self
            .breaker
            .guard(async { place.await.map_err(|_| closing()) })
            .await?;
        match self.ask(Question::Search(query, now)).await? {
            Found::Answer(answer) => Ok(*answer),
            Found::TooMuch => Err(Error::precondition_failed(
                "there is more to sort than there is time for: search in one account, by a longer name, or sort by name",
            )),
            Found::Users(_) => Err(Error::internal("what was found was not asked for")),
        }
    }

    async fn apply(&self, apply: Apply) -> Result<Position, Error> {
        mirror::check(&apply)?;
        self.write(|waiting| writer::Job::Apply(apply, waiting)).await
    }

    async fn mend(&self, mend: Mend) -> Result<Position, Error> {
        if mend.detach.len() + mend.count.len() > MAX_MEND {
            return Err(Error::bad_request("at most 1000 rows are mended at once"));
        }
        self.write(|waiting| writer::Job::Mend(mend, waiting)).await
    }

    async fn keep(&self, told: Told) -> Result<Kept, Error> {
        if told.records().len() > MAX_RECORDS {
            return Err(Error::bad_request("a batch holds at most 1000 records"));
        }
        self.write(|waiting| writer::Job::Records(told, waiting)).await?;
        Ok(Kept {})
    }

    /// Lets a reader answer.
    pub(crate) async fn ask(&self, question: Question) -> Result<Found, Error> {
        let asking = async {
            let (waiting, answer) = oneshot::channel();
            let job = reader::Job { question, waiting };
            self.questions.put(job).await.map_err(|_| closing())?;
            answer.await.map_err(|_| closing())?
        };
        self.breaker.guard(asking).await
    }

    /// Lets the writer do something.
    pub(crate) async fn write<T>(
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
