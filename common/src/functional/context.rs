//! Who asks, when, and in the course of which client request.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::name::{AccountName, ContainerName};

/// The circumstances of a functional request. Cheap to clone: inner requests of a filter carry their parent's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Context {
    /// `tx…`, of the client's request; inner requests have their parent's.
    pub transaction_id: Arc<str>,
    /// On whose right it is made.
    pub authority: Authority,
    /// The request's own timestamp: every write carries it, and expiry is judged by it.
    pub timestamp: Timestamp,
    /// The `Referer` header, which container ACLs may name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Arc<str>>,
    /// Where the client is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The `User-Agent` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Arc<str>>,
    /// What its record is known by, besides its timestamp; given by the filter `record`. Without one the owner keeps
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record_id: Option<u64>,
    /// Whether it is a part of another request, which has a record of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_inner: bool,
    /// Whether another process was asked for the same a moment ago, and no answer came: it may have been done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_repeated: bool,
    /// The client's own name for this request, by which its user is given the same answer again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat_key: Option<Arc<str>>,
    /// What tells this request from others in the same transaction or of the same key; given by the owner, who does each once.
    #[serde(skip)]
    pub request: Option<u64>,
    /// Whether who asks may change the limits of the directories that it takes away, moves or replaces. Said by the filter
    /// that decides over rights, each time; everybody else has to leave these directories as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub may_limit: bool,
    /// Whether nothing is to be done: it is only asked whether it would be let through now. Such a request passes the guards as any
    /// other, and whoever would do it answers with the context in which it arrived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_question: bool,
    /// What the guards knew when they let it pass.
    #[serde(default)]
    pub decided_under: Generations,
}

impl Context {
    /// The context of what the server does for itself, outside any client's request.
    pub fn internal(transaction_id: impl Into<Arc<str>>, timestamp: Timestamp) -> Self {
        Self {
            transaction_id: transaction_id.into(),
            authority: Authority::Caller(Caller::Anonymous),
            timestamp,
            referrer: None,
            address: None,
            agent: None,
            record_id: None,
            is_inner: false,
            is_repeated: false,
            repeat_key: None,
            request: None,
            may_limit: false,
            is_question: false,
            decided_under: Generations::default(),
        }
    }
}

impl Context {
    /// The context of a change that comes along with the one that was asked for: it has a record of its own.
    #[must_use]
    pub fn of_part(&self) -> Self {
        // Any number will do that is always the same and not the other one.
        let derived = |id: u64| (id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1).max(1);
        Self {
            record_id: self.record_id.map(derived),
            ..self.clone()
        }
    }
}

/// The generations of account and container under which a request was decided: the `seq` of their last change,
/// deletion and absence included. `None` was not looked at. The owner compares before a body is read or sent and
/// answers `Stale` when it knows better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generations {
    /// Of the account.
    pub account: Option<u64>,
    /// Of the container.
    pub container: Option<u64>,
}

/// The right on which a request is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// The caller's own.
    Caller(Caller),
    /// One that a filter lent. Never parsed from a client; across HTTP it needs the cluster key.
    Grant(Arc<Grant>),
}

impl Authority {
    /// Who stands behind the request, be it by their own right or by a lent one.
    pub fn caller(&self) -> &Caller {
        match self {
            Self::Caller(caller) => caller,
            Self::Grant(grant) => &grant.on_behalf_of,
        }
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caller {
    /// Nobody who is logged in.
    Anonymous,
    /// A user with a valid token.
    User(Arc<Identity>),
}

impl Caller {
    /// Whether it is an administrator of the whole store.
    pub fn is_administrator(&self) -> bool {
        match self {
            Self::Anonymous => false,
            Self::User(identity) => identity.has_group(".reseller_admin"),
        }
    }
}

/// A logged-in user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The user's number.
    pub user_id: u64,
    /// `account:user`, as it logs in.
    pub name: String,
    /// What ACLs are compared with: account, `account:user`, further groups, the ids of the accounts administered
    /// (in the place of `.admin`), and the groups of a valid service token.
    pub groups: Vec<String>,
    /// Whose service token that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_user_id: Option<u64>,
}

impl Identity {
    /// Whether the user has `group`.
    pub fn has_group(&self, group: &str) -> bool {
        self.groups.iter().any(|have| have == group)
    }
}

/// A right that a filter lends for its inner requests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The filter.
    pub minted_by: String,
    /// What it reaches.
    pub scope: Scope,
    /// Which actions, as `{system}/{action}`.
    pub actions: Vec<String>,
    /// For whom.
    pub on_behalf_of: Caller,
}

/// The resources a grant reaches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// In this account,
    pub account: AccountName,
    /// in this container, or in all,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// whatever object's name starts so.
    #[serde(default)]
    pub object_prefix: String,
}
