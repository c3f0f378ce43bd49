//! The first minute of somebody who has never seen the project: one process, and the database that needs no set-up,
//! whatever the other tests run on.

use std::path::Path;
use std::time::Duration;

use integration_tests::log::Log;
use integration_tests::process::Process;
use integration_tests::program;
use tokio::process::Command;

/// Starts `stobj serve` in an empty directory, as its user would, but on a free port.
async fn first_start(directory: &Path, variables: &[(&str, &str)]) -> Process {
    let mut command = Command::new(program::server());
    program::without_settings(&mut command);
    command.args(["serve", "--listen", "127.0.0.1:0"]);
    Process::start(command.envs(variables.iter().copied()).current_dir(directory)).await
}

fn curl_lines<'a>(lines: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let lines = lines.into_iter().filter(|line| line.contains("curl "));
    lines.map(|line| line.trim().to_owned()).collect()
}

#[tokio::test]
async fn the_printed_curl_lines_work_when_pasted() {
    let directory = tempfile::tempdir().unwrap();
    let server = first_start(directory.path(), &[]).await;
    let lines = server.log().wait_for(Duration::from_secs(60), |lines| {
        let lines = curl_lines(lines);
        (lines.len() == 3).then_some(lines)
    });
    let Some(lines) = lines else {
        panic!("three curl lines:\n{}", server.log().lines().join("\n"));
    };
    let script = format!("set -eu\n{}\n", lines.join("\n"));
    let pasted = directory.path().join("pasted");
    std::fs::create_dir(&pasted).unwrap();
    std::fs::write(pasted.join("hello.txt"), "hello\n").unwrap();
    let output = program::finish(Command::new("bash").args(["-c", &script]).current_dir(&pasted)).await;
    assert!(output.status.success(), "{script}\n{output:?}");
    let everything = String::from_utf8_lossy(&output.stdout);
    assert!(!everything.contains("<html>"), "{script}\n{everything}");
    assert!(
        directory.path().join("stobj-data").is_dir(),
        "the data lie under ./stobj-data"
    );
}

#[tokio::test]
async fn the_password_is_printed_once() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = first_start(directory.path(), &[]).await;
    assert!(
        server
            .log()
            .lines()
            .iter()
            .any(|line| line.contains("admin:admin")),
        "{:?}",
        server.log().lines()
    );
    let password_lines = |log: &Log| {
        log.lines()
            .iter()
            .filter(|line| line.to_lowercase().contains("password"))
            .count()
    };
    assert!(password_lines(server.log()) > 0, "{:?}", server.log().lines());
    server.kill().await;
    let again = first_start(directory.path(), &[]).await;
    assert!(
        curl_lines(&again.log().lines()).is_empty(),
        "{:?}",
        again.log().lines()
    );
}

#[tokio::test]
async fn a_given_password_is_taken_and_not_printed() {
    let directory = tempfile::tempdir().unwrap();
    let server = first_start(directory.path(), &[("STOBJ_ADMIN_PASSWORD", "open sesame")]).await;
    assert!(
        !server.log().lines().join("\n").contains("open sesame"),
        "{:?}",
        server.log().lines()
    );
    let mut curl = Command::new("curl");
    curl.args([
        "-sf",
        "-H",
        "X-Auth-User: admin:admin",
        "-H",
        "X-Auth-Key: open sesame",
    ]);
    program::run(curl.arg(format!("http://{}/auth/v1.0", server.address()))).await;
}
