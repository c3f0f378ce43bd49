//! The protocol stack: speaks HTTP.

pub mod auth;
pub mod catch_errors;
pub mod cors;
pub mod gatekeeper;
pub mod healthcheck;
pub mod info;
pub mod listing_formats;
pub mod proxy_logging;
