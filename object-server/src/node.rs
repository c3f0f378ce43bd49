//! What storage keeps with an account, a container and an object: their attributes.
//!
//! Each is one value, written as one byte of version (1) and a MessagePack map. Keys are added with a default, never
//! renamed, never given another meaning; unknown keys are passed over.

use common::functional::firewall;
use common::name::{ContainerName, ObjectName};
use common::quota::Limits;
use common::{Etag, Properties, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The number of one write, random: storage shows by it which write it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WriteId(pub u64);

impl WriteId {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> Result<Self, common::Error> {
        getrandom::u64().map(Self).map_err(common::Error::internal)
    }
}

/// Whether a resource may be used: the resource firewall's switch, stored with the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It may.
    #[default]
    Enabled,
    /// It answers 403.
    Disabled,
}

impl From<firewall::State> for State {
    fn from(state: firewall::State) -> Self {
        match state {
            firewall::State::Enable => Self::Enabled,
            firewall::State::Disable => Self::Disabled,
        }
    }
}

impl From<State> for firewall::State {
    fn from(state: State) -> Self {
        match state {
            State::Enabled => Self::Enable,
            State::Disabled => Self::Disable,
        }
    }
}

/// An object's attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ObjectAttributes {
    /// The write that made it or last changed its attributes.
    pub id: WriteId,
    /// Its last PUT or POST.
    pub timestamp: Timestamp,
    /// Its last PUT.
    pub created: Timestamp,
    /// Bytes of its data. With `modified` this proves that the data is what the attributes speak of.
    pub size: u64,
    /// The storage's own modification time of the data, nanoseconds since 1970; the engine sets it. 0: no such thing.
    #[serde(default)]
    pub modified: i64,
    /// MD5 of the data; empty while it is unknown (a file put there by other means).
    pub etag: Etag,
    /// Its type.
    pub content_type: String,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
    /// Metadata, kept headers, system metadata of filters.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// What listings show besides or instead, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listing: Option<String>,
    /// The resource firewall's switch.
    #[serde(default)]
    pub state: State,
    /// Not stored: of a file that was changed by other means the bytes it had before, which the counters know of.
    #[serde(skip)]
    pub counted: Option<u64>,
}

impl ObjectAttributes {
    /// Whether it was stored through the server, or taken in since: else it is neither counted nor listed.
    pub fn is_adopted(&self) -> bool {
        self.id != WriteId::default()
    }

    /// Whether nobody knows what its data should be: it is a file that was put there or changed by other means.
    pub fn is_unhashed(&self) -> bool {
        self.etag.as_str().is_empty()
    }
}

/// What an explicit directory carries. The default is that of one that was made by other means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryAttributes {
    /// The write that made it.
    pub id: WriteId,
    /// When it was made.
    pub created: Timestamp,
    /// What may lie in it at most.
    #[serde(default)]
    pub limits: Limits,
}

/// A container's attributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContainerAttributes {
    /// The write that made it or last changed it.
    pub id: WriteId,
    /// The `seq` of its last change.
    pub generation: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Its last PUT or POST.
    pub timestamp: Timestamp,
    /// The storage policy's name.
    pub storage_policy: String,
    /// Metadata and settings.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// The resource firewall's switch.
    #[serde(default)]
    pub state: State,
}

/// An account's attributes, kept in its control file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccountAttributes {
    /// A random 63-bit number, never reused: the account's identity everywhere but in URLs.
    pub account_id: u64,
    /// The write that made it or last changed it.
    pub id: WriteId,
    /// Rises on every take-over and on loss of a journal: `seq = term · 2^40 + n`.
    pub term: u64,
    /// Which filling of the mirror the owner writes; random.
    pub incarnation: u64,
    /// The `seq` of its last change.
    pub generation: u64,
    /// When it was made.
    pub created: Timestamp,
    /// Its last PUT or POST.
    pub timestamp: Timestamp,
    /// Marked by DELETE: answers 410 until its remains are removed.
    #[serde(default)]
    pub deleted: bool,
    /// Metadata and settings.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
    /// The resource firewall's switch.
    #[serde(default)]
    pub state: State,
}

/// A node below an account, as the journal names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodePath {
    /// The account itself.
    Account,
    /// A container.
    Container(ContainerName),
    /// An object.
    Object(ContainerName, ObjectName),
    /// A directory by itself, as far as it is explicit; its name ends in a slash.
    Directory(ContainerName, ObjectName),
}

const VERSION: u8 = 1;

/// Why stored bytes are not attributes.
#[derive(Debug, thiserror::Error)]
pub enum AttributeError {
    /// They are of a version this program does not know.
    #[error("stored attributes have version {0}, this program reads version 1")]
    Version(u8),
    /// They are empty.
    #[error("stored attributes are empty")]
    Empty,
    /// They cannot be read.
    #[error("stored attributes cannot be read: {0}")]
    Malformed(#[from] rmp_serde::decode::Error),
}

/// The stored form of attributes.
pub fn encode<T: Serialize>(attributes: &T) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    rmp_serde::encode::write_named(&mut bytes, attributes)
        .expect("a Vec takes all bytes, and the types have no odd parts");
    bytes
}

/// Attributes from their stored form.
///
/// # Errors
/// When the bytes are of another version or cannot be read.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AttributeError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rmp_serde::from_slice(rest)?),
        Some((&version, _)) => Err(AttributeError::Version(version)),
        None => Err(AttributeError::Empty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object() -> ObjectAttributes {
        let mut properties = Properties::new();
        properties.insert("x-object-meta-colour", "bl\u{fc}".as_bytes().to_vec());
        properties.insert("x-object-meta-raw", vec![0xff, 0]);
        ObjectAttributes {
            id: WriteId(u64::MAX),
            timestamp: Timestamp::from_seconds(9),
            created: Timestamp::from_seconds(8),
            size: 5,
            modified: -1,
            etag: Etag::new(Etag::EMPTY_MD5),
            content_type: "text/plain".into(),
            delete_at: None,
            properties,
            listing: None,
            state: State::Disabled,
            counted: None,
        }
    }

    #[test]
    fn attributes_round_trip() {
        let bytes = encode(&object());
        assert_eq!(bytes[0], 1);
        assert_eq!(decode::<ObjectAttributes>(&bytes).unwrap(), object());
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert!(matches!(
            decode::<ObjectAttributes>(&[]),
            Err(AttributeError::Empty)
        ));
        assert!(matches!(
            decode::<ObjectAttributes>(&[2, 0]),
            Err(AttributeError::Version(2))
        ));
        assert!(matches!(
            decode::<ObjectAttributes>(&[1, 0xc1]),
            Err(AttributeError::Malformed(_))
        ));
    }
}
