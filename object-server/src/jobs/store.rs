//! Jobs on disk: `accounts/<account_id>/jobs/<id>`, one file each.
//!
//! A file is `stobjjob`, the version 1 and the CRC-32C of the rest as little-endian u32, then a JSON object. It is replaced
//! whole. One that is not whole, or of another version, is left alone and logged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::functional::Context;
use common::functional::job::Job;
use common::{Error, Outcome, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::Work;
use crate::durable;
use crate::lease::Lease;

/// A job as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// What everybody sees of it.
    pub(crate) job: Job,
    /// The account's number: the job is of this account, not of a later one of its name.
    pub(crate) account_id: u64,
    /// What it does.
    pub(crate) work: Work,
    /// Who asked for it.
    pub(crate) context: Context,
}

impl Stored {
    /// Whether who asks may know of it: what administrators do with an account is not its owner's business.
    pub(super) fn is_for(&self, context: &Context) -> bool {
        !self.work.is_for_administrators() || context.authority.caller().is_administrator()
    }
}

const MAGIC: &[u8; 8] = b"stobjjob";
const VERSION: u32 = 1;
const HEADER: usize = 16;
/// More files than this are not looked at in a directory.
const MAX_FILES: usize = 10_000;

/// The name of a new job: 16 hexadecimal digits.
pub(super) fn new_id() -> Result<String, Error> {
    Ok(format!("{:016x}", getrandom::u64().map_err(Error::internal)?))
}

/// Writes a job down, durably. One at a time does so, under `writing`: what is not complete has one name for all.
pub(super) async fn save(
    state_directory: &Path,
    lease: &Lease,
    stored: Stored,
    writing: Arc<Mutex<()>>,
) -> Result<(), Error> {
    let (base, lease) = (state_directory.to_owned(), lease.clone());
    blocking(move || {
        let _turn = writing.lock();
        let directory = directory(&base, stored.account_id);
        durable::make_directory_below(&base, &directory)?;
        let json = serde_json::to_vec(&stored)?;
        durable::replace_under(&lease, &directory.join(&stored.job.id), &[&header(&json), &json]).map(drop)
    })
    .await
}

/// Reads one; `None`: there is no such job.
pub(super) async fn load(state_directory: &Path, account_id: u64, id: &str) -> Result<Option<Stored>, Error> {
    if !is_id(id) {
        return Ok(None);
    }
    let path = directory(state_directory, account_id).join(id);
    blocking(move || read(&path)).await
}

/// All of an account.
pub(super) async fn all(state_directory: &Path, account_id: u64) -> Result<Vec<Stored>, Error> {
    let directory = directory(state_directory, account_id);
    blocking(move || read_all(&directory)).await
}

/// Those of all accounts that have not ended, and those that were begun since, the oldest first. For a start: nobody else uses
/// these directories.
pub(super) async fn unended_or_since(state_directory: &Path, since: Timestamp) -> Result<Vec<Stored>, Error> {
    let accounts = state_directory.join("accounts");
    blocking(move || {
        let mut found = Vec::new();
        let entries = match std::fs::read_dir(&accounts) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
            entries => entries?,
        };
        for entry in entries {
            let account = entry?.path();
            // What is empty was left by a removal that was cut off at its very end.
            for emptied in [account.join("jobs"), account.clone()] {
                drop(std::fs::remove_dir(emptied));
            }
            let jobs = read_all(&account.join("jobs"))?;
            found.extend(
                jobs.into_iter()
                    .filter(|stored| !stored.job.state.has_ended() || stored.job.created >= since),
            );
        }
        found.sort_by_key(|stored| stored.job.created);
        Ok(found)
    })
    .await
}

/// Removes all but the last `kept` of those that ended.
pub(super) async fn prune(state_directory: &Path, account_id: u64, kept: usize) -> Result<(), Error> {
    let directory = directory(state_directory, account_id);
    blocking(move || {
        let mut ended = read_all(&directory)?;
        ended.retain(|stored| stored.job.state.has_ended());
        ended.sort_by_key(|stored| std::cmp::Reverse(stored.job.ended));
        for stored in ended.iter().skip(kept) {
            std::fs::remove_file(directory.join(&stored.job.id))?;
        }
        Ok(())
    })
    .await
}

/// Removes all that is kept of an account, the job that asks for it as the last: until then a restart takes that up again.
pub(super) async fn remove_all(state_directory: &Path, last: &Stored) -> Result<(), Error> {
    let jobs = directory(state_directory, last.account_id);
    let id = last.job.id.clone();
    blocking(move || {
        let account = jobs.parent().unwrap_or(&jobs);
        for directory in [account, jobs.as_path()] {
            for entry in std::fs::read_dir(directory)? {
                let entry = entry?;
                if entry.path() != jobs && entry.file_name() != id.as_str() {
                    std::fs::remove_file(entry.path())?;
                }
            }
        }
        std::fs::remove_file(jobs.join(&id))?;
        std::fs::remove_dir(&jobs)?;
        std::fs::remove_dir(account)?;
        account.parent().map_or(Ok(()), durable::sync_directory)
    })
    .await
}

fn directory(state_directory: &Path, account_id: u64) -> PathBuf {
    state_directory
        .join("accounts")
        .join(account_id.to_string())
        .join("jobs")
}

fn is_id(name: &str) -> bool {
    name.len() == 16 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn header(json: &[u8]) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..].copy_from_slice(&crc32c::crc32c(json).to_le_bytes());
    header
}

fn read_all(directory: &Path) -> io::Result<Vec<Stored>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries.take(MAX_FILES) {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_id) {
            found.extend(read(&entry.path())?);
        }
    }
    Ok(found)
}

fn read(path: &Path) -> io::Result<Option<Stored>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes?,
    };
    let stored = bytes
        .split_first_chunk::<HEADER>()
        .filter(|(found, json)| **found == header(json))
        .and_then(|(_, json)| serde_json::from_slice(json).ok());
    if stored.is_none() {
        tracing::warn!(file = %path.display(), "this is no job that can be read; it is left alone");
    }
    Ok(stored)
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(job).await.map_err(Error::internal)?;
    done.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => Error::new(Outcome::InsufficientStorage).caused_by(error),
        _ => Error::unavailable(error, None),
    })
}
