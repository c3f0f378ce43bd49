//! Users: `user/put`, `user/password`, `policy/fetch`.
//!
//! Hashing a password takes tens of milliseconds on purpose. It is done before the change is queued, on what was
//! read then; the writer stores it only if the user is still as it was read.

use common::Error;
use common::functional::policy::{Fetch, Fetched, Policy};
use common::functional::user::{Password, Put, Written};

use crate::sql::{Connection, Failure};
use crate::table::policy;
use crate::table::user::{self, User};

/// A change of one user, from what was read to what shall be.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// As it was read; `None` was not there.
    pub(crate) before: Option<User>,
    /// As it shall be; number and generation of a new one are the database's.
    pub(crate) after: User,
    /// When it is made.
    pub(crate) time: u64,
}

/// Refuses names that could not be told apart later: `account:user` is cut at the first colon.
pub(crate) fn check(account: &str, name: &str) -> Result<(), Error> {
    let is_whole = |text: &str| !text.is_empty() && text.len() <= 256 && !text.contains('\0');
    if !is_whole(account) || account.contains([':', '/']) {
        return Err(Error::bad_request(
            "the account of a user has 1 to 256 bytes, without colon, slash and zero byte",
        ));
    }
    if !is_whole(name) {
        return Err(Error::bad_request(
            "the name of a user has 1 to 256 bytes, without zero byte",
        ));
    }
    Ok(())
}

/// What `user/put` makes of a user; `None` when it is that already.
pub(crate) async fn put(put: &Put, before: Option<User>, time: u64) -> Result<Option<Change>, Error> {
    let kept = match &before {
        Some(user) if put.only_if_absent => {
            tracing::debug!(user.id, "a user is there and is left as it is");
            return Ok(None);
        }
        Some(user) if user.password.is_some() => {
            let verifier = user.password.clone();
            let is_same = common::password::verify(put.password.clone(), verifier.clone()).await?;
            verifier.filter(|_| is_same)
        }
        _ => None,
    };
    let (generation, password) = match (&before, kept) {
        (Some(user), Some(kept)) => (user.generation, kept),
        (before, _) => {
            let generation = before.as_ref().map_or(0, |user| user.generation + 1);
            (generation, common::password::hash(put.password.clone()).await?)
        }
    };
    let after = User {
        id: before.as_ref().map_or(0, |user| user.id),
        account: put.account.clone(),
        name: put.name.clone(),
        role: role(&put.groups),
        generation,
        password: Some(password),
        groups: put.groups.clone(),
    };
    if before.as_ref() == Some(&after) {
        return Ok(None);
    }
    Ok(Some(Change { before, after, time }))
}

/// What `user/password` makes of a user.
pub(crate) async fn password(password: &Password, before: User, time: u64) -> Result<Change, Error> {
    let hash = common::password::hash(password.password.clone()).await?;
    let after = User {
        generation: before.generation + 1,
        password: Some(hash),
        ..before.clone()
    };
    Ok(Change {
        before: Some(before),
        after,
        time,
    })
}

/// Stores a change and raises the version of what decides, in one transaction. `None` when the user is not any more
/// as it was read. After a failure the transaction is still open.
pub(crate) async fn store(connection: &mut Connection, change: &Change) -> Result<Option<Written>, Failure> {
    connection.begin_write().await?;
    policy::raise(connection).await?;
    let now = user::lookup(connection, &change.after.account, &change.after.name).await?;
    if now != change.before {
        connection.rollback().await?;
        return Ok(None);
    }
    if change.before.is_some() {
        user::update(connection, &change.after).await?;
    } else {
        user::add(connection, &change.after, change.time).await?;
    }
    connection.commit().await?;
    Ok(Some(Written {
        created: change.before.is_none(),
    }))
}

/// `policy/fetch`. Who knows nothing is told, also that there is nothing.
pub(crate) async fn policy(connection: &mut Connection, fetch: Fetch) -> Result<Fetched, Failure> {
    let version = policy::version(connection).await?;
    if fetch.known_version == version && version > 0 {
        return Ok(Fetched { policy: None });
    }
    let mut users = Vec::new();
    let mut after = 0;
    loop {
        let page = user::enabled(connection, after).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        users.extend(page.into_iter().map(decider));
    }
    Ok(Fetched {
        policy: Some(Policy { version, users }),
    })
}

fn decider(user: User) -> common::functional::policy::User {
    common::functional::policy::User {
        id: user.id,
        generation: user.generation,
        account: user.account,
        name: user.name,
        groups: user.groups,
        verifier: user.password,
    }
}

/// Column `role`: 0 user, 1 administrator of the account, 2 administrator.
fn role(groups: &[String]) -> i64 {
    let has = |group: &str| groups.iter().any(|have| have == group);
    if has(".reseller_admin") {
        2
    } else {
        i64::from(has(".admin"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_groups() {
        assert_eq!(role(&[]), 0);
        assert_eq!(role(&["readers".into(), ".admin".into()]), 1);
        assert_eq!(role(&[".admin".into(), ".reseller_admin".into()]), 2);
    }

    #[test]
    fn names_are_checked() {
        assert!(check("test", "tester:3@example.org").is_ok());
        for (account, name) in [
            ("", "a"),
            ("a", ""),
            ("a:b", "c"),
            ("a/b", "c"),
            ("a\0", "b"),
            ("a", "b\0"),
        ] {
            assert!(check(account, name).is_err(), "{account:?} {name:?}");
        }
        assert!(check(&"a".repeat(257), "b").is_err());
    }
}
