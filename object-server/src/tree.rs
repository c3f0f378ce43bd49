//! What the owner does with the tree: one file a verb.
//!
//! | look at | for |
//! |---|---|
//! | `make_directory.rs` | explicit directories, made and removed |
//! | `move_node.rs` | another name for an object or a directory |
//! | `copy_directory.rs`, `copying.rs` | a directory once more, also as the first half of a move to another account |
//! | `move_object.rs` | an object moved to another account |
//! | `remove_directory.rs` | a directory with all that lies in it |
//! | `limit_directory.rs` | limits on what lies in a directory |
//! | `show.rs` | trees with totals |
//! | `totals.rs` | what a directory holds, as the mirror counts it |
//! | `look.rs` | what stands against an operation |
//! | `operation.rs` | the order of an operation: announced, made, in the account's order |
//! | `rename.rs` | what an operation does to names |
//! | `reaper.rs` | the trash |
//! | `repeats.rs` | requests that come twice |

mod copy_directory;
mod copying;
mod limit_directory;
mod look;
mod make_directory;
mod move_node;
mod move_object;
mod operation;
mod reaper;
mod remove_directory;
mod rename;
mod repeats;
mod show;
mod totals;

pub(crate) use copying::{DirectoryCopy, run as copy};
pub(crate) use move_object::{ObjectMove, run as move_object};
pub(crate) use operation::{Operation, no_operation};
pub(crate) use reaper::Reaper;
pub(crate) use rename::{Rename, lies_in};
pub(crate) use repeats::{Repeats, request_number};
