//! A policy that comes back: into a database that was emptied, and not into an older one; tokens that are void.

use common::functional::policy::{Fetch, Policy, Restore};
use common::functional::user::{Disable, Put, Revoke, RevokedToken};
use common::{Clock, Outcome, Secret, Timestamp};

use crate::support::*;

async fn add(server: &Server, name: &str, email: Option<&str>) {
    let put = Put {
        account: "test".into(),
        name: name.into(),
        password: Secret::new("x"),
        groups: vec![".admin".into(), "readers".into()],
        email: email.map(str::to_owned),
        only_if_absent: false,
    };
    server.ask(put).await.unwrap();
}

async fn fetch(server: &Server, known_version: u64) -> Option<Policy> {
    server.ask(Fetch { known_version }).await.unwrap().policy
}

async fn policy(server: &Server) -> Policy {
    fetch(server, 0).await.expect("who knows nothing is told")
}

fn revoke(name: &str, token_id: u64, expires: Timestamp) -> Revoke {
    Revoke {
        account: "test".into(),
        name: name.into(),
        token: Some(RevokedToken { token_id, expires }),
    }
}

/// Ends far from now.
fn later() -> Timestamp {
    Timestamp::from_seconds(Clock::now().seconds() + 3600)
}

#[tokio::test]
async fn an_emptied_database_is_filled_as_it_was() {
    let server = Server::start().await;
    for (name, email) in [("a", Some("a@example.org")), ("b", None), ("c", None)] {
        add(&server, name, email).await;
    }
    let disable = Disable {
        account: "test".into(),
        name: "b".into(),
    };
    server.ask(disable).await.unwrap();
    server.ask(revoke("c", u64::MAX - 1, later())).await.unwrap();
    let known = policy(&server).await;
    assert_eq!((known.users.len(), known.inactive.len()), (2, 1));
    assert_eq!(known.revocations.len(), 1);
    let restore = Restore {
        policy: known.clone(),
    };
    assert!(
        !server.ask(restore.clone()).await.unwrap().restored,
        "it is not empty"
    );
    assert_eq!(policy(&server).await, known);

    for text in ["DELETE FROM user", "DELETE FROM revocation", "DELETE FROM policy"] {
        server.look().await.execute(text).await;
    }
    assert_eq!(fetch(&server, known.version).await.unwrap().version, 0);
    let early = Put {
        account: "test".into(),
        name: "early".into(),
        password: Secret::new("x"),
        groups: Vec::new(),
        email: None,
        only_if_absent: false,
    };
    let error = server.ask(early.clone()).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::Unavailable(Some(1)));
    assert!(server.ask(restore).await.unwrap().restored);
    let restored = policy(&server).await;
    assert!(restored.version > known.version);
    let version = restored.version;
    assert_eq!(Policy { version, ..known }, restored);

    server.ask(early).await.unwrap();
    let after = policy(&server).await;
    let new = after.users.iter().find(|user| user.name == "early").unwrap();
    assert!(restored.users.iter().all(|user| user.id < new.id));
}

#[tokio::test]
async fn a_database_of_an_older_day_is_not_changed() {
    let server = Server::start().await;
    add(&server, "a", None).await;
    add(&server, "b", None).await;
    let known = policy(&server).await.version;
    fetch(&server, known).await;
    server
        .look()
        .await
        .execute("UPDATE policy SET version = version - 1")
        .await;
    let put = Put {
        account: "test".into(),
        name: "c".into(),
        password: Secret::new("x"),
        groups: Vec::new(),
        email: None,
        only_if_absent: false,
    };
    let error = server.ask(put).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::Conflict);
    assert!(error.text().unwrap().contains("older day"), "{error}");
    assert_eq!(policy(&server).await.users.len(), 2);
}

#[tokio::test]
async fn void_tokens_are_known_until_they_would_have_ended() {
    let server = Server::start().await;
    add(&server, "a", None).await;
    let ended = Timestamp::from_seconds(1);
    server.ask(revoke("a", 1, ended)).await.unwrap();
    assert!(policy(&server).await.revocations.is_empty());
    server.ask(revoke("a", 2, later())).await.unwrap();
    server.ask(revoke("a", 2, later())).await.unwrap();
    let known = policy(&server).await;
    assert_eq!(known.revocations.len(), 1);
    assert_eq!(known.revocations[0].token_id, 2);
    let error = server.ask(revoke("nobody", 2, later())).await.unwrap_err();
    assert_eq!(*error.outcome(), Outcome::NotFound);

    let all = Revoke {
        token: None,
        ..revoke("a", 0, ended)
    };
    server.ask(all).await.unwrap();
    let after = policy(&server).await;
    assert!(after.revocations.is_empty() && after.users[0].generation > known.version);
}

#[tokio::test]
async fn so_many_void_tokens_of_one_user_make_all_void() {
    let server = Server::start().await;
    add(&server, "a", None).await;
    add(&server, "b", None).await;
    server.ask(revoke("b", 7, later())).await.unwrap();
    let before = policy(&server).await;
    for token_id in 0..100 {
        server.ask(revoke("a", token_id, later())).await.unwrap();
    }
    let full = policy(&server).await;
    assert_eq!(full.revocations.len(), 101);
    assert_eq!(full.users, before.users);
    server.ask(revoke("a", 100, later())).await.unwrap();
    let over = policy(&server).await;
    assert_eq!(over.revocations.len(), 1);
    assert!(over.users[0].generation > full.version);
    assert_eq!(over.users[1], full.users[1]);
}
