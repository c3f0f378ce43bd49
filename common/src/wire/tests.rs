use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::functional::{
    Authority, Caller, Generations, Grant, Identity, Scope, account, container, firewall, info, listing,
    mirror, object, policy, user,
};
use crate::name::{AccountName, ContainerName, ObjectName};
use crate::range::ByteRange;
use crate::{Etag, Properties, Secret};

fn account_name() -> impl Strategy<Value = AccountName> {
    "[a-zA-Z_ \u{e9}\"\\\\:]{1,20}".prop_map(|text| AccountName::new(text).unwrap())
}

fn container_name() -> impl Strategy<Value = ContainerName> {
    "[a-z \u{20ac}\"{}:,]{1,20}".prop_map(|text| ContainerName::new(text).unwrap())
}

fn path() -> impl Strategy<Value = object::Path> {
    (account_name(), container_name(), "[ -~\u{1}\n\u{1f600}/\"]{1,40}").prop_map(
        |(account, container, object)| object::Path {
            account,
            container,
            object: ObjectName::new(object).unwrap(),
        },
    )
}

fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<u64>().prop_map(Timestamp::from_units)
}

fn properties() -> impl Strategy<Value = Properties> {
    let item = (
        "x-object-meta-[a-z]{1,8}",
        prop::collection::vec(128..=255_u8, 0..9),
    );
    prop::collection::vec(item, 0..4).prop_map(|items| {
        let mut properties = Properties::new();
        for (name, value) in items {
            properties.insert(&name, value);
        }
        properties
    })
}

fn query() -> impl Strategy<Value = listing::Query> {
    let rollup = prop_oneof![
        Just(listing::Rollup::None),
        Just(listing::Rollup::Directory),
        "[/ab]{1,3}".prop_map(|delimiter| listing::Rollup::Subdirs { delimiter }),
    ];
    (0..=listing::MAX_LIMIT, ".{0,9}", ".{0,9}", any::<bool>(), rollup).prop_map(
        |(limit, marker, prefix, reverse, rollup)| listing::Query {
            limit,
            marker,
            prefix,
            reverse,
            rollup,
            ..listing::Query::default()
        },
    )
}

fn put() -> impl Strategy<Value = object::Put> {
    (
        path(),
        prop::option::of(".{0,9}"),
        prop::option::of(any::<u64>()),
        prop::option::of(timestamp()),
        properties(),
        any::<bool>(),
    )
        .prop_map(
            |(path, content_type, content_length, delete_at, properties, if_absent)| object::Put {
                path,
                etag: content_type.clone(),
                content_type,
                content_length,
                if_absent,
                delete_at,
                properties,
                listing: None,
            },
        )
}

fn get() -> impl Strategy<Value = object::Get> {
    (path(), any::<bool>(), prop::option::of("bytes=[0-9]{1,3}-")).prop_map(|(path, open_expired, ranges)| {
        object::Get {
            path,
            conditions: crate::conditions::Conditions::default(),
            ranges: ranges.and_then(|text| crate::range::Ranges::parse(&text)),
            open_expired,
        }
    })
}

fn row() -> impl Strategy<Value = mirror::Change> {
    (path(), timestamp(), properties(), any::<u64>()).prop_map(|(path, timestamp, metadata, seq)| {
        let row = mirror::ObjectRow {
            timestamp,
            bytes: seq,
            etag: Etag::new("0cc175b9c0f1b6a831c399e269772661"),
            content_type: "a/b".to_owned(),
            delete_at: None,
            listing: None,
            metadata,
            state: firewall::State::Disable,
        };
        let node = mirror::Node::Object(path.container, path.object, Some(row));
        mirror::Change { seq, node }
    })
}

fn action() -> impl Strategy<Value = Action> {
    let (account, container) = (account_name(), container_name());
    prop_oneof![
        (account_name(), prop::option::of(container_name())).prop_map(|(account, container)| info::Get {
            account,
            container
        }
        .into()),
        (account_name(), query()).prop_map(|(account, query)| account::List { account, query }.into()),
        (account_name(), properties()).prop_map(|(account, properties)| account::Post {
            account,
            properties
        }
        .into()),
        (account, container, properties()).prop_map(|(account, container, properties)| container::Put {
            account,
            container,
            storage_policy: None,
            properties
        }
        .into()),
        (path(), query()).prop_map(|(path, query)| container::List {
            account: path.account,
            container: path.container,
            query
        }
        .into()),
        put().prop_map(Action::from),
        get().prop_map(Action::from),
        (get(), put()).prop_map(|(source, destination)| object::Copy {
            source,
            destination,
            fresh_metadata: true
        }
        .into()),
        (path(), prop::option::of(timestamp())).prop_map(|(path, if_delete_at)| object::Delete {
            path,
            if_delete_at
        }
        .into()),
        (account_name(), prop::collection::vec(row(), 0..5)).prop_map(|(account, changes)| mirror::Apply {
            account_id: 1 << 62,
            account,
            incarnation: u64::MAX,
            after: 0,
            through: 7,
            changes
        }
        .into()),
        ".{0,20}".prop_map(|text| user::Password {
            account: "a".into(),
            name: text.clone(),
            password: Secret::new(text),
            old_password: None,
        }
        .into()),
        any::<u64>().prop_map(|known_version| policy::Fetch { known_version }.into()),
        (path(), any::<bool>(), any::<bool>()).prop_map(|(path, of_account, enable)| firewall::SetState {
            account: path.account,
            container: (!of_account).then_some(path.container),
            object: (!of_account).then_some(path.object),
            state: match enable {
                true => firewall::State::Enable,
                false => firewall::State::Disable,
            },
        }
        .into()),
    ]
}

fn context() -> impl Strategy<Value = Context> {
    let caller = prop_oneof![
        Just(Caller::Anonymous),
        (any::<u64>(), ".{0,9}", prop::collection::vec(".{0,9}", 0..3)).prop_map(
            |(user_id, name, groups)| {
                Caller::User(Arc::new(Identity {
                    user_id,
                    name,
                    groups,
                    service_user_id: user_id.checked_sub(1),
                }))
            }
        ),
    ];
    let authority = (caller, any::<bool>(), path()).prop_map(|(caller, is_grant, path)| {
        if !is_grant {
            return Authority::Caller(caller);
        }
        Authority::Grant(Arc::new(Grant {
            minted_by: "tempurl".to_owned(),
            scope: Scope {
                account: path.account,
                container: Some(path.container),
                object_prefix: path.object.as_str().to_owned(),
            },
            actions: vec!["object/get".to_owned()],
            on_behalf_of: caller,
        }))
    });
    (
        authority,
        timestamp(),
        prop::option::of(".{0,30}"),
        prop::option::of(any::<[u8; 4]>()),
        prop::option::of(any::<u64>()),
    )
        .prop_map(|(authority, timestamp, referrer, address, generation)| Context {
            transaction_id: "tx1".into(),
            authority,
            timestamp,
            agent: referrer.clone().map(Arc::from),
            referrer: referrer.map(Arc::from),
            address: address.map(std::net::IpAddr::from),
            record_id: generation,
            is_inner: generation.is_none(),
            is_repeated: generation.is_some(),
            repeat_key: generation.map(|_| "a key".into()),
            request: None,
            may_limit: generation.is_some(),
            is_question: generation.is_some(),
            decided_under: Generations {
                account: generation,
                container: None,
            },
        })
}

fn object_info() -> impl Strategy<Value = object::Info> {
    (any::<u64>(), timestamp(), properties()).prop_map(|(size, timestamp, properties)| object::Info {
        properties,
        ..object::Info::plain(size, "0cc175b9c0f1b6a831c399e269772661", timestamp)
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let entries = || {
        prop::collection::vec(path(), 0..9).prop_map(|paths| {
            let entry = |path: object::Path| {
                container::Entry::Object(container::Object {
                    name: path.object,
                    bytes: 5,
                    etag: Etag::new("x"),
                    content_type: "a/b".to_owned(),
                    last_modified: Timestamp::from_seconds(3),
                    listing: None,
                })
            };
            paths.into_iter().map(entry).collect::<Vec<_>>()
        })
    };
    prop_oneof![
        object_info().prop_map(Answer::ObjectHead),
        (object_info(), any::<u32>(), any::<u32>()).prop_map(|(info, first, more)| {
            let (first, last) = (u64::from(first), u64::from(first) + u64::from(more));
            let ranges = Some(vec![ByteRange { first, last }]);
            Answer::ObjectGet(object::Got { info, ranges })
        }),
        any::<bool>().prop_map(|created| Answer::ContainerPut(container::Written { created })),
        Just(Answer::ObjectDelete(object::Deleted {})),
        entries().prop_map(|entries| Answer::MirrorListContainer(mirror::Page::Entries(entries))),
        entries().prop_map(|entries| {
            let info = container::Info::default();
            Answer::ContainerList(container::Listing { info, entries })
        }),
        any::<u64>().prop_map(|seq| {
            Answer::MirrorApply(mirror::Position {
                incarnation: Some(seq),
                seq,
            })
        }),
        Just(Answer::PolicyFetch(policy::Fetched { policy: None })),
    ]
}

/// The name that stands in the JSON of an answer, which is its action's.
fn name_of(answer: &Answer) -> String {
    let json = serde_json::to_value(answer).unwrap();
    json.as_object().unwrap().keys().next().unwrap().clone()
}

fn now<T>(future: impl Future<Output = T>) -> T {
    futures::FutureExt::now_or_never(future).unwrap()
}

proptest! {
    #[test]
    fn requests_go_there(action in action(), context in context(), has_body: bool) {
        let head = RequestHead::new(&action, &context, has_body).unwrap();
        prop_assert_eq!(&head.path, &format!("/{}", action.name()));
        let received = now(decode_request(action.name(), &head.headers, Body::full("raw"))).unwrap();
        prop_assert_eq!(received.action, action);
        prop_assert_eq!(received.context, context);
        prop_assert_eq!(now(received.body.collect(9)).unwrap(), "raw");
    }

    #[test]
    fn answers_come_back(answer in answer(), bytes in prop::collection::vec(any::<u8>(), 0..9)) {
        let bytes = if matches!(answer, Answer::ObjectGet(_)) { bytes } else { Vec::new() };
        let reply = Reply { answer: answer.clone(), body: Body::full(bytes.clone()) };
        let response = encode_reply(reply).unwrap();
        let received = now(decode_reply(&name_of(&answer), response)).unwrap().unwrap().unwrap();
        prop_assert_eq!(received.answer, answer);
        prop_assert_eq!(now(received.body.collect(9)).unwrap(), bytes);
    }

    #[test]
    fn no_request_panics(name in "[a-z/]{0,9}", arguments in "[ -~]{0,80}", context in "[ -~]{0,80}") {
        let mut headers = HeaderMap::new();
        headers.insert(ARGUMENTS, HeaderValue::try_from(arguments).unwrap());
        headers.insert(CONTEXT, HeaderValue::try_from(context).unwrap());
        prop_assert!(now(decode_request(&name, &headers, Body::empty())).is_err());
    }
}

fn plain_context() -> Context {
    Context::internal("tx", Timestamp::from_seconds(1))
}

#[test]
fn long_arguments_take_the_body_when_there_is_one() {
    let account = AccountName::new("a").unwrap();
    let mut properties = Properties::new();
    for number in 0..10 {
        properties.insert(&format!("x-account-meta-{number}"), "v".repeat(8000));
    }
    let action = Action::from(account::Post { account, properties });
    let head = RequestHead::new(&action, &plain_context(), false).unwrap();
    let json = head.json.clone().unwrap();
    let received = now(decode_request(
        "account/post",
        &head.headers,
        Body::full(json.clone()),
    ));
    assert_eq!(received.unwrap().action, action);
    let mut changed = json.to_vec();
    changed.push(b' ');
    assert!(now(decode_request("account/post", &head.headers, Body::full(changed))).is_err());
    let refused = RequestHead::new(&action, &plain_context(), true).unwrap_err();
    assert_eq!(refused.status(), 431);
}

#[test]
fn an_action_cannot_be_smuggled_in_by_another_name() {
    let get = info::Get {
        account: AccountName::new("a").unwrap(),
        container: None,
    };
    let mut head = RequestHead::new(&get.into(), &plain_context(), false).unwrap();
    assert!(now(decode_request("policy/fetch", &head.headers, Body::empty())).is_err());
    let two = r#"{"known_version":1},"info/get":{"account":"a"}"#;
    head.headers
        .insert(ARGUMENTS, in_header(two.as_bytes(), 999).unwrap());
    assert!(now(decode_request("policy/fetch", &head.headers, Body::empty())).is_err());
}

#[test]
fn errors_come_back_whatever_their_status() {
    let info = object::Info::plain(5, "x", Timestamp::from_seconds(9));
    for error in [
        Error::not_found(),
        Error::bad_request("why"),
        Error::from(Outcome::NotModified(Box::new(info))),
        Error::stale(info::Found::default(), Body::empty()),
    ] {
        let response = encode_error(&error);
        assert_eq!(response.status(), error.status());
        let back = now(decode_reply("object/get", response)).unwrap().unwrap();
        let back = back.unwrap_err();
        assert_eq!((back.outcome(), back.text()), (error.outcome(), error.text()));
    }
    let page = Response::new(Body::full("<html>"));
    assert!(now(decode_reply("object/get", page)).unwrap().is_none());
}
