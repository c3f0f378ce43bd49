//! The headers kept with an account, a container or an object.

use std::collections::BTreeMap;
use std::collections::btree_map;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Kept headers: lower-case names (with `-`, never `_`) to values, which may be any bytes.
///
/// User metadata (`x-object-meta-…`), settings (`x-container-read`) and what filters remember (`x-…-sysmeta-…`)
/// are all properties; the prefix tells them apart. In JSON a value that is not UTF-8 stands base64-encoded under
/// its name with `_b64` behind it, which no name ends in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties(BTreeMap<String, Bytes>);

impl Properties {
    /// No properties.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The value kept under `name` (lower case).
    pub fn value(&self, name: &str) -> Option<&Bytes> {
        self.0.get(name)
    }

    /// The value kept under `name`, when it is UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(|value| std::str::from_utf8(value).ok())
    }

    /// Keeps `value` under `name`, which is lower-cased and dashed.
    pub fn insert(&mut self, name: &str, value: impl Into<Bytes>) {
        self.0
            .insert(name.to_ascii_lowercase().replace('_', "-"), value.into());
    }

    /// Forgets `name` (lower case) and answers what it was.
    pub fn remove(&mut self, name: &str) -> Option<Bytes> {
        self.0.remove(name)
    }

    /// Keeps only what `keep` says yes to.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Bytes) -> bool) {
        self.0.retain(|name, value| keep(name, value));
    }

    /// All, by name.
    pub fn iter(&self) -> btree_map::Iter<'_, String, Bytes> {
        self.0.iter()
    }

    /// Those whose name starts with `prefix`, as what follows it.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a Bytes)> {
        self.0
            .range(prefix.to_owned()..)
            .map_while(move |(name, value)| name.strip_prefix(prefix).map(|rest| (rest, value)))
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes `changes` over, Swift's merge: an empty value removes.
    pub fn merge(&mut self, changes: &Self) {
        for (name, value) in &changes.0 {
            if value.is_empty() {
                self.0.remove(name);
            } else {
                self.0.insert(name.clone(), value.clone());
            }
        }
    }
}

impl<'a> IntoIterator for &'a Properties {
    type Item = (&'a String, &'a Bytes);
    type IntoIter = btree_map::Iter<'a, String, Bytes>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            match std::str::from_utf8(value) {
                Ok(text) => map.serialize_entry(name, text)?,
                Err(_) => map.serialize_entry(&format!("{name}_b64"), &STANDARD.encode(value))?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entries = BTreeMap::<String, String>::deserialize(deserializer)?;
        let mut properties = BTreeMap::new();
        for (name, text) in entries {
            match name.strip_suffix("_b64") {
                Some(plain) => {
                    let value = STANDARD.decode(&text).map_err(D::Error::custom)?;
                    properties.insert(plain.to_owned(), Bytes::from(value));
                }
                None => {
                    properties.insert(name, Bytes::from(text));
                }
            }
        }
        Ok(Self(properties))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_value_removes_in_a_merge() {
        let mut kept = Properties::new();
        kept.insert("X-Container-Meta-A", "1");
        kept.insert("X_Container_Meta_B", "2");
        let mut changes = Properties::new();
        changes.insert("x-container-meta-a", "");
        changes.insert("x-container-meta-c", "3");
        kept.merge(&changes);
        let names: Vec<_> = kept
            .with_prefix("x-container-meta-")
            .map(|(name, _)| name)
            .collect();
        assert_eq!(names, ["b", "c"]);
    }

    proptest! {
        #[test]
        fn json_round_trips(entries in prop::collection::btree_map("[a-z-]{1,12}", any::<Vec<u8>>(), 0..6)) {
            let mut properties = Properties::new();
            for (name, value) in entries {
                properties.insert(&name, value);
            }
            let json = serde_json::to_string(&properties).unwrap();
            prop_assert_eq!(serde_json::from_str::<Properties>(&json).unwrap(), properties);
        }
    }
}
