//! The command line over TLS, as stores are mostly reached from outside.

use std::path::Path;
use std::sync::Arc;

use integration_tests::{CommandLine, Server, program};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

/// A certificate for 127.0.0.1 that nobody but this test has, and its key.
async fn certificate() -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let mut openssl = Command::new("openssl");
    openssl.current_dir(directory.path()).args([
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=a test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-addext",
        "basicConstraints=critical,CA:FALSE",
        "-keyout",
        "key.pem",
        "-out",
        "certificate.pem",
    ]);
    program::run(&mut openssl).await;
    directory
}

/// Takes TLS off in front of a server, as a load balancer does; gives its address.
async fn in_front_of(server: &Server, certificate: &Path) -> String {
    let chain =
        vec![CertificateDer::from_pem_file(certificate.join("certificate.pem")).expect("openssl made it")];
    let key = PrivateKeyDer::from_pem_file(certificate.join("key.pem")).expect("openssl made it");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has all that is needed")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(settings));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it is bound").to_string();
    let to = server.address().to_owned();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let (acceptor, to) = (acceptor.clone(), to.clone());
            tokio::spawn(async move {
                // A client that does not believe the certificate goes.
                if let Ok(mut client) = acceptor.accept(connection).await {
                    let mut server = TcpStream::connect(to).await.expect("the server is there");
                    let _broken_off = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn files_travel_over_tls() {
    let setting = "[filter.auth]\nstorage_url_scheme = \"https\"";
    let server = Server::builder().setting(setting).start().await;
    let certificate = certificate().await;
    let address = in_front_of(&server, certificate.path()).await;
    let stobj = CommandLine::at(&format!("https://{address}/auth/v1.0"), "test:tester", "testing");
    let trusting = |arguments: &[&str]| {
        let mut command = stobj.command(arguments);
        command
            .env("SSL_CERT_FILE", certificate.path().join("certificate.pem"))
            .env_remove("SSL_CERT_DIR")
            .current_dir(certificate.path());
        command
    };
    program::run(&mut trusting(&["put", "certificate.pem", "c"])).await;
    let fetched = program::run(&mut trusting(&["get", "c/certificate.pem", "-"])).await;
    assert!(fetched.starts_with("-----BEGIN CERTIFICATE-----"), "{fetched}");
    assert!(
        server
            .log()
            .lines()
            .iter()
            .any(|line| line.contains("PUT /v1/AUTH_test/c/certificate.pem"))
    );

    // Without that certificate the store might be anybody: the key is not told to it.
    let other = tempfile::tempdir().expect("a temporary directory can be made");
    let mut command = trusting(&["ls"]);
    command
        .env("SSL_CERT_FILE", other.path().join("none"))
        .env("SSL_CERT_DIR", other.path());
    let refused = program::finish(&mut command).await;
    assert_eq!(refused.status.code(), Some(2), "nobody is trusted: {refused:?}");
    let another = self::certificate().await;
    command.env("SSL_CERT_FILE", another.path().join("certificate.pem"));
    let refused = program::finish(&mut command).await;
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(1) && why.contains("certificate"),
        "{why}"
    );

    // Who forgot TLS at a store that has it is told so, and no token travels in the clear.
    let in_clear = CommandLine::of(&server).run(&["ls"]).await;
    in_clear.expect(2).expect_error("https too");
}
