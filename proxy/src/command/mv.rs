//! `stobj mv`: gives objects and directories another name.

use clap::Args;
use common::storage_client::{Client, Destination, Error, Outcome};

use super::remote::{Account, Output, Place, help};
use super::transfer::{self, To};

pub(super) const HELP: &str = help!(
    "  stobj mv photos/a.txt photos/b.txt         another name
  stobj mv photos/a.txt archive/2026/        into a directory
  stobj mv photos/2026/ archive/2026/        a whole directory, however large, in one step
  stobj mv --to-account AUTH_b photos/2026/ photos/2026/

A directory becomes the directory that is named, and replaces it if it is there; nothing is merged. Between accounts a \
job of the server does it, and is waited for."
);

#[derive(Debug, Args)]
pub(super) struct Mv {
    /// An object, or a directory (ends in a slash).
    #[arg(value_name = "CONTAINER/NAME", value_parser = Place::parse)]
    source: Place,
    #[command(flatten)]
    to: To,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    account: Account,
}

/// Does it.
pub(super) async fn run(mv: Mv) -> anyhow::Result<()> {
    let client = mv.account.client()?;
    let place = mv.to.place.taking(&mv.source)?;
    let destination = mv.to.destination(&place);
    let moved = match client
        .move_node(&mv.source.container, &mv.source.name, &destination)
        .await
    {
        Err(error) if is_unknown_verb(&error) && !mv.source.is_directory() => {
            by_copy(&client, &mv.source, &destination).await
        }
        moved => moved,
    };
    transfer::settle(&client, moved?, &mv.source, &place, mv.to.no_wait, mv.output).await
}

/// Another Swift does not know the verb.
fn is_unknown_verb(error: &Error) -> bool {
    error.is_refused_with(405) || error.is_refused_with(501)
}

/// What any Swift can do, in two steps: if the second fails, the object is there twice.
async fn by_copy(client: &Client, source: &Place, destination: &Destination<'_>) -> Result<Outcome, Error> {
    if (destination.container, destination.name) == (&source.container, &source.name) {
        let why = "source and destination are the same".to_owned();
        return Err(Error::new(
            source.to_string(),
            common::storage_client::Failure::Usage(why),
        ));
    }
    let copied = client
        .copy_object(&source.container, &source.name, destination)
        .await?;
    client.delete(&source.container, &source.name).await?;
    Ok(copied)
}
