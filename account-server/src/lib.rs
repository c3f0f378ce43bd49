#![doc = include_str!("../README.md")]

mod administration;
mod ancestry;
mod breaker;
mod disabled;
mod idle;
mod inspect;
mod listing;
mod mirror;
mod pace;
mod packer;
mod policy;
mod queue;
mod reader;
mod records;
mod rest;
mod rows;
mod search;
mod server;
mod service;
mod settings;
mod sql;
mod table;
mod totals;
mod tree;
mod users;
mod writer;

pub use listing::model;
pub use server::AccountServer;
pub use settings::Settings;
