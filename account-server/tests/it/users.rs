//! The actions of users, and what `policy/fetch` makes of them.

use common::functional::account;
use common::functional::policy::{Fetch, Policy, State};
use common::functional::user::{
    Abandon, Admit, Disable, Enable, List, Password, Pend, Put, Remove, Show, Written,
};
use common::name::AccountName;
use common::{Outcome, Secret};

use crate::support::*;

fn user(account: &str, name: &str, password: &str, groups: &[&str]) -> Put {
    Put {
        account: account.into(),
        name: name.into(),
        password: Secret::new(password),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        email: None,
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
    assert_eq!(tester.name, "tester");
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
    assert_eq!((grouped.generation, grouped.id), (tester.generation, tester.id));
    assert_eq!(grouped.groups, [".reseller_admin", "readers"]);
    assert!(second.version > first.version);

    // Another password ends them.
    let put = user(&account, "tester", "changed", &[]);
    server.ask(put.clone()).await.unwrap();
    let third = mine(&policy(&server).await).remove(0);
    assert!(third.generation > tester.generation);
    let verifies = common::password::verify(Secret::new("changed"), third.verifier.clone()).await;
    assert!(verifies.unwrap());

    // Who is there is left alone when asked so.
    let put = Put {
        only_if_absent: true,
        password: Secret::new("ignored"),
        ..put
    };
    assert_eq!(server.ask(put).await.unwrap(), Written { created: false });
    assert_eq!(mine(&policy(&server).await).remove(0), third);
}

#[tokio::test]
async fn a_password_is_changed_of_those_who_are_there() {
    let server = Server::start().await;
    let account = format!("other{}", std::process::id());
    let change = Password {
        account: account.clone(),
        name: "a@b".into(),
        password: Secret::new("two"),
        old_password: None,
    };
    let error = server.ask(change.clone()).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::NotFound);
    server.ask(user(&account, "a@b", "one", &[])).await.unwrap();
    server.ask(user(&account, "a", "one", &[])).await.unwrap();
    let before = policy(&server).await;
    assert_eq!(
        server.ask(change.clone()).await.unwrap(),
        Written { created: false }
    );
    let after = policy(&server).await;
    let find = |policy: &Policy, name: &str| {
        let mut users = policy.users.iter();
        let user = users.find(|user| user.account == account && user.name == name);
        user.unwrap().generation
    };
    assert!(find(&after, "a@b") > find(&before, "a@b"));
    assert_eq!(find(&after, "a"), find(&before, "a"));

    let by_oneself = |old: &str| Password {
        password: Secret::new("three"),
        old_password: Some(Secret::new(old)),
        ..change.clone()
    };
    let error = server.ask(by_oneself("one")).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::Forbidden);
    server.ask(by_oneself("two")).await.unwrap();
    server.ask(by_oneself("two")).await.unwrap_err();
}

#[tokio::test]
async fn an_email_address_belongs_to_one_user() {
    let server = Server::start().await;
    let put = |name: &str, email: Option<&str>| Put {
        email: email.map(str::to_owned),
        ..user("mail", name, "x", &[])
    };
    server.ask(put("a", Some("Joe@Example.org"))).await.unwrap();
    let error = server.ask(put("b", Some("joe@example.org"))).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::Conflict);
    let error = server.ask(put("b", Some("joe"))).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::BadRequest);
    // Left out it stays, and the same once more is no conflict.
    server.ask(put("a", None)).await.unwrap();
    server.ask(put("a", Some("joe@example.org"))).await.unwrap();
    let show = Show {
        email: Some("JOE@example.org".into()),
        ..Show::default()
    };
    assert_eq!(server.ask(show).await.unwrap().name, "a");
    server.ask(put("a", Some("ann@example.org"))).await.unwrap();
    server.ask(put("b", Some("joe@example.org"))).await.unwrap();
}

#[tokio::test]
async fn users_are_disabled_enabled_listed_and_removed() {
    let server = Server::start().await;
    for (account, name) in [("b", "x"), ("a", "y"), ("a", "x"), ("c", "x")] {
        server.ask(user(account, name, "x", &[])).await.unwrap();
    }
    let names = |list: List| {
        let listed = server.ask(list);
        async move {
            let users = listed.await.unwrap().users.into_iter();
            let names = users.map(|user| format!("{}:{}", user.account, user.name));
            names.collect::<Vec<_>>().join(" ")
        }
    };
    let page = |marker: &str, limit| List {
        marker: Some(marker.to_owned()),
        limit: Some(limit),
        ..List::default()
    };
    assert_eq!(names(List::default()).await, "a:x a:y b:x c:x");
    assert_eq!(names(page("a:x", 2)).await, "a:y b:x");
    let of_account = |marker: &str| List {
        account: Some("a".into()),
        ..page(marker, 10)
    };
    assert_eq!(names(of_account("")).await, "a:x a:y");
    assert_eq!(names(of_account("a:x")).await, "a:y");
    assert_eq!(names(of_account("b")).await, "");
    assert!(server.ask(page("", 1001)).await.is_err());

    let (account, name) = ("a".to_owned(), "x".to_owned());
    let before = policy(&server).await;
    let disable = Disable {
        account: account.clone(),
        name: name.clone(),
    };
    server.ask(disable.clone()).await.unwrap();
    let disabled = policy(&server).await;
    assert_eq!(disabled.users.len(), 3);
    assert_eq!(disabled.inactive[0].state, State::Disabled);
    assert!(disabled.inactive[0].user.generation > before.version);
    server.ask(disable).await.unwrap();
    assert_eq!(policy(&server).await, disabled, "it is so already");
    let enable = Enable {
        account: account.clone(),
        name: name.clone(),
    };
    server.ask(enable).await.unwrap();
    let enabled = policy(&server).await;
    assert!(enabled.users.contains(&disabled.inactive[0].user));

    let remove = Remove { account, name };
    server.ask(remove.clone()).await.unwrap();
    let error = server.ask(remove).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::NotFound);
    server.ask(user("a", "x", "x", &[])).await.unwrap();
    let again = policy(&server).await;
    let new = again
        .users
        .iter()
        .find(|user| user.account == "a" && user.name == "x");
    assert!(
        new.unwrap().generation > enabled.version,
        "no token fits who comes after"
    );
}

#[tokio::test]
async fn who_registers_is_pending_until_admitted() {
    let server = Server::start().await;
    let pend = |email: &str, only_again| Pend {
        account: "bob".into(),
        name: "bob".into(),
        email: email.into(),
        password: Secret::new("testing"),
        only_again,
    };
    let admit = |generation| Admit {
        account: "bob".into(),
        name: "bob".into(),
        generation,
    };
    let abandon = |generation| Abandon {
        account: "bob".into(),
        name: "bob".into(),
        generation,
    };
    assert!(server.ask(pend("bob@example.org", true)).await.is_err());
    let first = server.ask(pend("bob@example.org", false)).await.unwrap();
    assert!(!first.again);
    assert_eq!(policy(&server).await.inactive[0].state, State::Pending);
    assert!(server.ask(pend("eve@example.org", false)).await.is_err());
    let second = server.ask(pend("bob@example.org", false)).await.unwrap();
    assert!(second.again && second.generation > first.generation);
    assert!(server.ask(admit(first.generation)).await.is_err());
    server.ask(abandon(first.generation)).await.unwrap();
    server.ask(admit(second.generation)).await.unwrap();
    server.ask(admit(second.generation)).await.unwrap();
    server.ask(abandon(second.generation)).await.unwrap();
    assert_eq!(policy(&server).await.users.len(), 1);
    assert!(server.ask(pend("bob@example.org", false)).await.is_err());

    server.ask(user("shared", "joe", "x", &[])).await.unwrap();
    let shared = Pend {
        account: "shared".into(),
        name: "shared".into(),
        email: "s@example.org".into(),
        ..pend("", false)
    };
    assert!(server.ask(shared).await.is_err(), "others use that account");
    let other = Pend {
        account: "ann".into(),
        name: "ann".into(),
        email: "ann@example.org".into(),
        ..pend("", false)
    };
    let pended = server.ask(other).await.unwrap();
    let abandon = Abandon {
        account: "ann".into(),
        name: "ann".into(),
        generation: pended.generation,
    };
    server.ask(abandon).await.unwrap();
    assert!(policy(&server).await.inactive.is_empty());
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
