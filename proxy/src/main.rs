//! The program `stobj`; see its subcommands.

use std::process::ExitCode;

mod command;

/// A request makes and drops some hundred small things, and a GET spent an eighth of its time in the C library's
/// allocator. Without huge pages, of which a small rest keeps two megabytes each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    command::run()
}
