//! The guard stack: remembers and decides.

pub mod authorise;
pub mod firewall;
mod target;
