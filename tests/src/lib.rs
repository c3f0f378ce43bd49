#![doc = include_str!("../README.md")]

pub mod chance;
pub mod client;
pub mod cluster;
pub mod command_line;
pub mod contents;
pub mod disk;
pub mod fake;
pub mod fault;
pub mod job;
pub mod listing;
pub mod load;
pub mod log;
pub mod mariadb;
pub mod mixed_load;
pub mod planner;
pub mod process;
pub mod program;
pub mod raw;
pub mod relay;
pub mod response;
pub mod server;
pub mod stopwatch;
pub mod storage;
pub mod tree_worker;
pub mod tree_workers;

pub use chance::Chance;
pub use client::Client;
pub use cluster::{Cluster, Socket};
pub use command_line::CommandLine;
pub use disk::Disk;
pub use load::Load;
pub use mariadb::MariaDb;
pub use process::Process;
pub use raw::Connection;
pub use response::Response;
pub use server::{Database, Server, Shape};
pub use stopwatch::Stopwatch;
pub use tree_worker::TreeWorker;
pub use tree_workers::TreeWorkers;

use md5::{Digest as _, Md5};

/// The MD5 of `bytes` in hexadecimal: the `Etag` of an object with this content.
pub fn etag_of(bytes: &[u8]) -> String {
    Md5::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
