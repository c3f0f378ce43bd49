//! Who can log in, held in memory: a copy of the policy that the account-server keeps, refreshed each second.
//!
//! It is also what a database is filled with that was emptied, by the process that has the database.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::functional::{Context, Identity, ask, policy};
use common::service::FunctionalService;
use common::{Body, Clock, Error, Timestamp};
use parking_lot::RwLock;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::protocol::auth::Reseller;

const PERIOD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);
/// When somebody waits for it.
const SHORT_PATIENCE: Duration = Duration::from_millis(500);

/// The policy, and who is asked for a newer one.
pub struct PolicyCache {
    owner: FunctionalService,
    table: RwLock<Table>,
    /// The version held.
    changes: watch::Sender<u64>,
    /// Whether a database that was emptied is filled from here.
    restores: AtomicBool,
}

/// A user who can log in.
#[derive(Debug)]
pub struct Entry {
    /// The user, with verifier and generation.
    pub user: policy::User,
    /// Who the user is to ACLs under these prefixes; made once by the filter that authenticates.
    pub(crate) identity: OnceLock<(Reseller, Arc<Identity>)>,
}

/// A token that is void.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revoked;

#[derive(Default)]
struct Table {
    version: u64,
    by_id: HashMap<u64, Arc<Entry>>,
    by_login: HashMap<String, Arc<Entry>>,
    by_email: HashMap<String, Arc<Entry>>,
    inactive: Vec<policy::Inactive>,
    /// By user and token; when the token would have ended.
    revoked: HashMap<(u64, u64), Timestamp>,
}

impl PolicyCache {
    /// Knows nobody until it is refreshed; `owner` answers `policy/fetch`.
    pub fn new(owner: FunctionalService) -> Self {
        Self {
            owner,
            table: RwLock::default(),
            changes: watch::Sender::new(0),
            restores: AtomicBool::new(false),
        }
    }

    /// From now on a database that was emptied is filled with what is known here.
    pub fn restore_lost(&self) {
        self.restores.store(true, Ordering::Relaxed);
    }

    /// The version held; 0 is none, and then nobody can be told from anybody else.
    pub fn version(&self) -> u64 {
        self.table.read().version
    }

    /// The versions held from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// All that is known.
    pub fn held(&self) -> policy::Policy {
        self.table.read().to_policy()
    }

    /// The user `user` of the account whose short name is `account`.
    pub fn by_login(&self, account: &str, user: &str) -> Option<Arc<Entry>> {
        let login = format!("{account}:{user}");
        self.table.read().by_login.get(&login).cloned()
    }

    /// The user of this e-mail address.
    pub fn by_email(&self, email: &str) -> Option<Arc<Entry>> {
        let email = email.to_ascii_lowercase();
        self.table.read().by_email.get(&email).cloned()
    }

    /// Whether anybody is in this group.
    pub fn has_group(&self, group: &str) -> bool {
        let table = self.table.read();
        let active = table.by_id.values().map(|entry| &entry.user);
        let mut all = active.chain(table.inactive.iter().map(|inactive| &inactive.user));
        all.any(|user| user.groups.iter().any(|have| have == group))
    }

    /// Users who have registered, and whose accounts are not made yet.
    pub fn pending(&self) -> Vec<policy::User> {
        let table = self.table.read();
        let pending = table
            .inactive
            .iter()
            .filter(|inactive| inactive.state == policy::State::Pending);
        pending.map(|inactive| inactive.user.clone()).collect()
    }

    /// The user of this number.
    pub fn by_id(&self, id: u64) -> Option<Arc<Entry>> {
        self.table.read().by_id.get(&id).cloned()
    }

    /// The user of this number, when there is one, unless this token of theirs is void.
    ///
    /// # Errors
    /// When it is.
    pub fn by_token(&self, user_id: u64, token_id: u64) -> Result<Option<Arc<Entry>>, Revoked> {
        let table = self.table.read();
        match table.is_revoked(user_id, token_id) {
            true => Err(Revoked),
            false => Ok(table.by_id.get(&user_id).cloned()),
        }
    }

    /// Whether this token of the user's is void.
    pub fn is_revoked(&self, user_id: u64, token_id: u64) -> bool {
        self.table.read().is_revoked(user_id, token_id)
    }

    /// Takes a policy that this server has kept; answers whether it is newer than what was known.
    pub fn adopt(&self, policy: policy::Policy) -> bool {
        self.put(policy) == Ok(true)
    }

    /// Asks for a newer policy; answers whether there was one.
    ///
    /// # Errors
    /// When the question failed, or the answer is older than what is known: a database of an older day is no reason
    /// to let former users in again.
    pub async fn refresh(&self) -> Result<bool, Error> {
        self.refresh_from(&self.owner).await
    }

    /// The same, for somebody who waits for it, but not long; answers whether there was a newer policy.
    pub async fn refresh_in_time(&self) -> bool {
        matches!(timeout(SHORT_PATIENCE, self.refresh()).await, Ok(Ok(true)))
    }

    /// The same, asking `server`.
    ///
    /// # Errors
    /// As of [`refresh`](Self::refresh).
    pub async fn refresh_from(&self, server: &FunctionalService) -> Result<bool, Error> {
        let known_version = self.version();
        let mut fetched = fetch(server, known_version).await?;
        let is_emptied = |policy: &Option<policy::Policy>| policy.as_ref().is_some_and(|of| of.version == 0);
        if known_version > 0 && is_emptied(&fetched) && self.restores.load(Ordering::Relaxed) {
            let restore = policy::Restore { policy: self.held() };
            ask(server, restore, context(), Body::empty()).await?;
            fetched = fetch(server, known_version).await?;
        }
        let Some(policy) = fetched else {
            return Ok(false);
        };
        let offered = policy.version;
        match self.put(policy) {
            Ok(is_newer) => Ok(is_newer),
            Err(known) => Err(Error::conflict(format!(
                "the policy offered has version {offered}, lower than {known}, which is known"
            ))),
        }
    }

    /// Takes `policy`, and answers whether it is newer; the version that is known when it is older.
    fn put(&self, policy: policy::Policy) -> Result<bool, u64> {
        let version = policy.version;
        let new = Table::new(policy);
        let mut table = self.table.write();
        if version < table.version {
            return Err(table.version);
        }
        let is_newer = version > table.version;
        *table = new;
        drop(table);
        self.changes.send_if_modified(|known| {
            let is_other = *known != version;
            *known = version;
            is_other
        });
        Ok(is_newer)
    }

    /// Refreshes each second until the task is aborted or the cache is gone.
    pub fn spawn_refresh(self: &Arc<Self>) -> JoinHandle<()> {
        let cache = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut ticks = interval(PERIOD);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut is_failing = false;
            loop {
                ticks.tick().await;
                let Some(cache) = cache.upgrade() else { return };
                let outcome = timeout(PATIENCE, cache.refresh()).await;
                let failure = match outcome {
                    Ok(Ok(_)) => None,
                    Ok(Err(error)) => Some(error.to_string()),
                    Err(_) => Some("no answer".to_owned()),
                };
                match failure {
                    Some(failure) if !is_failing => {
                        tracing::warn!(%failure, "the policy cannot be refreshed; the one at hand goes on");
                        is_failing = true;
                    }
                    None if is_failing => {
                        tracing::info!("the policy is refreshed again");
                        is_failing = false;
                    }
                    _ => {}
                }
            }
        })
    }
}

impl fmt::Debug for PolicyCache {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PolicyCache(version {})", self.version())
    }
}

impl Table {
    fn new(policy: policy::Policy) -> Self {
        let count = policy.users.len();
        let mut table = Self {
            version: policy.version,
            by_id: HashMap::with_capacity(count),
            by_login: HashMap::with_capacity(count),
            by_email: HashMap::new(),
            inactive: policy.inactive,
            revoked: HashMap::with_capacity(policy.revocations.len()),
        };
        for user in policy.users {
            let login = format!("{}:{}", user.account, user.name);
            let entry = Arc::new(Entry {
                user,
                identity: OnceLock::new(),
            });
            if let Some(email) = &entry.user.email {
                table.by_email.insert(email.clone(), Arc::clone(&entry));
            }
            table.by_id.insert(entry.user.id, Arc::clone(&entry));
            table.by_login.insert(login, entry);
        }
        for revocation in policy.revocations {
            let token = (revocation.user_id, revocation.token_id);
            table.revoked.insert(token, revocation.expires);
        }
        table
    }

    fn is_revoked(&self, user_id: u64, token_id: u64) -> bool {
        !self.revoked.is_empty() && self.revoked.contains_key(&(user_id, token_id))
    }

    fn to_policy(&self) -> policy::Policy {
        let revocation = |(&(user_id, token_id), &expires): (&(u64, u64), &Timestamp)| policy::Revocation {
            user_id,
            token_id,
            expires,
        };
        policy::Policy {
            version: self.version,
            users: self.by_id.values().map(|entry| entry.user.clone()).collect(),
            inactive: self.inactive.clone(),
            revocations: self.revoked.iter().map(revocation).collect(),
        }
    }
}

async fn fetch(server: &FunctionalService, known_version: u64) -> Result<Option<policy::Policy>, Error> {
    let question = policy::Fetch { known_version };
    let (fetched, _) = ask(server, question, context(), Body::empty()).await?;
    Ok(fetched.policy)
}

fn context() -> Context {
    Context::internal("tx-policy-refresh", Clock::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Answering, policy_user};
    use common::functional::{Action, Answer, Reply};
    use parking_lot::Mutex;

    fn serving(policies: Vec<Option<policy::Policy>>) -> (PolicyCache, Arc<Mutex<Vec<u64>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (sink, policies) = (Arc::clone(&asked), Mutex::new(policies));
        let owner = Answering::with(move |action| {
            let Action::PolicyFetch(fetch) = action else {
                panic!("{action:?}")
            };
            sink.lock().push(fetch.known_version);
            let policy = policies.lock().remove(0);
            Ok(Reply::new(Answer::PolicyFetch(policy::Fetched { policy })))
        });
        (PolicyCache::new(owner), asked)
    }

    fn policy(version: u64, names: &[&str]) -> Option<policy::Policy> {
        let users = names
            .iter()
            .enumerate()
            .map(|(id, name)| policy_user(id as u64, name, &[]))
            .collect();
        Some(policy::Policy {
            version,
            users,
            ..policy::Policy::default()
        })
    }

    #[tokio::test]
    async fn users_are_found_by_login_and_number() {
        let (cache, asked) = serving(vec![policy(3, &["tester", "other"]), None]);
        assert_eq!(cache.version(), 0);
        assert!(cache.refresh().await.unwrap());
        assert_eq!(cache.by_login("test", "other").unwrap().user.id, 1);
        assert_eq!(cache.by_id(0).unwrap().user.name, "tester");
        assert!(cache.by_login("test", "nobody").is_none());
        assert!(!cache.refresh().await.unwrap());
        assert_eq!(*asked.lock(), [0, 3]);
    }

    #[tokio::test]
    async fn an_older_policy_is_refused() {
        let (cache, _) = serving(vec![policy(3, &["tester"]), policy(2, &["former"])]);
        cache.refresh().await.unwrap();
        assert!(cache.refresh().await.is_err());
        assert!(cache.by_login("test", "former").is_none());
        assert_eq!(cache.version(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn the_task_refreshes_each_second_and_ends_with_the_cache() {
        let (cache, asked) = serving((0..100).map(|_| None).collect());
        let cache = Arc::new(cache);
        let task = cache.spawn_refresh();
        tokio::time::sleep(Duration::from_millis(3500)).await;
        assert_eq!(asked.lock().len(), 4);
        drop(cache);
        task.await.unwrap();
    }
}
