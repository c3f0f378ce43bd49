//! The policy snapshot: what decides, on the disk of every server that decides, so that one that starts while the
//! database is away knows who can log in, and a database that was emptied can be filled again.
//!
//! `{data}/policy/{process}` is a file for each kind of process, mode 0600, as [`common::sealed`] describes for the
//! purpose `policy`; its content is the JSON of a [`Policy`]. It is written when the policy has changed, at most once a
//! second, beside its place, and moved there. At a start the newest of all the files in the directory counts, whoever
//! wrote it: one that was copied here from another server does as well.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::functional::policy::Policy;
use common::sealed;
use common::token::Keyring;
use middleware::PolicyCache;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::secret_file;

const PURPOSE: &str = "policy";
const DIRECTORY: &str = "policy";
/// What is being written.
const UNFINISHED: &str = ".new";
/// Nobody writes for so long.
const ABANDONED: Duration = Duration::from_secs(60);
/// No longer file is read.
const MAX_BYTES: u64 = 1 << 30;
/// Between two times of writing.
const PAUSE: Duration = Duration::from_secs(1);

/// Where the snapshots of a server lie, and the keys that sign them.
#[derive(Clone, Debug)]
pub(crate) struct Snapshots {
    directory: PathBuf,
    /// Of this process.
    name: &'static str,
    keyring: Keyring,
}

impl Snapshots {
    /// Those below the directory of the data; `name` is the kind of this process.
    pub(crate) fn new(data: &Path, name: &'static str, keyring: Keyring) -> Self {
        Self {
            directory: data.join(DIRECTORY),
            name,
            keyring,
        }
    }

    /// Lets `cache` know the newest of them, if there is any. What cannot be believed is said in the log.
    pub(crate) async fn load(&self, cache: &PolicyCache) {
        let snapshots = self.clone();
        let newest = spawn_blocking(move || snapshots.newest()).await;
        if let Ok(Some((path, policy))) = newest {
            let (version, users) = (policy.version, policy.users.len());
            if cache.adopt(policy) {
                tracing::info!(version, users, "the policy snapshot {} is known", path.display());
            }
        }
    }

    /// Keeps what `cache` knows until the task is aborted.
    pub(crate) fn spawn_keeping(self, cache: Arc<PolicyCache>) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut changes = cache.changes();
            // What was loaded at the start may be another process's.
            changes.mark_changed();
            let mut is_failing = false;
            while changes.changed().await.is_ok() {
                let policy = cache.held();
                if policy.version == 0 {
                    continue;
                }
                match self.clone().keep(policy).await {
                    Ok(()) => is_failing = false,
                    Err(error) => {
                        if !is_failing {
                            let path = self.path();
                            tracing::error!(
                                "the policy snapshot {} cannot be written: {error}",
                                path.display()
                            );
                        }
                        is_failing = true;
                        changes.mark_changed();
                    }
                }
                sleep(PAUSE).await;
            }
        })
    }

    /// Writes down what `cache` knows, at the end of the process.
    pub(crate) async fn keep_last(self, cache: &PolicyCache) {
        let policy = cache.held();
        if policy.version > 0
            && let Err(error) = self.keep(policy).await
        {
            tracing::error!("the policy snapshot cannot be written: {error}");
        }
    }

    async fn keep(self, policy: Policy) -> io::Result<()> {
        let kept = spawn_blocking(move || self.write(&policy)).await;
        kept.map_err(io::Error::other)?
    }

    fn path(&self) -> PathBuf {
        self.directory.join(self.name)
    }

    fn write(&self, policy: &Policy) -> io::Result<()> {
        let json = serde_json::to_vec(policy)?;
        let sealed = sealed::seal(&self.keyring, PURPOSE, &json);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.directory)?;
        // Several processes of a kind may share a directory.
        let unfinished = format!("{}.{}{UNFINISHED}", self.name, std::process::id());
        secret_file::replace(&self.path(), &self.directory.join(unfinished), &sealed)
    }

    fn newest(&self) -> Option<(PathBuf, Policy)> {
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                let directory = self.directory.display();
                tracing::error!("the policy snapshots in {directory} cannot be read: {error}");
                return None;
            }
        };
        let mut newest: Option<(PathBuf, Policy)> = None;
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.to_string_lossy().ends_with(UNFINISHED) {
                remove_left_over(&path);
                continue;
            }
            match self.read(&path) {
                Ok(policy)
                    if newest
                        .as_ref()
                        .is_none_or(|(_, known)| known.version < policy.version) =>
                {
                    newest = Some((path, policy));
                }
                Ok(_) => {}
                Err(why) => {
                    tracing::error!("the policy snapshot {} is passed over: {why}", path.display());
                }
            }
        }
        newest
    }

    fn read(&self, path: &Path) -> Result<Policy, String> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes))
            .map_err(|error| error.to_string())?;
        let json = sealed::open(&self.keyring, PURPOSE, &bytes).map_err(|error| error.to_string())?;
        serde_json::from_slice(json)
            .map_err(|error| format!("it is of another version of the program: {error}"))
    }
}

/// Removes what a process left that ended while it wrote; not what another one is writing.
fn remove_left_over(path: &Path) {
    let age = fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map(|modified| modified.elapsed().unwrap_or_default());
    if age.is_ok_and(|age| age > ABANDONED) {
        let _gone = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common::Timestamp;
    use common::functional::policy::User;
    use std::os::unix::fs::PermissionsExt as _;

    fn keyring() -> Keyring {
        Keyring::parse(&format!("1 {}", "ab".repeat(32))).unwrap()
    }

    fn policy(version: u64) -> Policy {
        Policy {
            version,
            users: vec![User {
                id: 1,
                generation: version,
                account: "test".to_owned(),
                name: "tester".to_owned(),
                groups: Vec::new(),
                verifier: None,
                email: None,
                created: Timestamp::default(),
            }],
            ..Policy::default()
        }
    }

    #[test]
    fn the_newest_snapshot_that_can_be_believed_counts() {
        let data = tempfile::tempdir().unwrap();
        let at = |name| Snapshots::new(data.path(), name, keyring());
        assert!(at("proxy").newest().is_none());
        at("account-server").write(&policy(7)).unwrap();
        at("proxy").write(&policy(9)).unwrap();
        let mode = fs::metadata(at("proxy").path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let newest = || at("serve").newest().map(|(_, policy)| policy.version);
        assert_eq!(newest(), Some(9));

        let whole = fs::read(at("proxy").path()).unwrap();
        fs::write(at("proxy").path(), &whole[..whole.len() - 1]).unwrap();
        assert_eq!(newest(), Some(7), "a torn one is passed over");
        let strangers = Keyring::generate().unwrap();
        Snapshots::new(data.path(), "proxy", strangers)
            .write(&policy(11))
            .unwrap();
        assert_eq!(newest(), Some(7), "a stranger's is passed over");

        let unfinished = data.path().join("policy/proxy.1.new");
        fs::write(&unfinished, whole).unwrap();
        assert_eq!(newest(), Some(7), "an unfinished one is none");
        assert!(unfinished.exists(), "somebody may be at it");
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        File::options()
            .append(true)
            .open(&unfinished)
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
        newest();
        assert!(!unfinished.exists());
    }

    #[test]
    fn a_snapshot_is_what_was_written() {
        let data = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::new(data.path(), "serve", keyring());
        for version in [3, 4] {
            snapshots.write(&policy(version)).unwrap();
            assert_eq!(snapshots.newest().unwrap().1, policy(version));
        }
        assert_eq!(fs::read_dir(data.path().join("policy")).unwrap().count(), 1);
    }
}
