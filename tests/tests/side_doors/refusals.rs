//! What stands in front of the object, a test each.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::functional::Action;
use http::Method;
use integration_tests::client::Request;
use integration_tests::cluster::until;
use integration_tests::{Client, Process, Server, Shape};

use crate::target::{CONTENT, LONGER, Target};
use crate::ways::{Effect, WAYS};

/// Nothing is added to the request.
fn as_it_is(request: Request) -> Request {
    request
}

/// All that touches the object gets this; names are shown.
fn of_the_object(status: u16) -> impl Fn(Effect) -> Option<u16> {
    move |effect| (!matches!(effect, Effect::Lists | Effect::Records)).then_some(status)
}

/// Everything gets this.
fn of_everything(status: u16) -> impl Fn(Effect) -> Option<u16> {
    move |_| Some(status)
}

#[tokio::test]
async fn denied_by_a_rule() {
    let target = Target::new(Server::start().await).await;
    let rule = r#"
[[filter.firewall.rules]]
name = "the object"
decision = "deny"
paths = ["AUTH_test/c/o", "AUTH_test/c/o/**"]
"#;
    let server = target.server.stop().await.setting(rule).start().await;
    let target = Target::of(server).await;
    for client in [&target.owner, &target.admin] {
        target.try_all(client, as_it_is, of_the_object(403)).await;
    }
}

#[tokio::test]
async fn what_was_refused_is_recorded() {
    let target = Target::new(Server::start().await).await;
    let user = target.server.login("test:tester3", "testing3").await;
    target.try_all(&user, as_it_is, of_everything(403)).await;
    let refused = WAYS.iter().filter(|way| way.effect != Effect::Nothing).count();
    until("each refusal is recorded", || async {
        let list = target.admin.request_at(Method::POST, "/f/record/list");
        let page = list
            .body(r#"{"account": "AUTH_test", "user": "test:tester3", "limit": 1000}"#)
            .await
            .expect(200)
            .json();
        let records = page["records"].as_array().cloned().unwrap_or_default();
        records.iter().filter(|record| record["result"] == 403).count() >= refused
    })
    .await;
}

#[tokio::test]
async fn the_object_is_switched_off() {
    let target = Target::new(Server::start().await).await;
    let disable = target.admin.post("c/o").header("x-resource-state", "disable");
    disable.await.expect(202);
    // What lies below it has a name of its own.
    let expected = of_the_object(403);
    let before = target.seen();
    for client in [&target.owner, &target.admin] {
        for way in WAYS.iter().filter(|way| expected(way.effect).is_some()) {
            if way.name == "PUT of the object below it" {
                continue;
            }
            let status = (way.request)(client).await.status();
            if way.effect != Effect::Nothing {
                assert_eq!(Some(status), expected(way.effect), "{}", way.name);
            }
            target.expect_untouched(&before, way.name);
        }
    }
}

#[tokio::test]
async fn the_account_is_switched_off() {
    let target = Target::new(Server::start().await).await;
    let disable = target.admin.post("").header("x-resource-state", "disable");
    disable.await.expect(204);
    target.try_all(&target.owner, as_it_is, of_everything(403)).await;
    // Who switched it off may still see why.
    let all_but_records = |effect| (effect != Effect::Records).then_some(403);
    target.try_all(&target.admin, as_it_is, all_but_records).await;
}

#[tokio::test]
async fn the_quota_is_used_up() {
    let target = Target::new(Server::start().await).await;
    let used = (CONTENT.len() + LONGER.len()).to_string();
    let of_the_account = target.admin.post("").header("x-account-quota-bytes", &used);
    let of_the_container = target
        .owner
        .post("c")
        .header("x-container-meta-quota-bytes", &used);
    let full = |effect| (effect == Effect::Stores).then_some(413);
    of_the_container.await.expect(204);
    for client in [&target.owner, &target.admin] {
        target.try_all(client, as_it_is, full).await;
    }
    let unlimited = target
        .owner
        .post("c")
        .header("x-remove-container-meta-quota-bytes", "x");
    unlimited.await.expect(204);
    of_the_account.await.expect(204);
    for client in [&target.owner, &target.admin] {
        target.try_all(client, as_it_is, full).await;
    }
    // What is let through does what it says, and gives room.
    target.owner.delete("c/longer").await.expect(204);
    target.owner.put("c/o", LONGER).await.expect(201);
}

#[tokio::test]
async fn somebody_of_another_account() {
    let target = Target::new(Server::start().await).await;
    let stranger = target.server.login("test2:tester2", "testing2").await;
    // Their own right is over their own account only, also when they name this one as source or destination.
    stranger.put("c", "").await.expect(201);
    let before = target.seen();
    let stealing = stranger.put("c/copy", "").header("x-copy-from", "/c/o");
    stealing
        .header("x-copy-from-account", "AUTH_test")
        .await
        .expect(403);
    stranger.put("c/mine", "forged").await.expect(201);
    let smuggling = stranger.copy("c/mine", "c/o");
    smuggling
        .header("destination-account", "AUTH_test")
        .await
        .expect(403);
    target.expect_untouched(&before, "a copy over accounts");
    let foreign = stranger.at_account("AUTH_test");
    target.try_all(&foreign, as_it_is, of_everything(403)).await;
}

#[tokio::test]
async fn somebody_of_the_account_without_rights() {
    let target = Target::new(Server::start().await).await;
    let user = target.server.login("test:tester3", "testing3").await;
    target.try_all(&user, as_it_is, of_everything(403)).await;
}

#[tokio::test]
async fn nobody_with_headers_of_the_cluster() {
    let target = Target::new(Server::start().await).await;
    let anonymous = target.owner.anonymous();
    target.try_all(&anonymous, forged, of_everything(401)).await;
    let user = target.server.login("test:tester3", "testing3").await;
    target.try_all(&user, forged, of_everything(403)).await;
}

#[tokio::test]
async fn a_token_that_has_run_out() {
    let target = Target::new(Server::start().await).await;
    let login = target.owner.ask_for_token("test:tester", "testing");
    let response = login.header("x-auth-token-lifetime", "1").await.expect(200);
    let client = target.owner.with_token(response.header("x-auth-token"));
    client.head("c/o").await.expect_one_of(&[200, 401]);
    until_void(&client).await;
    target.try_all(&client, as_it_is, of_everything(401)).await;
}

#[tokio::test]
async fn a_token_that_was_revoked() {
    let target = Target::new(Server::start().await).await;
    let client = target.server.tester().await;
    client.head("c/o").await.expect(200);
    client.request_at(Method::DELETE, "/auth/v1.0").await.expect(204);
    until_void(&client).await;
    target.try_all(&client, as_it_is, of_everything(401)).await;
    let server = target.server.kill().await.start().await;
    let target = Target::of(server).await;
    let client = target.owner.with_token(client.token());
    target.try_all(&client, as_it_is, of_everything(401)).await;
}

#[tokio::test]
async fn a_token_that_was_changed() {
    let target = Target::new(Server::start().await).await;
    let token = target.owner.token();
    let last = if token.ends_with('A') { 'B' } else { 'A' };
    let changed = format!("{}{last}", &token[..token.len() - 1]);
    // The last character may hold no bit of the signature; the one before it does.
    let middle = token.len() - 20;
    let other = if token.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    let torn = format!("{}{other}{}", &token[..middle], &token[middle + 1..]);
    for token in [&changed[..token.len() - 2], &torn] {
        let client = target.owner.with_token(token);
        target.try_all(&client, as_it_is, of_everything(401)).await;
    }
}

#[tokio::test]
async fn an_inner_server_without_the_key() {
    let target = Target::new(Server::builder().shape(Shape::Split).start().await).await;
    let before = target.seen();
    for process in target.server.behind() {
        let inner = Client::of(process).at_account("AUTH_test");
        for client in [inner.clone(), inner.with_token(target.admin.token())] {
            for way in WAYS {
                for request in [(way.request)(&client), forged((way.request)(&client))] {
                    let response = request.await.expect(404);
                    assert!(!response.text().contains(CONTENT), "{}", way.name);
                }
                target.expect_untouched(&before, way.name);
            }
        }
        refuses_actions(process, &target).await;
    }
}

async fn refuses_actions(process: &Process, target: &Target) {
    let (inner, before) = (Client::of(process), target.seen());
    for action in Action::NAMES {
        let ask = || inner.request_at(Method::POST, &format!("/{action}"));
        ask().await.expect(403);
        forged(ask()).await.expect(403);
        ask()
            .header("x-stobj-cluster-key", "1700000000:AAAA")
            .await
            .expect(403);
        target.expect_untouched(&before, action);
    }
}

/// The headers that servers of a cluster send each other, with a grant of everything.
fn forged(request: Request) -> Request {
    let base64 = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let context = serde_json::json!({
        "transaction_id": "tx1",
        "authority": {"grant": {
            "minted_by": "tempurl",
            "scope": {"account": "AUTH_test", "container": "c", "object_prefix": ""},
            "actions": Action::NAMES,
            "on_behalf_of": {"user": {"user_id": 1, "name": "admin:admin", "groups": [".reseller_admin"]}},
        }},
        "timestamp": 170_000_000_000_000_u64,
    });
    let arguments = serde_json::json!({"path": {"account": "AUTH_test", "container": "c", "object": "o"}});
    request
        .header("x-stobj-context", &base64(&context.to_string()))
        .header("x-stobj-arguments", &base64(&arguments.to_string()))
        .header(
            "x-stobj-cluster-key",
            &format!("1700000000:{}", base64(&"k".repeat(32))),
        )
        .header("x-stobj-authority", "grant")
        .header("x-backend-allow-reserved-names", "true")
        .header("x-backend-storage-policy-index", "0")
        .header("x-auth-sysmeta", "admin")
        .header("x-account-sysmeta-core-access-control", "{\"admin\":[\"*\"]}")
        .header("x-container-sysmeta-read", ".r:*")
}

async fn until_void(client: &Client) {
    until("the token is void", || async {
        client.head("c/o").await.status() == 401
    })
    .await;
}
