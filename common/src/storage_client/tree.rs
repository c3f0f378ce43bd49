//! The verbs of the tree, which only a stobj has: directories that are made, moved, copied and removed as a whole. The name
//! of a directory ends in a slash.

use http::{Method, StatusCode};

use super::error::{Error, Failure};
use super::exchange::Answer;
use super::request::{Repeat, Request, escaped, place};
use super::{Client, ListingQuery};
use crate::functional::fs::TreeNode;
use crate::functional::job::Job;

/// What came of a move or a copy.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It is done.
    Done {
        /// Whether it took the place of something.
        replaced: bool,
    },
    /// A job does it.
    Job(Box<Job>),
}

/// What may be at the other end of a move or copy.
#[derive(Clone, Debug, Default)]
pub struct Destination<'a> {
    /// Another account.
    pub account: Option<&'a str>,
    /// The container.
    pub container: &'a str,
    /// The name in it.
    pub name: &'a str,
    /// Refuse with 412 if something bears that name, which is replaced otherwise.
    pub keep_existing: bool,
}

impl Client {
    /// Makes a directory; with its parents, if these are to be made too.
    ///
    /// # Errors
    /// A refusal with 405 when it is there, with 409 without its parent.
    pub async fn make_directory(
        &self,
        container: &str,
        directory: &str,
        with_parents: bool,
    ) -> Result<(), Error> {
        let mut request = Request::new(method("MKCOL"), container, directory)?;
        if with_parents {
            request = request.header("x-create-parents", "true")?;
        }
        self.0.send(request).await.map(drop)
    }

    /// Gives an object, or a directory with all that lies in it, another name.
    ///
    /// # Errors
    /// A refusal with 412 when something bears that name, with 403 into itself or where a guard stands against it.
    pub async fn move_node(
        &self,
        container: &str,
        name: &str,
        destination: &Destination<'_>,
    ) -> Result<Outcome, Error> {
        let request = Request::new(method("MOVE"), container, name)?;
        let request = destination.add_to(request)?;
        outcome(&self.0.send(request).await?)
    }

    /// Copies an object, as any Swift does; metadata come along. A Swift's conditions are about what is copied, so that what is to
    /// be kept at the destination is looked for beforehand, and whoever stores it at the same moment is overwritten.
    ///
    /// # Errors
    /// [`Failure::NotFound`] without the object, or without the container to copy to.
    pub async fn copy_object(
        &self,
        container: &str,
        name: &str,
        destination: &Destination<'_>,
    ) -> Result<Outcome, Error> {
        if destination.keep_existing {
            self.expect_absent(destination).await?;
        }
        let mut request = destination.add_to(Request::new(method("COPY"), container, name)?)?;
        request.repeat = Repeat::Freely;
        self.0.send(request).await?;
        Ok(Outcome::Done { replaced: false })
    }

    async fn expect_absent(&self, destination: &Destination<'_>) -> Result<(), Error> {
        let what = place(destination.container, destination.name);
        if destination.account.is_some() {
            let why = "what there is in another account cannot be looked for".to_owned();
            return Err(Error::new(what, Failure::Usage(why)));
        }
        match self.head(destination.container, destination.name).await {
            Err(error) if error.is_not_found() => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(Error::new(
                what,
                Failure::Refused {
                    status: StatusCode::PRECONDITION_FAILED,
                    text: String::new(),
                },
            )),
        }
    }

    /// Copies a directory with all that lies in it, by a job.
    ///
    /// # Errors
    /// As for [`Client::move_node`].
    pub async fn copy_directory(
        &self,
        container: &str,
        directory: &str,
        destination: &Destination<'_>,
    ) -> Result<Box<Job>, Error> {
        let request = Request::new(method("COPY"), container, directory)?.header("depth", "infinity")?;
        let request = destination.add_to(request)?;
        let what = request.what.clone();
        match outcome(&self.0.send(request).await?)? {
            Outcome::Job(job) => Ok(job),
            // Another Swift knows no depth, and copied the one object that bears this very name.
            Outcome::Done { .. } => {
                let why = "it copied one object, and no directory".to_owned();
                Err(Error::new(what, Failure::NotUnderstood(why)))
            }
        }
    }

    /// Removes a directory with all that lies in it.
    ///
    /// # Errors
    /// [`Failure::NotFound`], and a refusal with 403 where a guard stands against it.
    pub async fn remove_directory(&self, container: &str, directory: &str) -> Result<(), Error> {
        let request = Request::new(Method::DELETE, container, directory)?.query("recursive", "true");
        self.0.send(request).await.map(drop)
    }

    /// A container (no directory), or a directory in it, as nested nodes with totals; `marker` is the `next` of a node.
    ///
    /// # Errors
    /// [`Failure::NotUnderstood`] when the store is another Swift.
    pub async fn tree(
        &self,
        container: &str,
        directory: &str,
        depth: Option<usize>,
        limit: Option<usize>,
        marker: Option<&str>,
    ) -> Result<TreeNode, Error> {
        let request = Request::new(Method::GET, container, directory)?
            .query("tree", "true")
            .query_if("depth", depth)
            .query_if("limit", limit)
            .query_if("marker", marker);
        self.0.send(request).await?.json()
    }

    /// Whether anything at all is named so or lies below: at any Swift.
    ///
    /// # Errors
    /// [`Failure::NotFound`] without the container.
    pub async fn has_prefix(&self, container: &str, prefix: &str) -> Result<bool, Error> {
        let query = ListingQuery {
            prefix: Some(prefix.to_owned()),
            limit: Some(1),
            ..ListingQuery::default()
        };
        Ok(self.list_objects(container, query).next_page().await?.is_some())
    }
}

impl Destination<'_> {
    fn add_to(&self, request: Request) -> Result<Request, Error> {
        let mut request = request.header("destination", &escaped(self.container, self.name))?;
        if let Some(account) = self.account {
            request = request.header("destination-account", account)?;
        }
        let overwrite = if self.keep_existing { "F" } else { "T" };
        request.header("overwrite", overwrite)
    }
}

fn outcome(answer: &Answer) -> Result<Outcome, Error> {
    Ok(match answer.head.status() {
        StatusCode::ACCEPTED => Outcome::Job(Box::new(answer.json()?)),
        status => Outcome::Done {
            replaced: status == StatusCode::NO_CONTENT,
        },
    })
}

/// A method that HTTP leaves to others.
fn method(name: &'static str) -> Method {
    Method::from_bytes(name.as_bytes()).unwrap_or_default()
}
