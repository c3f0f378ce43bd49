//! What decides, as a whole: `policy/fetch`, `policy/restore`, and tokens that are void before they end.

use common::Timestamp;
use common::functional::policy::{Fetch, Fetched, Inactive, Policy, Revocation, State, User as Decider};
use common::functional::user::Written;

use crate::sql::{Connection, Failure};
use crate::table::policy::{self, Raised};
use crate::table::revocation;
use crate::table::user::{self, User};
use crate::users::{self, role};

/// So many tokens of one user are remembered as void; a further one makes all of them void.
const REVOCATIONS_OF_USER: u64 = 100;

/// So many of all users.
const REVOCATIONS: u64 = 100_000;

/// A database that was refilled goes on with a version so much higher than the last that is known: whatever was
/// decided after that, and lost, has a lower one.
const JUMP: u64 = 1_000_000;

/// Something that changes what decides.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// Of a user.
    User(users::Change),
    /// A token of this user, as it was read, is void.
    Revoke(User, Revocation),
    /// Everything, in a database that was emptied.
    Restore(Policy),
}

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It is stored.
    Done(Done),
    /// The user is not any more as it was read.
    Outdated,
    /// Somebody else has the e-mail address.
    EmailTaken,
    /// The database was emptied and is not refilled yet.
    Emptied,
    /// The database is older than what is known of it.
    Older,
    /// The database was not emptied.
    NotEmptied,
}

/// What a stored change has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) written: Written,
    /// The user's.
    pub(crate) generation: u64,
}

/// Stores a change at `now` and raises the version above `seen`, the highest that anybody has seen, in one transaction.
/// After a failure the transaction is still open.
pub(crate) async fn store(
    connection: &mut Connection,
    change: &Change,
    seen: u64,
    now: Timestamp,
) -> Result<Stored, Failure> {
    match change {
        Change::User(change) => users::store(connection, change, seen).await,
        Change::Revoke(user, revocation) => revoke(connection, user, *revocation, seen, now).await,
        Change::Restore(known) => restore(connection, known, seen).await,
    }
}

/// `policy/fetch`. Who knows nothing is told, also that there is nothing.
pub(crate) async fn fetch(
    connection: &mut Connection,
    fetch: Fetch,
    now: Timestamp,
) -> Result<Fetched, Failure> {
    let version = policy::version(connection).await?;
    if fetch.known_version == version && version > 0 {
        return Ok(Fetched { policy: None });
    }
    let mut policy = Policy {
        version,
        revocations: revocation::live(connection, now).await?,
        ..Policy::default()
    };
    let mut after = 0;
    loop {
        let page = user::all(connection, after).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for user in page {
            match user.state {
                State::Enabled => policy.users.push(decider(user)),
                state => policy.inactive.push(Inactive {
                    state,
                    user: decider(user),
                }),
            }
        }
    }
    Ok(Fetched { policy: Some(policy) })
}

/// Raises the version, or ends the transaction because it must not be.
pub(crate) async fn raise(connection: &mut Connection, seen: u64) -> Result<Result<u64, Stored>, Failure> {
    let refused = match policy::raise(connection, seen).await? {
        Raised::To(version) => return Ok(Ok(version)),
        Raised::Emptied => Stored::Emptied,
        Raised::Older => Stored::Older,
    };
    connection.rollback().await?;
    Ok(Err(refused))
}

async fn revoke(
    connection: &mut Connection,
    user: &User,
    revocation: Revocation,
    seen: u64,
    now: Timestamp,
) -> Result<Stored, Failure> {
    connection.begin_write().await?;
    let version = match raise(connection, seen).await? {
        Ok(version) => version,
        Err(refused) => return Ok(refused),
    };
    let current = user::lookup(connection, &user.account, &user.name).await?;
    let Some(mut current) = current.filter(|current| current.id == user.id) else {
        connection.rollback().await?;
        return Ok(Stored::Outdated);
    };
    revocation::forget_expired(connection, now).await?;
    let (all, of_user) = revocation::count(connection, user.id).await?;
    if of_user >= REVOCATIONS_OF_USER || all >= REVOCATIONS {
        current.generation = version;
        user::update(connection, &current).await?;
        revocation::forget_user(connection, user.id).await?;
    } else {
        revocation::add(connection, &[revocation]).await?;
    }
    connection.commit().await?;
    Ok(Stored::Done(Done {
        written: Written { created: false },
        generation: current.generation,
    }))
}

async fn restore(connection: &mut Connection, known: &Policy, seen: u64) -> Result<Stored, Failure> {
    connection.begin_write().await?;
    let version = known.version.max(seen).saturating_add(JUMP);
    if !policy::begin(connection, version).await? {
        connection.rollback().await?;
        return Ok(Stored::NotEmptied);
    }
    let enabled = known.users.iter().map(|user| (State::Enabled, user));
    let inactive = known
        .inactive
        .iter()
        .map(|inactive| (inactive.state, &inactive.user));
    let users: Vec<_> = enabled
        .chain(inactive)
        .map(|(state, user)| row(state, user))
        .collect();
    user::restore(connection, &users).await?;
    revocation::add(connection, &known.revocations).await?;
    connection.commit().await?;
    tracing::warn!(
        version,
        known.version,
        users = users.len(),
        "the database had been emptied; the users were put back from the policy snapshot"
    );
    Ok(Stored::Done(Done {
        written: Written { created: true },
        generation: 0,
    }))
}

fn decider(user: User) -> Decider {
    Decider {
        id: user.id,
        generation: user.generation,
        account: user.account,
        name: user.name,
        groups: user.groups,
        verifier: user.password,
        email: user.email,
        created: Timestamp::from_units(user.created),
    }
}

fn row(state: State, user: &Decider) -> User {
    User {
        id: user.id,
        account: user.account.clone(),
        name: user.name.clone(),
        role: role(&user.groups),
        generation: user.generation,
        password: user.verifier.clone(),
        groups: user.groups.clone(),
        email: user.email.clone(),
        state,
        created: user.created.units(),
    }
}
