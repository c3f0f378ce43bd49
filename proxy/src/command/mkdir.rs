//! `stobj mkdir`: makes containers and directories.

use clap::Args;
use common::storage_client::{Client, Error, Failure};
use http::StatusCode;
use serde_json::json;

use super::remote::{self, Account, Place, Tally, help, json_line};

pub(super) const HELP: &str = help!(
    "  stobj mkdir photos                         a container
  stobj mkdir photos/2027/                   a directory, which stays when it is empty
  stobj mkdir --parents photos/2027/08/15/   with all above it, and never mind what is there

Objects need no directories made for them; only a stobj has any."
);

#[derive(Debug, Args)]
pub(super) struct Mkdir {
    /// Containers, and directories in them.
    #[arg(required = true, value_name = "CONTAINER[/DIRECTORY/]", value_parser = Place::parse)]
    places: Vec<Place>,
    /// Make what is missing above them too, the container as well; and never mind if they are there.
    #[arg(long, short)]
    parents: bool,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: Account,
}

/// Does it.
pub(super) async fn run(mkdir: Mkdir) -> anyhow::Result<()> {
    let client = mkdir.account.client()?;
    let mut tally = Tally::default();
    for place in &mkdir.places {
        match make(&client, place, mkdir.parents).await {
            Ok(is_new) => {
                tally.done += 1;
                if mkdir.json {
                    let line = json!({"path": place.to_string(), "created": is_new});
                    remote::print(&json_line(&line)?)?;
                }
            }
            Err(error) if mkdir.places.len() == 1 => return Err(error.into()),
            Err(error) => tally.failed(&error.into()),
        }
    }
    tally.end()
}

/// Whether it was not there before.
async fn make(client: &Client, place: &Place, with_parents: bool) -> Result<bool, Error> {
    if place.is_container() {
        return match client.put_container(&place.container).await? {
            false if !with_parents => {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                let text = String::new();
                Err(Error::new(&place.container, Failure::Refused { status, text }))
            }
            is_new => Ok(is_new),
        };
    }
    let directory = format!("{}/", place.name.trim_end_matches('/'));
    if with_parents {
        match client.head(&place.container, "").await {
            Err(error) if error.is_not_found() => drop(client.put_container(&place.container).await?),
            _ => {}
        }
    }
    match client
        .make_directory(&place.container, &directory, with_parents)
        .await
    {
        Err(error) if with_parents && error.is_refused_with(405) => Ok(false),
        made => made.map(|()| true),
    }
}
