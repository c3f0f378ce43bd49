//! Users: what a change of one is made of, and how it is stored.
//!
//! Hashing a password takes tens of milliseconds on purpose. It is done before the change is queued, on what was
//! read then; the writer stores it only if the user is still as it was read.

use common::email::normalised;
use common::functional::policy::State;
use common::functional::user::{Pend, Put, Shown, Written};
use common::{Error, Outcome, Secret, Timestamp};

use crate::policy::{Stored, raise};
use crate::sql::{Connection, Failure};
use crate::table::revocation;
use crate::table::user::{self, User};

/// A change of one user, from what was read to what shall be.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// As it was read; `None` was not there.
    pub(crate) before: Option<User>,
    /// As it shall be; `None` shall be gone. The number of a new one is the database's.
    pub(crate) after: Option<User>,
    /// Whether all tokens that the user has are void from now on.
    pub(crate) ends_tokens: bool,
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
    let ends_tokens = kept.is_none();
    let password = match kept {
        Some(kept) => kept,
        None => common::password::hash(put.password.clone()).await?,
    };
    let email = match &put.email {
        Some(email) => Some(normalised(email)?),
        None => before.as_ref().and_then(|user| user.email.clone()),
    };
    let after = User {
        role: role(&put.groups),
        password: Some(password),
        groups: put.groups.clone(),
        email,
        ..before
            .clone()
            .unwrap_or_else(|| nobody(&put.account, &put.name, time))
    };
    if before.as_ref() == Some(&after) {
        return Ok(None);
    }
    Ok(Some(Change {
        before,
        after: Some(after),
        ends_tokens,
    }))
}

/// What `user/password` makes of a user.
pub(crate) async fn password(password: Secret, before: User) -> Result<Change, Error> {
    let hash = common::password::hash(password).await?;
    let after = User {
        password: Some(hash),
        ..before.clone()
    };
    Ok(Change {
        before: Some(before),
        after: Some(after),
        ends_tokens: true,
    })
}

/// What `user/revoke` of all tokens makes of a user.
pub(crate) fn end_tokens(before: User) -> Change {
    Change {
        after: Some(before.clone()),
        before: Some(before),
        ends_tokens: true,
    }
}

/// Removes a user.
pub(crate) fn remove(before: User) -> Change {
    Change {
        before: Some(before),
        after: None,
        ends_tokens: true,
    }
}

/// What `user/enable` and `user/disable` make of a user; `None` when it is that already.
///
/// # Errors
/// 409 for who is still pending.
pub(crate) fn set_state(before: User, state: State) -> Result<Option<Change>, Error> {
    if before.state == State::Pending {
        return Err(Error::conflict(
            "the user has registered, and the account is not made yet",
        ));
    }
    if before.state == state {
        return Ok(None);
    }
    let after = User {
        state,
        ..before.clone()
    };
    Ok(Some(Change {
        before: Some(before),
        after: Some(after),
        ends_tokens: state == State::Disabled,
    }))
}

/// What `user/pend` makes of what is there. `hash` is of the password.
///
/// # Errors
/// 409 when the account's name or the e-mail address are taken by somebody else.
pub(crate) fn pend(
    pend: &Pend,
    hash: &str,
    before: Option<User>,
    of_email: Option<&User>,
    time: u64,
) -> Result<Change, Error> {
    let is_again = |user: &User| user.state == State::Pending && user.email.as_deref() == Some(&pend.email);
    if let Some(other) = of_email
        && before.as_ref().map(|user| user.id) != Some(other.id)
    {
        return Err(email_taken());
    }
    match &before {
        Some(user) if is_again(user) => {}
        None if !pend.only_again => {}
        _ => return Err(name_taken()),
    }
    let groups = vec![".admin".to_owned()];
    let after = User {
        role: role(&groups),
        groups,
        password: Some(hash.to_owned()),
        email: Some(pend.email.clone()),
        state: State::Pending,
        created: time,
        ..before
            .clone()
            .unwrap_or_else(|| nobody(&pend.account, &pend.name, time))
    };
    Ok(Change {
        before,
        after: Some(after),
        ends_tokens: true,
    })
}

/// What `user/admit` makes of a user; `None` when it is that already.
///
/// # Errors
/// 409 when another try came in between.
pub(crate) fn admit(before: User, generation: u64) -> Result<Option<Change>, Error> {
    if before.generation != generation {
        return Err(Error::conflict("somebody else registers with this name"));
    }
    if before.state != State::Pending {
        return Ok(None);
    }
    let after = User {
        state: State::Enabled,
        ..before.clone()
    };
    Ok(Some(Change {
        before: Some(before),
        after: Some(after),
        ends_tokens: false,
    }))
}

/// A user as administrators see one.
pub(crate) fn shown(user: User) -> Shown {
    Shown {
        account: user.account,
        name: user.name,
        email: user.email,
        groups: user.groups,
        state: user.state,
        created: Timestamp::from_units(user.created).seconds(),
        id: user.id,
    }
}

/// Stores a change and raises the version of what decides, in one transaction; `seen` is the highest of anybody's. After a failure the
/// transaction is still open.
pub(crate) async fn store(
    connection: &mut Connection,
    change: &Change,
    seen: u64,
) -> Result<Stored, Failure> {
    connection.begin_write().await?;
    let version = match raise(connection, seen).await? {
        Ok(version) => version,
        Err(refused) => return Ok(refused),
    };
    let done = put_in(connection, change, version).await?;
    match done {
        Stored::Done(_) => connection.commit().await?,
        _ => connection.rollback().await?,
    }
    Ok(done)
}

async fn put_in(connection: &mut Connection, change: &Change, version: u64) -> Result<Stored, Failure> {
    let Some(either) = change.after.as_ref().or(change.before.as_ref()) else {
        return Ok(Stored::Outdated);
    };
    let now = user::lookup(connection, &either.account, &either.name).await?;
    if now != change.before {
        return Ok(Stored::Outdated);
    }
    let mut generation = either.generation;
    if change.ends_tokens {
        // Versions never come again, also when the database does: no token of a user that is gone fits another.
        generation = version;
        revocation::forget_user(connection, either.id).await?;
    }
    let Some(after) = &change.after else {
        user::remove(connection, either.id).await?;
        return Ok(Stored::Done(done(generation, false)));
    };
    let after = User {
        generation,
        ..after.clone()
    };
    if let Some(email) = &after.email
        && change.before.as_ref().and_then(|user| user.email.as_ref()) != Some(email)
        && user::lookup_email(connection, email).await?.is_some()
    {
        return Ok(Stored::EmailTaken);
    }
    let created = change.before.is_none();
    if created {
        user::add(connection, &after).await?;
    } else {
        user::update(connection, &after).await?;
    }
    Ok(Stored::Done(done(generation, created)))
}

fn done(generation: u64, created: bool) -> crate::policy::Done {
    crate::policy::Done {
        written: Written { created },
        generation,
    }
}

/// 409 for an address that somebody else has.
pub(crate) fn email_taken() -> Error {
    Error::conflict("this e-mail address is taken")
}

/// 409 for an account that others use or have used.
pub(crate) fn name_taken() -> Error {
    Error::conflict("this name is taken")
}

/// 403 for who does not know the old password.
pub(crate) fn wrong_password() -> Error {
    Error::from(Outcome::Forbidden).with_text("the old password is wrong")
}

fn nobody(account: &str, name: &str, time: u64) -> User {
    User {
        id: 0,
        account: account.to_owned(),
        name: name.to_owned(),
        role: 0,
        generation: 0,
        password: None,
        groups: Vec::new(),
        email: None,
        state: State::Enabled,
        created: time,
    }
}

/// Column `role`: 0 user, 1 administrator of the account, 2 administrator.
pub(crate) fn role(groups: &[String]) -> i64 {
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

    fn pending(email: &str) -> User {
        User {
            id: 7,
            email: Some(email.to_owned()),
            state: State::Pending,
            ..nobody("bob", "bob", 1)
        }
    }

    #[test]
    fn a_try_is_repeated_only_by_the_same_address() {
        let asked = |only_again| Pend {
            account: "bob".into(),
            name: "bob".into(),
            email: "bob@example.org".into(),
            password: Secret::new("secret"),
            only_again,
        };
        let same = || Some(pending("bob@example.org"));
        let other = || Some(pending("eve@example.org"));
        let enabled = || {
            same().map(|user| User {
                state: State::Enabled,
                ..user
            })
        };
        let outcome = |only_again, before: Option<User>, of_email: Option<User>| {
            pend(&asked(only_again), "hash", before, of_email.as_ref(), 2)
                .map(|change| change.before.is_some())
        };
        assert!(!outcome(false, None, None).unwrap());
        assert!(outcome(true, None, None).is_err());
        assert!(outcome(false, same(), same()).unwrap());
        assert!(outcome(true, same(), same()).unwrap());
        assert!(outcome(false, other(), None).is_err());
        assert!(outcome(false, enabled(), enabled()).is_err());
        assert!(outcome(false, None, other()).is_err());
    }
}
