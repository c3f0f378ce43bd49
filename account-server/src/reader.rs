//! The tasks that read, each with a connection of its own.

use std::sync::Arc;

use common::functional::Answer;
use common::functional::firewall::ListDisabled;
use common::functional::mirror::{Inspect, ListAccount, ListContainer, Rows, Totals, Tree};
use common::functional::policy::Fetch;
use common::functional::record::List;
use common::{Error, Timestamp};
use tokio::sync::oneshot;

use crate::breaker::Breaker;
use crate::idle::{Idle, REST};
use crate::queue::Queue;
use crate::sql::{Connection, Connector, Failure, Role};
use crate::table::user::{self, User};
use crate::{disabled, inspect, listing, mirror, policy, records, rows, search, totals, tree};

/// A question and who waits for its answer.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) question: Question,
    pub(crate) waiting: oneshot::Sender<Result<Found, Error>>,
}

/// What can be asked of the database without changing it.
#[derive(Debug)]
pub(crate) enum Question {
    /// How far the mirror of an account has come.
    Position(u64),
    /// A page of containers.
    ListAccount(ListAccount),
    /// A page of objects.
    ListContainer(ListContainer),
    /// What a directory holds.
    Totals(Totals),
    /// A container or a directory as nested nodes, at this time.
    Tree(Tree, Timestamp),
    /// A page of objects with all that their rows say.
    Rows(Rows),
    /// Whether rows make up a tree.
    Inspect(Inspect),
    /// What has such names and attributes, at this time.
    Search(Box<search::Query>, Timestamp),
    /// What decides, at this time.
    Policy(Fetch, Timestamp),
    /// A page of the operation record.
    Records(List),
    /// A page of what is switched off.
    Disabled(ListDisabled),
    /// The user of this account and name.
    User(String, String),
    /// The user of this e-mail address.
    UserOfEmail(String),
    /// Users by account and name.
    Users(user::Page),
}

/// What was found.
#[derive(Debug)]
pub(crate) enum Found {
    /// The answer of an action.
    Answer(Box<Answer>),
    /// Users: of one, when there is one, or a page.
    Users(Vec<User>),
    /// More than there is time for.
    TooMuch,
}

/// Answers jobs until the queue is closed.
pub(crate) async fn run(connector: Connector, breaker: Arc<Breaker>, queue: Arc<Queue<Job>>) {
    let mut reader = Reader {
        connector,
        breaker,
        idle: None,
    };
    loop {
        let job = match tokio::time::timeout(REST, queue.take()).await {
            Ok(Some(job)) => job,
            Ok(None) => break,
            Err(_) => {
                Idle::rested(&mut reader.idle).await;
                continue;
            }
        };
        if job.waiting.is_closed() {
            continue;
        }
        let answer = reader.answer(&job.question).await;
        let _ = job.waiting.send(answer.map_err(Error::from));
    }
    if let Some(idle) = reader.idle {
        idle.close().await;
    }
}

/// A reader and its connection.
struct Reader {
    connector: Connector,
    breaker: Arc<Breaker>,
    idle: Option<Idle>,
}

impl Reader {
    async fn answer(&mut self, question: &Question) -> Result<Found, Failure> {
        if self.breaker.is_open() {
            return Err(Failure::Timeout);
        }
        let answer = self.read_somehow(question).await;
        if let Err(failure) = &answer
            && failure.is_away()
        {
            self.breaker.open(failure);
        }
        answer
    }

    /// Answers over the idle connection, or a new one when that has broken while it lay idle.
    async fn read_somehow(&mut self, question: &Question) -> Result<Found, Failure> {
        if let Some(connection) = Idle::take(&mut self.idle, &self.breaker) {
            match self.read(connection, question).await {
                Err(failure) if failure.is_broken_connection() => {}
                answer => return answer,
            }
        }
        let connection = self.connector.connect(Role::Reader).await?;
        self.read(connection, question).await
    }

    /// Answers from one snapshot, and keeps the connection when it is still good.
    async fn read(&mut self, mut connection: Connection, question: &Question) -> Result<Found, Failure> {
        connection.begin_read().await?;
        let found = find(&mut connection, question).await;
        if !found.as_ref().is_err_and(Failure::is_away) {
            connection.rollback().await?;
            self.idle = Some(Idle::new(connection, &self.breaker));
        }
        found
    }
}

async fn find(connection: &mut Connection, question: &Question) -> Result<Found, Failure> {
    let answer = match question {
        Question::Position(account_id) => {
            Answer::MirrorOpen(mirror::position(connection, *account_id).await?)
        }
        Question::ListAccount(list) => Answer::MirrorListAccount(listing::account(connection, list).await?),
        Question::ListContainer(list) => {
            Answer::MirrorListContainer(listing::container(connection, list).await?)
        }
        Question::Rows(page) => Answer::MirrorRows(rows::page(connection, page).await?),
        Question::Inspect(page) => Answer::MirrorInspect(inspect::page(connection, page).await?),
        Question::Totals(totals) => Answer::MirrorTotals(totals::of_directory(connection, totals).await?),
        Question::Tree(asked, now) => Answer::MirrorTree(tree::page(connection, asked, *now).await?),
        Question::Search(query, now) => match search::find(connection, query, *now).await? {
            Some(found) => Answer::SearchFind(found),
            None => return Ok(Found::TooMuch),
        },
        Question::Policy(fetch, now) => Answer::PolicyFetch(policy::fetch(connection, *fetch, *now).await?),
        Question::Records(list) => Answer::RecordList(records::list(connection, list).await?),
        Question::Disabled(list) => Answer::FirewallList(disabled::page(connection, list).await?),
        Question::User(account, name) => {
            let user = user::lookup(connection, account, name).await?;
            return Ok(Found::Users(user.into_iter().collect()));
        }
        Question::UserOfEmail(email) => {
            let user = user::lookup_email(connection, email).await?;
            return Ok(Found::Users(user.into_iter().collect()));
        }
        Question::Users(page) => return Ok(Found::Users(user::page(connection, page).await?)),
    };
    Ok(Found::Answer(Box::new(answer)))
}
