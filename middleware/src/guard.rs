//! The guard stack: remembers and decides.

pub mod authorise;
pub mod firewall;
pub mod quota;
pub mod record;
mod target;
