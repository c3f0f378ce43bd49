//! Who can log in, held in memory: a copy of the policy that the account-server keeps, refreshed each second.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use common::functional::{Context, Identity, ask, policy};
use common::service::FunctionalService;
use common::{Body, Clock, Error};
use parking_lot::RwLock;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

const PERIOD: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(5);

/// The policy, and who is asked for a newer one.
pub struct PolicyCache {
    owner: FunctionalService,
    table: RwLock<Arc<Table>>,
}

/// A user who can log in.
#[derive(Debug)]
pub struct Entry {
    /// The user, with verifier and generation.
    pub user: policy::User,
    /// Who the user is to ACLs; made once by the filter that authenticates.
    pub(crate) identity: OnceLock<Arc<Identity>>,
}

#[derive(Default)]
struct Table {
    version: u64,
    by_id: HashMap<u64, Arc<Entry>>,
    by_login: HashMap<String, Arc<Entry>>,
}

impl PolicyCache {
    /// Knows nobody until it is refreshed; `owner` answers `policy/fetch`.
    pub fn new(owner: FunctionalService) -> Self {
        Self {
            owner,
            table: RwLock::default(),
        }
    }

    /// The version held; 0 is none, and then nobody can be told from anybody else.
    pub fn version(&self) -> u64 {
        self.table.read().version
    }

    /// The user `user` of the account whose short name is `account`.
    pub fn by_login(&self, account: &str, user: &str) -> Option<Arc<Entry>> {
        let login = format!("{account}:{user}");
        self.table.read().by_login.get(&login).cloned()
    }

    /// The user of this number.
    pub fn by_id(&self, id: u64) -> Option<Arc<Entry>> {
        self.table.read().by_id.get(&id).cloned()
    }

    /// Asks for a newer policy; answers whether there was one.
    ///
    /// # Errors
    /// When the question failed, or the answer is older than what is known: a database of an older day is no reason
    /// to let former users in again.
    pub async fn refresh(&self) -> Result<bool, Error> {
        let known_version = self.version();
        let context = Context::internal("tx-policy-refresh", Clock::now());
        let question = policy::Fetch { known_version };
        let (fetched, _) = ask(&self.owner, question, context, Body::empty()).await?;
        let Some(policy) = fetched.policy else {
            return Ok(false);
        };
        let mut table = self.table.write();
        if policy.version < table.version {
            let (offered, known) = (policy.version, table.version);
            return Err(Error::internal(format!(
                "the policy offered has version {offered}, lower than {known}, which is known"
            )));
        }
        let is_newer = policy.version > table.version;
        *table = Arc::new(Table::new(policy));
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
        let mut table = Self {
            version: policy.version,
            by_id: HashMap::with_capacity(policy.users.len()),
            by_login: HashMap::with_capacity(policy.users.len()),
        };
        for user in policy.users {
            let login = format!("{}:{}", user.account, user.name);
            let entry = Arc::new(Entry {
                user,
                identity: OnceLock::new(),
            });
            table.by_id.insert(entry.user.id, Arc::clone(&entry));
            table.by_login.insert(login, entry);
        }
        table
    }
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
        Some(policy::Policy { version, users })
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
