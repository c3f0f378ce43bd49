#![doc = include_str!("../README.md")]

pub mod acl;
mod attempts;
mod bounded;
mod extension;
mod features;
mod filter;
pub mod forwarded;
pub mod guard;
pub mod info_cache;
mod network;
pub mod policy;
pub mod protocol;
mod recorder;
pub mod registration;
pub mod registry;
mod resource;
pub mod semantic;
#[cfg(test)]
mod testing;

pub use attempts::Attempts;
pub use extension::{
    Authenticated, ClientAddress, InboundTimestamp, PeerAddress, RenderListing, TransactionId,
};
pub use features::Features;
pub use info_cache::InfoCache;
pub use policy::PolicyCache;
pub use recorder::Recorder;
