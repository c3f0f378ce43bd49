//! Uploads: streamed, counted, and believed only when the store has the same MD5.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use md5::{Digest as _, Md5};
use parking_lot::Mutex;
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;

use super::error::{Error, Failure};
use super::request::{MadeBody, Payload, Request};
use super::{Client, Properties};
use crate::{Body, Etag};

/// Where clients note when an uploaded file was last written.
pub(super) const MTIME: HeaderName = HeaderName::from_static("x-object-meta-mtime");
/// So much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// What is stored.
#[derive(Debug)]
pub struct Upload {
    /// Where the bytes come from.
    pub source: Source,
    /// Content type, metadata and the like.
    pub headers: HeaderMap,
    /// Only if there is no such object; otherwise it is refused with 412.
    pub only_if_absent: bool,
    /// Counts the bytes that were sent.
    pub meter: Meter,
}

/// Where the bytes of an upload come from.
#[derive(Debug)]
pub enum Source {
    /// A file. When it was last written is noted with the object. It must not change meanwhile.
    File(PathBuf),
    /// These.
    Bytes(Bytes),
    /// Whatever comes, once: if the connection breaks, the upload has failed.
    Stream(Body),
}

/// What was stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The object's tag.
    pub etag: Etag,
    /// Bytes of it.
    pub bytes: u64,
}

/// Counts bytes on their way. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<AtomicU64>);

impl Upload {
    /// Of these bytes.
    pub fn bytes(bytes: impl Into<Bytes>) -> Self {
        Self::new(Source::Bytes(bytes.into()))
    }

    /// Of a file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Source::File(path.into()))
    }

    /// Of whatever comes.
    pub fn stream(body: Body) -> Self {
        Self::new(Source::Stream(body))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            headers: HeaderMap::new(),
            only_if_absent: false,
            meter: Meter::default(),
        }
    }
}

impl Meter {
    /// So many so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Some more.
    pub fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    /// So many of these did not count: they are sent again.
    pub fn take_back(&self, bytes: u64) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What went through the body that is being sent.
#[derive(Default)]
struct Passed {
    md5: Md5,
    bytes: u64,
}

/// A body's bytes are hashed and counted as they pass; both begin anew with each attempt.
#[derive(Clone)]
struct Passage {
    passed: Arc<Mutex<Passed>>,
    meter: Meter,
}

impl Client {
    /// Stores an object.
    ///
    /// # Errors
    /// [`Failure::NotFound`] without the container, [`Failure::Damaged`] when the store has other bytes than were sent.
    pub async fn put_object(&self, container: &str, name: &str, upload: Upload) -> Result<Stored, Error> {
        let mut request = Request::new(Method::PUT, container, name)?;
        let what = request.what.clone();
        let failed = |failure: Failure| Error::new(&what, failure);
        request.headers = upload.headers;
        if upload.only_if_absent {
            let any = HeaderValue::from_static("*");
            request.headers.insert(header::IF_NONE_MATCH, any);
        }
        let passage = Passage {
            passed: Arc::default(),
            meter: upload.meter,
        };
        let mut file = None;
        request.payload = match upload.source {
            Source::Bytes(bytes) => {
                let passage = passage.clone();
                request.headers.insert(header::CONTENT_LENGTH, bytes.len().into());
                Payload::Again(Box::new(move || passage.begin_with_bytes(bytes.clone())))
            }
            Source::Stream(body) => Payload::Once(Some(passage.begin(body))),
            Source::File(path) => {
                let before = FileState::of(&path).await.map_err(|error| failed(error.into()))?;
                request
                    .headers
                    .insert(header::CONTENT_LENGTH, before.length.into());
                if let Some(mtime) = before.mtime() {
                    request.headers.entry(MTIME).or_insert(mtime);
                }
                file = Some((path.clone(), before));
                let passage = passage.clone();
                Payload::Again(Box::new(move || {
                    passage.begin_with_file(path.clone(), before.length)
                }))
            }
        };
        let answer = self.0.send(request).await?;
        if let Some((path, before)) = file
            && FileState::of(&path).await.map_err(|error| failed(error.into()))? != before
        {
            let why = io::Error::other(format!("{} was changed while it was being sent", path.display()));
            return Err(failed(why.into()));
        }
        let (expected, bytes) = passage.end();
        let stored = Properties::new(answer.into_headers());
        match stored.etag() {
            Some(etag) if etag != expected => Err(failed(Failure::Damaged {
                expected: expected.to_string(),
                received: etag.to_string(),
            })),
            _ => Ok(Stored {
                etag: expected,
                bytes,
            }),
        }
    }
}

impl Passage {
    /// `body`, from its beginning.
    fn begin(&self, body: Body) -> Body {
        let before = std::mem::take(&mut *self.passed.lock());
        self.meter.take_back(before.bytes);
        let passage = self.clone();
        let chunks = stream::try_unfold(body, async |mut body| {
            Ok::<_, crate::body::BoxError>(body.chunk().await.transpose()?.map(|chunk| (chunk, body)))
        });
        Body::from_stream(chunks.inspect_ok(move |chunk: &Bytes| {
            let mut passed = passage.passed.lock();
            passed.md5.update(chunk);
            passed.bytes += chunk.len() as u64;
            passage.meter.add(chunk.len() as u64);
        }))
    }

    fn begin_with_bytes(&self, bytes: Bytes) -> MadeBody {
        let body = self.begin(Body::full(bytes));
        Box::pin(std::future::ready(Ok(body)))
    }

    fn begin_with_file(&self, path: PathBuf, length: u64) -> MadeBody {
        let passage = self.clone();
        Box::pin(async move {
            let file = File::open(&path).await.map_err(|error| of_file(&path, &error))?;
            Ok(passage.begin(read(file, path, length)))
        })
    }

    fn end(self) -> (Etag, u64) {
        let passed = std::mem::take(&mut *self.passed.lock());
        (Etag::from_md5(passed.md5.finalize().into()), passed.bytes)
    }
}

/// What tells that a file was changed.
#[derive(Clone, Copy, Debug, PartialEq)]
struct FileState {
    length: u64,
    modified: Option<std::time::SystemTime>,
}

impl FileState {
    async fn of(path: &Path) -> io::Result<Self> {
        let metadata = tokio::fs::metadata(path)
            .await
            .map_err(|error| of_file(path, &error))?;
        Ok(Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
        })
    }

    fn mtime(self) -> Option<HeaderValue> {
        let since = self.modified?.duration_since(UNIX_EPOCH).ok()?;
        HeaderValue::try_from(format!("{}.{:06}", since.as_secs(), since.subsec_micros())).ok()
    }
}

/// The first `length` bytes of the file.
fn read(file: File, path: PathBuf, length: u64) -> Body {
    let chunks = stream::try_unfold((file, length), move |(mut file, left)| {
        let path = path.clone();
        async move {
            if left == 0 {
                return Ok(None);
            }
            let mut chunk = BytesMut::with_capacity(CHUNK);
            let read = (&mut file).take(left).read_buf(&mut chunk).await;
            match read.map_err(|error| of_file(&path, &error))? {
                0 => Err(of_file(&path, &"it became shorter while it was being sent")),
                read => Ok(Some((chunk.freeze(), (file, left - read as u64)))),
            }
        }
    });
    Body::from_stream(chunks.boxed())
}

fn of_file(path: &Path, why: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{}: {why}", path.display()))
}
