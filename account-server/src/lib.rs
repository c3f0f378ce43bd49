//! account-server
