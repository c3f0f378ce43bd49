//! Listings, page by page.

use futures::{Stream, stream};
use http::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Client;
use super::error::Error;
use super::request::Request;

/// Which names are listed.
#[derive(Clone, Debug, Default)]
pub struct ListingQuery {
    /// Only names that begin so.
    pub prefix: Option<String>,
    /// What lies behind the next one of these is rolled up.
    pub delimiter: Option<String>,
    /// At most so many a page; none is as many as the store likes.
    pub limit: Option<usize>,
}

/// A container, as its account lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerEntry {
    /// Its name.
    pub name: String,
    /// Objects in it.
    pub count: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// As `2026-01-02T03:04:05.678900`, UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
}

/// A line of a container's listing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// Names that were rolled up.
    Directory {
        /// What they begin with.
        subdir: String,
    },
    /// An object.
    Object(ObjectEntry),
}

/// An object, as its container lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// Its name.
    pub name: String,
    /// Its tag.
    pub hash: String,
    /// Its bytes.
    pub bytes: u64,
    /// Its type.
    #[serde(default)]
    pub content_type: String,
    /// As `2026-01-02T03:04:05.678900`, UTC.
    pub last_modified: String,
}

/// The pages of an account's containers.
pub type Containers = Pages<ContainerEntry>;
/// The pages of a container's objects.
pub type Objects = Pages<Entry>;

/// A listing that is being read. Nothing is held but the page that was read last.
#[derive(Debug)]
pub struct Pages<T> {
    client: Client,
    container: String,
    query: ListingQuery,
    marker: String,
    is_over: bool,
    entries: std::marker::PhantomData<fn() -> T>,
}

/// What a listing is made of.
pub trait Listed: DeserializeOwned {
    /// What the next page is asked for with.
    fn marker(&self) -> &str;
}

impl Listed for ContainerEntry {
    fn marker(&self) -> &str {
        &self.name
    }
}

impl Listed for Entry {
    fn marker(&self) -> &str {
        match self {
            Self::Directory { subdir } => subdir,
            Self::Object(object) => &object.name,
        }
    }
}

impl Client {
    /// The containers of the account.
    pub fn list_containers(&self, query: ListingQuery) -> Containers {
        Pages::new(self, "", query)
    }

    /// The objects of a container.
    pub fn list_objects(&self, container: &str, query: ListingQuery) -> Objects {
        Pages::new(self, container, query)
    }
}

impl<T: Listed> Pages<T> {
    fn new(client: &Client, container: &str, query: ListingQuery) -> Self {
        Self {
            client: client.clone(),
            container: container.to_owned(),
            query,
            marker: String::new(),
            is_over: false,
            entries: std::marker::PhantomData,
        }
    }

    /// The next page, which is never empty; `None` is the end.
    ///
    /// # Errors
    /// [`Failure::NotFound`](super::Failure::NotFound) without the container.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let mut request = Request::new(Method::GET, &self.container, "")?
            .query("format", "json")
            .query_if("prefix", self.query.prefix.as_ref())
            .query_if("delimiter", self.query.delimiter.as_ref())
            .query_if("limit", self.query.limit);
        if !self.marker.is_empty() {
            request = request.query("marker", &self.marker);
        }
        let answer = self.client.0.send(request).await?;
        let page: Vec<T> = match answer.head.status() {
            StatusCode::NO_CONTENT => Vec::new(),
            _ => answer.json()?,
        };
        let Some(last) = page.last() else {
            self.is_over = true;
            return Ok(None);
        };
        last.marker().clone_into(&mut self.marker);
        Ok(Some(page))
    }

    /// All further pages.
    pub fn into_stream(self) -> impl Stream<Item = Result<Vec<T>, Error>> {
        stream::try_unfold(self, async |mut pages| {
            Ok(pages.next_page().await?.map(|page| (page, pages)))
        })
    }
}
