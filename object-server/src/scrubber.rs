//! Reads all data again and again, slowly, to find what the disk has let rot before somebody asks for it.
//!
//! A round goes over all accounts, containers and objects in byte order of their names. Where it is stands in the file
//! `scrubber`, so that it goes on there after a restart.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::functional::object::Path;
use common::name::{AccountName, ContainerName, ObjectName};
use common::{Clock, Error, Outcome, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::check::{Damage, Data};
use crate::durable;
use crate::object::Pace;
use crate::owner::Owner;
use crate::walk::{Named, Walk};

/// How often it is written down how far the round is.
const WRITE_DOWN: Duration = Duration::from_secs(10);
/// A round begins this long after the one before began, or later.
const ROUND: Duration = Duration::from_secs(24 * 60 * 60);
/// What looking at an object costs besides its data.
const LOOK: u64 = 4096;
/// Between two attempts when the storage cannot be used.
const RETRY: Duration = Duration::from_secs(60);

/// How far a round is; the file `scrubber`, as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Round {
    /// When it began.
    begun: Timestamp,
    /// All up to this object were read; `None`: none, or all.
    #[serde(skip_serializing_if = "Option::is_none")]
    passed: Option<Path>,
    is_over: bool,
    objects: u64,
    bytes: u64,
    /// Objects whose data is not what was stored, or cannot be read.
    damaged: u64,
}

impl Owner {
    /// Scrubs until `stop` changes; not at all when there is no budget for it.
    pub(crate) async fn keep_scrubbing(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let rate = self.settings.scrub_rate.0;
        if rate == 0 {
            return;
        }
        let scrubber = Scrubber {
            file: self.state_directory().join("scrubber"),
            pace: Pace::new(rate),
            owner: self,
        };
        tokio::select! {
            () = scrubber.run() => {}
            _ = stop.changed() => {}
        }
    }
}

struct Scrubber {
    owner: Arc<Owner>,
    file: PathBuf,
    pace: Pace,
}

impl Scrubber {
    async fn run(&self) {
        loop {
            let mut round = load(&self.file).await;
            if round.is_over {
                let since = Clock::now().units().saturating_sub(round.begun.units());
                let since = Duration::from_micros(since.saturating_mul(10));
                tokio::time::sleep(ROUND.saturating_sub(since)).await;
                round = Round::default();
            }
            if round.begun == Timestamp::default() {
                round.begun = Clock::now();
            }
            let done = self.round(&mut round).await;
            round.is_over = done.is_ok();
            if round.is_over {
                round.passed = None;
                let Round {
                    objects,
                    bytes,
                    damaged,
                    ..
                } = round;
                tracing::info!(objects, bytes, damaged, "all data was read again");
            }
            self.write_down(&round).await;
            if let Err(error) = done {
                tracing::warn!(%error, "the data could not be read again; it is tried later");
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    async fn round(&self, round: &mut Round) -> Result<(), Error> {
        let mut written = Instant::now();
        let mut accounts = self.owner.engine.accounts().await?;
        accounts.sort_unstable();
        for account in &accounts {
            let mut containers = self.owner.engine.containers(account).await?;
            containers.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
            for (container, _) in &containers {
                let mut walk = Walk::new(self.owner.engine.as_ref(), account, container);
                while let Some(named) = walk.next_name().await? {
                    let Named::Object(path) = named else { continue };
                    if round
                        .passed
                        .as_ref()
                        .is_some_and(|passed| key(&path) <= key(passed))
                    {
                        continue;
                    }
                    self.examine(&path, round).await?;
                    round.passed = Some(path);
                    if written.elapsed() >= WRITE_DOWN {
                        self.write_down(round).await;
                        written = Instant::now();
                    }
                }
            }
        }
        Ok(())
    }

    async fn examine(&self, path: &Path, round: &mut Round) -> Result<(), Error> {
        self.pace.take(LOOK).await;
        let attributes = match self.owner.engine.stat(path).await {
            Ok(None) => return Ok(()),
            Ok(Some(attributes)) => Some(attributes),
            // That it cannot be read is found below.
            Err(crate::engine::EngineError::Corrupt(_) | crate::engine::EngineError::Io(_)) => None,
            Err(error) => return Err(error.into()),
        };
        if attributes
            .as_ref()
            .is_some_and(|attributes| attributes.is_unhashed())
        {
            self.owner.adoptions.note(path);
            return Ok(());
        }
        round.objects += 1;
        round.bytes += attributes.map_or(0, |attributes| attributes.size);
        match self.owner.examine(path, &self.pace).await? {
            Data::Good => {}
            Data::Damaged(damage) => {
                round.damaged += 1;
                let Damage { stored, found, .. } = &damage;
                tracing::error!(
                    ?path,
                    stored,
                    found,
                    "the data of an object is not what was stored"
                );
                self.quarantine(path, damage.identity).await?;
            }
            Data::Unreadable(error) => {
                round.damaged += 1;
                tracing::error!(?path, error, "an object cannot be read");
            }
        }
        Ok(())
    }

    /// Keeps it aside. What cannot be now is met again in the next round.
    async fn quarantine(&self, path: &Path, identity: u64) -> Result<(), Error> {
        if let Some(account) = self.owner.account(&path.account).await?
            && let Some(container) = account.container(&path.container)
        {
            let quarantining = self.owner.quarantine_object(&account, &container, path, identity);
            match quarantining.await {
                Ok(_) => {}
                Err(error) if matches!(error.outcome(), Outcome::Disabled | Outcome::NotFound) => {
                    tracing::warn!(
                        ?path,
                        %error,
                        "an object whose data is damaged stays where it is, as nobody is served its bytes"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn write_down(&self, round: &Round) {
        let (file, round) = (self.file.clone(), round.clone());
        let lease = self.owner.lease.clone();
        let written = tokio::task::spawn_blocking(move || {
            let json = serde_json::to_vec(&round)?;
            durable::replace_under(&lease, &file, &[&json]).map(drop)
        });
        if let Ok(Err(error)) = written.await {
            tracing::warn!(%error, "how far the data was read again could not be written down");
        }
    }
}

/// The order of a round.
fn key(path: &Path) -> (&AccountName, &ContainerName, &ObjectName) {
    (&path.account, &path.container, &path.object)
}

/// Where the last round stopped; where nobody knows, a new one begins.
async fn load(file: &FilePath) -> Round {
    let file = file.to_owned();
    let read = tokio::task::spawn_blocking(move || std::fs::read(file));
    match read.await {
        Ok(Ok(json)) => serde_json::from_slice(&json).unwrap_or_default(),
        _ => Round::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_round_is_written_down_and_what_is_no_round_is_a_new_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("scrubber");
        assert_eq!(load(&file).await, Round::default());
        let round = Round {
            begun: Timestamp::from_seconds(5),
            passed: Some(Path::new("a", "c", "d/\u{e4}").unwrap()),
            objects: 7,
            ..Round::default()
        };
        let json = serde_json::to_vec(&round).unwrap();
        durable::replace(&file, &[&json]).unwrap();
        assert_eq!(load(&file).await, round);
        durable::replace(&file, &[&json[..json.len() - 2]]).unwrap();
        assert_eq!(load(&file).await, Round::default());
    }
}
