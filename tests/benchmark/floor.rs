//! What the machine can do without a server: the calls that a store cannot do without, and nothing around them.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use md5::{Digest as _, Md5};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, XattrFlags};
use rustix::io::Errno;
use tokio::time::{Instant, sleep};

use crate::load::WARM_UP;

/// What [`durable_files`] does for each file.
pub(crate) const CALLS: &str = "openat(O_TMPFILE), write, fsetxattr of 200 bytes, fsync, linkat, fsync of the \
    directory, close (where there is no O_TMPFILE: openat(O_EXCL) of another name, and renameat)";

const ATTRIBUTE: &str = "user.bench";
const CHUNK: usize = 1 << 20;

struct Loop {
    directory: PathBuf,
    body: Bytes,
    made: AtomicU64,
    stopped: AtomicBool,
}

/// Threads that end when this is dropped.
struct Threads {
    shared: Arc<Loop>,
    running: Vec<JoinHandle<Result<()>>>,
}

/// Files of `body` made durably in `directory` by so many threads, a second.
pub(crate) async fn durable_files(
    directory: PathBuf,
    body: Bytes,
    threads: usize,
    span: Duration,
) -> Result<f64> {
    let threads = Threads::start(directory, body, threads);
    let made = || threads.shared.made.load(Ordering::Relaxed);
    sleep(WARM_UP).await;
    let (before, start) = (made(), Instant::now());
    sleep(span).await;
    let rate = (made() - before) as f64 / start.elapsed().as_secs_f64();
    threads.stop()?;
    Ok(rate)
}

/// MD5 of `body` on one core, in bytes a second.
pub(crate) async fn md5(body: Bytes) -> Result<f64> {
    let seconds = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let mut hash = Md5::new();
        body.chunks(CHUNK).for_each(|chunk| hash.update(chunk));
        std::hint::black_box(hash.finalize());
        (body.len(), start.elapsed())
    });
    let (length, time) = seconds.await?;
    Ok(length as f64 / time.as_secs_f64())
}

/// `body` written to a file and synced, in bytes a second.
pub(crate) async fn durable_write(path: PathBuf, body: Bytes) -> Result<f64> {
    let written = tokio::task::spawn_blocking(move || -> Result<_> {
        let start = Instant::now();
        let mut file = File::create_new(&path)?;
        for chunk in body.chunks(CHUNK) {
            file.write_all(chunk)?;
        }
        file.sync_all()?;
        File::open(path.parent().context("a file lies in a directory")?)?.sync_all()?;
        Ok((body.len(), start.elapsed()))
    });
    let (length, time) = written.await??;
    Ok(length as f64 / time.as_secs_f64())
}

impl Threads {
    fn start(directory: PathBuf, body: Bytes, threads: usize) -> Self {
        let shared = Arc::new(Loop {
            directory,
            body,
            made: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        });
        let start = |thread| {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.run(thread))
        };
        let running = (0..threads).map(start).collect();
        Self { shared, running }
    }

    fn stop(mut self) -> Result<()> {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for thread in self.running.drain(..) {
            match thread.join() {
                Ok(ended) => ended.context("the bare loop")?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    }
}

/// On the way out after an interruption: the directory is removed next.
impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        for thread in self.running.drain(..) {
            // Nobody is there who could be told.
            let _ = thread.join();
        }
    }
}

impl Loop {
    fn run(&self, thread: usize) -> Result<()> {
        let directory = open_directory(&self.directory)?;
        let value = [b'x'; 200];
        for number in 0_u64.. {
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            let name = format!("{thread}-{number}");
            let (file, temporary) = create(&directory, &name)?;
            let mut file = File::from(file);
            file.write_all(&self.body)?;
            rustix::fs::fsetxattr(&file, ATTRIBUTE, &value, XattrFlags::empty())?;
            rustix::fs::fsync(&file)?;
            publish(&directory, &file, temporary.as_deref(), &name)?;
            rustix::fs::fsync(&directory)?;
            self.made.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

fn open_directory(path: &Path) -> Result<OwnedFd> {
    Ok(rustix::fs::open(
        path,
        OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}

/// A file without a name, or with another one.
fn create(directory: &OwnedFd, name: &str) -> Result<(OwnedFd, Option<String>)> {
    let mode = Mode::from(0o644);
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    match rustix::fs::openat(directory, ".", flags | OFlags::TMPFILE, mode) {
        Ok(file) => Ok((file, None)),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => {
            let temporary = format!("temporary-{name}");
            let flags = flags | OFlags::CREATE | OFlags::EXCL;
            let file = rustix::fs::openat(directory, temporary.as_str(), flags, mode)?;
            Ok((file, Some(temporary)))
        }
        Err(error) => Err(error.into()),
    }
}

fn publish(directory: &OwnedFd, file: &File, temporary: Option<&str>, name: &str) -> Result<()> {
    match temporary {
        Some(temporary) => rustix::fs::renameat(directory, temporary, directory, name)?,
        None => {
            let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
            rustix::fs::linkat(CWD, path, directory, name, AtFlags::SYMLINK_FOLLOW)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_bare_loop_makes_whole_files() {
        let directory = tempfile::tempdir().unwrap();
        let body = Bytes::from_static(b"four");
        let span = Duration::from_millis(100);
        let made = durable_files(directory.path().to_owned(), body, 2, span).await;
        assert!(made.unwrap() > 0.0);
        let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().collect();
        assert!(!files.is_empty());
        for file in files {
            let path = file.unwrap().path();
            assert_eq!(std::fs::read(&path).unwrap(), b"four");
            let mut value = [0; 256];
            assert_eq!(rustix::fs::getxattr(&path, ATTRIBUTE, &mut value), Ok(200));
        }
    }

    #[tokio::test]
    async fn large_floors_are_rates() {
        let directory = tempfile::tempdir().unwrap();
        let body = Bytes::from(vec![1; 3 << 20]);
        assert!(md5(body.clone()).await.unwrap() > 0.0);
        let path = directory.path().join("f");
        assert!(durable_write(path.clone(), body.clone()).await.unwrap() > 0.0);
        assert_eq!(std::fs::read(path).unwrap(), body);
    }
}
