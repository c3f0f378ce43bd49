//! Settings: where they come from, and what is said of wrong ones.

use std::path::Path;
use std::process::Output;

use http::Method;
use integration_tests::{Server, program};
use tokio::process::Command;

async fn check(file: &Path) -> Output {
    let mut command = Command::new(program::server());
    program::without_settings(&mut command);
    program::finish(command.args(["config", "check", "--config"]).arg(file)).await
}

#[tokio::test]
async fn every_mistake_is_reported_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.toml");
    let text = "\
[constraints]
max_file_size = \"5 bananas\"
no_such_setting = 1

[proxy]
client_timeout = \"soon\"

[no_such_section]
a = 1
";
    std::fs::write(&file, text).unwrap();
    let output = check(&file).await;
    assert!(!output.status.success());
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for (line, word) in [
        (2, "max_file_size"),
        (3, "no_such_setting"),
        (6, "client_timeout"),
        (8, "no_such_section"),
    ] {
        let place = format!("wrong.toml:{line}");
        let found = said
            .lines()
            .any(|said| said.contains(&place) && said.contains(word));
        assert!(found, "{place} {word} is not in\n{said}");
    }
}

#[tokio::test]
async fn the_sample_shows_a_configuration_without_mistakes() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/stobj.toml");
    let output = check(&sample).await;
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_server_does_not_start_on_mistakes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("wrong.toml");
    std::fs::write(&file, "[proxy]\nclient_timeout = 4\n").unwrap();
    let mut command = Command::new(program::server());
    program::without_settings(&mut command);
    let data = directory.path().join("data");
    let serve = command
        .args(["serve", "--listen", "127.0.0.1:0", "--config"])
        .arg(&file)
        .arg("--data")
        .arg(&data);
    let output = program::finish(serve).await;
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("wrong.toml:2"),
        "{output:?}"
    );
    assert!(!data.exists(), "a server that does not start makes nothing");
}

#[tokio::test]
async fn a_variable_goes_over_the_file() {
    let server = Server::builder()
        .setting("[constraints]\nmax_meta_count = 50\nmax_meta_value_length = 200")
        .variable("STOBJ_CONSTRAINTS__MAX_META_COUNT", "60")
        .start()
        .await;
    let info = server
        .client()
        .request_at(Method::GET, "/info")
        .await
        .expect(200)
        .json();
    assert_eq!(info["swift"]["max_meta_count"], 60);
    assert_eq!(info["swift"]["max_meta_value_length"], 200);
}

#[tokio::test]
async fn a_user_of_the_file_gets_its_new_key_at_the_next_start() {
    let server = Server::builder()
        .user("acme", "joe", "first", &[".admin"])
        .start()
        .await;
    server
        .login("acme:joe", "first")
        .await
        .put("c", "")
        .await
        .expect(201);
    let changed = server
        .stop()
        .await
        .without_settings()
        .user("acme", "joe", "second", &[".admin"]);
    let server = changed.start().await;
    server
        .login("acme:joe", "second")
        .await
        .list("")
        .await
        .expect_entries(&["c"]);
    let stale = server.client().request_at(Method::GET, "/auth/v1.0");
    stale
        .header("x-auth-user", "acme:joe")
        .header("x-auth-key", "first")
        .await
        .expect(401);
}
