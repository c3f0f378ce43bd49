//! The semantic stack: what Swift means above plain objects.

pub mod copy;
pub mod users;
