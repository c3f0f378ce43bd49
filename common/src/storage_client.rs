//! A client of a Swift store, ours or any other: logs in by auth v1, renews its token, waits and tries again where that is
//! safe, and knows the verbs of the tree besides Swift's.
//!
//! The subcommands of the program use it, so what they do passes the same filters as what anybody else does. Names of
//! containers and objects are plain text here, as another Swift may have other limits than ours.
//!
//! ```no_run
//! # async fn example() -> Result<(), common::storage_client::Error> {
//! use common::storage_client::{Access, Client, Upload};
//!
//! let access = Access::from_environment(|name| std::env::var(name).ok())?;
//! let client = Client::new(access)?;
//! client.put_container("photos").await?;
//! client.put_object("photos", "2026/a.txt", Upload::bytes("content")).await?;
//! let mut download = client.get_object("photos", "2026/a.txt", Default::default()).await?;
//! while let Some(chunk) = download.chunk().await? {
//!     println!("{} bytes", chunk.len());
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::uri::Scheme;
use http::{HeaderMap, Method, Uri};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::functional::{Action, Call};
use crate::wire::program;

mod access;
mod download;
mod error;
mod exchange;
mod job;
mod listing;
mod log_in;
mod metadata;
mod request;
mod search;
mod transport;
mod tree;
mod upload;
mod watched;

pub use access::{Access, Login};
pub use download::{Begun, Download, Part, Selection};
pub use error::{Error, Failure};
pub use listing::{ContainerEntry, Containers, Entry, Listed, ListingQuery, ObjectEntry, Objects, Pages};
pub use metadata::Properties;
pub use transport::Patience;
pub use tree::{Destination, Outcome};
pub use upload::{Meter, Source, Stored, Upload};

use log_in::LoggedIn;
use request::{Payload, Request, Target};
use transport::Transport;

/// How often and how patiently a client tries.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the store may take.
    pub patience: Patience,
    /// So often a request is sent at most.
    pub attempts: usize,
    /// So long is waited before the second attempt, twice as long before each further one.
    pub first_pause: Duration,
    /// The longest time between two attempts. A store that asks for more is not asked again.
    pub longest_pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            attempts: 5,
            first_pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
        }
    }
}

/// A client of one account. Clones share connections and token.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    transport: Transport,
    settings: Settings,
    access: Access,
    /// What programs' requests go to: `http://host:port`.
    server: String,
    logged_in: Mutex<Option<Arc<LoggedIn>>>,
    /// One log-in at a time; the others take what it brings.
    log_in: Semaphore,
}

impl Client {
    /// A client that logs in with its first request.
    ///
    /// # Errors
    /// When the URL will not do.
    pub fn new(access: Access) -> Result<Self, Error> {
        Self::with_settings(access, Settings::default())
    }

    /// The same, more or less patient.
    ///
    /// # Errors
    /// When the URL will not do.
    pub fn with_settings(access: Access, settings: Settings) -> Result<Self, Error> {
        let url = match &access {
            Access::Login { login, .. } => &login.url,
            Access::Token { storage_url, .. } => storage_url,
        };
        let (is_secure, server) = server_of(url)?;
        let transport = Transport::new(settings.patience, is_secure);
        let transport = transport.map_err(|why| Error::new(url, Failure::Usage(why)))?;
        Ok(Self(Arc::new(Shared {
            transport,
            settings,
            access,
            server,
            logged_in: Mutex::new(None),
            log_in: Semaphore::new(1),
        })))
    }

    /// Logs in, if that was not done yet.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] when user or key are wrong, [`Failure::Unreachable`] when nobody answers.
    pub async fn log_in(&self) -> Result<(), Error> {
        self.0.logged_in(None).await.map(drop)
    }

    /// The URL of the account.
    ///
    /// # Errors
    /// As [`Client::log_in`].
    pub async fn storage_url(&self) -> Result<String, Error> {
        Ok(self.0.logged_in(None).await?.storage_url.clone())
    }

    /// Sends a functional request, as programs do, and gives its answer. It is sent once, as most change something.
    ///
    /// # Errors
    /// What the store answers; 503 when nobody does.
    pub async fn call<C: Call>(&self, call: C) -> Result<C::Answer, crate::Error> {
        let action: Action = call.into();
        let name = action.name();
        let (path, json) = program::encode(&action)?;
        let mut request = Request::new(Method::POST, "", "")?.header("content-type", "application/json")?;
        request.what = name.to_owned();
        request.target = Target::OfServer(path);
        request.payload = Payload::Bytes(json.into());
        request.repeat = request::Repeat::No;
        let answer = self.0.exchange_once(request).await?;
        program::decode_reply::<C>(name, &answer.head, &answer.whole())
    }

    /// The counters and metadata of the account, a container, or an object: whatever the names say.
    ///
    /// # Errors
    /// [`Failure::NotFound`] and whatever else there is.
    pub async fn head(&self, container: &str, object: &str) -> Result<Properties, Error> {
        let request = Request::new(Method::HEAD, container, object)?;
        Ok(Properties::new(self.0.send(request).await?.into_headers()))
    }

    /// Makes a container; whether it was not there before.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn put_container(&self, container: &str) -> Result<bool, Error> {
        let request = Request::new(Method::PUT, container, "")?;
        Ok(self.0.send(request).await?.head.status() == http::StatusCode::CREATED)
    }

    /// Sets metadata of the account, a container or an object, by the names of their headers. Of an object the old ones go,
    /// of the others an empty value removes one.
    ///
    /// # Errors
    /// [`Failure::NotFound`] and whatever else there is.
    pub async fn post(&self, container: &str, object: &str, headers: HeaderMap) -> Result<(), Error> {
        let mut request = Request::new(Method::POST, container, object)?;
        request.headers = headers;
        self.0.send(request).await.map(drop)
    }

    /// Removes an object, or an empty container.
    ///
    /// # Errors
    /// [`Failure::NotFound`], and a refusal with 409 for a container that is not empty.
    pub async fn delete(&self, container: &str, object: &str) -> Result<(), Error> {
        let request = Request::new(Method::DELETE, container, object)?;
        self.0.send(request).await.map(drop)
    }

    /// What the server says of itself at `/info`.
    ///
    /// # Errors
    /// When it says nothing, or it makes no sense.
    pub async fn info(&self) -> Result<serde_json::Value, Error> {
        let mut request = Request::new(Method::GET, "", "")?;
        request.what = "/info".to_owned();
        request.target = Target::OfServer("/info".to_owned());
        self.0.send(request).await?.json()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Client({})", self.0.server)
    }
}

/// Whether it is `https`, and the URL up to host and port.
fn server_of(url: &str) -> Result<(bool, String), Error> {
    let wrong = |why: String| Error::new("log-in", Failure::Usage(why));
    let parsed: Uri = url.parse().map_err(|_| wrong(format!("{url} is no URL")))?;
    match (parsed.scheme(), parsed.authority()) {
        (Some(scheme), Some(authority)) if *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS => {
            Ok((*scheme == Scheme::HTTPS, format!("{scheme}://{authority}")))
        }
        _ => Err(wrong(format!("{url} is no http:// or https:// URL"))),
    }
}

#[cfg(test)]
mod tests;
