//! A whole store in this process: its first start, its end, and its second start.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use common::config::Config;
use proxy::serve::{Part, Plan, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn config(data: &Path, more: &[(&str, &str)]) -> Config {
    let variables = more
        .iter()
        .map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let flags = [
        ("storage", "data", data.display().to_string()),
        ("proxy", "listen", "127.0.0.1:0".to_owned()),
    ];
    Config::load(None, variables, flags)
}

async fn answer(address: SocketAddr, request: &str) -> io::Result<String> {
    let mut socket = TcpStream::connect(address).await?;
    let request = format!("{request} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_store_starts_ends_and_starts_again() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let server = Server::start(config(&data, &[])).await.unwrap();
    let told = server.first_start().unwrap().to_string();
    assert!(
        told.contains(&format!("http://{}/auth/v1.0", server.address())),
        "{told}"
    );
    assert!(told.contains("/v1/AUTH_admin/first"), "{told}");
    let health = answer(server.address(), "GET /healthcheck").await.unwrap();
    assert!(health.starts_with("HTTP/1.1 200"), "{health}");
    let nobody = answer(server.address(), "GET /v1/AUTH_admin").await.unwrap();
    assert!(nobody.starts_with("HTTP/1.1 401"), "{nobody}");
    assert!(
        nobody.contains("Www-Authenticate: Swift realm=\"AUTH_admin\""),
        "{nobody}"
    );
    server.stop().await.unwrap();

    let server = Server::start(config(&data, &[])).await.unwrap();
    assert!(server.first_start().is_none());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn one_data_directory_has_one_server() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(config(directory.path(), &[])).await.unwrap();
    assert!(Server::start(config(directory.path(), &[])).await.is_err());
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_taken_address_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(config(&directory.path().join("a"), &[]))
        .await
        .unwrap();
    let address = server.address().to_string();
    let flags = [
        (
            "storage",
            "data",
            directory.path().join("b").display().to_string(),
        ),
        ("proxy", "listen", address.clone()),
    ];
    let error = Server::start(Config::load(None, [], flags)).await.unwrap_err();
    assert!(
        error.to_string().contains(&format!("cannot listen on {address}")),
        "{error}"
    );
    server.stop().await.unwrap();
}

#[test]
fn a_plan_with_mistakes_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let wrong = [
        ("STOBJ_PROXY__CLIENT_TIMEOUT", "soon"),
        ("STOBJ_PIPELINE__GUARD", "[]"),
    ];
    let mistakes = Plan::new(Part::Everything, config(&data, &wrong)).unwrap_err();
    assert_eq!(mistakes.0.len(), 3, "{mistakes}");
    Plan::new(Part::Everything, config(&data, &[])).unwrap();
    assert!(!data.exists());
}
