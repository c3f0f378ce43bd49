use std::sync::atomic::{AtomicU64, Ordering};

use common::functional::{Answer, Reply, policy};
use common::token::Token;
use common::{Secret, Timestamp, password};

use super::*;
use crate::testing::{Answering, policy_user, remembering, request, responding};

const PASSWORD: &str = "testing";

async fn users() -> Vec<policy::User> {
    let verifier = password::hash(Secret::new(PASSWORD)).await.unwrap();
    let mut users = vec![
        policy_user(1, "tester", &[".admin"]),
        policy_user(2, "tester3", &[]),
        policy_user(5, "service", &["service"]),
    ];
    for user in &mut users {
        user.verifier = Some(verifier.clone());
    }
    users
}

fn serving(policies: Vec<policy::Policy>) -> PolicyCache {
    let asked = AtomicU64::new(0);
    PolicyCache::new(Answering::with(move |_| {
        let at = asked.fetch_add(1, Ordering::Relaxed) as usize;
        let policy = policies.get(at).cloned();
        Ok(Reply::new(Answer::PolicyFetch(policy::Fetched { policy })))
    }))
}

fn filter(policy: PolicyCache, keyring: Keyring, inner: HttpService) -> HttpService {
    let entrance = Answering::with(|_| Err(Error::internal("nothing is asked")));
    filter_with(policy, keyring, entrance, inner)
}

fn filter_with(
    policy: PolicyCache,
    keyring: Keyring,
    entrance: FunctionalService,
    inner: HttpService,
) -> HttpService {
    let policy = Arc::new(policy);
    let registration = Arc::new(Registration {
        entrance: entrance.clone(),
        owner: entrance.clone(),
        policy: Arc::clone(&policy),
        prefix: "AUTH_".to_owned(),
    });
    protocol(Auth {
        attempts: Arc::default(),
        registration,
        entrance,
        checked: Arc::new(Checked {
            settings: Settings::default(),
            reseller: Reseller::default(),
        }),
        keyring,
        policy,
        logins: Arc::new(Logins {
            issued: Mutex::new(BoundedMap::new(10)),
            waiting: Semaphore::new(2),
        }),
        inner,
    })
}

fn keyring() -> Keyring {
    Keyring::parse(&format!("1 {}", "ab".repeat(32))).unwrap()
}

async fn ready(inner: HttpService) -> HttpService {
    let policy = serving(vec![policy::Policy {
        version: 1,
        users: users().await,
        ..policy::Policy::default()
    }]);
    policy.refresh().await.unwrap();
    filter(policy, keyring(), inner)
}

async fn login(filter: &HttpService, user: &str, key: &str) -> Response<Body> {
    let headers = [
        ("x-auth-user", user),
        ("x-auth-key", key),
        ("host", "store.example:8080"),
    ];
    filter
        .handle(request("GET", "/auth/v1.0", &headers))
        .await
        .unwrap()
}

fn token(user_id: u64, generation: u64, expires: u64) -> String {
    let token = Token {
        user_id,
        generation,
        expires: Timestamp::from_seconds(expires),
        token_id: 7,
    };
    keyring().sign("AUTH_", &token)
}

const FAR: u64 = 9_999_999_999;

/// The groups that a request with these headers arrives with; `None` is anonymous, an error the status.
async fn groups(headers: &[(&str, &str)]) -> Result<Option<Vec<String>>, u16> {
    let (inner, requests) = remembering();
    let filter = ready(inner).await;
    let response = filter
        .handle(request("GET", "/v1/AUTH_test/c", headers))
        .await
        .unwrap();
    if response.status() != 200 {
        assert_eq!(
            response.headers()["www-authenticate"],
            "Swift realm=\"AUTH_test\""
        );
        return Err(response.status().as_u16());
    }
    let requests = requests.lock();
    match &requests[0].extensions.get::<Authenticated>().unwrap().0 {
        Caller::Anonymous => Ok(None),
        Caller::User(identity) => Ok(Some(identity.groups.clone())),
    }
}

#[tokio::test]
async fn a_login_gives_a_token_that_works() {
    let (inner, requests) = remembering();
    let filter = ready(inner).await;
    let response = login(&filter, "test:tester", PASSWORD).await;
    assert_eq!(response.status(), 200);
    let headers = response.headers();
    assert_eq!(headers["x-storage-url"], "http://store.example:8080/v1/AUTH_test");
    assert_eq!(headers["x-auth-token"], headers["x-storage-token"]);
    let left: u64 = headers["x-auth-token-expires"].to_str().unwrap().parse().unwrap();
    assert!((86_000..=86_400).contains(&left), "{left}");
    let token = headers["x-auth-token"].to_str().unwrap();
    assert!(token.starts_with("AUTH_tk"));
    let sent = request("GET", "/v1/AUTH_test", &[("x-storage-token", token)]);
    filter.handle(sent).await.unwrap();
    let requests = requests.lock();
    let Caller::User(identity) = &requests[0].extensions.get::<Authenticated>().unwrap().0 else {
        panic!("anonymous")
    };
    assert_eq!(identity.name, "test:tester");
    assert_eq!(identity.groups, ["test", "test:tester", "AUTH_test"]);
}

#[tokio::test]
async fn a_valid_token_is_handed_out_again() {
    let filter = ready(remembering().0).await;
    let first = login(&filter, "test:tester", PASSWORD).await;
    let second = login(&filter, "test:tester", PASSWORD).await;
    let other = login(&filter, "test:tester3", PASSWORD).await;
    assert_eq!(first.headers()["x-auth-token"], second.headers()["x-auth-token"]);
    assert_ne!(first.headers()["x-auth-token"], other.headers()["x-auth-token"]);
}

#[tokio::test]
async fn a_wrong_login_is_401_with_a_realm() {
    let filter = ready(remembering().0).await;
    for (user, key, realm) in [
        ("test:tester", "wrong", "test"),
        ("test:nobody", PASSWORD, "test"),
        ("te\"st:nobody", PASSWORD, "te%22st"),
        ("nobody", PASSWORD, "unknown"),
    ] {
        let response = login(&filter, user, key).await;
        assert_eq!(response.status(), 401, "{user}");
        let expected = format!("Swift realm=\"{realm}\"");
        assert_eq!(response.headers()["www-authenticate"], *expected);
        assert!(!response.headers().contains_key("x-auth-token"));
    }
}

#[tokio::test]
async fn other_requests_to_the_token_path() {
    let (inner, requests) = remembering();
    let filter = ready(inner).await;
    for (method, path, status) in [
        ("POST", "/auth/v1.0", 405),
        ("DELETE", "/auth/v1.0", 401),
        ("HEAD", "/auth/v1", 405),
        ("GET", "/auth/v3", 400),
        ("GET", "/auth/v1/a/b/c", 404),
    ] {
        let response = filter.handle(request(method, path, &[])).await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
    }
    assert!(requests.lock().is_empty());
}

#[tokio::test]
async fn a_new_user_can_log_in_at_once() {
    let all = users().await;
    let policy = serving(vec![
        policy::Policy {
            version: 1,
            ..policy::Policy::default()
        },
        policy::Policy {
            version: 2,
            users: all,
            ..policy::Policy::default()
        },
    ]);
    policy.refresh().await.unwrap();
    let filter = filter(policy, keyring(), remembering().0);
    assert_eq!(login(&filter, "test:tester", PASSWORD).await.status(), 200);
}

#[tokio::test]
async fn tokens_become_identities() {
    let tester = || Some(vec!["test".into(), "test:tester".into(), "AUTH_test".into()]);
    assert_eq!(groups(&[]).await, Ok(None));
    let good = token(1, 1, FAR);
    assert_eq!(groups(&[("x-auth-token", &good)]).await, Ok(tester()));
    assert_eq!(groups(&[("x-auth-token", "nonsense")]).await, Ok(None));
    assert_eq!(groups(&[("x-auth-token", "")]).await, Ok(None));
    for bad in [
        "AUTH_tk",
        "AUTH_tkfake",
        "AUTH_",
        &token(1, 1, 1),
        &token(1, 2, FAR),
        &token(9, 1, FAR),
        &good[..good.len() - 1],
    ] {
        assert_eq!(groups(&[("x-auth-token", bad)]).await, Err(401), "{bad}");
    }
}

#[tokio::test]
async fn a_service_token_adds_its_groups() {
    let (user, service) = (token(2, 1, FAR), token(5, 1, FAR));
    let both = [("x-auth-token", user.as_str()), ("x-service-token", &service)];
    let expected = ["test", "test:tester3", "test", "test:service", "service"];
    assert_eq!(
        groups(&both).await,
        Ok(Some(expected.map(str::to_owned).to_vec()))
    );
    let invalid = [
        ("x-auth-token", user.as_str()),
        ("x-service-token", "AUTH_tkfake"),
    ];
    let alone = ["test", "test:tester3"];
    assert_eq!(
        groups(&invalid).await,
        Ok(Some(alone.map(str::to_owned).to_vec()))
    );
    assert_eq!(groups(&[("x-service-token", &service)]).await, Ok(None));
}

#[tokio::test]
async fn a_refusal_from_within_gets_its_realm() {
    let inner = responding(|_| Error::from(common::Outcome::Unauthorized).into_response());
    let filter = ready(inner).await;
    let response = filter.handle(request("GET", "/v1/AUTH_x%0d", &[])).await.unwrap();
    assert_eq!(
        response.headers()["www-authenticate"],
        "Swift realm=\"AUTH_x%0D\""
    );
}

#[tokio::test]
async fn without_a_policy_nothing_passes() {
    let (inner, requests) = remembering();
    let filter = filter(serving(vec![]), keyring(), inner);
    for path in ["/v1/AUTH_test/c/o", "/auth/v1.0"] {
        let response = filter.handle(request("GET", path, &[])).await.unwrap();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
    }
    assert!(requests.lock().is_empty());
}

#[tokio::test]
async fn too_many_waiting_logins_are_sent_away() {
    let filter = ready(remembering().0).await;
    let logins = (0..6).map(|_| login(&filter, "test:tester", PASSWORD));
    let statuses: Vec<_> = futures::future::join_all(logins)
        .await
        .iter()
        .map(|response| response.status().as_u16())
        .collect();
    assert_eq!(statuses.iter().filter(|&&status| status == 200).count(), 2);
    assert_eq!(statuses.iter().filter(|&&status| status == 503).count(), 4);
}

async fn login_for(filter: &HttpService, life: &str) -> Response<Body> {
    let headers = [
        ("x-auth-user", "test:tester"),
        ("x-auth-key", PASSWORD),
        ("x-auth-token-lifetime", life),
    ];
    filter
        .handle(request("GET", "/auth/v1.0", &headers))
        .await
        .unwrap()
}

#[tokio::test]
async fn a_life_can_be_shortened_and_never_lengthened() {
    let filter = ready(remembering().0).await;
    let usual = login(&filter, "test:tester", PASSWORD).await;
    let left = |response: &Response<Body>| {
        let left = response.headers()["x-auth-token-expires"].to_str().unwrap();
        left.parse::<u64>().unwrap()
    };
    let short = login_for(&filter, "60").await;
    assert!((58..=60).contains(&left(&short)), "{}", left(&short));
    assert_ne!(short.headers()["x-auth-token"], usual.headers()["x-auth-token"]);
    let long = login_for(&filter, "9999999999999").await;
    assert!(left(&long) <= 86_400);
    assert_eq!(long.headers()["x-auth-token"], usual.headers()["x-auth-token"]);
    let again = login(&filter, "test:tester", PASSWORD).await;
    assert_eq!(again.headers()["x-auth-token"], usual.headers()["x-auth-token"]);
    for wrong in ["0", "-1", "1d", "", "99999999999999999999999"] {
        assert_eq!(login_for(&filter, wrong).await.status(), 400, "{wrong}");
    }
}

#[tokio::test]
async fn an_email_address_logs_in() {
    let mut all = users().await;
    all[1].email = Some("tester3@example.org".to_owned());
    let policy = serving(vec![policy::Policy {
        version: 1,
        users: all,
        ..policy::Policy::default()
    }]);
    policy.refresh().await.unwrap();
    let filter = filter(policy, keyring(), remembering().0);
    let response = login(&filter, "Tester3@Example.org", PASSWORD).await;
    assert_eq!(response.status(), 200);
    let url = response.headers()["x-storage-url"].to_str().unwrap();
    assert!(url.ends_with("/v1/AUTH_test"));
    for user in ["tester3@example.org", "nobody@example.org"] {
        let refused = login(&filter, user, "wrong").await;
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()["www-authenticate"], "Swift realm=\"unknown\"");
    }
}

#[tokio::test]
async fn who_guesses_must_wait_whether_there_is_such_a_user_or_not() {
    let filter = ready(remembering().0).await;
    for user in ["test:tester", "test:nobody", "nobody@example.org"] {
        for _ in 0..10 {
            assert_eq!(login(&filter, user, "wrong").await.status(), 401, "{user}");
        }
        let refused = login(&filter, user, PASSWORD).await;
        assert_eq!(refused.status(), 429, "{user}");
        let wait: u64 = refused.headers()["retry-after"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=10).contains(&wait), "{wait}");
    }
    assert_eq!(login(&filter, "test:tester3", PASSWORD).await.status(), 200);
}

/// A filter before a policy from which the second question learns of `revoked`, and what it has asked for.
async fn revoking(revoked: policy::Revocation) -> (HttpService, Arc<Mutex<Vec<common::functional::Action>>>) {
    let all = users().await;
    let policies = [Vec::new(), vec![revoked]].map(|revocations| policy::Policy {
        version: 1 + revocations.len() as u64,
        users: all.clone(),
        revocations,
        ..policy::Policy::default()
    });
    let policy = serving(policies.to_vec());
    policy.refresh().await.unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&asked);
    let entrance = Answering::with_request(move |request| {
        let Caller::User(identity) = request.context.authority.caller() else {
            panic!("anonymous")
        };
        assert_eq!(identity.name, "test:tester");
        sink.lock().push(request.action);
        let written = common::functional::user::Written { created: false };
        Ok(Reply::new(Answer::UserRevoke(written)))
    });
    let filter = filter_with(policy, keyring(), entrance, remembering().0);
    (filter, asked)
}

#[tokio::test]
async fn a_revoked_token_is_void_at_once() {
    let revocation = policy::Revocation {
        user_id: 1,
        token_id: 7,
        expires: Timestamp::from_seconds(FAR),
    };
    let (filter, asked) = revoking(revocation).await;
    let this = token(1, 1, FAR);
    let status = |method: &'static str, path: &'static str, token: String| {
        let sent = filter.handle(request(method, path, &[("x-auth-token", &token)]));
        async move { sent.await.unwrap().status().as_u16() }
    };
    assert_eq!(status("GET", "/v1/AUTH_test", this.clone()).await, 200);
    assert_eq!(status("DELETE", "/auth/v1.0?all=maybe", this.clone()).await, 400);
    assert_eq!(status("DELETE", "/auth/v1.0", this.clone()).await, 204);
    let revoke = common::functional::user::Revoke {
        account: "test".into(),
        name: "tester".into(),
        token: Some(common::functional::user::RevokedToken {
            token_id: 7,
            expires: Timestamp::from_seconds(FAR),
        }),
    };
    assert_eq!(*asked.lock(), [revoke.into()]);
    assert_eq!(status("GET", "/v1/AUTH_test", this.clone()).await, 401);
    assert_eq!(status("DELETE", "/auth/v1.0", this).await, 401);
    // The same number, of another user.
    assert_eq!(status("GET", "/v1/AUTH_test", token(2, 1, FAR)).await, 200);
}

#[tokio::test]
async fn all_tokens_can_be_revoked() {
    let none = policy::Revocation {
        user_id: 9,
        token_id: 9,
        expires: Timestamp::from_seconds(FAR),
    };
    let (filter, asked) = revoking(none).await;
    let headers = [("x-storage-token", token(1, 1, FAR))];
    let headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let sent = request("DELETE", "/auth/v1.0?all=true", &headers);
    assert_eq!(filter.handle(sent).await.unwrap().status(), 204);
    let first = asked.lock().remove(0);
    assert!(matches!(first, common::functional::Action::UserRevoke(revoke) if revoke.token.is_none()));
    let forged = request("DELETE", "/auth/v1.0", &[("x-auth-token", "AUTH_tkforged")]);
    assert_eq!(filter.handle(forged).await.unwrap().status(), 401);
}
