//! The resource firewall.

use std::collections::VecDeque;
use std::time::Duration;

use http::Method;
use integration_tests::Server;

const RULES: &str = r#"
[[filter.firewall.rules]]
name = "auditors read"
decision = "allow"
users = ["test:tester2"]
methods = ["GET", "HEAD"]

[[filter.firewall.rules]]
name = "the archive stays"
decision = "deny"
methods = ["PUT", "POST", "DELETE"]
paths = ["AUTH_test/archive", "AUTH_test/archive/**"]

[[filter.firewall.rules]]
name = "secrets"
decision = "deny"
paths = ["AUTH_test/*/secret*"]
"#;

#[tokio::test]
async fn rules_deny_on_every_way_and_to_administrators_too() {
    let server = Server::start().await;
    let client = server.tester().await;
    client.put("archive", "").await.expect(201);
    client.put("archive/a", "kept").await.expect(201);
    client.put("c", "").await.expect(201);
    client.put("c/secret", "hidden").await.expect(201);
    client.put("c/open", "seen").await.expect(201);

    let server = server.stop().await.setting(RULES).start().await;
    let client = server.tester().await;
    let admin = server.admin().await.at_account("AUTH_test");
    for client in [&client, &admin] {
        client.delete("archive/a").await.expect(403);
        client.put("archive/b", "new").await.expect(403);
        client
            .post("archive/a")
            .header("x-object-meta-a", "b")
            .await
            .expect(403);
        client.delete("archive").await.expect(403);
        client.copy("c/open", "archive/c").await.expect(403);
        client.get("archive/a").await.expect(200).expect_body("kept");
        client.get("c/secret").await.expect(403);
        client.head("c/secret").await.expect(403);
        client.copy("c/secret", "c/public").await.expect(403);
        client.copy("c/open", "c/secret").await.expect(403);
        client
            .put("c/copy", "")
            .header("x-copy-from", "/c/secret")
            .await
            .expect(403);
        client.delete("c/secret").await.expect(403);
    }
    client.list("archive").await.expect(200).expect_entries(&["a"]);
    client
        .list("c")
        .await
        .expect(200)
        .expect_entries(&["open", "secret"]);
    let auditor = server.login("test:tester2", "testing2").await;
    auditor.get("c/secret").await.expect(200).expect_body("hidden");
    auditor.delete("archive/a").await.expect(403);
}

#[tokio::test]
async fn administrators_see_what_each_rule_decided() {
    let server = Server::builder().setting(RULES).start().await;
    let client = server.tester().await;
    client.put("archive", "").await.expect(403);
    client
        .request_at(Method::POST, "/f/firewall/rules")
        .await
        .expect(403);
    let admin = server.admin().await;
    let rules = admin
        .request_at(Method::POST, "/f/firewall/rules")
        .await
        .expect(200)
        .json();
    let shown = |at: usize| {
        (
            rules["rules"][at]["name"].clone(),
            rules["rules"][at]["hits"].clone(),
        )
    };
    assert_eq!(shown(0), ("auditors read".into(), 0.into()));
    assert_eq!(shown(1), ("the archive stays".into(), 1.into()));
    assert_eq!(
        rules["rules"][1]["matches"],
        "deny methods PUT POST DELETE paths AUTH_test/archive AUTH_test/archive/**"
    );
}

const PROXIES: &str = r#"
[proxy]
trusted_proxies = ["127.0.0.0/8", "10.0.0.0/8"]

[[filter.firewall.rules]]
name = "not from there"
decision = "deny"
sources = ["203.0.113.0/24"]
"#;

#[tokio::test]
async fn a_trusted_proxy_says_where_the_client_is() {
    let server = Server::builder().setting(PROXIES).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for (forwarded, status) in [
        ("203.0.113.5", 403),
        ("198.51.100.1, 203.0.113.5, 10.0.0.2", 403),
        // The client wrote the first one itself; the proxies saw the second.
        ("203.0.113.5, 198.51.100.1", 204),
        ("203.0.113.5, nonsense", 204),
        ("", 204),
    ] {
        let head = client.head("c").header("x-forwarded-for", forwarded);
        head.await.expect(status);
    }
    let head = client.head("c").header("x-forwarded-for", "198.51.100.1");
    let id = head.await.expect(204).header("x-trans-id").to_owned();
    let logged = |lines: &VecDeque<String>| {
        let mut lines = lines.iter();
        lines
            .find(|line| line.contains(" HEAD /v1/AUTH_test/c ") && line.contains(&id))
            .cloned()
    };
    let line = server.log().wait_for(Duration::from_secs(60), logged);
    let line = line.expect("each request has an access line");
    assert!(line.contains("198.51.100.1 127.0.0.1 "), "{line}");
}

#[tokio::test]
async fn nobody_else_says_where_the_client_is() {
    let elsewhere = PROXIES.replace("127.0.0.0/8", "127.0.0.9");
    let server = Server::builder().setting(&elsewhere).start().await;
    let client = server.tester().await;
    client.put("c", "").await.expect(201);
    for forwarded in ["203.0.113.5", "203.0.113.5, 10.0.0.2", "203.0.113.5, 127.0.0.9"] {
        let head = client.head("c").header("x-forwarded-for", forwarded);
        head.await.expect(204);
    }
}
