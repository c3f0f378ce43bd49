//! The program `stobj`; see its subcommands.

use std::process::ExitCode;

mod command;

fn main() -> ExitCode {
    command::run()
}
