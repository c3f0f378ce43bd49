//! The account-server through its service, on a database of its own.
//!
//! With `STOBJ_TEST_DATABASE=mariadb` the same tests run in databases of their own on the server that the URL in
//! `STOBJ_TEST_MARIADB` names.

#[cfg(test)]
mod away;
#[cfg(test)]
mod branches;
#[cfg(test)]
mod database;
#[cfg(test)]
mod disabled;
#[cfg(test)]
mod every_statement;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod mirror;
#[cfg(test)]
mod packer;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod records;
#[cfg(test)]
mod search;
#[cfg(test)]
mod statements;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod users;
