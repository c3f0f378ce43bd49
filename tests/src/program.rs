//! The programs that tests start: our binary, and the clients that people use.

use std::path::PathBuf;
use std::process::Output;

use tokio::process::Command;

/// The binary of the server, as cargo built it beside this test.
pub fn server() -> PathBuf {
    let path = profile_directory().join("stobj");
    assert!(
        path.exists(),
        "{} is missing; `cargo build --workspace --all-targets` makes it, and `tests/run` does that first",
        path.display()
    );
    path
}

/// A program, looked for in the tests' Python environment and then on the path.
pub fn client(name: &str) -> Command {
    let installed = profile_directory().join("../test-venv/bin").join(name);
    Command::new(if installed.exists() {
        installed
    } else {
        name.into()
    })
}

/// Takes settings of the server, which the developer may have set, out of the command's environment.
pub fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("STOBJ_") {
            command.env_remove(name);
        }
    }
    command
}

/// Runs the command to its end, which must be a success, and returns what it wrote to its standard output.
pub async fn run(command: &mut Command) -> String {
    let output = finish(command).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{:?}: {}\n{text}{}",
        command.as_std(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// Runs the command to its end, whatever that is.
pub async fn finish(command: &mut Command) -> Output {
    let result = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await;
    result.unwrap_or_else(|error| {
        let command = command.as_std();
        panic!("{command:?} cannot be started ({error}); `tests/run` installs what the tests need")
    })
}

/// Where everything is built: `target`.
pub fn target_directory() -> PathBuf {
    profile_directory()
        .parent()
        .expect("profiles lie in the target directory")
        .to_owned()
}

/// `target/debug`, seen from `target/debug/<this program>` or `target/debug/deps/<this test>`.
fn profile_directory() -> PathBuf {
    let program = std::env::current_exe().expect("Linux knows what runs");
    let directory = program.parent().expect("a program lies in a directory");
    match directory.ends_with("deps") {
        true => directory
            .parent()
            .expect("cargo puts tests into deps/")
            .to_owned(),
        false => directory.to_owned(),
    }
}
