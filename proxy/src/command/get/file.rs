//! One object into one file: complete or not at all. Until it is complete it is a hidden file beside, named by its tag,
//! and goes on from there the next time.

use std::fs::TryLockError;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use common::Etag;
use common::storage_client::{Begun, Client, Download, Error, Failure, Meter, Part, Properties, Selection};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::command::remote::Place;

/// So much of what is here is read at once.
const CHUNK: usize = 256 * 1024;

/// Where an object goes.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) path: PathBuf,
    /// Only these bytes.
    pub(super) part: Option<Part>,
    pub(super) no_overwrite: bool,
}

/// What came.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: u64,
    pub(super) etag: Option<Etag>,
}

/// A file in the making.
struct PartFile {
    path: PathBuf,
    file: File,
    /// Whether it can be gone on with another time.
    can_go_on: bool,
    /// Bytes of it from an earlier time.
    length: u64,
}

/// Downloads an object; `found` is told how many bytes it has.
pub(super) async fn fetch(
    client: &Client,
    source: &Place,
    target: &Target,
    meter: &Meter,
    found: impl FnOnce(u64) + Send,
) -> Result<Fetched, Error> {
    let local = |error: io::Error| Error::new(target.path.display().to_string(), error);
    if target.no_overwrite && fs::try_exists(&target.path).await.map_err(local)? {
        return Err(local(io::ErrorKind::AlreadyExists.into()));
    }
    let selection = Selection {
        part: target.part.clone().unwrap_or_default(),
        if_match: None,
    };
    let mut download = client
        .get_object(&source.container, &source.name, selection)
        .await?;
    found(download.remaining());
    let properties = download.properties().clone();
    let tag = properties.md5().filter(|_| target.part.is_none());
    let mut part = PartFile::open(&target.path, tag.as_ref()).await.map_err(local)?;
    if let Some(tag) = tag.filter(|_| part.length > 0) {
        let whole = download.remaining();
        // The answer under way is let go: only the rest is asked for.
        drop(download);
        let begun = part.begun(whole).await.map_err(local)?;
        meter.add(begun.bytes());
        let rest = Selection {
            part: Part::Rest(begun),
            if_match: Some(tag),
        };
        download = client.get_object(&source.container, &source.name, rest).await?;
    }
    if let Err(error) = receive(&mut download, &mut part.file, meter, &local).await {
        let is_useless = matches!(error.failure, Failure::Damaged { .. } | Failure::Changed);
        if is_useless || !part.can_go_on {
            fs::remove_file(&part.path).await.map_err(local)?;
        }
        return Err(error);
    }
    let bytes = part.complete(target, &properties).await.map_err(local)?;
    let etag = properties.etag();
    Ok(Fetched { bytes, etag })
}

/// An object whose name is that of a directory: the directory.
pub(super) async fn make_directory(source: &Place, path: &Path, bytes: u64) -> Result<Fetched, Error> {
    let local = |error: io::Error| Error::new(path.display().to_string(), error);
    if bytes > 0 {
        let why = io::Error::other("it has content and the name of a directory, which no file can have");
        return Err(Error::new(source.to_string(), why));
    }
    fs::create_dir_all(path).await.map_err(local)?;
    Ok(Fetched { bytes, etag: None })
}

async fn receive(
    download: &mut Download,
    file: &mut File,
    meter: &Meter,
    local: &impl Fn(io::Error) -> Error,
) -> Result<(), Error> {
    while let Some(chunk) = download.chunk().await? {
        file.write_all(&chunk).await.map_err(local)?;
        meter.add(chunk.len() as u64);
    }
    file.flush().await.map_err(local)
}

impl PartFile {
    async fn open(target: &Path, tag: Option<&Etag>) -> io::Result<Self> {
        let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(parent).await?;
        let mut hash = DefaultHasher::new();
        target.file_name().hash(&mut hash);
        let tag_or_process = match tag {
            Some(tag) => tag.to_string(),
            None => std::process::id().to_string(),
        };
        let path = parent.join(format!(".stobj-{:016x}-{tag_or_process}.part", hash.finish()));
        let mut options = std::fs::OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(tag.is_none());
        let file = tokio::task::spawn_blocking({
            let path = path.clone();
            move || {
                let file = options.open(path)?;
                match file.try_lock() {
                    Ok(()) => Ok(file),
                    Err(TryLockError::WouldBlock) => {
                        Err(io::Error::other("another download of it is under way here"))
                    }
                    Err(TryLockError::Error(error)) => Err(error),
                }
            }
        });
        let file = File::from_std(file.await??);
        Ok(Self {
            length: file.metadata().await?.len(),
            path,
            file,
            can_go_on: tag.is_some(),
        })
    }

    /// What of it is here already, if that is less than all. The file is written on behind it.
    async fn begun(&mut self, whole: u64) -> io::Result<Begun> {
        let mut begun = Begun::default();
        if self.length >= whole {
            self.file.set_len(0).await?;
            return Ok(begun);
        }
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.file.read(&mut buffer).await? {
                0 => return Ok(begun),
                read => begun.update(&buffer[..read]),
            }
        }
    }

    /// Gives the file its name and its time, and says how long it is.
    async fn complete(self, target: &Target, properties: &Properties) -> io::Result<u64> {
        let bytes = self.file.metadata().await?.len();
        let file = self.file.into_std().await;
        let modified = properties
            .modified_seconds()
            .map(|seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds));
        let (from, to) = (self.path, target.path.clone());
        let no_overwrite = target.no_overwrite;
        tokio::task::spawn_blocking(move || {
            if let Some(modified) = modified {
                file.set_modified(modified)?;
            }
            match no_overwrite {
                true => renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE).map_err(Into::into),
                false => std::fs::rename(&from, &to),
            }
        })
        .await??;
        Ok(bytes)
    }
}
