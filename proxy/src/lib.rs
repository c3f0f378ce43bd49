#![doc = include_str!("../README.md")]

pub mod dispatch;
pub mod front;
pub mod functionalise;
pub mod inner;
mod keys;
mod policy_snapshot;
mod secret_file;
pub mod serve;
pub mod settings;
