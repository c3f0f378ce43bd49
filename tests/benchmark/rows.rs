//! The rows of the table, by what is measured.

pub(crate) mod get;
pub(crate) mod list;
pub(crate) mod memory;
pub(crate) mod names;
pub(crate) mod pipeline;
pub(crate) mod put;
pub(crate) mod quota;
pub(crate) mod rebuild;
pub(crate) mod record;
pub(crate) mod tree;

/// A million bytes, in which transfers are told.
const MEGABYTE: f64 = 1e6;
