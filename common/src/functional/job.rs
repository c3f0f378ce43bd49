//! Jobs: what takes longer than a request may, done by the owner of an account in the background. A job survives a restart.

use serde::{Deserialize, Serialize};

use super::check::Report;
use crate::Timestamp;
use crate::name::AccountName;

/// `job/show`: one job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The account.
    pub account: AccountName,
    /// Which.
    pub id: String,
}

/// `job/list`: the jobs of an account, the newest first: those under way, and the last 100 that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// The account.
    pub account: AccountName,
}

/// `job/cancel`: ends a job before its time. What it made so far is taken back; one that has ended stays as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The account.
    pub account: AccountName,
    /// Which.
    pub id: String,
}

/// A job, as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// 16 hexadecimal digits.
    pub id: String,
    /// The account whose job it is.
    pub account: AccountName,
    /// What it does: `copy`, `move`, `remove_account`, `check`, `rebuild`, `adopt`.
    pub kind: String,
    /// What it does it to, as `container/name`, with the account before it when it is of another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The same of the destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// How far it has come.
    pub state: State,
    /// Objects done.
    pub done: u64,
    /// Objects there are to do; `None` while nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Bytes done.
    pub bytes: u64,
    /// Objects that it failed with.
    pub errors: u64,
    /// The first of these failures, or why the job failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it was asked for.
    #[serde(with = "crate::timestamp::as_iso")]
    pub created: Timestamp,
    /// When it ended.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::as_iso::optional"
    )]
    pub ended: Option<Timestamp>,
    /// What a check found so far; only `job/show` tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Box<Report>>,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for others to end.
    Queued,
    /// It is under way.
    Running,
    /// It has done all.
    Done,
    /// It could not, and nothing of it is seen.
    Failed,
    /// Somebody ended it, and nothing of it is seen.
    Cancelled,
}

/// The jobs of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Jobs {
    /// The newest first.
    pub jobs: Vec<Job>,
}

impl State {
    /// Whether nothing will change any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}
