//! The section `[account-server]`.

use std::num::NonZeroUsize;

use common::Secret;
use common::config::{Period, Size};
use serde::{Deserialize, Serialize};

/// What can be set about the account-server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// `sqlite:/path/to/file`, or `mysql://user:password@host/database` for MySQL and MariaDB. Empty is a SQLite
    /// file at the place the program keeps its data. Hidden, as it may hold a password.
    pub database: Secret,
    /// Connections that answer listings; beside them stands the one that writes.
    pub readers: NonZeroUsize,
    /// Requests that wait for a reader; further ones wait for a place in the queue.
    pub queue: NonZeroUsize,
    /// The longest one statement may take. Past it the database counts as away: every request that needs it is
    /// refused at once, and it is tried again once a second.
    pub timeout: Period,
    /// The page cache of SQLite, over all connections together.
    pub sqlite_cache: Size,
    /// How many directories the writer remembers the row of.
    pub directory_cache: NonZeroUsize,
    /// How many names a block of names for searches holds; 0: no further ones are made.
    pub search_block_names: usize,
    /// How long records of operations are kept; 0 is for ever.
    pub record_retention_age: Period,
    /// How many are kept at most; 0 is no bound.
    pub record_retention_count: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            database: Secret::default(),
            readers: const { NonZeroUsize::new(4).unwrap() },
            queue: const { NonZeroUsize::new(256).unwrap() },
            timeout: Period::seconds(5),
            sqlite_cache: Size(24 << 20),
            directory_cache: const { NonZeroUsize::new(65_536).unwrap() },
            search_block_names: 4096,
            record_retention_age: Period::seconds(90 * 86_400),
            record_retention_count: 0,
        }
    }
}
