//! `stobj import`: takes a directory tree into a container, by copying it through the running server, or where it lies.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Args;
use common::Etag;
use common::functional::check::Adopt;
use common::name::{AccountName, ContainerName, ObjectName};
use common::storage_client::{Access, Client, Login, Upload};
use md5::{Digest as _, Md5};
use object_server::engine::posix::{LocateError, locate};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio::sync::mpsc;

use super::administered::Administered;
use super::check::{account, completed};
use super::following::follow;
use super::put::walk::{self, Found};
use super::remote::{AtOnce, Output, Progress, complain, each, human_bytes, json_line, print, printable};
use super::runtime;

/// So many files are known beforehand at most.
const AHEAD: usize = 256;
/// So much of a file is hashed at once.
const CHUNK: usize = 256 * 1024;

pub(super) const HELP: &str = "Examples:
  stobj import /srv/photos --account AUTH_test --container photos
  stobj import /var/lib/stobj/objects/AUTH_test/photos/2026 --account AUTH_test --container photos --in-place

With --in-place it runs where the object-server keeps its data. A file that does not fit under a limit is not taken in, and said so.

It can be interrupted and begun again at any time: what is there with the same size and MD5 is passed over.

Exit codes: 0 when all is in, 1 when some files could not be taken in, 2 when nothing could be done.";

#[derive(Debug, Args)]
pub(super) struct Import {
    /// The directory whose content is taken in. With --in-place it lies in the container's own directory on the server.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// The account, as in URLs: AUTH_test.
    #[arg(long, value_name = "ACCOUNT", value_parser = account)]
    account: AccountName,
    /// The container; made if it is not there, but with --in-place.
    #[arg(long, value_name = "CONTAINER", value_parser = container)]
    container: ContainerName,
    /// Take in what lies there already: hash, count and list it, and copy nothing.
    #[arg(long)]
    in_place: bool,
    #[command(flatten)]
    at_once: AtOnce,
    #[command(flatten)]
    output: Output,
}

/// What became of a file.
enum Imported {
    Stored(u64),
    /// It was there.
    Passed,
    Failed(String),
}

/// How many of each.
#[derive(Default)]
struct Counts {
    stored: u64,
    passed: u64,
    failed: u64,
}

/// Does it, and says with which code to end.
///
/// # Errors
/// Nothing could be done.
pub(super) fn run(import: Import) -> anyhow::Result<ExitCode> {
    runtime()?.block_on(async {
        let counts = match import.in_place {
            true => in_place(&import).await?,
            false => copy(import).await?,
        };
        Ok(ExitCode::from(u8::from(counts.failed > 0)))
    })
}

/// Has the server take in what lies in the container's directory.
async fn in_place(import: &Import) -> anyhow::Result<Counts> {
    let store = Administered::running().await?;
    let adopt = Adopt {
        account: import.account.clone(),
        container: import.container.clone(),
        directory: below_container(&import.directory, &import.account, &import.container)?,
    };
    let job = store
        .call(adopt)
        .await
        .map_err(|error| match error.status().as_u16() {
            404 => anyhow::anyhow!("there is no container {}", import.container),
            _ => error.into(),
        })?;
    let job = completed(follow(&store, job).await?)?;
    let stored = job.report.as_ref().map_or(0, |report| report.repaired);
    if let Some(error) = &job.error {
        complain(&format!("stobj: {}", printable(error)));
    }
    let counts = Counts {
        stored,
        passed: job.done.saturating_sub(stored + job.errors),
        failed: job.errors,
    };
    counts.tell(import.output, job.bytes)?;
    Ok(counts)
}

/// The directory's name in the container, as the storage that it lies in has it.
fn below_container(
    directory: &Path,
    account: &AccountName,
    container: &ContainerName,
) -> anyhow::Result<Option<ObjectName>> {
    let located = match locate(directory) {
        Err(error @ LocateError::NotThere { .. }) => {
            bail!("{error}: run this where the object-server keeps its data, as a user who may read that")
        }
        Err(error @ (LocateError::NoStorage { .. } | LocateError::AboveContainers(_))) => bail!(
            "{error}: with --in-place the directory lies in that of the container, on disk ROOT/{account}/{container}/; \
             to copy files from elsewhere leave --in-place out"
        ),
        located => located?,
    };
    if (&located.account, &located.container) != (account, container) {
        let (account, container) = (&located.account, &located.container);
        bail!(
            "{} belongs to --account {account} --container {container}: name these, or another directory",
            directory.display()
        );
    }
    Ok(located.directory)
}

/// Uploads what is not there yet.
async fn copy(import: Import) -> anyhow::Result<Counts> {
    if !import.directory.is_dir() {
        bail!("{} is no directory", import.directory.display());
    }
    let client = client_of(&import.account).await?;
    client.put_container(import.container.as_str()).await?;
    let progress = Progress::of_bytes(import.output, "import");
    let (sender, found) = mpsc::channel(AHEAD);
    // What ends in a slash means its content.
    let source = import.directory.join("");
    let walking = tokio::task::spawn_blocking(move || walk::walk(&[source], &sender));
    let work = |found: Result<Found, walk::Unusable>| {
        let (client, container, meter) = (client.clone(), import.container.clone(), progress.meter());
        if let Ok(found) = &found {
            progress.grow(found.bytes);
        }
        async move {
            match found {
                Err(unusable) => Imported::Failed(format!("{}: {}", unusable.path.display(), unusable.error)),
                Ok(found) => {
                    let path = found.path.display().to_string();
                    let imported = import_file(&client, container.as_str(), found, meter).await;
                    imported.unwrap_or_else(|error| Imported::Failed(format!("{path}: {error:#}")))
                }
            }
        }
    };
    let (mut counts, mut bytes) = (Counts::default(), 0);
    let settle = |imported| {
        match imported {
            Imported::Stored(stored) => {
                counts.stored += 1;
                bytes += stored;
            }
            Imported::Passed => counts.passed += 1,
            Imported::Failed(why) => {
                counts.failed += 1;
                progress.suspend(|| complain(&format!("stobj: {}", printable(&why))));
            }
        }
        Ok(())
    };
    each(found, import.at_once, work, settle).await?;
    walking.await?;
    drop(progress);
    counts.tell(import.output, bytes)?;
    Ok(counts)
}

async fn import_file(
    client: &Client,
    container: &str,
    found: Found,
    meter: common::storage_client::Meter,
) -> anyhow::Result<Imported> {
    let present = match client.head(container, &found.name).await {
        Ok(properties) => Some(properties),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    let md5 = present
        .filter(|present| present.content_length() == Some(found.bytes))
        .and_then(|present| present.md5());
    if let Some(md5) = md5 {
        let path = found.path.clone();
        let here = tokio::task::spawn_blocking(move || hash(&path)).await??;
        if here == md5 {
            meter.add(found.bytes);
            return Ok(Imported::Passed);
        }
    }
    let mut upload = Upload::file(&found.path);
    upload.meter = meter;
    let stored = client.put_object(container, &found.name, upload).await?;
    Ok(Imported::Stored(stored.bytes))
}

fn hash(path: &Path) -> std::io::Result<Etag> {
    let (mut file, mut md5, mut chunk) = (File::open(path)?, Md5::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(Etag::from_md5(md5.finalize().into())),
            read => md5.update(&chunk[..read]),
        }
    }
}

/// A client of that account, with the rights of who logs in.
async fn client_of(account: &AccountName) -> anyhow::Result<Client> {
    let login = Login::from_environment(|name| std::env::var(name).ok())?;
    let login = login.context("a running server is asked: set ST_AUTH, ST_USER and ST_KEY")?;
    let own = Client::new(login.clone().into())?.storage_url().await?;
    let (accounts, _) = own
        .rsplit_once('/')
        .context("the server tells no URL of an account")?;
    let storage_url = format!(
        "{accounts}/{}",
        utf8_percent_encode(account.as_str(), NON_ALPHANUMERIC)
    );
    Ok(Client::new(Access::Login {
        login,
        storage_url: Some(storage_url),
    })?)
}

impl Counts {
    fn tell(&self, output: Output, bytes: u64) -> anyhow::Result<()> {
        let Self {
            stored,
            passed,
            failed,
        } = self;
        if output.json {
            let line = json!({"imported": stored, "present": passed, "failed": failed, "bytes": bytes});
            return Ok(print(&json_line(&line)?)?);
        }
        let bytes = human_bytes(bytes);
        output.tell(&format!(
            "imported {stored} files, {bytes}; {passed} were there, {failed} failed"
        ));
        Ok(())
    }
}

fn container(text: &str) -> anyhow::Result<ContainerName> {
    Ok(ContainerName::new(text)?)
}
