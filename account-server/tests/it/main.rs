//! The account-server through its service, on a database of its own.
//!
//! With `STOBJ_TEST_DATABASE` set to the URL of an empty database the same tests run there.

#[cfg(test)]
mod away;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod support;
#[cfg(test)]
mod users;
