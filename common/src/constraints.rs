//! The limits that clients can read at `/info` and that every server holds to: section `[constraints]`.

use serde::{Deserialize, Serialize};

use crate::config::Size;
use crate::{Error, Properties};

/// Swift's constraints, with Swift's defaults. Names and metadata are counted in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Constraints {
    /// The largest object.
    pub max_file_size: Size,
    /// The longest name of a metadata item, without its prefix.
    pub max_meta_name_length: usize,
    /// The longest value of a metadata item.
    pub max_meta_value_length: usize,
    /// The most metadata items.
    pub max_meta_count: usize,
    /// The most bytes of all metadata names and values together.
    pub max_meta_overall_size: usize,
    /// The longest header line, and the longest value of a header that is kept.
    pub max_header_size: usize,
    /// How many headers more than Swift's own count are taken.
    pub extra_header_count: usize,
    /// The longest request line.
    pub max_request_line: usize,
    /// The longest object name; at most 1024.
    pub max_object_name_length: usize,
    /// The longest container name; at most 256.
    pub max_container_name_length: usize,
    /// The longest account name; at most 256.
    pub max_account_name_length: usize,
    /// The most entries in a page of objects; at most 10000.
    pub container_listing_limit: usize,
    /// The most entries in a page of containers; at most 10000.
    pub account_listing_limit: usize,
    /// The most containers in an account; 0 is no limit.
    pub max_containers_per_account: u64,
    /// Whether containers and POSTs make the account they need.
    pub account_autocreate: bool,
    /// Whether accounts can be made and deleted by PUT and DELETE.
    pub allow_account_management: bool,
    /// Whether `X-Open-Expired` opens what has expired but is not removed yet.
    pub allow_open_expired: bool,
}

impl Default for Constraints {
    fn default() -> Self {
        Self {
            max_file_size: Size(5_368_709_122),
            max_meta_name_length: 128,
            max_meta_value_length: 256,
            max_meta_count: 90,
            max_meta_overall_size: 4096,
            max_header_size: 8192,
            extra_header_count: 0,
            max_request_line: 8192,
            max_object_name_length: 1024,
            max_container_name_length: 256,
            max_account_name_length: 256,
            container_listing_limit: 10_000,
            account_listing_limit: 10_000,
            max_containers_per_account: 0,
            account_autocreate: true,
            allow_account_management: false,
            allow_open_expired: false,
        }
    }
}

impl Constraints {
    /// `properties` with `changes` merged in, Swift's way: an empty value removes.
    ///
    /// # Errors
    /// 400 when the items under `prefix` are then too many or too large; of one request they may be fewer.
    pub fn merged(
        &self,
        properties: &Properties,
        changes: &Properties,
        prefix: &str,
    ) -> Result<Properties, Error> {
        let mut merged = properties.clone();
        merged.merge(changes);
        self.check_metadata(&merged, prefix)?;
        Ok(merged)
    }

    /// Checks the items of `properties` under `prefix` (`x-container-meta-`) for their number and overall size: of
    /// one request, and of the merged set that an account or container would then have.
    ///
    /// # Errors
    /// 400 that says which limit.
    pub fn check_metadata(&self, properties: &Properties, prefix: &str) -> Result<(), Error> {
        let (mut count, mut overall) = (0, 0);
        for (name, value) in properties.with_prefix(prefix) {
            if name.is_empty() {
                return Err(Error::bad_request("Metadata name cannot be empty"));
            }
            if name.len() > self.max_meta_name_length {
                let limit = self.max_meta_name_length;
                return Err(Error::bad_request(format!(
                    "Metadata name too long: {name} (limit {limit} bytes)"
                )));
            }
            if value.len() > self.max_meta_value_length {
                let limit = self.max_meta_value_length;
                return Err(Error::bad_request(format!(
                    "Metadata value longer than {limit} bytes: {name}"
                )));
            }
            count += 1;
            overall += name.len() + value.len();
        }
        if count > self.max_meta_count {
            return Err(Error::bad_request(format!(
                "Too many metadata items; at most {}",
                self.max_meta_count
            )));
        }
        if overall > self.max_meta_overall_size {
            let limit = self.max_meta_overall_size;
            return Err(Error::bad_request(format!(
                "Total metadata too large; at most {limit} bytes"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(items: &[(&str, usize)]) -> bool {
        let mut properties = Properties::new();
        for (name, length) in items {
            properties.insert(&format!("x-object-meta-{name}"), "v".repeat(*length));
        }
        Constraints::default()
            .check_metadata(&properties, "x-object-meta-")
            .is_ok()
    }

    #[test]
    fn limits_hold_to_the_byte() {
        assert!(check(&[(&"n".repeat(128), 256)]));
        assert!(!check(&[(&"n".repeat(129), 1)]));
        assert!(!check(&[("n", 257)]));
        assert!(!check(&[("", 1)]));
        // 16 × 256 = 4096
        let names: Vec<_> = (0..16).map(|at| format!("{at:02}")).collect();
        let items: Vec<_> = names.iter().map(|name| (name.as_str(), 254)).collect();
        assert!(check(&items));
        let mut more = items;
        more.push(("x", 0));
        assert!(!check(&more));
    }
}
