//! The mirror as a check reads it: page after page, each of a state that has everything up to now.

use std::collections::VecDeque;
use std::time::Duration;

use common::functional::listing::Query;
use common::functional::mirror::{
    self, AtLeast, DirectoryRow, Inspect, Inspected, Inspection, KeptObject, ListAccount, Mark, Mend, Page,
    Position, Total, Totals,
};
use common::functional::{self, Context, account};
use common::name::{ContainerName, ObjectName};
use common::{Body, Clock, Error};
use tokio::time::Instant;

use crate::jobs::{End, Handle, Waiting};
use crate::owner::{Account, Owner};

/// So long the mirror may be away or behind before a check gives up.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same while others are kept from changing a name; then they are let in first.
const HURRY: Duration = Duration::from_secs(1);
/// Between two attempts.
const RETRY: Duration = Duration::from_millis(200);

/// Who asks the mirror.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mirror<'a> {
    owner: &'a Owner,
    account: &'a Account,
    handle: &'a Handle,
    patience: Duration,
}

impl<'a> Mirror<'a> {
    pub(super) const fn new(owner: &'a Owner, account: &'a Account, handle: &'a Handle) -> Self {
        Self {
            owner,
            account,
            handle,
            patience: PATIENCE,
        }
    }

    /// For who keeps others out meanwhile.
    pub(super) const fn hurried(self) -> Self {
        Self {
            patience: HURRY,
            ..self
        }
    }

    /// Waits until the mirror has everything up to now.
    ///
    /// # Errors
    /// 503 when that takes too long.
    pub(super) async fn reached(&self) -> Result<AtLeast, End> {
        let seq = self.account.last_seq();
        let mut until = Instant::now() + self.patience;
        let mut waiting = Waiting::new(self.owner, self.handle);
        loop {
            let reached = self.owner.feed.reached(self.account.account_id, seq, RETRY);
            if self.handle.unless_ended(reached).await? {
                return Ok(AtLeast {
                    account_id: self.account.account_id,
                    incarnation: self.account.attributes().incarnation,
                    seq,
                });
            }
            if let Err(end) = self.wait(until, None).await {
                self.after(&mut waiting, end).await?;
                until = Instant::now() + self.patience;
            }
        }
    }

    /// Who is hurried does not wait for the lease of the storage, without which the mirror may not hear of all.
    async fn after(&self, waiting: &mut Waiting<'_>, end: End) -> Result<(), End> {
        match self.patience == HURRY {
            true => Err(end),
            false => waiting.after(end).await,
        }
    }

    /// The containers behind a name, all of them when there are fewer than a page.
    pub(super) async fn containers(&self, query: Query) -> Result<Vec<account::Entry>, End> {
        self.page(|at_least| ListAccount {
            at_least,
            query: query.clone(),
        })
        .await
    }

    /// The row of one container.
    pub(super) async fn has_container(&self, name: &ContainerName) -> Result<bool, End> {
        let query = Query {
            prefix: name.to_string(),
            limit: 1,
            ..Query::default()
        };
        let page = self.containers(query).await?;
        // The first name that begins so is the name itself, if it is there.
        Ok(page.iter().any(|entry| is_of(entry, name)))
    }

    /// The row of one object.
    pub(super) async fn object(
        &self,
        container: &ContainerName,
        name: &ObjectName,
    ) -> Result<Option<KeptObject>, End> {
        let query = Query {
            prefix: name.to_string(),
            limit: 1,
            ..Query::default()
        };
        let mut page = self.objects(container, query).await?;
        Ok(page.pop().filter(|object| object.name == *name))
    }

    /// What the mirror has of this directory as an explicit one.
    pub(super) async fn directory(
        &self,
        container: &ContainerName,
        directory: &ObjectName,
    ) -> Result<Option<DirectoryRow>, End> {
        let totals = |at_least| Totals {
            at_least,
            container: container.clone(),
            directory: directory.clone(),
        };
        let answer = |total| match total {
            Total::Counted { explicit, .. } => Some(explicit),
            Total::Behind(_) => None,
        };
        self.ask(totals, answer).await
    }

    /// A page of an inspection.
    pub(super) async fn inspect(&self, after: Option<Mark>) -> Result<Inspection, End> {
        let inspect = |at_least| Inspect {
            at_least,
            after: after.clone(),
        };
        let answer = |inspected| match inspected {
            Inspected::Rows(page) => Some(*page),
            Inspected::Behind(_) => None,
        };
        self.ask(inspect, answer).await
    }

    /// Takes rows out of the mirror's tree, and has others count again.
    pub(super) async fn mend(&self, detach: &[i64], count: &[i64]) -> Result<(), End> {
        let (account_id, incarnation) = (self.account.account_id, self.account.attributes().incarnation);
        let mend = |_| Mend {
            account_id,
            incarnation,
            detach: detach.to_vec(),
            count: count.to_vec(),
        };
        let answer = |position: Position| (position.incarnation == Some(incarnation)).then_some(());
        self.ask(mend, answer).await
    }

    /// The rows of a container, from the first one on.
    pub(super) fn rows(self, container: &'a ContainerName) -> Rows<'a> {
        Rows {
            mirror: self,
            container,
            page: VecDeque::new(),
            marker: String::new(),
            is_over: false,
        }
    }

    async fn objects(&self, container: &ContainerName, query: Query) -> Result<Vec<KeptObject>, End> {
        self.page(|at_least| mirror::Rows {
            at_least,
            container: container.clone(),
            query: query.clone(),
        })
        .await
    }

    async fn page<C, E>(&self, question: impl Fn(AtLeast) -> C) -> Result<Vec<E>, End>
    where
        C: functional::Call<Answer = Page<E>>,
    {
        let entries = |page| match page {
            Page::Entries(entries) => Some(entries),
            Page::Behind(_) => None,
        };
        self.ask(question, entries).await
    }

    /// Asks until the mirror has what it is asked for.
    async fn ask<C: functional::Call, T>(
        &self,
        question: impl Fn(AtLeast) -> C,
        answer: impl Fn(C::Answer) -> Option<T>,
    ) -> Result<T, End> {
        let until = Instant::now() + self.patience;
        loop {
            let at_least = self.reached().await?;
            let context = Context::internal("check", Clock::now());
            let service = self.owner.feed.account_server();
            let asking = functional::ask(service, question(at_least), context, Body::empty());
            match self.handle.unless_ended(asking).await? {
                Ok((answered, _)) => match answer(answered) {
                    Some(answer) => return Ok(answer),
                    None => {
                        self.owner.feed.suspect(self.account.account_id);
                        self.wait(until, None).await?;
                    }
                },
                Err(error) => self.wait(until, Some(error)).await?,
            }
        }
    }

    async fn wait(&self, until: Instant, error: Option<Error>) -> Result<(), End> {
        if Instant::now() >= until {
            let behind = || Error::unavailable("the mirror is behind", None);
            let text = "The database is away, or too far behind to be compared with.";
            return Err(error.unwrap_or_else(behind).with_text(text).into());
        }
        self.handle.unless_ended(tokio::time::sleep(RETRY)).await
    }
}

fn is_of(entry: &account::Entry, wanted: &ContainerName) -> bool {
    matches!(entry, account::Entry::Container { name, .. } if name == wanted)
}

/// The rows of a container, one behind the other.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    mirror: Mirror<'a>,
    container: &'a ContainerName,
    page: VecDeque<KeptObject>,
    marker: String,
    is_over: bool,
}

impl Rows<'_> {
    /// The next row, which stays the next one.
    pub(super) async fn peek(&mut self) -> Result<Option<&KeptObject>, End> {
        if self.page.is_empty() && !self.is_over {
            let query = Query {
                marker: self.marker.clone(),
                ..Query::default()
            };
            self.page = self.mirror.objects(self.container, query).await?.into();
            match self.page.back() {
                Some(last) => self.marker = last.name.to_string(),
                None => self.is_over = true,
            }
        }
        Ok(self.page.front())
    }

    /// Takes the row that [`peek`](Self::peek) showed.
    pub(super) fn take(&mut self) -> Option<KeptObject> {
        self.page.pop_front()
    }
}
