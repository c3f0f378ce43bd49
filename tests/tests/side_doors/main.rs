//! No side door: every way to touch an object that exists, against everything that can stand in front of it.
//!
//! Each test is a row, what stands in the way; its columns are the [`ways`]. A cell is the answer, and that the object is
//! afterwards what it was: its bytes and its attributes are read from the disk, behind the server's back. The
//! functional requests are a table of their own. Who adds a filter or an action adds it there, or this does not
//! compile.

mod actions;
mod refusals;
mod target;
mod trees;
mod ways;
