//! `stobj get`: downloads objects and directories.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use common::storage_client::{Client, Entry, Error, Failure, ListingQuery, Part, Selection};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;

use super::remote::{
    self, Account, AtOnce, Output, Place, Progress, Tally, counted, each, help, human_bytes, json_line, usage,
};
use file::{Fetched, Target};

mod file;

/// So many names are known beforehand at most, besides a page of the listing.
const AHEAD: usize = 256;

pub(super) const HELP: &str = help!(
    "  stobj get photos/2026/a.txt                as a.txt
  stobj get photos/2026/a.txt /tmp/b.txt     under another name
  stobj get photos/2026/ here                what is in the directory, as here/…
  stobj get photos                           a whole container, as photos/…
  stobj get photos/2026/a.txt - | head       to standard output
  stobj get --range 0-99 photos/a.jpg head.jpg

What was broken off goes on where it was when the same is asked for again: until a file is complete, it is a hidden \
one that ends in .part."
);

#[derive(Debug, Args)]
pub(super) struct Get {
    /// An object; a directory, which ends in a slash; or a container.
    #[arg(value_name = "CONTAINER[/NAME]", value_parser = Place::parse)]
    source: Place,
    /// The file, or the directory; - is standard output [default: the last part of the name, here].
    #[arg(value_name = "FILE|DIRECTORY|-")]
    destination: Option<PathBuf>,
    /// Only these bytes of an object: 0-99, 100- (from there on), -100 (the last ones).
    #[arg(long, value_name = "RANGE", allow_hyphen_values = true, value_parser = range)]
    range: Option<Part>,
    /// Leave files alone that are there already; each is a failure.
    #[arg(long)]
    no_overwrite: bool,
    #[command(flatten)]
    at_once: AtOnce,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    account: Account,
}

/// Does it.
pub(super) async fn run(get: Get) -> anyhow::Result<()> {
    let client = get.account.client()?;
    let is_stdout = get.destination.as_deref() == Some(Path::new("-"));
    match (get.source.is_directory(), is_stdout) {
        (true, true) => Err(usage(
            &get.source.to_string(),
            "only an object goes to standard output",
        )),
        (true, false) if get.range.is_some() => {
            Err(usage(&get.source.to_string(), "only an object has a range"))
        }
        (true, false) => get_directory(&client, get).await,
        (false, true) => to_stdout(&client, &get).await,
        (false, false) => to_file(&client, get).await,
    }
}

async fn to_stdout(client: &Client, get: &Get) -> anyhow::Result<()> {
    let selection = Selection {
        part: get.range.clone().unwrap_or_default(),
        if_match: None,
    };
    let Place { container, name } = &get.source;
    let mut download = client.get_object(container, name, selection).await?;
    let mut output = tokio::io::stdout();
    while let Some(chunk) = download.chunk().await? {
        output.write_all(&chunk).await?;
    }
    Ok(output.flush().await?)
}

async fn to_file(client: &Client, get: Get) -> anyhow::Result<()> {
    let own_name = || file_name(get.source.last_segment(), &get.source);
    let path = match get.destination {
        None => PathBuf::from(own_name()?),
        Some(path) if path.as_os_str().as_encoded_bytes().ends_with(b"/") || path.is_dir() => {
            path.join(own_name()?)
        }
        Some(path) => path,
    };
    let progress = Progress::of_bytes(get.output, "get");
    let target = Target {
        path,
        part: get.range,
        no_overwrite: get.no_overwrite,
    };
    let found = |bytes| progress.grow(bytes);
    let fetched = file::fetch(client, &get.source, &target, &progress.meter(), found).await?;
    drop(progress);
    if get.output.json {
        remote::print(&line(&get.source, &target.path, &fetched)?)?;
    }
    Ok(())
}

async fn get_directory(client: &Client, get: Get) -> anyhow::Result<()> {
    let output = get.output;
    let root = match get.destination {
        Some(root) => root,
        None => PathBuf::from(file_name(
            get.source.last_segment().trim_end_matches('/'),
            &get.source,
        )?),
    };
    let progress = Progress::of_bytes(output, "get");
    let (sender, listed) = mpsc::channel(AHEAD);
    let listing = tokio::spawn(list(client.clone(), get.source.clone(), sender));
    let work = |(place, bytes): (Place, u64)| {
        let (client, meter) = (client.clone(), progress.meter());
        let below = place.name.strip_prefix(&get.source.name).unwrap_or(&place.name);
        let path = below_root(&root, below);
        let no_overwrite = get.no_overwrite;
        if path.is_some() {
            progress.grow(bytes);
        }
        async move {
            let Some(path) = path else {
                let why = "its name cannot be that of a file here".to_owned();
                let error = Error::new(place.to_string(), Failure::Local(std::io::Error::other(why)));
                return (place, PathBuf::new(), Err(error));
            };
            let target = Target {
                path,
                part: None,
                no_overwrite,
            };
            let fetched = match place.is_directory() {
                true => file::make_directory(&place, &target.path, bytes).await,
                false => file::fetch(&client, &place, &target, &meter, |_| {}).await,
            };
            (place, target.path, fetched)
        }
    };
    let mut tally = Tally::default();
    let settle = |(place, path, fetched): (Place, PathBuf, Result<Fetched, Error>)| {
        match fetched {
            Ok(fetched) => {
                tally.done += 1;
                if output.json {
                    remote::print(&line(&place, &path, &fetched)?)?;
                }
            }
            Err(error) => progress.suspend(|| tally.failed(&error.into())),
        }
        Ok(())
    };
    each(listed, get.at_once, work, settle).await?;
    let is_anything_there = listing.await??;
    let bytes = progress.meter().bytes();
    drop(progress);
    if !is_anything_there && !get.source.is_container() {
        return Err(Error::new(get.source.to_string(), Failure::NotFound).into());
    }
    output.tell(&format!("got {}, {}", counted(tally.done), human_bytes(bytes)));
    tally.end()
}

/// Sends all objects below; whether there was one.
async fn list(client: Client, source: Place, sender: mpsc::Sender<(Place, u64)>) -> Result<bool, Error> {
    let query = ListingQuery {
        prefix: Some(source.name).filter(|prefix| !prefix.is_empty()),
        ..ListingQuery::default()
    };
    let mut pages = client.list_objects(&source.container, query);
    let mut is_anything_there = false;
    while let Some(page) = pages.next_page().await? {
        is_anything_there = true;
        for entry in page {
            let Entry::Object(object) = entry else { continue };
            let place = Place {
                container: source.container.clone(),
                name: object.name,
            };
            if sender.send((place, object.bytes)).await.is_err() {
                return Ok(true);
            }
        }
    }
    Ok(is_anything_there)
}

/// The file of that name below `root`, if there can be one. No name leads out of it.
fn below_root(root: &Path, name: &str) -> Option<PathBuf> {
    let mut path = root.to_owned();
    for segment in name.strip_suffix('/').unwrap_or(name).split('/') {
        match segment {
            // What was asked for is itself an object; its directory is the root.
            "" if name.is_empty() => {}
            "" | "." | ".." => return None,
            segment if segment.contains('\0') => return None,
            segment => path.push(segment),
        }
    }
    Some(path)
}

fn file_name(segment: &str, of: &Place) -> anyhow::Result<String> {
    match segment {
        "" | "." | ".." => bail!("{of}: this cannot be the name of a file; say where it goes"),
        segment if segment.contains('\0') => bail!("this cannot be the name of a file; say where it goes"),
        segment => Ok(segment.to_owned()),
    }
}

fn line(place: &Place, path: &Path, fetched: &Fetched) -> anyhow::Result<String> {
    json_line(&json!({
        "path": place.to_string(),
        "destination": path.to_string_lossy(),
        "bytes": fetched.bytes,
        "etag": fetched.etag.as_ref().map(|etag| etag.as_str()),
    }))
}

fn range(text: &str) -> anyhow::Result<Part> {
    let number = |text: &str| {
        text.parse::<u64>()
            .map_err(|_| anyhow::anyhow!("expected 0-99, 100- or -100"))
    };
    match text.split_once('-') {
        Some(("", last)) => Ok(Part::Last(number(last)?)),
        Some((first, "")) => Ok(Part::Range(number(first)?, None)),
        Some((first, last)) => match (number(first)?, number(last)?) {
            (first, last) if first <= last => Ok(Part::Range(first, Some(last))),
            _ => bail!("the range ends before it begins"),
        },
        None => bail!("expected 0-99, 100- or -100"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        let root = Path::new("root");
        assert_eq!(below_root(root, "a/b").unwrap(), Path::new("root/a/b"));
        assert_eq!(below_root(root, "a/").unwrap(), Path::new("root/a"));
        assert_eq!(below_root(root, "").unwrap(), Path::new("root"));
        for name in [
            "../a",
            "a/../../b",
            "/etc/passwd",
            "a//b",
            "a/.",
            "..",
            "a\0b",
            "/",
            "a//",
        ] {
            assert!(below_root(root, name).is_none(), "{name:?}");
        }
        assert!(file_name("..", &Place::parse("c/..").unwrap()).is_err());
    }

    #[test]
    fn ranges_are_read() {
        assert!(matches!(range("0-99").unwrap(), Part::Range(0, Some(99))));
        assert!(matches!(range("5-").unwrap(), Part::Range(5, None)));
        assert!(matches!(range("-5").unwrap(), Part::Last(5)));
        for text in ["", "-", "5", "9-5", "a-b", "1-2-3"] {
            assert!(range(text).is_err(), "{text}");
        }
    }
}
