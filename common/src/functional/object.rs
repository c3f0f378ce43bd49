//! Objects.

use serde::{Deserialize, Serialize};

use crate::conditions::Conditions;
use crate::name::{AccountName, ContainerName, NameError, ObjectName};
use crate::range::{ByteRange, Ranges};
use crate::{Etag, Properties, Timestamp};

/// The full address of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Path {
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
    /// The object.
    pub object: ObjectName,
}

/// `object/head`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Which object.
    #[serde(flatten)]
    pub path: Path,
    /// What the client wants to hold.
    #[serde(default)]
    pub conditions: Conditions,
    /// Also when its time has run out but the expirer has not come by (`X-Open-Expired`).
    #[serde(default)]
    pub open_expired: bool,
}

/// `object/get`. The reply's body is the bytes of the whole object, or of the ranges one behind another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Get {
    /// Which object.
    #[serde(flatten)]
    pub path: Path,
    /// What the client wants to hold.
    #[serde(default)]
    pub conditions: Conditions,
    /// Which bytes; `None` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Ranges>,
    /// Also when its time has run out but the expirer has not come by (`X-Open-Expired`).
    #[serde(default)]
    pub open_expired: bool,
}

/// `object/put`. The request's body is the object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// Which object.
    #[serde(flatten)]
    pub path: Path,
    /// Its type; `None` guesses it from the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The length in bytes, when it is known beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    /// The MD5 the body must have, else 422 and nothing is stored; compared as text, so nonsense never matches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Only when there is no such object (`If-None-Match: *`).
    #[serde(default)]
    pub if_absent: bool,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
    /// Metadata, kept headers, system metadata of filters.
    #[serde(default)]
    pub properties: Properties,
    /// What listings show besides or instead, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<String>,
}

/// `object/post`: replaces metadata and kept headers; system metadata (`x-object-sysmeta-…`) stays.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Post {
    /// Which object.
    #[serde(flatten)]
    pub path: Path,
    /// A new type; `None` keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// When it expires from now on; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
    /// What takes the place of the old properties.
    #[serde(default)]
    pub properties: Properties,
    /// Also when its time has run out but the expirer has not come by (`X-Open-Expired`).
    #[serde(default)]
    pub open_expired: bool,
}

/// `object/delete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delete {
    /// Which object.
    #[serde(flatten)]
    pub path: Path,
    /// Only when this is the object's expiry (`X-If-Delete-At`), also when that is past.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_delete_at: Option<Timestamp>,
}

/// `object/copy`: taken apart by the `copy` filter, never seen by a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copy {
    /// What is read, with the request's conditions and range.
    pub source: Get,
    /// What is written; what the request itself says of type, expiry and properties.
    pub destination: Put,
    /// Leave the source's metadata behind (`X-Fresh-Metadata`).
    #[serde(default)]
    pub fresh_metadata: bool,
}

/// An object without its bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Info {
    /// Its bytes.
    pub size: u64,
    /// MD5 of its bytes; empty while a file that was put there by other means is not hashed yet.
    pub etag: Etag,
    /// Its type.
    pub content_type: String,
    /// Its last PUT or POST.
    pub timestamp: Timestamp,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
    /// Metadata, kept headers, system metadata of filters.
    #[serde(default)]
    pub properties: Properties,
}

impl Path {
    /// That of these names.
    ///
    /// # Errors
    /// When one of them cannot be one.
    pub fn new(account: &str, container: &str, object: &str) -> Result<Self, NameError> {
        Ok(Self {
            account: AccountName::new(account)?,
            container: ContainerName::new(container)?,
            object: ObjectName::new(object)?,
        })
    }
}

impl Put {
    /// Whatever bytes come, under this name: of no certain type or length, without metadata or an end, in any case.
    pub fn new(path: Path) -> Self {
        Self {
            path,
            content_type: None,
            content_length: None,
            etag: None,
            if_absent: false,
            delete_at: None,
            properties: Properties::new(),
            listing: None,
        }
    }
}

impl Info {
    /// An object of unknown type without properties.
    pub fn plain(size: u64, etag: &str, timestamp: Timestamp) -> Self {
        Self {
            size,
            etag: Etag::new(etag),
            content_type: "application/octet-stream".to_owned(),
            timestamp,
            delete_at: None,
            properties: Properties::new(),
        }
    }
}

/// An object of which the bytes follow in the reply's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Got {
    /// The object.
    pub info: Info,
    /// The ranges that the body holds one behind another, at least one; `None` is the whole object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges: Option<Vec<ByteRange>>,
}

/// A stored object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// MD5 of its bytes.
    pub etag: Etag,
    /// Its timestamp.
    pub timestamp: Timestamp,
    /// Its type.
    pub content_type: String,
    /// Whether it became the object. `false`: a write with a later timestamp was there first, and stays (202).
    pub is_current: bool,
}

/// Replaced properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {}

/// A removed object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {}

/// A copied object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copied {
    /// The copy.
    pub stored: Stored,
    /// What it was made of.
    pub source: Path,
    /// The source as it was read.
    pub source_info: Info,
    /// The copy's own properties, echoed to the client.
    #[serde(default)]
    pub properties: Properties,
    /// When the copy expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
}
