//! Limits on what an account or a container holds, as they are kept among its properties.

use serde::{Deserialize, Serialize};

use crate::Properties;

/// The most bytes of all objects of an account.
pub const ACCOUNT_BYTES: &str = "x-account-quota-bytes";
/// The most objects of an account.
pub const ACCOUNT_OBJECTS: &str = "x-account-quota-count";
/// The most bytes of all objects of a container.
pub const CONTAINER_BYTES: &str = "x-container-meta-quota-bytes";
/// The most objects of a container.
pub const CONTAINER_OBJECTS: &str = "x-container-meta-quota-count";

/// What a node may hold at most; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of all objects in it.
    pub bytes: Option<u64>,
    /// Objects in it.
    pub objects: Option<u64>,
}

impl Limits {
    /// Those of an account.
    pub fn of_account(properties: &Properties) -> Self {
        Self::of(properties, ACCOUNT_BYTES, ACCOUNT_OBJECTS)
    }

    /// Those of a container.
    pub fn of_container(properties: &Properties) -> Self {
        Self::of(properties, CONTAINER_BYTES, CONTAINER_OBJECTS)
    }

    /// Whether there is any.
    pub const fn are_set(&self) -> bool {
        self.bytes.is_some() || self.objects.is_some()
    }

    fn of(properties: &Properties, bytes: &str, objects: &str) -> Self {
        let limit = |name| properties.value(name).and_then(|value| parse(value));
        Self {
            bytes: limit(bytes),
            objects: limit(objects),
        }
    }
}

/// The limit that a property's value says: decimal digits and nothing else. One beyond all numbers is the largest of
/// them, which nothing ever reaches.
pub fn parse(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_digits() {
        for (value, limit) in [
            (&b"0"[..], Some(0)),
            (b"0012", Some(12)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", Some(u64::MAX)),
            (b"99999999999999999999999999", Some(u64::MAX)),
            (b"", None),
            (b"-1", None),
            (b"+1", None),
            (b" 1", None),
            (b"1k", None),
            ("\u{661}".as_bytes(), None),
            (b"\xff", None),
        ] {
            assert_eq!(parse(value), limit, "{value:?}");
        }
    }

    #[test]
    fn each_kind_of_node_has_its_own() {
        let mut properties = Properties::new();
        properties.insert("X-Account-Quota-Bytes", "5");
        properties.insert("X-Container-Meta-Quota-Count", "7");
        properties.insert("X-Container-Meta-Quota-Bytes", "many");
        let account = Limits::of_account(&properties);
        assert_eq!((account.bytes, account.objects), (Some(5), None));
        let container = Limits::of_container(&properties);
        assert_eq!((container.bytes, container.objects), (None, Some(7)));
        assert!(account.are_set() && container.are_set() && !Limits::default().are_set());
    }
}
