//! `stobj quota`: how much accounts and containers hold and may hold, through the running server that `ST_AUTH` names,
//! or in the storage of the configuration while no server has it open.

use std::fmt::{self, Display};

use anyhow::{anyhow, bail};
use clap::{ArgGroup, Args, Subcommand};
use common::functional::Call;
use common::functional::quota::{List, Measure, Quota, Set, Show};
use common::name::{AccountName, ContainerName, ObjectName};

use super::administered::Administered;
use super::remote::printable;
use super::{Source, runtime, say};

/// What can be done with quotas.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Limit what an account, a container or a directory holds.
    Set(SetLimits),
    /// Show what an account, a container or a directory holds, and may hold.
    Show(ShowOne),
    /// Show all accounts, containers and directories that have a limit.
    List(ListAll),
}

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("limits").required(true).multiple(true)))]
pub(super) struct SetLimits {
    /// As in URLs: AUTH_test, AUTH_test/photos, AUTH_test/photos/2026/.
    #[arg(value_name = "ACCOUNT[/CONTAINER[/DIRECTORY/]]", value_parser = place)]
    place: Place,
    /// The most bytes of all objects together: 5000, 500M, 10G (of 1024 each); or none.
    #[arg(long, value_name = "SIZE", value_parser = size, group = "limits")]
    bytes: Option<Wanted>,
    /// The most objects, or none.
    #[arg(long, value_name = "NUMBER", value_parser = number, group = "limits")]
    count: Option<Wanted>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct ShowOne {
    /// As in URLs: AUTH_test, AUTH_test/photos, AUTH_test/photos/2026/.
    #[arg(value_name = "ACCOUNT[/CONTAINER[/DIRECTORY/]]", value_parser = place)]
    place: Place,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
pub(super) struct ListAll {
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
struct Output {
    /// Print each account, container and directory as a line of JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// An account, a container in it, or a directory in that.
#[derive(Clone, Debug, PartialEq)]
struct Place {
    account: AccountName,
    container: Option<ContainerName>,
    directory: Option<ObjectName>,
}

/// A limit, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wanted(Option<u64>);

/// Does it.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    runtime()?.block_on(async {
        match command {
            Command::Set(set) => run_set(set).await,
            Command::Show(show) => run_show(show).await,
            Command::List(list) => run_list(list).await,
        }
    })
}

async fn run_set(set: SetLimits) -> anyhow::Result<()> {
    let call = Set {
        account: set.place.account,
        container: set.place.container,
        directory: set.place.directory,
        bytes: set.bytes.map(|wanted| wanted.0),
        objects: set.count.map(|wanted| wanted.0),
    };
    run_one(&set.output, call).await
}

async fn run_show(show: ShowOne) -> anyhow::Result<()> {
    let call = Show {
        account: show.place.account,
        container: show.place.container,
        directory: show.place.directory,
    };
    run_one(&show.output, call).await
}

async fn run_one<C: Call<Answer = Quota>>(output: &Output, call: C) -> anyhow::Result<()> {
    let store = Administered::open_storage(&output.source).await?;
    let answered = store.call(call).await;
    store.close().await?;
    let quota = answered.map_err(|error| match error.status().as_u16() {
        404 => anyhow!("there is no such account, container or directory"),
        _ => error.into(),
    })?;
    output.heading()?;
    output.print(&quota)
}

/// Page after page, each printed as it comes.
async fn run_list(list: ListAll) -> anyhow::Result<()> {
    let store = Administered::open_storage(&list.output.source).await?;
    let printed = print_all(&store, &list.output).await;
    store.close().await?;
    printed
}

async fn print_all(store: &Administered, output: &Output) -> anyhow::Result<()> {
    output.heading()?;
    let mut from = None;
    loop {
        let page = store.call(List { from, limit: None }).await?;
        for quota in &page.quotas {
            output.print(quota)?;
        }
        from = page.next;
        if from.is_none() {
            return Ok(());
        }
    }
}

impl Output {
    fn heading(&self) -> anyhow::Result<()> {
        match self.json {
            true => Ok(()),
            false => Ok(say(Line(
                ["bytes", "of", "objects", "of"],
                "account, container or directory",
            ))?),
        }
    }

    fn print(&self, quota: &Quota) -> anyhow::Result<()> {
        if self.json {
            return Ok(say(serde_json::to_string(quota)?)?);
        }
        let place = match (&quota.container, &quota.directory) {
            (Some(container), Some(directory)) => format!("{}/{container}/{directory}", quota.account),
            (Some(container), None) => format!("{}/{container}", quota.account),
            (None, _) => quota.account.to_string(),
        };
        let shown = |measure: Measure| {
            let limit = measure.limit.map(|limit| limit.to_string());
            (
                measure.used.to_string(),
                limit.unwrap_or_else(|| "none".to_owned()),
            )
        };
        let (bytes, objects) = (shown(quota.bytes), shown(quota.objects));
        Ok(say(Line(
            [bytes.0, bytes.1, objects.0, objects.1],
            printable(&place),
        ))?)
    }
}

/// Four numbers and a name, which stands last because it may be long.
struct Line<T, N>([T; 4], N);

impl<T: Display, N: Display> Display for Line<T, N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([bytes, most_bytes, objects, most_objects], name) = self;
        write!(
            formatter,
            "{bytes:>15} {most_bytes:>15} {objects:>10} {most_objects:>10}  {name}"
        )
    }
}

fn place(text: &str) -> anyhow::Result<Place> {
    let (account, below) = match text.split_once('/') {
        Some((account, below)) => (account, Some(below)),
        None => (text, None),
    };
    let (container, directory) = match below.and_then(|below| below.split_once('/')) {
        Some((container, directory)) => (Some(container), Some(ObjectName::new(directory)?)),
        None => (below, None),
    };
    if directory
        .as_ref()
        .is_some_and(|directory| !directory.is_directory())
    {
        bail!("the name of a directory ends in a slash");
    }
    Ok(Place {
        account: AccountName::new(account)?,
        container: container.map(ContainerName::new).transpose()?,
        directory,
    })
}

fn size(text: &str) -> anyhow::Result<Wanted> {
    match text {
        "none" => Ok(Wanted(None)),
        _ => Ok(Wanted(Some(
            bytes(text).map_err(|error| anyhow!("{error}, or none"))?,
        ))),
    }
}

/// A number of bytes, with a unit of 1024 each if need be.
pub(super) fn bytes(text: &str) -> anyhow::Result<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, unit) = text.split_at(digits);
    let power = match unit {
        "" => 0,
        "K" | "KiB" => 1,
        "M" | "MiB" => 2,
        "G" | "GiB" => 3,
        "T" | "TiB" => 4,
        "P" | "PiB" => 5,
        _ => bail!("expected a number of bytes, such as 5000, 500M or 10G"),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| anyhow!("expected a number of bytes, such as 5000, 500M or 10G"))?;
    let bytes = number.checked_mul(1 << (10 * power));
    bytes.ok_or_else(|| anyhow!("that is more than there can be"))
}

fn number(text: &str) -> anyhow::Result<Wanted> {
    match text {
        "none" => Ok(Wanted(None)),
        _ => match text.parse() {
            Ok(number) => Ok(Wanted(Some(number))),
            Err(_) => bail!("expected a number of objects, or none"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("5000", 5000),
            ("1K", 1024),
            ("10G", 10 << 30),
            ("10GiB", 10 << 30),
            ("2P", 2 << 50),
        ] {
            assert_eq!(size(text).unwrap(), Wanted(Some(bytes)), "{text}");
        }
        assert_eq!(size("none").unwrap(), Wanted(None));
        assert_eq!(number("none").unwrap(), Wanted(None));
        assert_eq!(number("7").unwrap(), Wanted(Some(7)));
        for text in [
            "",
            "G",
            "-1",
            "1.5G",
            "10 G",
            "10GB",
            "99999999P",
            "99999999999999999999",
            "many",
        ] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(number("1K").is_err());
    }

    #[test]
    fn a_place_is_an_account_a_container_or_a_directory() {
        assert_eq!(place("AUTH_a").unwrap().container, None);
        let container = place("AUTH_a/b c").unwrap().container.unwrap();
        assert_eq!(container.to_string(), "b c");
        let directory = place("AUTH_a/b/c/d/").unwrap().directory.unwrap();
        assert_eq!(directory.as_str(), "c/d/");
        for text in ["", "/c", "AUTH_a/", "AUTH_a/b/c", "AUTH_a/b/"] {
            assert!(place(text).is_err(), "{text}");
        }
    }
}
