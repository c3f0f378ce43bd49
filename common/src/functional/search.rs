//! Search over the names and attributes of what is stored, out of the mirror.

use serde::{Deserialize, Serialize};

use crate::name::{AccountName, ContainerName};
use crate::{Etag, Timestamp};

/// `search/find`: a page of what matches all that is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Find {
    /// Of this account only. None is all accounts, and only for administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Of this container only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// What the last segment of the name holds; a glob over all of it when it has `*` or `?`. Bytes are compared as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only nodes of this kind.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// At least so many bytes; of a directory those of all below it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_min: Option<u64>,
    /// At most so many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_max: Option<u64>,
    /// Written at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_after: Option<Timestamp>,
    /// Written before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_before: Option<Timestamp>,
    /// Of this type; a glob when it has `*` or `?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// With all of these user metadata: name without `x-object-meta-`, in lower case, and value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub meta: Vec<(String, String)>,
    /// In which order.
    pub sort: Sort,
    /// At most so many; none, or more, is [`MAX_FOUND`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where the page begins: the `cursor` of the one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Whether full names are told, which is usual; without them it costs less.
    pub paths: bool,
}

impl Default for Find {
    fn default() -> Self {
        Self {
            account: None,
            container: None,
            name: None,
            kind: None,
            size_min: None,
            size_max: None,
            modified_after: None,
            modified_before: None,
            content_type: None,
            meta: Vec::new(),
            sort: Sort::default(),
            limit: None,
            cursor: None,
            paths: true,
        }
    }
}

/// The most that a page holds.
pub const MAX_FOUND: usize = 1000;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Containers.
    Container,
    /// Directories.
    Directory,
    /// Objects, also those whose name ends in a slash.
    File,
}

/// The order of a page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sort {
    /// By the last segment, in byte order.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// The other way round.
    #[serde(rename = "-name")]
    NameDescending,
    /// The smallest first.
    #[serde(rename = "size")]
    Size,
    /// The largest first.
    #[serde(rename = "-size")]
    SizeDescending,
    /// The oldest first.
    #[serde(rename = "modified")]
    Modified,
    /// The newest first.
    #[serde(rename = "-modified")]
    ModifiedDescending,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// What matches.
    pub results: Vec<Match>,
    /// Where the next page begins; none: this was the last one. A page may be short, or empty, and not the last: the time for
    /// it had run out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// Something that matches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// Its number in the mirror; another one when that is filled anew.
    pub id: u64,
    /// Its last segment; a directory's ends in a slash.
    pub name: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Its account, when paths were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountName>,
    /// Its container, the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// Its whole name in the container, the same; none of a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Its bytes; of a directory or container those of all below it.
    pub bytes: u64,
    /// When it was written; none of a directory that was not made by itself.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::timestamp::as_iso::optional"
    )]
    pub last_modified: Option<Timestamp>,
    /// Of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Of an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<Etag>,
}
