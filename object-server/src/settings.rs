//! The object-server's settings: section `[object-server]`.

use common::Error;
use common::config::{Config, Period, Size};
use serde::{Deserialize, Serialize};

use crate::failure_point::FailurePoints;
use crate::journal;
use crate::lease::{Lease, Terms};

/// The section's name.
const SECTION: &str = "object-server";

/// What an administrator can set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Whether an acknowledged change survives a power cut.
    pub durability: Durability,
    /// How large the journal may grow while the mirror is away or behind; above half of it changes are slowed down, beyond they
    /// answer 507.
    pub journal_size: Size,
    /// What DELETE may use of the journal beyond that.
    pub journal_reserve: Size,
    /// How long a listing waits for the mirror before it reads the tree.
    pub listing_wait: Period,
    /// How long the mirror may take for a page before the tree is read.
    pub listing_timeout: Period,
    /// How often the counters are written down.
    pub checkpoint_interval: Period,
    /// Memory for sorted directories while the mirror is away.
    pub listing_cache: Size,
    /// Whether an empty root becomes a new storage.
    pub create: Create,
    /// Whether it waits, when another object-server serves the storage, and takes over when that one ends.
    pub standby: bool,
    /// Between two renewals of the lease that an owner has of its storage.
    pub lease_renewal: Period,
    /// An owner that could not renew it for so long changes nothing until it can.
    pub lease_expiry: Period,
    /// Who takes over from another machine has seen it not renewed for so long.
    pub lease_takeover: Period,
    /// How many bytes a second are read again to find what the disk has let rot; 0: none.
    pub scrub_rate: Size,
    /// How long a deleted account is kept before what is in it is removed; nobody is served it meanwhile.
    pub delay_reaping: Period,
    /// For tests: named places where the server fails or ends, `journal:after_sync=abort@3`; none in service.
    pub failure_points: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            durability: Durability::Durable,
            journal_size: Size(256 << 20),
            journal_reserve: Size(16 << 20),
            listing_wait: Period(std::time::Duration::from_millis(500)),
            listing_timeout: Period::seconds(1),
            checkpoint_interval: Period::seconds(30),
            listing_cache: Size(32 << 20),
            create: Create::UnlessKnown,
            standby: false,
            lease_renewal: Period::seconds(1),
            lease_expiry: Period::seconds(5),
            lease_takeover: Period::seconds(10),
            scrub_rate: Size(1 << 20),
            delay_reaping: Period::seconds(0),
            failure_points: String::new(),
        }
    }
}

impl Settings {
    /// Reads the section and checks what no type can.
    pub fn read(config: &mut Config) -> Self {
        let settings: Self = config.read(SECTION);
        let longer = [
            (
                "lease_expiry",
                settings.lease_expiry,
                "lease_renewal",
                settings.lease_renewal,
            ),
            (
                "lease_takeover",
                settings.lease_takeover,
                "lease_expiry",
                settings.lease_expiry,
            ),
        ];
        for (key, period, than, shorter) in longer {
            // What happens in between has to have ended, also where clocks do not run quite alike.
            if period.0 / 2 < shorter.0 || shorter.0.is_zero() {
                let message = format!("expected at least twice {than} ({shorter}), and that more than 0");
                config.reject(SECTION, key, message);
            }
        }
        settings
    }

    pub(crate) fn lease(&self) -> Terms {
        Terms {
            renewal: self.lease_renewal.0,
            expiry: self.lease_expiry.0,
            takeover: self.lease_takeover.0,
        }
    }

    pub(crate) fn failure_points(&self) -> Result<FailurePoints, Error> {
        if self.failure_points.is_empty() {
            return Ok(FailurePoints::default());
        }
        FailurePoints::parse(&self.failure_points)
            .map_err(|part| Error::internal(format!("[object-server] failure_points: cannot read {part:?}")))
    }

    pub(crate) fn journal(&self, failure_points: FailurePoints, lease: Lease) -> journal::Settings {
        journal::Settings {
            maximum: self.journal_size,
            reserve: self.journal_reserve,
            durability: self.durability,
            failure_points,
            lease,
            ..journal::Settings::default()
        }
    }
}

/// When an empty root becomes a new storage: it may be one whose disk is not mounted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Create {
    /// Where neither the directory around it nor the mirror knows of a storage that was there.
    #[default]
    UnlessKnown,
    /// Never.
    Never,
    /// Whatever was there; and another storage is taken in its place.
    Always,
}

/// Whether an acknowledged change survives a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// It does: data, attributes, names and the journal are synced before the answer.
    #[default]
    Durable,
    /// It survives the end of the process, not that of the machine: nothing is synced.
    Relaxed,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> usize {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stobj.toml");
        std::fs::write(&path, format!("[object-server]\n{text}")).unwrap();
        let mut config = Config::load(Some(&path), [], []);
        Settings::read(&mut config);
        config.finish().err().map_or(0, |mistakes| mistakes.0.len())
    }

    #[test]
    fn each_period_of_a_lease_is_twice_the_one_before() {
        assert_eq!(mistakes(""), 0);
        assert_eq!(
            mistakes("lease_renewal = \"2500ms\"\nlease_expiry = \"5s\"\nlease_takeover = \"10s\""),
            0
        );
        assert_eq!(mistakes("lease_renewal = \"3s\""), 1);
        assert_eq!(mistakes("lease_takeover = \"9s\""), 1);
        assert_eq!(mistakes("lease_expiry = \"1s\"\nlease_takeover = \"1s\""), 2);
        assert_eq!(mistakes("lease_renewal = \"0s\""), 1);
    }
}
