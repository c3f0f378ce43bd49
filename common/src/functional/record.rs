//! The operation record: who did what, when, to what, and what came of it.
//!
//! A record is known by its time and a random number, which it gets where the request enters. What an owner changed is
//! told by the owner, out of its journal (`record/commit`); how the request ended is told by the proxy
//! (`record/complete`), which also tells of refusals and reads. Either may come first, come twice, or not at all.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::Timestamp;
use crate::name::AccountName;

/// The most records in one request, and in one page.
pub const MAX_BATCH: usize = 1000;

/// The records of a page that asks for no other number.
pub const DEFAULT_LIMIT: usize = 100;

/// The longest `action`, `agent` and `transaction_id` that are kept; longer ones are cut.
pub const MAX_ACTION: usize = 64;
/// See [`MAX_ACTION`].
pub const MAX_AGENT: usize = 512;
/// See [`MAX_ACTION`].
pub const MAX_TRANSACTION_ID: usize = 128;

/// `record/commit`: changes that owners have in their journals. Taken on before they are let go of there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Commit {
    /// At most [`MAX_BATCH`].
    pub records: Vec<Record>,
}

/// `record/complete`: how requests ended, those included that changed nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Complete {
    /// At most [`MAX_BATCH`].
    pub records: Vec<Record>,
}

/// They are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {}

/// One operation. `time` and `id` together are the key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When it was asked for.
    pub time: Timestamp,
    /// Random, 63 bits, never 0.
    pub id: u64,
    /// In which account, if in any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Of a change: the account's number, and its place in the account's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// `account:user`; `None` is not logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `{system}/{action}`.
    pub action: String,
    /// `account[/container[/object]]`, as in the request; of a user `account:user`; else empty.
    #[serde(default)]
    pub path: String,
    /// Where to, of what has a destination (`fs/move`): `account/container/object`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The status of the answer; 499 when nobody waited for it.
    pub result: u16,
    /// Bytes of the request's body that came.
    #[serde(default)]
    pub received: u64,
    /// Bytes of the answer's body that went.
    #[serde(default)]
    pub sent: u64,
    /// From `time` to the end of the answer, in µs; `None` is not known yet, or never will be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<u64>,
    /// Where the client is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The client's `User-Agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The transaction of the client's request.
    #[serde(default)]
    pub transaction_id: String,
}

/// Which change of which account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The account's number.
    pub account_id: u64,
    /// The change's place in the account's order.
    pub seq: u64,
}

/// `record/list`: a page of records, the newest first. What is `None` is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Of this account; without one, of everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// By this `account:user`; empty is nobody who is logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Of this path; of all that lies below it, when it ends with a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Of this `{system}/{action}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// With these results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub results: Option<Results>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Not after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// At most so many, up to [`MAX_BATCH`]; `None` is [`DEFAULT_LIMIT`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// What the page before gave as `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub marker: Option<Marker>,
}

/// A page of records. It may be short, or empty, and not the last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The newest first.
    pub records: Vec<Record>,
    /// Where the next page begins; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Marker>,
    /// How many refusals and reads the proxy that answers could not keep since it started.
    #[serde(default)]
    pub dropped: u64,
}

/// The place behind a record, in the order of pages. As text `{time}-{number in hexadecimal}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Marker {
    /// The record's.
    pub time: Timestamp,
    /// The record's.
    pub id: u64,
}

/// A range of statuses: `"403"`, or `"4xx"` for all from 400 to 499.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Results {
    /// The least.
    pub from: u16,
    /// The greatest.
    pub to: u16,
}

impl Record {
    /// What people and their programs are shown: times as text, nothing that only servers understand.
    pub fn to_json(&self) -> Value {
        let mut shown = Map::new();
        let mut show = |name: &str, value: Value| shown.insert(name.to_owned(), value);
        show("time", json!(self.time.iso()));
        show("user", json!(self.user));
        show("action", json!(self.action));
        show("path", json!(self.path));
        show("destination", json!(self.destination));
        show("result", json!(self.result));
        show("changed", json!(self.change.is_some()));
        show("bytes_received", json!(self.received));
        show("bytes_sent", json!(self.sent));
        show("duration", json!(self.duration.map(|micros| micros as f64 / 1e6)));
        show("address", json!(self.address));
        show("agent", json!(self.agent));
        show("transaction_id", json!(self.transaction_id));
        Value::Object(shown)
    }

    /// Its place in the order of pages.
    pub fn marker(&self) -> Marker {
        Marker {
            time: self.time,
            id: self.id,
        }
    }
}

impl Results {
    /// Reads a status or a class of them.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |digit: &u8| digit.is_ascii_digit();
        match text.as_bytes() {
            [class, b'x' | b'X', b'x' | b'X'] if is_digit(class) => {
                let from = u16::from(class - b'0') * 100;
                Some(Self { from, to: from + 99 })
            }
            digits if digits.len() == 3 && digits.iter().all(is_digit) => {
                let status = text.parse().ok()?;
                Some(Self {
                    from: status,
                    to: status,
                })
            }
            _ => None,
        }
    }

    /// Whether `result` is one of them.
    pub const fn contains(self, result: u16) -> bool {
        self.from <= result && result <= self.to
    }
}

impl Marker {
    /// Reads what [`Display`](std::fmt::Display) writes.
    pub fn parse(text: &str) -> Option<Self> {
        let (time, id) = text.split_once('-')?;
        Some(Self {
            time: Timestamp::parse(time)?,
            id: u64::from_str_radix(id, 16).ok()?,
        })
    }
}

impl std::fmt::Display for Marker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}-{:016x}", self.time, self.id)
    }
}

impl std::fmt::Display for Results {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self { from, to } if from == to => write!(formatter, "{from:03}"),
            Self { from, .. } => write!(formatter, "{}xx", from / 100),
        }
    }
}

impl From<Marker> for String {
    fn from(marker: Marker) -> Self {
        marker.to_string()
    }
}

impl From<Results> for String {
    fn from(results: Results) -> Self {
        results.to_string()
    }
}

impl TryFrom<String> for Marker {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no marker that was given as `next`")
    }
}

impl TryFrom<String> for Results {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("a result is a status such as \"403\", or a class such as \"4xx\"")
    }
}

/// The beginning of `text`, no longer than `limit` bytes.
pub fn cut(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn results_are_a_status_or_a_class() {
        assert_eq!(Results::parse("403"), Some(Results { from: 403, to: 403 }));
        assert_eq!(Results::parse("4xx"), Some(Results { from: 400, to: 499 }));
        assert!(Results::parse("2XX").unwrap().contains(204));
        assert!(!Results::parse("2xx").unwrap().contains(304));
        for text in ["", "4", "40", "4x", "x4x", "4x4", "+40", "4031", "\u{e4}xx"] {
            assert_eq!(Results::parse(text), None, "{text}");
        }
        for text in ["404", "5xx"] {
            assert_eq!(Results::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_shown_is_for_people() {
        let record = Record {
            time: Timestamp::from_units(170_000_000_012_345),
            id: 7,
            action: "object/put".into(),
            path: "AUTH_a/c/o".into(),
            result: 201,
            duration: Some(1500),
            ..Record::default()
        };
        let shown = record.to_json();
        assert_eq!(shown["time"], "2023-11-14T22:13:20.123450");
        assert_eq!(shown["duration"], 0.0015);
        assert_eq!(shown["user"], Value::Null);
        assert_eq!(shown.get("id"), None);
    }

    proptest! {
        #[test]
        fn a_marker_is_read_back(time in 0..u64::MAX / 2, id in any::<u64>()) {
            let marker = Marker { time: Timestamp::from_units(time), id };
            prop_assert_eq!(Marker::parse(&marker.to_string()), Some(marker));
        }

        #[test]
        fn no_text_panics(text in "[0-9x.a-f-]{0,20}|\\PC{0,9}") {
            let _ = (Marker::parse(&text), Results::parse(&text));
        }
    }
}
