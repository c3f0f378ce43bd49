//! The tables, one module each: the statements, and what their rows are.

pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod revocation;
pub(crate) mod search_block;
pub(crate) mod stobj;
pub(crate) mod tree_epoch;
pub(crate) mod user;

/// A number of ours as SQL stores it. None of them reaches 2^63: sizes, sequences and times are far below.
pub(crate) fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number out of SQL that was never below zero.
pub(crate) fn counted(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
