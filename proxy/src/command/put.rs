//! `stobj put`: uploads files, directories and standard input.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::BytesMut;
use clap::Args;
use common::Body;
use common::storage_client::{Client, Failure, Stored, Upload};
use futures::stream;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;

use super::remote::{
    self, Account, AtOnce, Output, Place, Progress, Tally, counted, each, help, human_bytes, json_line, usage,
};
use walk::Found;

pub(super) mod walk;

/// So much of standard input is read at once.
const CHUNK: usize = 256 * 1024;
/// So many files are known beforehand at most.
const AHEAD: usize = 256;

pub(super) const HELP: &str = help!(
    "  stobj put a.txt photos/2026/               as photos/2026/a.txt
  stobj put a.txt photos/2026/b.txt          under another name
  stobj put 2026 photos                      a directory: photos/2026/…
  stobj put 2026/ photos/old/                what is in it: photos/old/…
  mysqldump --all-databases | stobj put - backup/db.sql"
);

/// The paths are one list, since options may stand among them.
#[derive(Debug, Args)]
#[command(override_usage = "stobj put [OPTIONS] <FILE|DIRECTORY|->... <CONTAINER[/NAME]>")]
pub(super) struct Put {
    /// Files and directories (of one that ends in a slash what is in it), or - for standard input; and last the object, or the
    /// container or directory (ends in a slash) that they go into.
    #[arg(required = true, value_name = "FILE|DIRECTORY|-")]
    paths: Vec<OsString>,
    /// Leave objects alone that are there already; each is a failure (412).
    #[arg(long)]
    no_overwrite: bool,
    /// Their content type [default: by their names].
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Another header, such as 'X-Object-Meta-Color: blue' or 'X-Delete-After: 3600'; may be given several times.
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(HeaderName, HeaderValue)>,
    #[command(flatten)]
    at_once: AtOnce,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    account: Account,
}

/// An object that is being stored.
struct Sent {
    place: Place,
    source: Option<PathBuf>,
    result: anyhow::Result<Stored>,
}

/// Does it.
pub(super) async fn run(mut put: Put) -> anyhow::Result<()> {
    let destination = put.paths.pop().filter(|_| !put.paths.is_empty());
    let destination = destination.ok_or_else(|| usage("put", "expected what to store, and where: --help"))?;
    let destination = Place::parse(&destination.to_string_lossy());
    let destination = destination.map_err(|error| usage("the destination", &error.to_string()))?;
    let client = put.account.client()?;
    let mut headers: HeaderMap = put.header.iter().cloned().collect();
    if let Some(content_type) = &put.content_type {
        let value = HeaderValue::from_str(content_type).context("--content-type")?;
        headers.insert(http::header::CONTENT_TYPE, value);
    }
    if put.paths.iter().any(|source| source == "-") {
        if put.paths.len() > 1 || destination.is_directory() {
            let why = "standard input becomes one object, whose name is needed: CONTAINER/NAME";
            return Err(usage(&destination.to_string(), why));
        }
        return put_stdin(&client, &put, &destination, headers).await;
    }
    let sources: Vec<PathBuf> = put.paths.iter().map(PathBuf::from).collect();
    check_destination(&sources, &destination).await?;
    make_container(&client, &destination.container).await?;
    put_files(&client, &put, (sources, destination), headers).await
}

async fn put_stdin(
    client: &Client,
    put: &Put,
    destination: &Place,
    headers: HeaderMap,
) -> anyhow::Result<()> {
    make_container(client, &destination.container).await?;
    let progress = Progress::of_bytes(put.output, "put");
    let chunks = stream::try_unfold(tokio::io::stdin(), async |mut input| {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = input.read_buf(&mut chunk).await?;
        Ok::<_, std::io::Error>((read > 0).then(|| (chunk.freeze(), input)))
    });
    let mut upload = Upload::stream(Body::from_stream(chunks));
    upload.headers = headers;
    upload.only_if_absent = put.no_overwrite;
    upload.meter = progress.meter();
    let Place { container, name } = destination;
    let stored = client.put_object(container, name, upload).await?;
    drop(progress);
    if put.output.json {
        remote::print(&line(destination, None, &stored)?)?;
    }
    Ok(())
}

/// A file can be given a name; several, or a directory, need a place to go into.
async fn check_destination(sources: &[PathBuf], destination: &Place) -> anyhow::Result<()> {
    if destination.is_directory() {
        return Ok(());
    }
    let is_one_file = match sources {
        [source] => !tokio::fs::metadata(source)
            .await
            .is_ok_and(|metadata| metadata.is_dir()),
        _ => false,
    };
    match is_one_file {
        true => Ok(()),
        false => {
            let why = "this is the name of an object; of a directory it ends in a slash";
            Err(usage(&destination.to_string(), why))
        }
    }
}

/// Makes the container if it is not there. Who may only write objects need not be able to look at it.
async fn make_container(client: &Client, container: &str) -> anyhow::Result<()> {
    match client.head(container, "").await {
        Err(error) if error.is_not_found() => {
            client.put_container(container).await?;
            Ok(())
        }
        Err(error) if error.is_refused_with(403) => Ok(()),
        result => Ok(result.map(drop)?),
    }
}

async fn put_files(
    client: &Client,
    put: &Put,
    (sources, destination): (Vec<PathBuf>, Place),
    headers: HeaderMap,
) -> anyhow::Result<()> {
    let output = put.output;
    let progress = Progress::of_bytes(output, "put");
    let (sender, found) = mpsc::channel(AHEAD);
    let walking = tokio::task::spawn_blocking(move || walk::walk(&sources, &sender));
    let work = |found: Result<Found, walk::Unusable>| {
        let (client, headers, meter) = (client.clone(), headers.clone(), progress.meter());
        let (destination, only_if_absent) = (destination.clone(), put.no_overwrite);
        if let Ok(found) = &found {
            progress.grow(found.bytes);
        }
        async move {
            let found = match found {
                Ok(found) => found,
                Err(unusable) => return unusable.into(),
            };
            let place = match destination.is_directory() {
                true => destination.with(&found.name),
                false => destination,
            };
            let mut upload = Upload::file(&found.path);
            upload.headers = headers;
            upload.only_if_absent = only_if_absent;
            upload.meter = meter;
            let result = client.put_object(&place.container, &place.name, upload).await;
            Sent {
                place,
                source: Some(found.path),
                result: result.map_err(Into::into),
            }
        }
    };
    let mut tally = Tally::default();
    let settle = |sent: Sent| {
        match &sent.result {
            Ok(stored) => {
                tally.done += 1;
                if output.json {
                    remote::print(&line(&sent.place, sent.source.as_deref(), stored)?)?;
                }
            }
            Err(error) => progress.suspend(|| tally.failed(error)),
        }
        Ok(())
    };
    each(found, put.at_once, work, settle).await?;
    walking.await?;
    let bytes = progress.meter().bytes();
    drop(progress);
    output.tell(&format!("put {}, {}", counted(tally.done), human_bytes(bytes)));
    tally.end()
}

impl From<walk::Unusable> for Sent {
    fn from(unusable: walk::Unusable) -> Self {
        let what = unusable.path.display().to_string();
        let error = common::storage_client::Error::new(what, Failure::Local(unusable.error));
        Self {
            place: Place {
                container: String::new(),
                name: String::new(),
            },
            source: Some(unusable.path),
            result: Err(error.into()),
        }
    }
}

fn line(place: &Place, source: Option<&Path>, stored: &Stored) -> anyhow::Result<String> {
    json_line(&json!({
        "path": place.to_string(),
        "source": source.map(|source| source.to_string_lossy()),
        "bytes": stored.bytes,
        "etag": stored.etag.as_str(),
    }))
}

fn header(text: &str) -> anyhow::Result<(HeaderName, HeaderValue)> {
    let (name, value) = text.split_once(':').context("expected NAME: VALUE")?;
    Ok((
        HeaderName::from_bytes(name.trim().as_bytes())?,
        HeaderValue::from_bytes(value.trim().as_bytes())?,
    ))
}
