#![doc = include_str!("../README.md")]

mod account;
mod adoptions;
mod check;
pub mod checkpoint;
mod container;
mod durable;
pub mod engine;
pub mod failure_point;
mod jobs;
pub mod journal;
pub mod lease;
mod mirror_feed;
pub mod node;
mod object;
mod owner;
mod quota;
mod record_feed;
mod remembered;
mod scrubber;
mod server;
pub mod settings;
mod standby;
mod tree;
pub mod tree_listing;
mod walk;

pub use jobs::let_through;
pub use server::{Neighbours, ObjectServer};
pub use settings::{Create, Durability, Settings};
pub use standby::Standby;
