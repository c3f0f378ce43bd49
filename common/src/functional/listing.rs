//! What a listing is asked for, for accounts and containers alike.

use serde::{Deserialize, Serialize};

/// The most names in one page (Swift: `container_listing_limit`, `account_listing_limit`).
pub const MAX_LIMIT: usize = 10_000;

/// The parameters of a listing; names compare by their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// At most so many entries, names and sub-directories together.
    pub limit: usize,
    /// Only names behind this one in the direction of the listing; empty is none.
    #[serde(default)]
    pub marker: String,
    /// Only names before this one in the direction of the listing; empty is none.
    #[serde(default)]
    pub end_marker: String,
    /// Only names that start so.
    #[serde(default)]
    pub prefix: String,
    /// What becomes of names that go on behind a delimiter.
    #[serde(default)]
    pub rollup: Rollup,
    /// From the last name to the first; then `marker` is the high and `end_marker` the low bound.
    #[serde(default)]
    pub reverse: bool,
}

impl Query {
    /// The lower of the two markers, which is the marker, or in reverse the end marker: a `subdir` equal to it is not
    /// listed, though names behind it lie in it.
    pub fn low_marker(&self) -> &str {
        if self.reverse {
            &self.end_marker
        } else {
            &self.marker
        }
    }
}

impl Default for Query {
    fn default() -> Self {
        Self {
            limit: MAX_LIMIT,
            marker: String::new(),
            end_marker: String::new(),
            prefix: String::new(),
            rollup: Rollup::None,
            reverse: false,
        }
    }
}

/// What becomes of names that contain a delimiter behind the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rollup {
    /// They are listed as they are.
    #[default]
    None,
    /// They are rolled up into one `subdir` entry, up to and with the first delimiter. A `subdir` equal to the
    /// lower marker is not repeated.
    Subdirs {
        /// One character or several, never empty.
        delimiter: String,
    },
    /// Swift's `path=` parameter: only names directly below the prefix (which ends in a slash, or is empty), also
    /// those whose only slash behind it is their last byte; no `subdir` entries; the name equal to the prefix is
    /// left out.
    Directory,
}
