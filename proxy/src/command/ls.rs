//! `stobj ls`: lists containers, and what is in them.

use std::fmt::Write as _;

use clap::Args;
use common::storage_client::{Client, ContainerEntry, Entry, Error, Failure, ListingQuery, ObjectEntry};
use serde_json::json;

use super::remote::{self, Account, Place, help, json_line, shown};

pub(super) const HELP: &str = help!(
    "  stobj ls                                   the containers
  stobj ls photos/2026/                      what is in a directory
  stobj ls -l photos/2026/a.txt              one object: bytes, time, type, name
  stobj ls --recursive --json photos | jq -r 'select(.bytes > 1000000) | .name'

Empty directories that were made by `mkdir` are in no listing; `stobj tree` shows them."
);

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// A container, a directory in it (ends in a slash), or an object [default: all containers].
    #[arg(value_name = "CONTAINER[/NAME]", value_parser = Place::parse)]
    place: Option<Place>,
    /// Show bytes, time and type too.
    #[arg(long, short)]
    long: bool,
    /// Show all that lies below, under its whole name behind the directory.
    #[arg(long, short)]
    recursive: bool,
    /// Print a JSON object a line, with whole names.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: Account,
}

/// Does it.
pub(super) async fn run(ls: Ls) -> anyhow::Result<()> {
    let client = ls.account.client()?;
    match &ls.place {
        None => containers(&client, &ls).await,
        Some(place) if place.is_directory() => directory(&client, place, &ls).await,
        Some(place) => object(&client, place, &ls).await,
    }
}

async fn containers(client: &Client, ls: &Ls) -> anyhow::Result<()> {
    let mut pages = client.list_containers(ListingQuery::default());
    while let Some(page) = pages.next_page().await? {
        let mut lines = String::new();
        for entry in &page {
            if ls.json {
                lines += &json_line(entry)?;
                continue;
            }
            let ContainerEntry {
                name, count, bytes, ..
            } = entry;
            if ls.long {
                let time = time(entry.last_modified.as_deref().unwrap_or_default());
                write!(lines, "{bytes:>15} {count:>10}  {time:<19}  ")?;
            }
            writeln!(lines, "{}", shown(name))?;
        }
        remote::print(&lines)?;
    }
    Ok(())
}

async fn directory(client: &Client, place: &Place, ls: &Ls) -> anyhow::Result<()> {
    let query = ListingQuery {
        prefix: Some(place.name.clone()).filter(|prefix| !prefix.is_empty()),
        delimiter: (!ls.recursive).then(|| "/".to_owned()),
        limit: None,
    };
    let mut pages = client.list_objects(&place.container, query);
    let mut is_anything_there = place.is_container();
    while let Some(page) = pages.next_page().await? {
        is_anything_there = true;
        let mut lines = String::new();
        for entry in &page {
            match entry {
                _ if ls.json => lines += &json_line(entry)?,
                Entry::Directory { subdir } => line(&mut lines, None, below(subdir, place), ls)?,
                Entry::Object(object) => line(&mut lines, Some(object), below(&object.name, place), ls)?,
            }
        }
        remote::print(&lines)?;
    }
    match is_anything_there {
        true => Ok(()),
        false => Err(Error::new(place.to_string(), Failure::NotFound).into()),
    }
}

async fn object(client: &Client, place: &Place, ls: &Ls) -> anyhow::Result<()> {
    let properties = match client.head(&place.container, &place.name).await {
        Err(error) if error.is_not_found() => return Err(with_hint(client, place, error).await),
        properties => properties?,
    };
    let text = |name: http::HeaderName| properties.text(name).unwrap_or_default().to_owned();
    let modified = httpdate::parse_http_date(&text(http::header::LAST_MODIFIED)).ok();
    let seconds = modified.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let modified = seconds.map(|since| common::Timestamp::from_seconds(since.as_secs()).iso());
    let entry = ObjectEntry {
        name: place.name.clone(),
        hash: properties.etag().map(|etag| etag.to_string()).unwrap_or_default(),
        bytes: properties.content_length().unwrap_or_default(),
        content_type: text(http::header::CONTENT_TYPE),
        last_modified: modified.unwrap_or_default(),
    };
    let mut lines = String::new();
    match ls.json {
        true => {
            let mut value = json!(entry);
            let metadata: serde_json::Map<String, serde_json::Value> = properties
                .metadata()
                .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value.as_bytes()).into()))
                .collect();
            value["metadata"] = metadata.into();
            lines = json_line(&value)?;
        }
        false => line(&mut lines, Some(&entry), &place.name, ls)?,
    }
    Ok(remote::print(&lines)?)
}

/// Somebody may have left out the slash.
async fn with_hint(client: &Client, place: &Place, error: Error) -> anyhow::Error {
    let directory = format!("{}/", place.name);
    match client.has_prefix(&place.container, &directory).await {
        Ok(true) => anyhow::Error::from(error).context(format!("{place} is a directory: write {place}/")),
        _ => error.into(),
    }
}

fn line(lines: &mut String, object: Option<&ObjectEntry>, name: &str, ls: &Ls) -> std::fmt::Result {
    if ls.long {
        match object {
            Some(object) => {
                let (bytes, time) = (object.bytes, time(&object.last_modified));
                write!(
                    lines,
                    "{bytes:>15}  {time:<19}  {:<24}  ",
                    shown(&object.content_type)
                )?;
            }
            None => write!(lines, "{:>15}  {:<19}  {:<24}  ", "-", "-", "-")?,
        }
    }
    writeln!(lines, "{}", shown(name))
}

/// The name as it is seen from the directory. The object that bears the directory's own name is shown as `./`.
fn below<'a>(name: &'a str, place: &Place) -> &'a str {
    match name.strip_prefix(place.name.as_str()) {
        Some("") => "./",
        Some(below) => below,
        None => name,
    }
}

/// To the second, with a space in the middle.
fn time(iso: &str) -> String {
    let seconds = iso.get(..19).unwrap_or(iso);
    seconds.replace('T', " ")
}
