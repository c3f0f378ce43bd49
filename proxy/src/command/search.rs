//! `stobj search`: finds containers, directories and objects.

use std::fmt::Write as _;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use common::Timestamp;
use common::functional::search::{Find, Found, Kind, MAX_FOUND, Match, Sort};
use common::name::ContainerName;
use common::storage_client::Client;

use super::quota::bytes;
use super::record::moment;
use super::remote::{self, Account, help, json_line, shown};

pub(super) const HELP: &str = help!(
    "  stobj search invoice                       whatever has it in the last part of its name
  stobj search '*.jpg' --in photos --size-min 10M --sort -size --long
  stobj search --type directory 2026/
  stobj search --content-type 'image/*' --modified-after 7d
  stobj search --meta color=blue --json | jq -r .path
  stobj search --all-accounts leaked         of everybody, for administrators

Only a stobj can search."
);

#[derive(Debug, Args)]
pub(super) struct Search {
    /// What the last part of the name holds; or is, with * and ? for what may stand there.
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// Only in this container.
    #[arg(long = "in", value_name = "CONTAINER", value_parser = |name: &str| ContainerName::new(name))]
    container: Option<ContainerName>,
    /// Only of this type.
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<OfKind>,
    /// At least so large: 5000, 500M, 10G; of a directory with all that is in it.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    size_min: Option<u64>,
    /// At most so large.
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    size_max: Option<u64>,
    /// Written then or later: 2026-01-02T03:04 (UTC), or so long ago: 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    modified_after: Option<Timestamp>,
    /// Written before.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    modified_before: Option<Timestamp>,
    /// Of this content type; * and ? may stand in it.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// With this metadata; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,
    /// In this order; with - before it the other way round.
    #[arg(long, value_name = "name|size|modified", default_value = "name", allow_hyphen_values = true, value_parser = order)]
    sort: Sort,
    /// At most so many; 0 is all.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    limit: usize,
    /// Show only the last parts of names, which costs less.
    #[arg(long)]
    no_paths: bool,
    /// In all accounts; for administrators.
    #[arg(long)]
    all_accounts: bool,
    /// Show bytes, time and type too.
    #[arg(long, short)]
    long: bool,
    /// Print a JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    account: Account,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum OfKind {
    /// Containers.
    Container,
    /// Directories.
    Directory,
    /// Objects.
    File,
}

/// Does it.
pub(super) async fn run(search: Search) -> anyhow::Result<()> {
    let client = search.account.client()?;
    let mut find = search.find();
    let mut left = if search.limit == 0 {
        usize::MAX
    } else {
        search.limit
    };
    while left > 0 {
        find.limit = Some(left.min(MAX_FOUND));
        let found = page(&client, &find, search.all_accounts).await?;
        let mut lines = String::new();
        for one in found.results.iter().take(left) {
            match search.json {
                true => lines += &json_line(one)?,
                false => line(&mut lines, one, &search)?,
            }
        }
        remote::print(&lines)?;
        left = left.saturating_sub(found.results.len());
        find.cursor = found.cursor;
        if find.cursor.is_none() {
            break;
        }
    }
    Ok(())
}

impl Search {
    fn find(&self) -> Find {
        Find {
            account: None,
            container: self.container.clone(),
            name: self.name.clone(),
            kind: self.kind.map(|kind| match kind {
                OfKind::Container => Kind::Container,
                OfKind::Directory => Kind::Directory,
                OfKind::File => Kind::File,
            }),
            size_min: self.size_min,
            size_max: self.size_max,
            modified_after: self.modified_after,
            modified_before: self.modified_before,
            content_type: self.content_type.clone(),
            meta: self.meta.clone(),
            sort: self.sort,
            limit: None,
            cursor: None,
            paths: !self.no_paths,
        }
    }
}

async fn page(client: &Client, find: &Find, all_accounts: bool) -> anyhow::Result<Found> {
    Ok(match all_accounts {
        true => client.call(find.clone()).await?,
        false => client.search(find).await?,
    })
}

fn line(lines: &mut String, found: &Match, search: &Search) -> anyhow::Result<()> {
    if search.long {
        let time = found.last_modified.map(Timestamp::iso).unwrap_or_default();
        let time = time.get(..19).unwrap_or("-").replace('T', " ");
        let kind = match found.kind {
            Kind::Container => "container",
            Kind::Directory => "directory",
            Kind::File => found.content_type.as_deref().unwrap_or("-"),
        };
        write!(lines, "{:>15}  {time:<19}  {:<24}  ", found.bytes, shown(kind))?;
    }
    let mut name = String::new();
    if let (true, Some(account)) = (search.all_accounts, &found.account) {
        name = format!("{account}/");
    }
    match (&found.container, &found.path) {
        (Some(container), Some(path)) => write!(name, "{container}/{path}")?,
        (Some(container), None) => name += container.as_str(),
        _ => name += &found.name,
    }
    writeln!(lines, "{}", shown(&name))?;
    Ok(())
}

fn pair(text: &str) -> anyhow::Result<(String, String)> {
    let (name, value) = text.split_once('=').context("expected KEY=VALUE")?;
    Ok((name.to_lowercase(), value.to_owned()))
}

fn order(text: &str) -> anyhow::Result<Sort> {
    let sort = serde_json::from_value(text.into());
    sort.map_err(|_| anyhow::anyhow!("expected name, size or modified, or one of these with - before it"))
}
