//! Quotas as administrators see and set them. Their truth is in the properties of accounts and containers.

use serde::{Deserialize, Deserializer, Serialize};

use crate::name::{AccountName, ContainerName, ObjectName};
use crate::quota::Limits;

/// `quota/set`: changes the limits of an account, of a container in it, or of a directory in that, which becomes explicit; and
/// answers what then is. Of each limit:
/// absent leaves it as it is, `null` takes it away.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Set {
    /// The account; made, where containers and POSTs make theirs, too.
    pub account: AccountName,
    /// The container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// The directory in the container, whose name ends in a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<ObjectName>,
    /// The most bytes.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub bytes: Option<Option<u64>>,
    /// The most objects.
    #[serde(
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    pub objects: Option<Option<u64>>,
}

/// `quota/show`: the use and the limits of an account, of a container in it, or of a directory in that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Show {
    /// The account.
    pub account: AccountName,
    /// The container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// The directory in the container, whose name ends in a slash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<ObjectName>,
}

/// `quota/list`: a page of all accounts and containers that have a limit, in byte order, each account before its
/// containers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Where the page begins: the `next` of the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Show>,
    /// At most so many; no more than 1,000, as many as when nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What an account, a container or a directory holds, and may hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quota {
    /// The account.
    pub account: AccountName,
    /// The container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerName>,
    /// The directory in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<ObjectName>,
    /// Bytes in it.
    pub bytes: Measure,
    /// Objects in it.
    pub objects: Measure,
}

/// How much of something there is, and may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// There is so much.
    pub used: u64,
    /// There may be so much; `None` is no limit.
    pub limit: Option<u64>,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quotas {
    /// Those that have a limit. There may be none although there are further pages.
    pub quotas: Vec<Quota>,
    /// Where the next page begins; none, when this is the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Show>,
}

impl Quota {
    /// So many bytes and objects under these limits.
    pub fn new(
        account: AccountName,
        container: Option<ContainerName>,
        (bytes, objects): (u64, u64),
        limits: Limits,
    ) -> Self {
        let measure = |used, limit| Measure { used, limit };
        Self {
            account,
            container,
            directory: None,
            bytes: measure(bytes, limits.bytes),
            objects: measure(objects, limits.objects),
        }
    }
}

/// A field that is there, be it `null`.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<u64>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_limit_is_another_thing_than_none() {
        let set = Set {
            account: AccountName::new("AUTH_a").unwrap(),
            container: None,
            directory: None,
            bytes: Some(None),
            objects: None,
        };
        let json = serde_json::to_string(&set).unwrap();
        assert_eq!(json, r#"{"account":"AUTH_a","bytes":null}"#);
        assert_eq!(serde_json::from_str::<Set>(&json).unwrap(), set);
        let json = r#"{"account":"AUTH_a","objects":5}"#;
        let set = serde_json::from_str::<Set>(json).unwrap();
        assert_eq!((set.bytes, set.objects), (None, Some(Some(5))));
        for wrong in [
            r#"{"account":"AUTH_a","byte":5}"#,
            r#"{"account":"AUTH_a","bytes":-5}"#,
        ] {
            assert!(serde_json::from_str::<Set>(wrong).is_err(), "{wrong}");
        }
    }
}
