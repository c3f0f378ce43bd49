//! Paths that try to leave their container, or to be two things at once.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::Path;

use http::Method;
use integration_tests::{Client, Server};

async fn start() -> (Server, Client) {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    (server, client)
}

/// All entries of the directories in which a container stands, and of the directory of the test.
fn around(server: &Server) -> Vec<String> {
    let account = server.objects().join("AUTH_test");
    let data = server.data();
    let directories = [data.parent().unwrap(), &data, &server.objects(), &account];
    let mut found = Vec::new();
    for directory in directories.map(Path::to_owned) {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let name = entry.unwrap().path().display().to_string();
            // SQLite's own come and go.
            if !name.contains("sqlite-") {
                found.push(name);
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn what_is_not_utf_8_is_no_name() {
    let (server, client) = start().await;
    let before = around(&server);
    for escaped in [
        // Longer forms of `.`, `/` and NUL than are allowed.
        "%c0%ae%c0%ae",
        "%c0%af",
        "%e0%80%af",
        "%f0%80%80%af",
        "%c0%80",
        "%f8%80%80%80%af",
        // Halves of pairs, what is beyond the last character, what breaks off.
        "%ed%a0%80",
        "%ed%b0%80",
        "%f4%90%80%80",
        "%f5%80%80%80",
        "%e2%82",
        "%80",
        "%fe",
        "a%00b",
        "%00",
    ] {
        for target in [
            format!("/v1/AUTH_test/c/{escaped}"),
            format!("/v1/AUTH_test/c/a/{escaped}/b"),
            format!("/v1/AUTH_test/{escaped}"),
            format!("/v1/AUTH_test/{escaped}/o"),
            format!("/v1/AUTH_{escaped}/c/o"),
            format!("/v1/{escaped}"),
        ] {
            for method in [
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::POST,
                Method::DELETE,
            ] {
                let response = client.request_at(method.clone(), &target).await.expect(412);
                if method != Method::HEAD {
                    response.expect_body("Invalid UTF8 or contains NULL");
                }
            }
        }
        for parameter in ["marker", "end_marker", "prefix", "delimiter", "path"] {
            if escaped.contains("%00") && escaped != "%c0%80" {
                continue; // NUL is UTF-8; no name holds it, and so it finds none.
            }
            for path in ["", "/c"] {
                let target = format!("/v1/AUTH_test{path}?{parameter}={escaped}");
                client.request_at(Method::GET, &target).await.expect(400);
            }
        }
    }
    assert_eq!(around(&server), before);
}

#[tokio::test]
async fn a_name_stays_below_its_container() {
    let (server, client) = start().await;
    let before = around(&server);
    for (escaped, name) in [
        ("%2e%2e", ".."),
        ("%2e%2e/", "../"),
        ("..%2f..%2f..%2f..%2fescaped", "../../../../escaped"),
        ("%2e%2e/%2e%2e/AUTH_test/c2/o", "../../AUTH_test/c2/o"),
        ("a/../../escaped", "a/../../escaped"),
        ("a/%2e%2e/%2e%2e/%2e%2e/escaped", "a/../../../escaped"),
        ("%2Fetc%2Fpasswd", "/etc/passwd"),
        ("%2f%2f%2f", "///"),
        ("..%5c..%5cescaped", "..\\..\\escaped"),
        ("%252e%252e%252fescaped", "%2e%2e%2fescaped"),
        ("%ef%bc%8f%ef%bc%8e", "\u{ff0f}\u{ff0e}"),
        ("%u002e%u002e", "%u002e%u002e"),
        ("%", "%"),
        ("%zz%2", "%zz%2"),
        (".stobj%2faccounts", ".stobj/accounts"),
        ("%0d%0a%09%1b%5b2J", "\r\n\t\u{1b}[2J"),
        ("%e2%80%ae%ef%bb%bf", "\u{202e}\u{feff}"),
        ("CON", "CON"),
        ("a%20", "a "),
    ] {
        let target = format!("/v1/AUTH_test/c/{escaped}");
        client
            .request_at(Method::PUT, &target)
            .body(name.to_owned())
            .await
            .expect(201);
        client
            .request_at(Method::GET, &target)
            .await
            .expect(200)
            .expect_body(name);
        client.list("c").await.expect(200).expect_entries(&[name]);
        assert_eq!(around(&server), before, "{escaped}");
        client
            .request_at(Method::POST, &target)
            .header("x-object-meta-a", "b")
            .await
            .expect(202);
        client.request_at(Method::DELETE, &target).await.expect(204);
        client.list("c").await.expect(200).expect_body("[]");
    }
    assert_eq!(around(&server), before);
}

#[tokio::test]
async fn a_container_stays_below_its_account() {
    let (server, client) = start().await;
    let outside = |server: &Server| {
        let mut found = around(server);
        let account = server.objects().join("AUTH_test").display().to_string();
        found.retain(|path| !path.starts_with(&format!("{account}/")));
        found
    };
    let before = outside(&server);
    for escaped in [
        "%2e%2e",
        "..",
        ".",
        "%2e",
        ".stobj",
        "..%5c..",
        "%252e%252e",
        "%0a",
        "c%20",
    ] {
        let target = format!("/v1/AUTH_test/{escaped}");
        client.request_at(Method::PUT, &target).await.expect(201);
        client
            .request_at(Method::PUT, &format!("{target}/o"))
            .body("x")
            .await
            .expect(201);
        client
            .request_at(Method::GET, &format!("{target}/o"))
            .await
            .expect(200)
            .expect_body("x");
        assert_eq!(outside(&server), before, "{escaped}");
        client
            .request_at(Method::DELETE, &format!("{target}/o"))
            .await
            .expect(204);
        client.request_at(Method::DELETE, &target).await.expect(204);
    }
    // An escaped slash is a slash: this is an object of a container that is not there.
    for escaped in ["..%2f..", "%2e%2e%2fAUTH_test", "none%2fo"] {
        let target = format!("/v1/AUTH_test/{escaped}");
        client.request_at(Method::PUT, &target).await.expect(404);
    }
    for target in [
        "/v1/%2e%2e",
        "/v1/..",
        "/v1/.",
        "/v1/.stobj",
        "/v1/%2e%2e/c",
        "/v1/..%2f../c",
    ] {
        client
            .request_at(Method::PUT, target)
            .await
            .expect_one_of(&[403, 405]);
        client.request_at(Method::GET, target).await.expect(403);
    }
    assert_eq!(outside(&server), before);
}

#[tokio::test]
async fn an_administrator_stays_below_the_root() {
    let (server, _) = start().await;
    let client = server.login("test:tester6", "testing6").await;
    let before = around(&server);
    for target in [
        "/v1/%2e%2e/c",
        "/v1/./c",
        "/v1/%2e%2e%2f%2e%2e/c",
        "/v1/AUTH_/c",
        "/v1/.stobj/c",
    ] {
        let put = client
            .request_at(Method::PUT, target)
            .await
            .expect_one_of(&[201, 403, 404]);
        if put.status() == 201 {
            client
                .request_at(Method::PUT, &format!("{target}/o"))
                .body("x")
                .await
                .expect(201);
        }
    }
    let after = around(&server);
    let root = server.objects().display().to_string();
    let strangers: Vec<_> = after
        .iter()
        .filter(|path| !before.contains(path) && !path.starts_with(&root))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    assert!(!server.objects().join("c").exists() && !server.data().join("c").exists());
}
