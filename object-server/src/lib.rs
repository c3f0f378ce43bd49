#![doc = include_str!("../README.md")]

pub mod engine;
pub mod failure_point;
pub mod node;
