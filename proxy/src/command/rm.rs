//! `stobj rm`: removes objects, directories and containers.

use clap::Args;
use common::functional::fs::TreeKind;
use common::storage_client::{Client, Entry, Error, ListingQuery};
use serde_json::json;
use tokio::sync::mpsc;

use super::remote::{self, Account, AtOnce, Output, Place, Tally, each, help, json_line};

/// So many names are known beforehand at most.
const AHEAD: usize = 256;

pub(super) const HELP: &str = help!(
    "  stobj rm photos/a.txt photos/b.txt
  stobj rm photos/2027/                      a directory that is empty
  stobj rm --recursive photos/2026/          a directory with all that is in it, at once
  stobj rm --recursive photos                a whole container
  stobj rm --force photos/perhaps.txt        never mind if it is not there"
);

#[derive(Debug, Args)]
pub(super) struct Rm {
    /// Objects, directories (end in a slash), containers.
    #[arg(required = true, value_name = "CONTAINER[/NAME]", value_parser = Place::parse)]
    places: Vec<Place>,
    /// Remove directories and containers with all that is in them.
    #[arg(long, short)]
    recursive: bool,
    /// Never mind what is not there.
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    at_once: AtOnce,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    account: Account,
}

/// Does it.
pub(super) async fn run(rm: Rm) -> anyhow::Result<()> {
    let client = rm.account.client()?;
    let mut tally = Tally::default();
    for place in &rm.places {
        let removed = match rm.recursive && place.is_directory() {
            true => recursively(&client, place, rm.at_once).await,
            false => client
                .delete(&place.container, &place.name)
                .await
                .map_err(Into::into),
        };
        match removed {
            Ok(()) => {
                tally.done += 1;
                if rm.output.json {
                    remote::print(&json_line(&json!({"path": place.to_string()}))?)?;
                }
            }
            Err(error) if rm.force && is_not_found(&error) => {}
            Err(error) if rm.places.len() == 1 => return Err(error),
            Err(error) => tally.failed(&error),
        }
    }
    tally.end()
}

async fn recursively(client: &Client, place: &Place, at_once: AtOnce) -> anyhow::Result<()> {
    if !has_trees(client).await {
        return one_by_one(client, place, at_once).await;
    }
    match place.is_container() {
        false => Ok(client.remove_directory(&place.container, &place.name).await?),
        true => {
            empty_container(client, place, at_once).await?;
            Ok(client.delete(&place.container, "").await?)
        }
    }
}

/// Whether the store knows directories; one that does not say so is taken for another Swift.
async fn has_trees(client: &Client) -> bool {
    client.info().await.is_ok_and(|info| info.get("tree").is_some())
}

/// Removes all that is directly in a container, empty directories too, until nothing is left.
async fn empty_container(client: &Client, place: &Place, at_once: AtOnce) -> anyhow::Result<()> {
    loop {
        let page = client.tree(&place.container, "", Some(1), None, None).await?;
        let children = page.children.unwrap_or_default();
        if children.is_empty() {
            return Ok(());
        }
        let (sender, nodes) = mpsc::channel(AHEAD);
        tokio::spawn(async move {
            for child in children {
                if sender.send((child.name, child.kind)).await.is_err() {
                    return;
                }
            }
        });
        let container = &place.container;
        let work = |(name, kind): (String, TreeKind)| {
            let (client, container) = (client.clone(), container.clone());
            async move {
                gone(match kind {
                    TreeKind::Directory => client.remove_directory(&container, &name).await,
                    TreeKind::File | TreeKind::Container => client.delete(&container, &name).await,
                })
            }
        };
        removed(nodes, at_once, work).await?;
    }
}

/// What any Swift can do: object after object.
async fn one_by_one(client: &Client, place: &Place, at_once: AtOnce) -> anyhow::Result<()> {
    let query = ListingQuery {
        prefix: Some(place.name.clone()).filter(|prefix| !prefix.is_empty()),
        ..ListingQuery::default()
    };
    let mut pages = client.list_objects(&place.container, query);
    let (sender, names) = mpsc::channel(AHEAD);
    let listing = tokio::spawn(async move {
        let mut is_anything_there = false;
        while let Some(page) = pages.next_page().await? {
            is_anything_there = true;
            for entry in page {
                let Entry::Object(object) = entry else { continue };
                if sender.send(object.name).await.is_err() {
                    return Ok(true);
                }
            }
        }
        Ok::<_, Error>(is_anything_there)
    });
    let work = |name: String| {
        let (client, container) = (client.clone(), place.container.clone());
        async move { gone(client.delete(&container, &name).await) }
    };
    removed(names, at_once, work).await?;
    let is_anything_there = listing.await??;
    match place.is_container() {
        true => Ok(client.delete(&place.container, "").await?),
        false if is_anything_there => Ok(()),
        false => Err(Error::new(place.to_string(), common::storage_client::Failure::NotFound).into()),
    }
}

/// Removes each; all are tried before it fails.
async fn removed<T, F>(
    items: mpsc::Receiver<T>,
    at_once: AtOnce,
    work: impl FnMut(T) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let mut tally = Tally::default();
    let settle = |removed: Result<(), Error>| {
        match removed {
            Ok(()) => tally.done += 1,
            Err(error) => tally.failed(&error.into()),
        }
        Ok(())
    };
    each(items, at_once, work, settle).await?;
    tally.end()
}

/// Somebody else may have removed it in the meantime.
fn gone(removed: Result<(), Error>) -> Result<(), Error> {
    match removed {
        Err(error) if error.is_not_found() => Ok(()),
        removed => removed,
    }
}

fn is_not_found(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_not_found)
}
