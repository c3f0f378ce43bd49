#![doc = include_str!("../README.md")]

pub mod body;
pub mod client;
pub mod conditions;
pub mod config;
pub mod constraints;
pub mod email;
mod error;
mod etag;
pub mod functional;
pub mod name;
pub mod password;
mod properties;
pub mod quota;
pub mod range;
pub mod sealed;
mod secret;
pub mod service;
pub mod storage_client;
pub mod timestamp;
pub mod token;
pub mod wire;

pub use body::Body;
pub use error::{Error, Outcome, X_RESOURCE_STATE};
pub use etag::Etag;
pub use properties::Properties;
pub use secret::Secret;
pub use timestamp::{Clock, Timestamp};
