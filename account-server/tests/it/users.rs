//! `user/put`, `user/password` and `policy/fetch`.

use common::functional::account;
use common::functional::policy::{Fetch, Policy};
use common::functional::user::{Password, Put, Written};
use common::name::AccountName;
use common::{Outcome, Secret};

use crate::support::*;

fn user(account: &str, name: &str, password: &str, groups: &[&str]) -> Put {
    Put {
        account: account.into(),
        name: name.into(),
        password: Secret::new(password),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        only_if_absent: false,
    }
}

async fn policy(server: &Server) -> Policy {
    let fetched = server.ask(Fetch { known_version: 0 }).await.unwrap();
    fetched.policy.expect("who knows nothing is told")
}

#[tokio::test]
async fn a_user_is_put_and_decided_on() {
    let server = Server::start().await;
    let account = format!("test{}", std::process::id());
    let mine = |policy: &Policy| {
        let users = policy.users.iter().filter(|user| user.account == account);
        users.cloned().collect::<Vec<_>>()
    };
    let empty = policy(&server).await;
    assert!(mine(&empty).is_empty());

    let put = user(&account, "tester", "testing", &[".admin"]);
    assert_eq!(server.ask(put.clone()).await.unwrap(), Written { created: true });
    let first = policy(&server).await;
    assert!(first.version > empty.version);
    let known_version = first.version;
    assert_eq!(server.ask(Fetch { known_version }).await.unwrap().policy, None);
    let tester = mine(&first).remove(0);
    assert_eq!((tester.name.as_str(), tester.generation), ("tester", 0));
    assert_eq!(tester.groups, [".admin"]);

    // The same again changes nothing, not even the version.
    assert_eq!(server.ask(put.clone()).await.unwrap(), Written { created: false });
    assert_eq!(policy(&server).await, first);

    // Other groups keep hash and tokens.
    let put = user(&account, "tester", "testing", &[".reseller_admin", "readers"]);
    server.ask(put).await.unwrap();
    let second = policy(&server).await;
    let grouped = mine(&second).remove(0);
    assert_eq!(grouped.verifier, tester.verifier);
    assert_eq!((grouped.generation, grouped.id), (0, tester.id));
    assert_eq!(grouped.groups, [".reseller_admin", "readers"]);
    assert!(second.version > first.version);

    // Another password ends them.
    let put = user(&account, "tester", "changed", &[]);
    server.ask(put.clone()).await.unwrap();
    let third = mine(&policy(&server).await).remove(0);
    assert_eq!(third.generation, 1);
    let verifies = common::password::verify(Secret::new("changed"), third.verifier).await;
    assert!(verifies.unwrap());

    // Who is there is left alone when asked so.
    let put = Put {
        only_if_absent: true,
        password: Secret::new("ignored"),
        ..put
    };
    assert_eq!(server.ask(put).await.unwrap(), Written { created: false });
    assert_eq!(mine(&policy(&server).await).remove(0).generation, 1);
}

#[tokio::test]
async fn a_password_is_changed_of_those_who_are_there() {
    let server = Server::start().await;
    let account = format!("other{}", std::process::id());
    let change = Password {
        account: account.clone(),
        name: "a@b".into(),
        password: Secret::new("two"),
    };
    let error = server.ask(change.clone()).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::NotFound);
    server.ask(user(&account, "a@b", "one", &[])).await.unwrap();
    server.ask(user(&account, "a", "one", &[])).await.unwrap();
    assert_eq!(server.ask(change).await.unwrap(), Written { created: false });
    let policy = policy(&server).await;
    let find = |name: &str| {
        let mut users = policy.users.iter();
        users
            .find(|user| user.account == account && user.name == name)
            .unwrap()
    };
    assert_eq!(find("a@b").generation, 1);
    assert_eq!(find("a").generation, 0);
}

#[tokio::test]
async fn names_that_cannot_be_told_apart_are_refused() {
    let server = Server::start().await;
    for (account, name) in [("a:b", "c"), ("", "c"), ("a", "")] {
        let error = server.ask(user(account, name, "x", &[])).await.unwrap_err();
        assert_eq!(*error.outcome(), Outcome::BadRequest);
    }
}

#[tokio::test]
async fn users_put_at_once_are_all_there() {
    let server = Server::start().await;
    let account = format!("many{}", std::process::id());
    let puts = (0..6).map(|number| server.ask(user(&account, &format!("u{}", number / 2), "x", &[])));
    let created = futures::future::join_all(puts)
        .await
        .into_iter()
        .filter(|written| written.as_ref().unwrap().created)
        .count();
    assert_eq!(created, 3);
}

#[tokio::test]
async fn other_actions_are_not_implemented_here() {
    let server = Server::start().await;
    let account = AccountName::new("AUTH_a").unwrap();
    let error = server.ask(account::Head { account }).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::NotImplemented);
}
