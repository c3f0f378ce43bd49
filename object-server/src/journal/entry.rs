//! What the journal says.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use common::Timestamp;
use common::functional::record::{MAX_ACTION, MAX_AGENT, MAX_TRANSACTION_ID, cut};
use serde::{Deserialize, Serialize};

use crate::node::{NodePath, WriteId};

/// One statement about one account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The account's number.
    pub account_id: u64,
    /// What is said.
    pub kind: Kind,
}

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A change is about to be made.
    Begin {
        /// The write.
        id: WriteId,
        /// What it changes.
        path: NodePath,
        /// How.
        action: Action,
        /// What was there when it began.
        #[serde(default)]
        old: Option<Footprint>,
        /// The record of it, should it succeed.
        record: Arc<Record>,
    },
    /// Storage shows the change.
    Commit {
        /// The write.
        id: WriteId,
        /// Its place in the account's order.
        seq: u64,
        /// What it changed.
        path: NodePath,
        /// What was there.
        #[serde(default)]
        old: Option<Footprint>,
        /// What is there.
        #[serde(default)]
        new: Option<Footprint>,
        /// Who did what.
        record: Arc<Record>,
    },
    /// Nothing came of it.
    Abort {
        /// The write.
        id: WriteId,
    },
    /// An object, or a directory with all that lies in it, is about to get another name.
    Moving {
        /// The operation; what is replaced lies in the trash under this number.
        id: WriteId,
        /// What is moved where.
        #[serde(flatten)]
        what: Move,
    },
    /// It has that name, and that is durable.
    Moved {
        /// The operation.
        id: WriteId,
        /// Its place in the account's order. A moved object takes this one and the next.
        seq: u64,
        /// What was moved where.
        #[serde(flatten)]
        what: Move,
    },
    /// A directory is about to be moved to the trash.
    Detaching {
        /// The operation, and the directory's name in the trash.
        id: WriteId,
        /// What is removed.
        #[serde(flatten)]
        what: Detachment,
    },
    /// It is in the trash, and that is durable.
    Detached {
        /// The operation.
        id: WriteId,
        /// Its place in the account's order.
        seq: u64,
        /// What was removed.
        #[serde(flatten)]
        what: Detachment,
    },
    /// A directory that was built apart is about to get its place in the tree.
    Attaching {
        /// What it was built under; what is replaced lies in the trash under this number.
        id: WriteId,
        /// What comes where.
        #[serde(flatten)]
        what: Attachment,
    },
    /// It is there, and that is durable.
    Attached {
        /// As in `Attaching`.
        id: WriteId,
        /// Its place in the account's order.
        seq: u64,
        /// What came where.
        #[serde(flatten)]
        what: Attachment,
    },
}

/// Another name for an object, or for a directory with all that lies in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// What it is called before.
    pub from: NodePath,
    /// What it is called then.
    pub to: NodePath,
    /// What storage knows it by, wherever it is.
    pub identity: u64,
    /// What it adds to the counters of the container that it is in. Zeroes, when it stays in its container.
    pub moved: Footprint,
    /// The same of what it replaces.
    pub replaced: Footprint,
    /// Who does what; the record of it, should it succeed.
    pub record: Arc<Record>,
}

/// The end of a directory with all that lies in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Detachment {
    /// What it is called.
    pub path: NodePath,
    /// What storage knows it by, also in the trash.
    pub identity: u64,
    /// What it adds to the counters of its container.
    pub removed: Footprint,
    /// As of a move.
    pub record: Arc<Record>,
}

/// The first name of a directory that was built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attachment {
    /// What it is a copy of, as the record names that.
    pub source: Arc<str>,
    /// What it is called then.
    pub to: NodePath,
    /// What storage knows it by, wherever it is.
    pub identity: u64,
    /// What it adds to the counters of its container.
    pub added: Footprint,
    /// The same of what it replaces.
    pub replaced: Footprint,
    /// No name in it is longer, in bytes.
    pub longest: usize,
    /// As of a move.
    pub record: Arc<Record>,
}

impl Kind {
    /// Whether this ends something that was announced. It is always taken: storage has the change already.
    pub(super) const fn is_end(&self) -> bool {
        match self {
            Self::Begin { .. } | Self::Moving { .. } | Self::Detaching { .. } | Self::Attaching { .. } => {
                false
            }
            Self::Commit { .. }
            | Self::Abort { .. }
            | Self::Moved { .. }
            | Self::Detached { .. }
            | Self::Attached { .. } => true,
        }
    }

    /// Of a change that was made: its place in the account's order, what it changed, and who did it.
    pub(crate) const fn made(&self) -> Option<(u64, &NodePath, &Arc<Record>)> {
        match self {
            Self::Commit {
                seq, path, record, ..
            } => Some((*seq, path, record)),
            Self::Moved { seq, what, .. } => Some((*seq, &what.from, &what.record)),
            Self::Detached { seq, what, .. } => Some((*seq, &what.path, &what.record)),
            Self::Attached { seq, what, .. } => Some((*seq, &what.to, &what.record)),
            _ => None,
        }
    }
}

/// How a node is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Made or replaced.
    Put,
    /// Attributes replaced.
    Post,
    /// Removed.
    Delete,
}

/// What a node that is there adds to the counters of what it is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Footprint {
    /// 1 for an object, 0 for a container or account; of a directory all objects at and below it.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
}

impl Footprint {
    /// Both together.
    #[must_use]
    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_add(other.objects),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    /// What is left without `other`: nothing, where that has more.
    #[must_use]
    pub(crate) fn less(self, other: Self) -> Self {
        Self {
            objects: self.objects.saturating_sub(other.objects),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// Who did what, when, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What it is known by, besides its time; 0: no record is kept.
    #[serde(default)]
    pub id: u64,
    /// When the request was made.
    pub time: Timestamp,
    /// By whom; `None` is anonymous.
    #[serde(default)]
    pub user_id: Option<u64>,
    /// `account:user`, as it was then.
    #[serde(default)]
    pub user: Option<Arc<str>>,
    /// `object/put`; kept to 64 bytes.
    #[serde(serialize_with = "cut_action")]
    pub action: Cow<'static, str>,
    /// The status of the answer.
    pub result: u16,
    /// Bytes that came along.
    pub bytes: u64,
    /// The client's address.
    #[serde(default, with = "address")]
    pub address: Option<IpAddr>,
    /// The client's `User-Agent`; kept to 512 bytes.
    #[serde(default, serialize_with = "cut_some")]
    pub agent: Option<Arc<str>>,
    /// The transaction of the client's request; kept to 128 bytes.
    #[serde(serialize_with = "cut_transaction_id")]
    pub transaction_id: Arc<str>,
    /// Of a request that is done once, however often it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
}

/// By what a request is known again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeat {
    /// What tells it from others in the same transaction or of the same key.
    pub request: u64,
    /// The key that its user gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Arc<str>>,
}

fn cut_action<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(cut(text, MAX_ACTION))
}

fn cut_transaction_id<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(cut(text, MAX_TRANSACTION_ID))
}

#[expect(clippy::ref_option, reason = "the form that serde calls")]
fn cut_some<S: serde::Serializer>(text: &Option<Arc<str>>, serializer: S) -> Result<S::Ok, S::Error> {
    text.as_deref()
        .map(|text| cut(text, MAX_AGENT))
        .serialize(serializer)
}

/// An address as text, which every reader of the log understands.
mod address {
    use std::net::IpAddr;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "the form that serde calls")]
    pub(super) fn serialize<S: Serializer>(
        address: &Option<IpAddr>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        address.map(|address| address.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<IpAddr>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom))
            .transpose()
    }
}
