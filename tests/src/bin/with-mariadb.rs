//! `with-mariadb COMMAND...`: runs the command beside a MariaDB of its own, which is announced to it and ends with it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitCode};

use integration_tests::mariadb::{ANNOUNCED, MariaDb};
use tokio::signal::unix::{SignalKind, signal};

// One thread: MariaDB is bound to the life of the one that started it.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().expect("with-mariadb COMMAND...");
    let mariadb = MariaDb::start().await;
    let mut terminated = signal(SignalKind::terminate()).expect("a handler can be set");
    let mut command = tokio::process::Command::from(Command::new(&program));
    command
        .args(arguments)
        .env(ANNOUNCED, mariadb.url())
        .kill_on_drop(true);
    let child = command.spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{} cannot be started: {error}", program.display()));
    // An interrupt from a terminal reaches the command too, and it is the command that decides what that means.
    let interrupted = async { while tokio::signal::ctrl_c().await.is_ok() {} };
    let status = tokio::select! {
        status = child.wait() => status.expect("it is our child"),
        _ = terminated.recv() => return ExitCode::FAILURE,
        () = interrupted => return ExitCode::FAILURE,
    };
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
    ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX))
}
