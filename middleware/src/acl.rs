//! Access control lists: how they are written, kept and read.
//!
//! Follows Swift's "Access Control Lists (ACLs)" page. A container's list is text, an account's is JSON. Both are
//! brought to one form when they are stored, and read back leniently: what cannot be read grants nothing.

mod account;
mod container;

pub use account::{AccountAcl, AccountRight, clean_account_acl};
pub use container::{ContainerAcl, clean_acl};
