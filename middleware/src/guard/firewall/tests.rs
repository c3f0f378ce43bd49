use std::net::IpAddr;
use std::sync::Arc;

use common::Body;
use common::functional::{
    Authority, Caller, Context as RequestContext, Identity, account as accounts, container,
    firewall as functional_firewall, object,
};
use common::name::{ContainerName, ObjectName};
use proptest::prelude::*;

use super::*;
use crate::testing::{Answering, account, context};

fn rule(text: &str) -> RuleSettings {
    serde_json::from_str(text).unwrap()
}

fn firewall(rules: &[&str]) -> Firewall {
    let compiled = rules
        .iter()
        .map(|text| Rule::new(rule(text), &Hits::default()).unwrap());
    Firewall {
        rules: compiled.collect(),
        inner: Answering::with(|_| Ok(Reply::new(Answer::ObjectDelete(object::Deleted {})))),
    }
}

fn delete(object: &str) -> Action {
    let path = object::Path {
        account: account(),
        container: ContainerName::new("c").unwrap(),
        object: ObjectName::new(object).unwrap(),
    };
    Action::from(object::Delete {
        path,
        if_delete_at: None,
    })
}

fn by(user: &str, address: &str) -> RequestContext {
    let identity = Identity {
        user_id: 1,
        name: user.to_owned(),
        groups: vec![".reseller_admin".to_owned()],
        service_user_id: None,
    };
    let caller = match user {
        "" => Caller::Anonymous,
        _ => Caller::User(Arc::new(identity)),
    };
    RequestContext {
        authority: Authority::Caller(caller),
        address: address.parse::<IpAddr>().ok(),
        ..context()
    }
}

async fn status(firewall: &Firewall, action: impl Into<Action>, context: RequestContext) -> u16 {
    let request = Request {
        action: action.into(),
        context,
        body: Body::empty(),
    };
    firewall
        .handle(request)
        .await
        .map_or_else(|error| error.status().as_u16(), |_| 200)
}

#[tokio::test]
async fn the_first_rule_that_matches_decides() {
    let firewall = firewall(&[
        r#"{"decision": "allow", "users": ["test:boss"], "methods": ["DELETE"]}"#,
        r#"{"name": "keep", "decision": "deny", "methods": ["DELETE"], "paths": ["AUTH_test/c/keep/**"]}"#,
        r#"{"decision": "deny", "sources": ["10.0.0.0/8", "::1"]}"#,
    ]);
    assert_eq!(
        status(&firewall, delete("keep/a/b"), by("test:joe", "127.0.0.1")).await,
        403
    );
    assert_eq!(
        status(&firewall, delete("keep/a/b"), by("test:boss", "127.0.0.1")).await,
        200
    );
    assert_eq!(
        status(&firewall, delete("keep"), by("test:joe", "127.0.0.1")).await,
        200
    );
    assert_eq!(
        status(&firewall, delete("x"), by("test:joe", "10.1.2.3")).await,
        403
    );
    assert_eq!(
        status(&firewall, delete("x"), by("test:joe", "::ffff:10.1.2.3")).await,
        403
    );
    assert_eq!(status(&firewall, delete("x"), by("test:joe", "::1")).await, 403);
    // Who cannot be placed is in no network, as somebody else is.
    assert_eq!(status(&firewall, delete("x"), by("test:joe", "")).await, 200);
    let hits: Vec<u64> = firewall.rules.iter().map(Rule::hits).collect();
    assert_eq!(hits, [1, 1, 3]);
}

#[tokio::test]
async fn whoever_is_not_logged_in_has_a_name() {
    let firewall = firewall(&[r#"{"decision": "deny", "users": ["anonymous"], "methods": ["GET", "HEAD"]}"#]);
    let head = container::Head {
        account: account(),
        container: ContainerName::new("c").unwrap(),
    };
    assert_eq!(status(&firewall, head.clone(), by("", "::1")).await, 403);
    assert_eq!(status(&firewall, head, by("test:joe", "::1")).await, 200);
    assert_eq!(status(&firewall, delete("x"), by("", "::1")).await, 200);
}

#[tokio::test]
async fn rules_are_listed_with_what_they_decided() {
    let firewall = firewall(&[
        r#"{"name": "none", "decision": "deny", "paths": ["**"]}"#,
        r#"{"decision": "deny"}"#,
    ]);
    assert_eq!(
        status(&firewall, delete("a\nb"), by("test:joe", "::1")).await,
        403
    );
    // A rule without paths holds for what touches no resource, too.
    assert_eq!(
        status(&firewall, firewall::ListRules {}, by("test:joe", "::1")).await,
        403
    );
    let shown: Vec<_> = firewall
        .list()
        .rules
        .into_iter()
        .map(|rule| (rule.name, rule.matches, rule.hits))
        .collect();
    assert_eq!(
        shown,
        [
            ("none".to_owned(), "deny paths **".to_owned(), 1),
            (String::new(), "deny".to_owned(), 1)
        ]
    );
}

#[test]
fn what_is_wrong_with_a_rule_is_told() {
    for (text, why) in [
        (r#"{"decision": "deny", "methods": ["get"]}"#, "no method \"get\""),
        (
            r#"{"decision": "deny", "methods": ["COPY"]}"#,
            "there are GET, HEAD",
        ),
        (
            r#"{"decision": "deny", "sources": ["10.0.0.0/33"]}"#,
            "10.0.0.0/8",
        ),
        (
            r#"{"decision": "deny", "paths": ["a/[b"]}"#,
            "\"a/[b\" is no glob",
        ),
    ] {
        let error = Rule::new(rule(text), &Hits::default()).err().unwrap();
        assert!(error.contains(why), "{error}");
    }
    assert!(serde_json::from_str::<RuleSettings>(r#"{"decision": "maybe"}"#).is_err());
    assert!(serde_json::from_str::<RuleSettings>(r#"{"users": []}"#).is_err());
}

#[test]
fn counters_belong_to_what_a_rule_says() {
    let hits = Hits::default();
    let made = |text| Rule::new(rule(text), &hits).unwrap();
    let old = made(r#"{"name": "old", "decision": "deny", "paths": ["a"]}"#);
    old.count();
    let new = made(r#"{"name": "new", "decision": "deny", "paths": ["a"]}"#);
    assert_eq!(new.hits(), 1);
    assert_eq!(made(r#"{"decision": "deny", "paths": ["b"]}"#).hits(), 0);
    // As long as anybody has the rule, it is counted.
    drop(old);
    hits.forget_unused();
    assert_eq!(made(r#"{"decision": "deny", "paths": ["a"]}"#).hits(), 1);
    drop(new);
    hits.forget_unused();
    assert_eq!(made(r#"{"decision": "deny", "paths": ["a"]}"#).hits(), 0);
}

/// Globs as the guide describes them, by trying everything.
fn model(glob: &[char], text: &[char]) -> bool {
    match (glob, text) {
        ([], []) => true,
        (['*', '*'], _) => true,
        (['*', rest @ ..], _) => (0..=text.len())
            .take_while(|&taken| !text[..taken].contains(&'/'))
            .any(|taken| model(rest, &text[taken..])),
        (['?', glob @ ..], [letter, text @ ..]) => *letter != '/' && model(glob, text),
        ([same, glob @ ..], [letter, text @ ..]) => same == letter && model(glob, text),
        _ => false,
    }
}

proptest! {
    #[test]
    fn globs_match_as_the_model_does(glob in "AUTH_test/c/[ab/?*]{0,5}(/[*][*])?", object in "[ab/]{1,7}") {
        // What `**` means inside a segment is nobody's business.
        prop_assume!(!glob.strip_suffix("/**").unwrap_or(&glob).contains("**"));
        let settings = RuleSettings {
            name: String::new(),
            decision: Decision::Deny,
            users: Vec::new(),
            sources: Vec::new(),
            methods: Vec::new(),
            paths: vec![glob.clone()],
        };
        let rule = Rule::new(settings, &Hits::default()).unwrap();
        let context = by("test:joe", "::1");
        let action = delete(&object);
        let text: Vec<char> = format!("AUTH_test/c/{object}").chars().collect();
        let expected = model(&glob.chars().collect::<Vec<_>>(), &text);
        prop_assert_eq!(rule.matches(&Asked::of(&action, &context)), expected, "{} {}", glob, object);
    }
}

/// Whether `network` holds `address`, by the bits of both.
fn holds(network: &str, address: IpAddr) -> bool {
    let bits = |address: IpAddr| match address.to_canonical() {
        IpAddr::V4(address) => (32, u128::from(u32::from(address))),
        IpAddr::V6(address) => (128, u128::from(address)),
    };
    let (first, length) = network.split_once('/').unwrap_or((network, "128"));
    let (width, first) = bits(first.parse().unwrap());
    let (other_width, address) = bits(address);
    let free = width - length.parse::<u32>().unwrap().min(width);
    width == other_width && first.checked_shr(free).unwrap_or(0) == address.checked_shr(free).unwrap_or(0)
}

/// Whether a rule matches, said as simply as can be.
fn matches(rule: &RuleSettings, user: &str, from: Option<IpAddr>, resource: Option<(&str, &str)>) -> bool {
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    let is_any = |globs: &[String], text: &str| {
        globs.iter().any(|glob| model(&letters(glob), &letters(text))) || globs.is_empty()
    };
    let is_there = match from {
        Some(from) => rule.sources.iter().any(|network| holds(network, from)),
        None => false,
    };
    let is_meant = match resource {
        Some((method, path)) => {
            let is_method = rule.methods.is_empty() || rule.methods.iter().any(|name| name == method);
            is_method && is_any(&rule.paths, path)
        }
        None => rule.methods.is_empty() && rule.paths.is_empty(),
    };
    is_any(&rule.users, user) && (rule.sources.is_empty() || is_there) && is_meant
}

fn some_of(texts: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    let text = prop::sample::select(texts).prop_map(str::to_owned);
    prop_oneof![Just(Vec::new()), prop::collection::vec(text, 1..3)]
}

fn any_rule() -> impl Strategy<Value = RuleSettings> {
    const USERS: &[&str] = &[
        "test:joe",
        "test:*",
        "anonymous",
        "*:joe",
        "a?:*",
        "*",
        "{ab,cd}:x",
    ];
    const SOURCES: &[&str] = &[
        "10.0.0.0/8",
        "10.1.2.3",
        "::1",
        "2001:db8::/33",
        "0.0.0.0/0",
        "::/0",
        "192.168.0.0/17",
    ];
    const PATHS: &[&str] = &[
        "AUTH_test",
        "AUTH_*",
        "AUTH_test/*",
        "AUTH_test/**",
        "AUTH_test/c/a*",
        "**",
        "*/c/b/**",
    ];
    let decision = prop_oneof![Just(Decision::Deny), Just(Decision::Allow)];
    let lists = (
        some_of(USERS),
        some_of(SOURCES),
        some_of(&super::rule::METHODS),
        some_of(PATHS),
    );
    (decision, lists).prop_map(|(decision, (users, sources, methods, paths))| RuleSettings {
        name: String::new(),
        decision,
        // The model knows no alternatives.
        users: users
            .into_iter()
            .flat_map(|glob| match glob.as_str() {
                "{ab,cd}:x" => vec!["ab:x".to_owned(), "cd:x".to_owned()],
                _ => vec![glob],
            })
            .collect(),
        sources,
        methods,
        paths,
    })
}

/// A request, its method and its path; neither of one that touches no resource.
fn any_request() -> impl Strategy<Value = (Action, Option<(&'static str, String)>)> {
    let container = || ContainerName::new("c").unwrap();
    let objects = || prop::sample::select(&["a", "a/x", "b/", "b/y/z"][..]);
    prop_oneof![
        objects().prop_map(|object| (delete(object), Some(("DELETE", format!("AUTH_test/c/{object}"))))),
        objects().prop_map(move |object| {
            let set = functional_firewall::SetState {
                account: account(),
                container: Some(container()),
                object: Some(ObjectName::new(object).unwrap()),
                state: functional_firewall::State::Disable,
            };
            (set.into(), Some(("POST", format!("AUTH_test/c/{object}"))))
        }),
        Just(container::Head {
            account: account(),
            container: container()
        })
        .prop_map(|head| (head.into(), Some(("HEAD", "AUTH_test/c".to_owned())))),
        Just(accounts::List {
            account: account(),
            query: Default::default()
        })
        .prop_map(|list| (list.into(), Some(("GET", "AUTH_test".to_owned())))),
        Just((functional_firewall::ListRules {}.into(), None)),
    ]
}

proptest! {
    #[test]
    fn rules_decide_as_the_model_does(
        rules in prop::collection::vec(any_rule(), 0..7),
        user in prop::sample::select(&["", "test:joe", "test:ann", "ab:x", "other:joe"][..]),
        address in prop::sample::select(
            &["", "10.1.2.3", "::ffff:10.9.9.9", "::1", "2001:db8:7fff::1", "2001:db8:8000::1", "192.168.128.1"][..]
        ),
        (action, resource) in any_request(),
    ) {
        let context = by(user, address);
        let name = if user.is_empty() { "anonymous" } else { user };
        let resource = resource.as_ref().map(|(method, path)| (*method, path.as_str()));
        let first = rules.iter().position(|rule| matches(rule, name, context.address, resource));
        let expected = first.is_none_or(|at| rules[at].decision == Decision::Allow);

        let compiled = rules.iter().map(|rule| Rule::new(rule.clone(), &Hits::default()).unwrap());
        let firewall = Firewall {
            rules: compiled.collect(),
            inner: Answering::with(|_| Err(Error::not_found())),
        };
        let request = Request { action, context, body: Body::empty() };
        prop_assert_eq!(firewall.check(&request).is_ok(), expected);
        for (at, rule) in firewall.rules.iter().enumerate() {
            prop_assert_eq!(rule.hits(), u64::from(first == Some(at)), "rule {}", at);
        }
    }
}
