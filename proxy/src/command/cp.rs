//! `stobj cp`: copies objects and directories within the store.

use clap::Args;
use common::storage_client::Outcome;

use super::remote::{Account, Output, Place, help};
use super::transfer::{self, To};

pub(super) const HELP: &str = help!(
    "  stobj cp photos/a.txt photos/b.txt         under another name
  stobj cp photos/a.txt archive/2026/        into a directory
  stobj cp photos/2026/ archive/2026/        a whole directory, as a job of the server
  stobj cp --no-wait photos/2026/ old/2026/  tells the job, and leaves it alone
  stobj jobs                                 how it goes

No byte comes here. The copy of a directory is seen when it is complete, and replaces what bore its name."
);

#[derive(Debug, Args)]
pub(super) struct Cp {
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
pub(super) async fn run(cp: Cp) -> anyhow::Result<()> {
    let client = cp.account.client()?;
    let place = cp.to.place.taking(&cp.source)?;
    let destination = cp.to.destination(&place);
    let Place { container, name } = &cp.source;
    let copied = match cp.source.is_directory() {
        true => Outcome::Job(client.copy_directory(container, name, &destination).await?),
        false => client.copy_object(container, name, &destination).await?,
    };
    transfer::settle(&client, copied, &cp.source, &place, cp.to.no_wait, cp.output).await
}
