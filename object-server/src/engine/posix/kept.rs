//! Objects that are kept open because they are asked for again and again: most of what a small GET costs is opening.
//!
//! What is kept is only believed while the file shows the same times, size and links as when it was opened, and at most
//! for a second: then the name is looked up again, so that also a directory that was moved by other means is noticed.
//! Whoever changes an object through the engine has it let go before the change is answered.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use common::functional::object::Path;
use parking_lot::Mutex;
use rustix::fs::Stat;
use tokio::time::Instant;

use super::body::File;
use super::read::Found;
use crate::node::ObjectAttributes;

/// Parts that are locked apart.
const SHARDS: usize = 16;

/// Objects a part keeps in one generation; there are two.
const GENERATION: usize = 32;

/// Larger objects are not kept: opening them is little beside reading them, and one that is deleted by other means keeps
/// its space as long as it is open.
const LARGEST: u64 = 256 << 10;

/// How long a name is believed.
const BELIEVED: Duration = Duration::from_secs(1);

/// The open objects.
#[derive(Debug)]
pub(super) struct Kept {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

/// Where an object would be, and as of when; from [`Kept::find`] to [`Kept::keep`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Miss {
    hash: u64,
    epoch: u64,
    at: Instant,
}

/// In two generations: when the young one is full it becomes the old one, and what nobody asked for since is closed.
#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u64, Arc<Object>>,
    old: HashMap<u64, Arc<Object>>,
    /// Counts what was let go, so that nobody keeps what changed while they opened it.
    epoch: u64,
    /// Who was asked for once: only what is asked for again is kept.
    asked: [u64; GENERATION],
}

#[derive(Debug)]
struct Object {
    path: Path,
    file: Arc<File>,
    attributes: ObjectAttributes,
    look: Look,
    opened: Instant,
}

/// What changes whenever anything about a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Look {
    changed: (i64, u64),
    modified: (i64, u64),
    size: i64,
    links: u64,
}

impl Look {
    fn of(stat: &Stat) -> Self {
        Self {
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            size: stat.st_size,
            links: stat.st_nlink,
        }
    }
}

impl Default for Kept {
    fn default() -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
        }
    }
}

impl Kept {
    /// An object that is kept and still what it was; otherwise what is needed to keep it.
    pub(super) fn find(&self, path: &Path, now: Instant) -> Result<Found, Miss> {
        let hash = self.hasher.hash_one(path);
        let object = {
            let mut shard = self.shard(hash).lock();
            shard.find(hash).ok_or(Miss {
                hash,
                epoch: shard.epoch,
                at: now,
            })?
        };
        if object.path == *path && now.duration_since(object.opened) < BELIEVED && object.is_unchanged() {
            return Ok((Arc::clone(&object.file), object.attributes.clone()));
        }
        let mut shard = self.shard(hash).lock();
        shard.young.remove(&hash);
        Err(Miss {
            hash,
            epoch: shard.epoch,
            at: now,
        })
    }

    /// Keeps what was opened after [`find`](Self::find) missed it, when it is asked for often.
    pub(super) fn keep(&self, miss: Miss, path: &Path, found: &Found, stat: &Stat) {
        let (file, attributes) = found;
        if attributes.size > LARGEST {
            return;
        }
        let mut shard = self.shard(miss.hash).lock();
        if shard.epoch != miss.epoch || !shard.is_asked_again(miss.hash) {
            return;
        }
        let object = Object {
            path: path.clone(),
            file: Arc::clone(file),
            attributes: attributes.clone(),
            look: Look::of(stat),
            opened: miss.at,
        };
        shard.keep(miss.hash, Arc::new(object));
    }

    /// The object is about to change: when this is dropped, also after a failure, it is let go.
    pub(super) fn changing(&self, path: &Path) -> Changing<'_> {
        Changing {
            kept: self,
            hash: self.hasher.hash_one(path),
        }
    }

    /// A directory is about to change its name, and all below with it: when this is dropped, also after a failure,
    /// everything is let go.
    pub(super) const fn moving(&self) -> Moving<'_> {
        Moving { kept: self }
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or(0);
        &self.shards[index]
    }
}

/// A change of an object under way.
#[derive(Debug)]
pub(super) struct Changing<'a> {
    kept: &'a Kept,
    hash: u64,
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let mut shard = self.kept.shard(self.hash).lock();
        shard.epoch += 1;
        shard.young.remove(&self.hash);
        shard.old.remove(&self.hash);
    }
}

/// A move of many objects under way.
#[derive(Debug)]
pub(super) struct Moving<'a> {
    kept: &'a Kept,
}

impl Drop for Moving<'_> {
    fn drop(&mut self) {
        for shard in &self.kept.shards {
            let mut shard = shard.lock();
            shard.epoch += 1;
            let closed = (std::mem::take(&mut shard.young), std::mem::take(&mut shard.old));
            drop(shard);
            drop(closed);
        }
    }
}

impl Shard {
    fn find(&mut self, hash: u64) -> Option<Arc<Object>> {
        if let Some(object) = self.young.get(&hash) {
            return Some(Arc::clone(object));
        }
        let object = self.old.remove(&hash)?;
        self.keep(hash, Arc::clone(&object));
        Some(object)
    }

    fn keep(&mut self, hash: u64, object: Arc<Object>) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, object);
    }

    fn is_asked_again(&mut self, hash: u64) -> bool {
        let index = usize::try_from((hash / SHARDS as u64) % GENERATION as u64).unwrap_or(0);
        std::mem::replace(&mut self.asked[index], hash) == hash
    }
}

impl Object {
    fn is_unchanged(&self) -> bool {
        self.file
            .stat()
            .is_ok_and(|stat| stat.st_nlink > 0 && Look::of(&stat) == self.look)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    struct Ground {
        directory: tempfile::TempDir,
        kept: Kept,
        now: Instant,
    }

    impl Ground {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
                kept: Kept::default(),
                now: Instant::now(),
            }
        }

        fn write(&self, name: &str, data: &[u8]) {
            fs::write(self.directory.path().join(name), data).unwrap();
        }

        fn open(&self, name: &str) -> (Found, Stat) {
            let file = fs::File::open(self.directory.path().join(name)).unwrap();
            let stat = rustix::fs::fstat(&file).unwrap();
            let size = u64::try_from(stat.st_size).unwrap();
            let mut attributes = crate::engine::conformance::attributes(b"");
            attributes.size = size;
            ((Arc::new(File::new(file.into(), size)), attributes), stat)
        }

        fn find(&self, name: &str) -> Result<Found, Miss> {
            self.kept.find(&path(name), self.now)
        }

        /// Waits until the clock of the file system has gone on since anything happened to the file: it may be coarse.
        fn let_time_pass(&self, name: &str) {
            let (_, before) = self.open(name);
            let later =
                |stat: Stat| (stat.st_ctime, stat.st_ctime_nsec) > (before.st_ctime, before.st_ctime_nsec);
            loop {
                self.write("clock", b"tick");
                if later(self.open("clock").1) {
                    break;
                }
            }
        }

        /// As a request does; whether the object was kept.
        fn ask(&self, name: &str) -> bool {
            match self.find(name) {
                Ok(_) => true,
                Err(miss) => {
                    let (found, stat) = self.open(name);
                    self.kept.keep(miss, &path(name), &found, &stat);
                    false
                }
            }
        }
    }

    fn path(name: &str) -> Path {
        Path::new("a", "c", name).unwrap()
    }

    #[test]
    fn what_is_asked_for_again_is_kept_for_a_second() {
        let mut ground = Ground::new();
        ground.write("x", b"x");
        assert!(!ground.ask("x"), "never seen");
        assert!(!ground.ask("x"), "asked for once");
        assert!(ground.ask("x"));
        ground.now += BELIEVED;
        assert!(!ground.ask("x"), "its name is looked up again");
        assert!(ground.ask("x"));
        ground.write("large", &vec![0; LARGEST as usize + 1]);
        assert!(!(0..3).any(|_| ground.ask("large")));
    }

    #[test]
    fn what_changes_is_let_go() {
        type Change = fn(&std::path::Path);
        let changes: [Change; 5] = [
            |file| fs::write(file, b"longer").unwrap(),
            |file| fs::remove_file(file).unwrap(),
            |file| fs::rename(file, file.with_extension("moved")).unwrap(),
            |file| {
                fs::write(file.with_extension("new"), b"x").unwrap();
                fs::rename(file.with_extension("new"), file).unwrap();
            },
            |file| rustix::fs::setxattr(file, "user.x", b"x", rustix::fs::XattrFlags::empty()).unwrap(),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let ground = Ground::new();
            ground.write("x", b"x");
            let file = ground.directory.path().join("x");
            ground.let_time_pass("x");
            assert!((0..3).any(|_| ground.ask("x")));
            change(&file);
            assert!(ground.find("x").is_err(), "change {number}");
        }
    }

    #[test]
    fn nobody_keeps_what_changed_while_they_opened_it() {
        let ground = Ground::new();
        ground.write("x", b"x");
        ground.ask("x");
        let miss = ground.find("x").unwrap_err();
        let (found, stat) = ground.open("x");
        drop(ground.kept.changing(&path("x")));
        ground.kept.keep(miss, &path("x"), &found, &stat);
        assert!(ground.find("x").is_err());
        // A change of something kept.
        assert!((0..3).any(|_| ground.ask("x")));
        drop(ground.kept.changing(&path("x")));
        assert!(ground.find("x").is_err());
    }

    #[test]
    fn a_bounded_number_is_kept() {
        let ground = Ground::new();
        ground.write("x", b"x");
        let (found, stat) = ground.open("x");
        for number in 0..5_000 {
            let path = path(&number.to_string());
            for _ in 0..3 {
                if let Err(miss) = ground.kept.find(&path, ground.now) {
                    ground.kept.keep(miss, &path, &found, &stat);
                }
            }
            assert!(Arc::strong_count(&found.0) <= 2 * SHARDS * GENERATION + 1);
        }
        assert!(Arc::strong_count(&found.0) > SHARDS * GENERATION);
    }
}
