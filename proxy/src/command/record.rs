//! `stobj record`: reads the operation record, through the running server that `ST_AUTH` names, or in the database of
//! the configuration.

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use common::config::Period;
use common::functional::record::{List, MAX_BATCH, Marker, Page, Record, Results};
use common::name::AccountName;
use common::{Clock, Timestamp};
use serde::Deserialize as _;
use serde::de::IntoDeserializer as _;
use serde::de::value::Error as ValueError;

use super::Source;
use super::administered::Administered;

/// Between two looks for what is new.
const PERIOD: Duration = Duration::from_secs(1);

/// A record may come so much later than its request began; what took longer is not followed.
const LATENESS: Duration = Duration::from_secs(60);

/// What can be done with the record.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List operations, the newest first.
    List(ListOptions),
}

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    /// Only in this account, as in its URL.
    #[arg(long, value_name = "ACCOUNT", value_parser = |text: &str| AccountName::new(text).map_err(|error| error.to_string()))]
    account: Option<AccountName>,
    /// Only of this user; empty: of nobody who was logged in.
    #[arg(long, value_name = "ACCOUNT:USER")]
    user: Option<String>,
    /// Only of this ACCOUNT[/CONTAINER[/OBJECT]]; with a slash at its end, of all that lies below.
    #[arg(long)]
    path: Option<String>,
    /// Only of this action, such as object/put.
    #[arg(long)]
    action: Option<String>,
    /// Only with this status, or of this class: 403, 4xx.
    #[arg(long, value_name = "STATUS", value_parser = results)]
    result: Option<Results>,
    /// Not before: 2026-01-02T03:04 (UTC), or so long ago: 90s, 5m, 12h, 7d.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Not after.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// At most so many; 0 is all.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Go on with what is done from now on, until interrupted; the oldest first.
    #[arg(long, conflicts_with = "until")]
    follow: bool,
    /// One JSON object a line.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Comma-separated values, with a header.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    source: Source,
}

/// How records are written.
#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Json,
    Csv,
}

/// Does it.
pub(super) fn run(command: Command) -> anyhow::Result<()> {
    let Command::List(options) = command;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("no threads can be started")?;
    runtime.block_on(async {
        let store = Administered::open(&options.source).await?;
        let done = list(&store, &options).await;
        let closed = store.close().await;
        done.and(closed.map_err(anyhow::Error::from))
    })
}

async fn list(store: &Administered, options: &ListOptions) -> anyhow::Result<()> {
    let form = match (options.json, options.csv) {
        (true, _) => Form::Json,
        (_, true) => Form::Csv,
        _ => Form::Text,
    };
    let mut output = io::stdout();
    if let Some(header) = form.header() {
        writeln!(output, "{header}")?;
    }
    if options.follow {
        return follow(store, options, form).await;
    }
    let mut left = if options.limit == 0 {
        usize::MAX
    } else {
        options.limit
    };
    let mut marker = None;
    let mut dropped = 0;
    while left > 0 {
        let page = page(store, options, options.since, marker, left).await?;
        dropped = page.dropped;
        left -= page.records.len();
        write(form, &page.records)?;
        marker = page.next;
        if marker.is_none() {
            break;
        }
    }
    if dropped > 0 {
        writeln!(
            io::stderr(),
            "stobj: the proxy that was asked could not record how {dropped} requests ended"
        )?;
    }
    Ok(())
}

/// Shows what is new, again and again. Records come in about the order of their time: a while back is looked at again.
async fn follow(store: &Administered, options: &ListOptions, form: Form) -> anyhow::Result<()> {
    let lateness = u64::try_from(LATENESS.as_micros() / 10)?;
    let begin = options.since.unwrap_or_else(Clock::now);
    let mut shown: BTreeSet<Marker> = BTreeSet::new();
    let mut since = begin;
    loop {
        let mut fresh = Vec::new();
        let mut marker = None;
        loop {
            let page = page(store, options, Some(since), marker, MAX_BATCH).await?;
            let is_new = |record: &Record| !shown.contains(&record.marker());
            fresh.extend(page.records.into_iter().filter(is_new));
            marker = page.next;
            if marker.is_none() {
                break;
            }
        }
        fresh.sort_unstable_by_key(Record::marker);
        write(form, &fresh)?;
        shown.extend(fresh.iter().map(Record::marker));
        let now = Clock::now().units();
        since = begin.max(Timestamp::from_units(now.saturating_sub(lateness)));
        shown = shown.split_off(&Marker { time: since, id: 0 });
        tokio::time::sleep(PERIOD).await;
    }
}

async fn page(
    store: &Administered,
    options: &ListOptions,
    since: Option<Timestamp>,
    marker: Option<Marker>,
    left: usize,
) -> anyhow::Result<Page> {
    let list = List {
        account: options.account.clone(),
        user: options.user.clone(),
        path: options.path.clone(),
        action: options.action.clone(),
        results: options.result,
        since,
        until: options.until,
        limit: Some(left.min(MAX_BATCH)),
        marker,
    };
    Ok(store.call(list).await?)
}

fn write(form: Form, records: &[Record]) -> io::Result<()> {
    let mut text = String::new();
    for record in records {
        text.push_str(&form.line(record));
        text.push('\n');
    }
    let mut output = io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

impl Form {
    fn header(self) -> Option<&'static str> {
        match self {
            Self::Csv => Some(
                "time,user,action,path,result,changed,bytes_received,bytes_sent,duration,address,agent,\
                 transaction_id,destination",
            ),
            Self::Text | Self::Json => None,
        }
    }

    fn line(self, record: &Record) -> String {
        match self {
            Self::Json => record.to_json().to_string(),
            Self::Csv => csv(record),
            Self::Text => text(record),
        }
    }
}

fn text(record: &Record) -> String {
    let duration = record
        .duration
        .map_or_else(|| "-".to_owned(), |micros| format!("{:.3}s", micros as f64 / 1e6));
    let address = record
        .address
        .map_or_else(|| "-".to_owned(), |address| address.to_string());
    // One column: what has no destination has no other number of them.
    let destination = record.destination.as_ref();
    let destination = destination.map_or_else(String::new, |to| format!("=>{}", visible(to)));
    format!(
        "{} {} {} {} {}{destination} {} {} {duration} {address}",
        record.time.iso(),
        record.result,
        record.action,
        visible(record.user.as_deref().unwrap_or("-")),
        visible(&record.path),
        record.received,
        record.sent,
    )
}

/// A name for a terminal: whatever would move its cursor is escaped, and so is the space, which parts the columns.
fn visible(text: &str) -> String {
    let escaped = |letter: char| match letter {
        ' ' => "\\x20".to_owned(),
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn csv(record: &Record) -> String {
    let number = |number: Option<f64>| number.map_or_else(String::new, |number| number.to_string());
    let fields = [
        record.time.iso(),
        record.user.clone().unwrap_or_default(),
        record.action.clone(),
        record.path.clone(),
        record.result.to_string(),
        record.change.is_some().to_string(),
        record.received.to_string(),
        record.sent.to_string(),
        number(record.duration.map(|micros| micros as f64 / 1e6)),
        record
            .address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        record.agent.clone().unwrap_or_default(),
        record.transaction_id.clone(),
        record.destination.clone().unwrap_or_default(),
    ];
    fields.map(|field| quoted(&field)).join(",")
}

/// A field as RFC 4180 has it. One that a spreadsheet would take for a formula is made a text.
fn quoted(field: &str) -> String {
    let is_formula = field.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let needs_quotes = is_formula || field.contains([',', '"', '\n', '\r']);
    match (needs_quotes, is_formula) {
        (false, _) => field.to_owned(),
        (true, false) => format!("\"{}\"", field.replace('"', "\"\"")),
        (true, true) => format!("\"'{}\"", field.replace('"', "\"\"")),
    }
}

fn results(text: &str) -> anyhow::Result<Results> {
    Results::parse(text).ok_or_else(|| anyhow!("expected a status such as 403, or a class such as 4xx"))
}

/// A time, or how long ago.
pub(super) fn moment(text: &str) -> anyhow::Result<Timestamp> {
    let ago: Result<Period, ValueError> = Period::deserialize(text.into_deserializer());
    let ago = ago.ok().and_then(|ago| {
        let units = u64::try_from(ago.0.as_micros() / 10).ok()?;
        Some(Timestamp::from_units(Clock::now().units().saturating_sub(units)))
    });
    ago.or_else(|| Timestamp::parse_iso(text))
        .or_else(|| Timestamp::parse(text))
        .ok_or_else(|| anyhow!("expected a time such as 2026-01-02T03:04, or how long ago, such as 12h"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be() {
        assert_eq!(quoted("a b"), "a b");
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=1+1"), "\"'=1+1\"");
        assert_eq!(visible("a b\u{1b}[2J\n"), "a\\x20b\\u{1b}[2J\\n");
    }

    #[test]
    fn a_destination_stands_beside_the_path() {
        let record = Record {
            action: "fs/move".into(),
            path: "A/c/o".into(),
            destination: Some("A/d/p q".into()),
            result: 201,
            ..Record::default()
        };
        assert!(
            text(&record).contains(" A/c/o=>A/d/p\\x20q "),
            "{}",
            text(&record)
        );
        assert!(csv(&record).ends_with(",A/d/p q"));
        let fields = csv(&record).split(',').count();
        assert_eq!(
            Form::Csv.header().map(|header| header.split(',').count()),
            Some(fields)
        );
    }

    #[test]
    fn moments_are_told_in_several_ways() {
        let hour_ago = moment("1h").unwrap().seconds();
        assert!(Clock::now().seconds() - hour_ago >= 3600);
        assert_eq!(moment("2026-01-02").unwrap().iso(), "2026-01-02T00:00:00.000000");
        assert_eq!(moment("17.5").unwrap(), Timestamp::from_units(1_750_000));
        assert!(moment("soon").is_err());
    }
}
