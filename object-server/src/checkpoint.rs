//! The counters of an account, in memory and on disk.
//!
//! [`Counters`] are what heads and quotas go by. A [`Checkpoint`] is the counters at one `seq`, written down so that a
//! restart needs only the later commits of the journal; without a good one everything is counted again. [`Names`] are what is
//! known of names beside them: the longest, and what is switched off.
//!
//! # Format, version 1
//!
//! `<state directory>/accounts/<account_id>/counters`, the number in decimal. Written as `counters.tmp`, synced and
//! renamed, so that it is whole or the one before.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `stobjcnt` |
//! | u32, little-endian | version, 1 |
//! | u32, little-endian | CRC-32C of all that follows |
//! | the rest | MessagePack map `{account_id, term, through_seq, mirrored_seq, containers: {name: {objects, bytes}}, longest: {name: bytes}, disabled: {name: [object]}, limited: {name: {directory: {objects, bytes}}}}` |
//!
//! `longest` says of a container that no name in it is longer, where that is known. `disabled` are the objects that are switched
//! off; without it nobody knows, and the account is counted again. `limited` are the directories that have limits, with what is in
//! each; the limits themselves are the directories'.
//!
//! Keys are added with a default, never renamed, never given another meaning; unknown keys are passed over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use common::Error;
use common::name::{ContainerName, ObjectName};
use serde::{Deserialize, Serialize};

use crate::durable;
use crate::journal::Footprint;
use crate::lease::Lease;

mod counters;
mod names;

pub use counters::{Counters, Totals};
pub use names::Names;

/// The counters of an account as of one change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The account's number.
    pub account_id: u64,
    /// The owner's term that wrote it.
    pub term: u64,
    /// All changes up to and with this one are counted.
    pub through_seq: u64,
    /// All changes up to and with this one the mirror once had, whatever it has lost since.
    pub mirrored_seq: u64,
    /// What each container holds.
    pub containers: BTreeMap<ContainerName, Count>,
    /// No name of a container is longer than this many bytes.
    #[serde(default)]
    pub longest: BTreeMap<ContainerName, usize>,
    /// The objects that are switched off.
    #[serde(default)]
    pub disabled: Option<BTreeMap<ContainerName, BTreeSet<ObjectName>>>,
    /// What is in each directory that has limits.
    #[serde(default)]
    pub limited: BTreeMap<ContainerName, BTreeMap<ObjectName, Footprint>>,
}

/// What a container holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Objects in it.
    pub objects: u64,
    /// Bytes of these.
    pub bytes: u64,
}

/// What was found where a checkpoint should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// A whole one, of this account.
    Good(Checkpoint),
    /// None was ever written.
    Missing,
    /// Something else, for this reason; it is not to be used.
    Bad(String),
}

/// Writes a checkpoint down, in the place of the one before.
///
/// # Errors
/// 507 when the disk is full, 503 when it fails or the lease is not held; the one before is then still there.
pub async fn save(state_directory: &Path, lease: &Lease, checkpoint: Checkpoint) -> Result<(), Error> {
    let (base, path) = (
        state_directory.to_owned(),
        path(state_directory, checkpoint.account_id),
    );
    let lease = lease.clone();
    let saved = tokio::task::spawn_blocking(move || {
        let bytes = encode(&checkpoint);
        if let Some(directory) = path.parent() {
            durable::make_directory_below(&base, directory)?;
        }
        durable::replace_under(&lease, &path, &[&bytes])
    });
    match saved.await.map_err(Error::internal)? {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            Err(Error::new(common::Outcome::InsufficientStorage).caused_by(error))
        }
        Err(error) => Err(Error::unavailable(error, None)),
    }
}

/// Reads the checkpoint of an account.
///
/// # Errors
/// 503 when the disk cannot be read; what it says is then unknown.
pub async fn load(state_directory: &Path, account_id: u64) -> Result<Loaded, Error> {
    let path = path(state_directory, account_id);
    let loaded = tokio::task::spawn_blocking(move || match fs::read(&path) {
        Ok(bytes) => Ok(decode(&bytes, account_id).map_or_else(Loaded::Bad, Loaded::Good)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Loaded::Missing),
        Err(error) => Err(error),
    });
    loaded
        .await
        .map_err(Error::internal)?
        .map_err(|error| Error::unavailable(error, None))
}

const MAGIC: &[u8; 8] = b"stobjcnt";
const VERSION: u32 = 1;
const HEADER: usize = 16;

fn path(state_directory: &Path, account_id: u64) -> PathBuf {
    state_directory
        .join("accounts")
        .join(account_id.to_string())
        .join("counters")
}

fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    let mut bytes = vec![0; HEADER];
    rmp_serde::encode::write_named(&mut bytes, checkpoint)
        .expect("a Vec takes all bytes, and the types have no odd parts");
    let checksum = crc32c::crc32c(&bytes[HEADER..]);
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..HEADER].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8], account_id: u64) -> Result<Checkpoint, String> {
    let (header, body) = bytes.split_first_chunk::<HEADER>().ok_or("it is too short")?;
    if header[..8] != *MAGIC {
        return Err("it is not a checkpoint".into());
    }
    if header[8..12] != VERSION.to_le_bytes() {
        return Err("it is of another version".into());
    }
    if header[12..] != crc32c::crc32c(body).to_le_bytes() {
        return Err("its checksum is wrong".into());
    }
    let checkpoint: Checkpoint = rmp_serde::from_slice(body).map_err(|error| error.to_string())?;
    if checkpoint.account_id == account_id {
        Ok(checkpoint)
    } else {
        Err(format!("it is of account {}", checkpoint.account_id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tempfile::TempDir;

    fn checkpoint(account_id: u64) -> Checkpoint {
        let name = ContainerName::new("b\u{e4}r").unwrap();
        let containers = BTreeMap::from([(
            name,
            Count {
                objects: 2,
                bytes: u64::MAX,
            },
        )]);
        Checkpoint {
            account_id,
            term: 1,
            through_seq: (1 << 40) + 7,
            mirrored_seq: 3,
            limited: containers
                .keys()
                .map(|name| {
                    let directory = (ObjectName::new("d/").unwrap(), Footprint::default());
                    (name.clone(), [directory].into())
                })
                .collect(),
            longest: containers.keys().map(|name| (name.clone(), 9)).collect(),
            disabled: Some(
                containers
                    .keys()
                    .map(|name| (name.clone(), [ObjectName::new("d/o").unwrap()].into()))
                    .collect(),
            ),
            containers,
        }
    }

    #[tokio::test]
    async fn what_is_saved_is_loaded() {
        let directory = TempDir::new().unwrap();
        assert_eq!(load(directory.path(), 9).await.unwrap(), Loaded::Missing);
        save(
            directory.path(),
            &Lease::default(),
            Checkpoint {
                account_id: 9,
                ..Checkpoint::default()
            },
        )
        .await
        .unwrap();
        save(directory.path(), &Lease::default(), checkpoint(9))
            .await
            .unwrap();
        assert_eq!(
            load(directory.path(), 9).await.unwrap(),
            Loaded::Good(checkpoint(9))
        );
        assert!(directory.path().join("accounts/9/counters").is_file());
    }

    #[tokio::test]
    async fn what_is_not_whole_is_bad() {
        let directory = TempDir::new().unwrap();
        save(directory.path(), &Lease::default(), checkpoint(9))
            .await
            .unwrap();
        let path = directory.path().join("accounts/9/counters");
        let good = fs::read(&path).unwrap();
        for damaged in [&good[..0], &good[..HEADER], &good[..good.len() - 1]] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(load(directory.path(), 9).await.unwrap(), Loaded::Bad(_)));
        }
        for index in 0..good.len() {
            let mut damaged = good.clone();
            damaged[index] ^= 4;
            fs::write(&path, damaged).unwrap();
            assert!(
                matches!(load(directory.path(), 9).await.unwrap(), Loaded::Bad(_)),
                "byte {index}"
            );
        }
        fs::write(&path, encode(&checkpoint(8))).unwrap();
        assert_eq!(
            load(directory.path(), 9).await.unwrap(),
            Loaded::Bad("it is of account 8".into())
        );
    }

    #[tokio::test]
    async fn a_disk_that_cannot_be_read_is_an_error() {
        let directory = TempDir::new().unwrap();
        fs::create_dir_all(directory.path().join("accounts/9/counters")).unwrap();
        assert_eq!(load(directory.path(), 9).await.unwrap_err().status(), 503);
        assert_eq!(
            save(directory.path(), &Lease::default(), checkpoint(9))
                .await
                .unwrap_err()
                .status(),
            503
        );
    }

    proptest! {
        #[test]
        fn random_bytes_are_bad(bytes in any::<Vec<u8>>()) {
            prop_assert!(decode(&bytes, 1).is_err());
        }
    }
}
