//! The guard stack: remembers and decides.

pub mod authorise;
