//! Downloads: streamed, checked against the object's MD5, and gone on with where a connection broke off, as long as the
//! object is still the same.

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use md5::{Digest as _, Md5};

use super::error::{Error, Failure};
use super::request::Request;
use super::transport::Incomings;
use super::{Client, Properties};
use crate::Etag;

/// Which part of which object.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// These bytes only.
    pub part: Part,
    /// Only while the object has this tag.
    pub if_match: Option<Etag>,
}

/// Which bytes of an object.
#[derive(Clone, Debug, Default)]
pub enum Part {
    /// All.
    #[default]
    Whole,
    /// From the first of these to the last, which counts; none is the end.
    Range(u64, Option<u64>),
    /// The last so many.
    Last(u64),
    /// All but those that an earlier download brought.
    Rest(Begun),
}

/// How far an earlier download came.
#[derive(Clone, Debug, Default)]
pub struct Begun {
    md5: Md5,
    bytes: u64,
}

/// An object on its way here.
pub struct Download {
    client: Client,
    container: String,
    name: String,
    what: String,
    properties: Properties,
    body: Incomings,
    /// What is hashed so far, when the whole object is, and its MD5.
    check: Option<(Md5, Etag)>,
    /// The first byte that is not here yet, and the one behind the last that shall be.
    position: u64,
    end: u64,
    failures: usize,
}

impl Begun {
    /// Some more of what is here.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    /// So many bytes are here.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Client {
    /// Begins to download an object.
    ///
    /// # Errors
    /// [`Failure::NotFound`]; [`Failure::Changed`] when it has not the tag that was asked for.
    pub async fn get_object(
        &self,
        container: &str,
        name: &str,
        selection: Selection,
    ) -> Result<Download, Error> {
        let range = match &selection.part {
            Part::Whole => None,
            Part::Range(first, Some(last)) => Some(format!("bytes={first}-{last}")),
            Part::Range(first, None) => Some(format!("bytes={first}-")),
            Part::Last(count) => Some(format!("bytes=-{count}")),
            Part::Rest(begun) => (begun.bytes > 0).then(|| format!("bytes={}-", begun.bytes)),
        };
        let (properties, extent, body) = self
            .begin(container, name, range.as_deref(), selection.if_match.as_ref())
            .await?;
        let check = match selection.part {
            Part::Whole => Some(Md5::new()),
            Part::Rest(begun) => Some(begun.md5),
            Part::Range(..) | Part::Last(_) => None,
        };
        Ok(Download {
            client: self.clone(),
            container: container.to_owned(),
            name: name.to_owned(),
            what: super::request::place(container, name),
            check: check.zip(properties.md5()),
            properties,
            body,
            position: extent.first,
            end: extent.end,
            failures: 0,
        })
    }

    async fn begin(
        &self,
        container: &str,
        name: &str,
        range: Option<&str>,
        if_match: Option<&Etag>,
    ) -> Result<(Properties, Extent, Incomings), Error> {
        let mut request = Request::new(Method::GET, container, name)?;
        request.answer_limit = None;
        let what = request.what.clone();
        if let Some(range) = range {
            request = request.header("range", range)?;
        }
        if let Some(etag) = if_match {
            request = request.header("if-match", &format!("\"{etag}\""))?;
        }
        let changed = |error: Error| match error.is_refused_with(412) && if_match.is_some() {
            true => Error::new(&what, Failure::Changed),
            false => error,
        };
        let (head, body) = self.0.send(request).await.map_err(changed)?.streamed()?;
        let status = head.status();
        let properties = Properties::new(head.into_parts().0.headers);
        let extent = Extent::of(status, &properties, range.is_some());
        let why = || Failure::NotUnderstood("it does not say how long it is, or which part it is".into());
        Ok((properties, extent.ok_or_else(|| Error::new(&what, why()))?, body))
    }
}

impl Download {
    /// What the object is.
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// So many bytes are still to come.
    pub fn remaining(&self) -> u64 {
        self.end - self.position
    }

    /// The next bytes; `None` is the end, and all are as they should be.
    ///
    /// # Errors
    /// [`Failure::Changed`] when the object became another one while the connection was broken, [`Failure::Damaged`] when
    /// the bytes are not those of the object.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.position == self.end {
                return self.checked().map(|()| None);
            }
            let why = match self.body.chunk().await {
                Ok(Some(chunk)) if chunk.len() as u64 <= self.remaining() => {
                    self.position += chunk.len() as u64;
                    self.failures = 0;
                    if let Some((md5, _)) = &mut self.check {
                        md5.update(&chunk);
                    }
                    return Ok(Some(chunk));
                }
                Ok(Some(_)) => return Err(self.failed(Failure::NotUnderstood("it is too long".into()))),
                Ok(None) => "it ended too early".to_owned(),
                Err(why) => why,
            };
            self.go_on(Failure::Unreachable(why)).await?;
        }
    }

    /// Asks for the rest.
    async fn go_on(&mut self, failure: Failure) -> Result<(), Error> {
        let Some(etag) = self.properties.etag() else {
            return Err(self.failed(failure));
        };
        self.failures += 1;
        if self.client.0.pause(self.failures, &failure).await.is_none() {
            return Err(self.failed(failure));
        }
        let range = format!("bytes={}-{}", self.position, self.end - 1);
        let begun = self
            .client
            .begin(&self.container, &self.name, Some(&range), Some(&etag));
        let (_, extent, body) = begun.await?;
        if (extent.first, extent.end) != (self.position, self.end) {
            return Err(self.failed(Failure::NotUnderstood("it is another part".into())));
        }
        self.body = body;
        Ok(())
    }

    fn checked(&mut self) -> Result<(), Error> {
        let Some((md5, expected)) = self.check.take() else {
            return Ok(());
        };
        let received = Etag::from_md5(md5.finalize().into());
        match received == expected {
            true => Ok(()),
            false => Err(self.failed(Failure::Damaged {
                expected: expected.to_string(),
                received: received.to_string(),
            })),
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        Error::new(&self.what, failure)
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Download({}, {}..{})",
            self.what, self.position, self.end
        )
    }
}

/// Which bytes an answer holds.
#[derive(Debug, PartialEq)]
struct Extent {
    first: u64,
    end: u64,
}

impl Extent {
    fn of(status: StatusCode, properties: &Properties, is_part: bool) -> Option<Self> {
        let length = properties.content_length()?;
        if status != StatusCode::PARTIAL_CONTENT {
            return (!is_part).then_some(Self {
                first: 0,
                end: length,
            });
        }
        let range: &HeaderValue = properties.headers().get(header::CONTENT_RANGE)?;
        let range = range.to_str().ok()?.strip_prefix("bytes ")?;
        let (first, rest) = range.split_once('-')?;
        let (last, _) = rest.split_once('/')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let end = last.checked_add(1)?;
        (first < end && end - first == length).then_some(Self { first, end })
    }
}
